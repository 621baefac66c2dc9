"""A release is ready: start its deployment. The event bus's policy limits who may announce one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.application.start_request import start_request
from orchestrator.domain.deployment.record import EventRecord
from orchestrator.domain.errors import Refused
from orchestrator.domain.identifiers import deployment_id
from orchestrator.event_handlers.runtime import event_handler


def receive_release_ready(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Start a deployment with the event's detail as its request; the id of the event makes it start once.

    An invalid key, or one that belongs to another request, starts nothing; the event's record says why.
    """
    detail = dict(event["detail"])
    request = {"requested_by": event.get("source", ""), **detail}
    own_key, name = detail.get("idempotency_key"), ""
    key = str(event["id"] if own_key is None else own_key)
    try:
        name = deployment_id(key)
        started = start_request(cloud.executions, cloud.settings["DEPLOYMENT_MACHINE"], name, request)
        why = f"started {name}" if started else f"{name} was started before"
    except Refused as refusal:
        started, why = False, str(refusal)
    cloud.ledger.record_event(
        EventRecord(event["id"], cloud.now(), "release", name or key, acted=started, why=why, deployment=name)
    )
    return why


handler = event_handler(receive_release_ready)
