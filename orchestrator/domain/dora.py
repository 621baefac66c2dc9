"""DORA's four keys of a service's deployments (https://dora.dev/guides/dora-metrics-four-keys/).

A deployment counts if clients met its release: it shifted traffic, and it has ended. What was refused, had nothing to
ship or was stopped before any client is not a deployment to production, and neither is a repair of aliases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Durations:
    """How long something took.

    Attributes:
        measured: of how many deployments it is known.
        unknown: of how many it is not.
        median: None if none was measured.
        longest: as median.
    """

    measured: int
    unknown: int
    median: timedelta | None = None
    longest: timedelta | None = None


@dataclass(frozen=True)
class FourKeys:
    """The four keys of a period.

    Attributes:
        since, until: the period in which deployments ended.
        deployments: number that clients met.
        failed: those of them that were rolled back.
        deployments_per_day: deployment frequency.
        change_lead_time: from a release's commit to the end of its deployment; of those that stayed.
        failed_deployment_recovery_time: from the first client of a failed deployment until all clients had a version
            that serves them again.
    """

    since: datetime
    until: datetime
    deployments: int
    failed: int
    deployments_per_day: float
    change_lead_time: Durations
    failed_deployment_recovery_time: Durations

    @property
    def change_failure_rate(self) -> float | None:
        """Share of deployments that failed, from 0 to 1; None without a deployment."""
        return self.failed / self.deployments if self.deployments else None


def four_keys(
    deployments: Iterable[Deployment], committed_at: Mapping[str, datetime], since: datetime, until: datetime
) -> FourKeys:
    """Return the four keys of the deployments that ended in a period.

    Args:
        deployments: records, in any order.
        committed_at: times of commits, as far as they are known.
        since: the period's beginning, which is not in it.
        until: its end, which is.
    """
    counted = [one for one in deployments if _counts(one) and one.ended_at and since < one.ended_at <= until]
    failed = [one for one in counted if one.outcome is DeploymentOutcome.ROLLED_BACK]
    stayed = [one for one in counted if one.outcome is DeploymentOutcome.SUCCEEDED]
    return FourKeys(
        since=since,
        until=until,
        deployments=len(counted),
        failed=len(failed),
        deployments_per_day=len(counted) / ((until - since) / DAY),
        change_lead_time=_durations([_lead_time(one, committed_at) for one in stayed]),
        failed_deployment_recovery_time=_durations([_recovery_time(one) for one in failed]),
    )


def _counts(deployment: Deployment) -> bool:
    return bool(deployment.shifts) and deployment.outcome is not None and not deployment.repair


def _lead_time(deployment: Deployment, committed_at: Mapping[str, datetime]) -> timedelta | None:
    committed = committed_at.get(deployment.release.commit)
    if committed is None or deployment.ended_at is None or deployment.ended_at < committed:
        return None  # Without its commit's time, or a clock is wrong.
    return deployment.ended_at - committed


def _recovery_time(deployment: Deployment) -> timedelta | None:
    if deployment.rollback is None or deployment.rollback.reverted_at is None:
        return None
    return deployment.rollback.reverted_at - deployment.shifts[0].at


def _durations(found: Sequence[timedelta | None]) -> Durations:
    known = [one for one in found if one is not None]
    if not known:
        return Durations(0, len(found))
    middle = timedelta(seconds=median(one.total_seconds() for one in known))
    return Durations(len(known), len(found) - len(known), middle, max(known))
