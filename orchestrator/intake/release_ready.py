"""A release is ready: start its deployment. Who may announce one is the bus's policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.naming import deployment_id
from orchestrator.domain.records import Signal
from orchestrator.intake import intake


def take_release_ready(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Start a deployment with the event's detail as its input; the event's id makes it happen once."""
    detail = dict(event["detail"])
    given = {"requested_by": event.get("source", ""), **detail}
    name = deployment_id(str(detail.get("idempotency_key") or event["id"]))
    started = cloud.executions.start(cloud.settings["DEPLOYMENT_MACHINE"], name, given)
    why = f"started {name}" if started else f"{name} was started before"
    cloud.ledger.signal(Signal(event["id"], cloud.now(), "release", name, acted=started, why=why, deployment=name))
    return why


handler = intake(take_release_ready)
