"""Every five minutes, and as soon as a drill ends badly: is anything left of drills that nobody tends any more?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.sweeping import sweep, sweep_all
from orchestrator.intake import intake


def take_sweep(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Sweep after the drill that an event names, or after all."""
    name = event.get("detail", {}).get("name")
    if not name:
        return sweep_all(cloud)
    recovery = cloud.drills.find(name)
    if recovery is None:
        return f"{name} has no record: it was refused, and made nothing"
    return sweep(cloud, recovery) or f"{name}: nothing is left of it"


handler = intake(take_sweep)
