"""Measure: how long it took and how much was lost, beside what is promised."""

from __future__ import annotations

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.failing_back import measured_back
from orchestrator.domain.recovery import measure as measured
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task


def measure(given: Recovering, cloud: Cloud) -> Recovered:
    """Judge the recovery by its objectives.

    Raises:
        ClaimLost: another epoch holds the claim.
    """
    recovery = cloud.recoveries(given.kind).read(given.recovery)
    if recovery.back:
        recovery = measured_back(recovery)
    recovery = measured(recovery, cloud.now())
    told = [one.verdict.reason for one in recovery.findings if one.check.startswith("objective.")]
    return go_on(given, cloud, recovery, "; ".join(told))


handler = recovery_task(measure)
