"""Every 15 minutes: take the next step of the signing key rotation, if it is due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.application.key_rotation import advance_rotation
from orchestrator.domain.deployment.record import EventRecord
from orchestrator.domain.signing_keys import next_rotation_step
from orchestrator.event_handlers.runtime import event_handler


def rotate_signing_keys(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Take the steps that are due, and record them in the ledger."""
    rotation = timedelta(days=int(cloud.settings["KEY_ROTATION_DAYS"]))
    steps = advance_rotation(cloud.key_ring, cloud.now, rotation)
    if not steps:
        step = next_rotation_step(cloud.key_ring.read_ring(), rotation)
        return f"no step is due; {step.action} of {step.kid} is due at {step.due_at.isoformat()}"
    why = "; ".join(steps)
    cloud.ledger.record_event(EventRecord(str(event["id"]), cloud.now(), "keys", "rotate", acted=True, why=why))
    return why


handler = event_handler(rotate_signing_keys)
