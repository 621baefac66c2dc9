"""Every five minutes, and when a drill fails: remove what drills have left behind whose execution has ended.

Tables of restores are never removed. The scheduled run reports those that the service does not use.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.application.drill_cleanup import RECENT, clean_up_abandoned, clean_up_recovery
from orchestrator.application.restored_tables.listing import report_unused_tables
from orchestrator.event_handlers.runtime import event_handler
from orchestrator.event_handlers.steps import Steps


def clean_up_drills(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Clean up the drill that an event names, or all drills that need it and what belongs to no drill.

    Raises:
        StepsFailed: one of them could not be cleaned up; all others were.
    """
    name = event.get("detail", {}).get("name")
    if not name:
        return _clean_up_all(cloud)
    recovery = cloud.drills.find_record(name)
    if recovery is None:
        return f"{name} has no record: it was refused and created nothing"
    return clean_up_recovery(cloud, recovery) or f"{name}: nothing is left of it"


def _clean_up_all(cloud: Cloud) -> str:
    steps = Steps()
    for recovery in cloud.drills.newest_records(RECENT):
        steps.run(f"clean_up {recovery.id}", partial(clean_up_recovery, cloud, recovery))
    steps.run("clean_up_abandoned", lambda: "; ".join(clean_up_abandoned(cloud)))
    steps.run("report_unused_tables", lambda: report_unused_tables(cloud))
    return steps.conclude() or "nothing is left behind"


handler = event_handler(clean_up_drills)
