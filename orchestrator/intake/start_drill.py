"""The schedule says that it is time for a drill: start it under the name of that time, so that it is started once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.records import Signal
from orchestrator.domain.recovery_plan import recovery_id, scheduled_key
from orchestrator.intake import intake

SCHEDULE = "schedule"


def take_start_drill(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Start the drill of a scheduled time. EventBridge Scheduler delivers at least once; the time is the same every time."""
    scheduled = datetime.fromisoformat(str(event["scheduled"]))
    name = recovery_id(scheduled_key(scheduled))
    started = cloud.executions.start(cloud.settings["DRILL_MACHINE"], name, {"requested_by": SCHEDULE})
    why = f"started {name}" if started else f"{name} was started before"
    cloud.ledger.signal(Signal(name, scheduled, SCHEDULE, "drill", acted=started, why=why, deployment=name))
    return why


handler = intake(take_start_drill)
