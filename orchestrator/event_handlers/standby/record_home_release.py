"""Every minute, in the standby region: record what the home region serves, for a failover that ships no other release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.releases import record_home_release
from orchestrator.event_handlers.runtime import event_handler


def record(_event: Mapping[str, Any], cloud: Cloud) -> str:
    """Record it. A home region that does not answer leaves the record as it is."""
    return record_home_release(cloud)


handler = event_handler(record)
