"""A drill is due by the schedule: start it under the name of the scheduled time, so that it starts once.

Another schedule has standing grants given, which a drill of an older recovery point tries (ADR 75).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.application.seeded_grants import keep_standing_grants
from orchestrator.aws.ledger.standing_grants import STANDING
from orchestrator.domain.deployment.record import EventRecord
from orchestrator.domain.recovery.request import recovery_id, scheduled_key
from orchestrator.event_handlers.runtime import event_handler

SCHEDULE = "schedule"


def start_drill(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Start the drill of a scheduled time. EventBridge Scheduler delivers at least once, with the same time.

    The event of a kind of backup with a schedule of its own has the kind, the selection and its days; that of a random recovery
    point has the selection. The event of standing grants starts no drill.

    Raises:
        Unreachable: standing grants are due, and the service issued none.
    """
    if event.get("keep") == STANDING:
        return keep_standing_grants(cloud)
    scheduled = datetime.fromisoformat(str(event["scheduled"]))
    selected = {key: str(event[key]) for key in ("from", "select") if key in event}
    name = recovery_id(scheduled_key(scheduled, selected.get("from", "")))
    days = {"within_days": int(event["within_days"])} if "within_days" in event else {}
    request = {"requested_by": SCHEDULE, **selected, **days}
    started = cloud.executions.start_execution(cloud.settings["DRILL_MACHINE"], name, request)
    why = f"started {name}" if started else f"{name} was started before"
    cloud.ledger.record_event(EventRecord(name, scheduled, SCHEDULE, "drill", acted=started, why=why, deployment=name))
    return why


handler = event_handler(start_drill)
