"""CloudWatch metrics of each step: requests and 5xx responses of the canary and of the stable version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.application.cloud import Cloud
from orchestrator.domain.deployment.record import Deployment, Shift
from orchestrator.domain.verdict import Window

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class StepMetrics:
    """The requested weight and the observed traffic of a step, over all changed functions.

    Attributes:
        canary, stable: the number of requests, and of 5xx responses among them.
    """

    step: int
    weight_percent: int
    since: datetime
    until: datetime
    canary: tuple[int, int]
    stable: tuple[int, int]

    @property
    def requests(self) -> int:
        """The number of requests to both versions."""
        return self.canary[0] + self.stable[0]

    @property
    def observed_percent(self) -> float | None:
        """The canary's share of the requests, in percent; None without requests."""
        return 100 * self.canary[0] / self.requests if self.requests else None


def read_step_metrics(cloud: Cloud, deployment: Deployment, now: datetime) -> list[StepMetrics]:
    """Read the metrics of every step of a deployment so far."""
    reverted_at = deployment.rollback.reverted_at if deployment.rollback else None
    ends = [shift.at for shift in deployment.shifts[1:]] + [reverted_at or deployment.ended_at or now]
    return [_step(cloud, deployment, shift, end) for shift, end in zip(deployment.shifts, ends, strict=False)]


def error_percent(counts: tuple[int, int]) -> float:
    """Return the share of 5xx responses in percent; 0 without requests. `counts` is (requests, errors)."""
    requests, errors = counts
    return 100 * errors / requests if requests else 0.0


def _step(cloud: Cloud, deployment: Deployment, shift: Shift, end: datetime) -> StepMetrics:
    since = shift.at.replace(microsecond=0)
    until = max(end.replace(microsecond=0) + SECOND, since + SECOND)
    # CloudWatch keeps one-second periods for three hours; longer ranges need one-minute periods.
    period = 1 if until - since < timedelta(minutes=10) else 60
    # `status` needs no queries, and imports this module with the others of rendering.
    from orchestrator.domain.analysis.observations import MetricQuery  # noqa: PLC0415

    queries = [
        MetricQuery(
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
    series_by_query = cloud.probe_clients.metrics.read_metrics(queries, Window(since, until))

    def total(side: str, name: str) -> int:
        return round(
            sum(sum(series.values()) for key, series in series_by_query.items() if key.endswith(f"{side} {name}"))
        )

    canary, stable = ((total(side, "Requests"), total(side, "ServerErrors")) for side in ("canary", "stable"))
    return StepMetrics(shift.step, shift.weight_percent, since, until, canary, stable)
