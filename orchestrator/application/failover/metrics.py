"""Names of the metrics of a failover's plan and of the lease."""

from __future__ import annotations

LEASE_SECONDS_LEFT = "IssuingLeaseSecondsLeft"
STEPS_NOT_READY = "FailoverStepsNotReady"
