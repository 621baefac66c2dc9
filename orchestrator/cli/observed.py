"""What CloudWatch says of each step: how many requests each version answered, and how many of them with 5xx."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.observation import Query
from orchestrator.domain.records import Deployment, Shift
from orchestrator.domain.verdict import Window

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class StepSeen:
    """A step as asked for and as observed, over all functions that changed.

    Attributes:
        canary, stable: requests, and 5xx among them.
    """

    step: int
    weight_percent: int
    since: datetime
    until: datetime
    canary: tuple[int, int]
    stable: tuple[int, int]

    @property
    def requests(self) -> int:
        """Requests to both versions."""
        return self.canary[0] + self.stable[0]

    @property
    def observed_percent(self) -> float | None:
        """Canary's share; None where nobody asked anything."""
        return 100 * self.canary[0] / self.requests if self.requests else None


def observe(cloud: Cloud, deployment: Deployment, now: datetime) -> list[StepSeen]:
    """Read every step of a deployment so far."""
    restored = deployment.rollback.restored_at if deployment.rollback else None
    ends = [shift.at for shift in deployment.shifts[1:]] + [restored or deployment.ended_at or now]
    return [_step(cloud, deployment, shift, end) for shift, end in zip(deployment.shifts, ends, strict=False)]


def error_percent(counts: tuple[int, int]) -> float:
    """The share of 5xx, in percent; 0 where there were no requests."""
    requests, errors = counts
    return 100 * errors / requests if requests else 0.0


def _step(cloud: Cloud, deployment: Deployment, shift: Shift, end: datetime) -> StepSeen:
    since = shift.at.replace(microsecond=0)
    until = max(end.replace(microsecond=0) + SECOND, since + SECOND)
    # A period of one second is kept for three hours; a look back beyond needs minutes.
    period = 1 if until - since < timedelta(minutes=10) else 60
    queries = [
        Query(
            f"{function.name} {side} {name}",
            deployment.service.metric_namespace,
            name,
            {"environment": deployment.environment, "function": function.name, "version": version},
            "Sum",
            period,
        )
        for function in deployment.functions
        if function.changed
        for side, version in (("canary", function.canary_version), ("stable", function.stable_version))
        for name in ("Requests", "ServerErrors")
    ]
    read = cloud.instruments.metrics.read(queries, Window(since, until))

    def total(side: str, name: str) -> int:
        return round(sum(sum(series.values()) for key, series in read.items() if key.endswith(f"{side} {name}")))

    canary, stable = ((total(side, "Requests"), total(side, "ServerErrors")) for side in ("canary", "stable"))
    return StepSeen(shift.step, shift.weight_percent, since, until, canary, stable)
