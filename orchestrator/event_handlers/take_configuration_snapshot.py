"""Every day: store a snapshot of the environment's configuration, in addition to those that deployments store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.event_handlers.runtime import event_handler


def take_configuration_snapshot(_event: Mapping[str, Any], cloud: Cloud) -> str:
    """Store a snapshot. A second delivery stores a second, equal one."""
    previous = cloud.artifacts.list_snapshots(1)
    snapshot = cloud.artifacts.put_configuration(cloud.configuration("schedule"))
    if not previous:
        change = "the first"
    elif previous[0].digest == snapshot.digest:
        change = "unchanged"
    else:
        change = f"changed since {previous[0].id}"
    return f"{snapshot.id}: {snapshot.parts} parts, {change}"


handler = event_handler(take_configuration_snapshot)
