"""A drill is due by the schedule: start it under the name of the scheduled time, so that it starts once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.domain.deployment.record import EventRecord
from orchestrator.domain.recovery.request import recovery_id, scheduled_key
from orchestrator.event_handlers.runtime import event_handler

SCHEDULE = "schedule"


def start_drill(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Start the drill of a scheduled time. EventBridge Scheduler delivers at least once, with the same time.

    The event of a kind of backup with a schedule of its own has the kind and the selection.
    """
    scheduled = datetime.fromisoformat(str(event["scheduled"]))
    of_backup = {key: str(event[key]) for key in ("from", "select") if key in event}
    name = recovery_id(scheduled_key(scheduled, of_backup.get("from", "")))
    request = {"requested_by": SCHEDULE, **of_backup}
    started = cloud.executions.start_execution(cloud.settings["DRILL_MACHINE"], name, request)
    why = f"started {name}" if started else f"{name} was started before"
    cloud.ledger.record_event(EventRecord(name, scheduled, SCHEDULE, "drill", acted=started, why=why, deployment=name))
    return why


handler = event_handler(start_drill)
