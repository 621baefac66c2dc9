"""Every minute: renew this region's issuing lease by the assignment in the standby region (ADR 65)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.metrics import LEASE_SECONDS_LEFT
from orchestrator.application.failover.takeover import assignments_of, renew_lease
from orchestrator.event_handlers.runtime import event_handler


def renew(_event: Mapping[str, Any], cloud: Cloud) -> str:
    """Renew the lease, and emit how long it lasts. A region that never had a lease emits nothing."""
    answer = renew_lease(cloud, assignments_of(cloud), cloud.settings["AWS_REGION"])
    lease = cloud.issuing_lease.read_lease()
    if lease is not None:
        left = max((lease.until - cloud.now()).total_seconds(), 0.0)
        cloud.embedded_metrics.put_duration({LEASE_SECONDS_LEFT: left}, {}, "")
    return answer


handler = event_handler(renew)
