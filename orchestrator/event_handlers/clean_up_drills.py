"""Every five minutes, and when a drill fails: remove what drills have left behind whose execution has ended.

Tables of restores are never removed. The scheduled run reports those that the service does not use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.application.drill_cleanup import clean_up_expired, clean_up_recovery
from orchestrator.application.restored_tables.listing import report_unused_tables
from orchestrator.event_handlers.runtime import event_handler


def clean_up_drills(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Clean up the drill that an event names, or all drills that need it."""
    name = event.get("detail", {}).get("name")
    if not name:
        return "; ".join(filter(None, (clean_up_expired(cloud), report_unused_tables(cloud))))
    recovery = cloud.drills.find_record(name)
    if recovery is None:
        return f"{name} has no record: it was refused and created nothing"
    return clean_up_recovery(cloud, recovery) or f"{name}: nothing is left of it"


handler = event_handler(clean_up_drills)
