"""Reads every number that the metrics and performance probes judge, for all functions and both versions in one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.observation import (
    GRANTING,
    ISSUED,
    REFUSALS,
    Compared,
    Measurements,
    Query,
    Sample,
)
from orchestrator.domain.plan import Function
from orchestrator.domain.verdict import Window
from orchestrator.probes.ports import ReadsMetrics
from orchestrator.probes.scene import Scene

LAMBDA_NAMESPACE = "AWS/Lambda"
MINUTE = timedelta(minutes=1)
"""Lambda's own metrics have one value a minute, and so has the time before the deployment."""

POOLED = ""
"""In place of a version: the metric that has no version."""

Series = Mapping[datetime, float]
Readings = Mapping[str, Series]


@dataclass(frozen=True)
class _Side:
    """One version of one function, or both pooled."""

    scene: Scene
    function: Function
    version: str

    def key(self, what: str) -> str:
        return f"{self.function.name}/{self.version}/{what}"

    def own(self, name: str, statistic: str, period: timedelta, **more: str) -> Query:
        """A metric of the service's own. `more` are further dimensions, such as the grants' result."""
        dimensions = {"environment": self.scene.environment, "function": self.function.name, **more}
        if self.version:
            dimensions["version"] = self.version
        return Query(
            id=self.key("/".join([name, statistic, *more.values()])),
            namespace=self.scene.service.metric_namespace,
            name=name,
            dimensions=dimensions,
            statistic=statistic,
            period_seconds=int(period.total_seconds()),
        )

    def lambdas(self, name: str) -> Query:
        """A metric that Lambda itself keeps by the version that an alias chose."""
        dimensions = {
            "FunctionName": self.function.function_name,
            "Resource": f"{self.function.function_name}:{self.scene.service.alias}",
            "ExecutedVersion": self.version,
        }
        seconds = int(MINUTE.total_seconds())
        return Query(self.key(name), LAMBDA_NAMESPACE, name, dimensions, "Sum", seconds)


def measure(scene: Scene, metrics: ReadsMetrics) -> tuple[Compared, ...]:
    """Measure the functions that changed over the scene's window.

    Where stable has no requests in it, stable is also measured before the deployment, by a second call.

    Raises:
        Throttled, Unreachable: CloudWatch could not be read.
    """
    if not scene.window.length:
        return tuple(_compared(scene, function, {}) for function in scene.changed)
    queries = [query for function in scene.changed for query in _queries(scene, function, scene.period)]
    readings = _within(metrics.read(queries, scene.window), scene.window)
    found = tuple(_compared(scene, function, readings) for function in scene.changed)
    if scene.baseline_window is None or all(one.stable.requests for one in found):
        return found
    earlier = [
        query
        for function in scene.changed
        for query in _of_version(_Side(scene, function, function.stable_version), MINUTE)
    ]
    before = metrics.read(earlier, scene.baseline_window)
    return tuple(
        Compared(
            one.name,
            one.stable,
            one.canary,
            one.pooled_requests,
            _measured(_Side(scene, function, function.stable_version), before, MINUTE),
        )
        for one, function in zip(found, scene.changed, strict=True)
    )


def _queries(scene: Scene, function: Function, period: timedelta) -> Iterator[Query]:
    yield _Side(scene, function, POOLED).own("Requests", "Sum", period)
    for version in (function.stable_version, function.canary_version):
        yield from _of_version(_Side(scene, function, version), period)


def _of_version(side: _Side, period: timedelta) -> Iterator[Query]:
    yield side.own("Requests", "Sum", period)
    yield side.own("ServerErrors", "Sum", period)
    yield side.own("Latency", "p50", period)
    yield side.own("Latency", "p99", period)
    yield side.lambdas("Invocations")
    yield side.lambdas("Errors")
    if side.function.name == GRANTING:
        for result in (ISSUED, *REFUSALS):
            yield side.own("Grants", "Sum", period, result=result)


def _within(readings: Readings, window: Window) -> Readings:
    """Leave out periods that begin outside the window: CloudWatch rounds a start down to the minute, and a minute that
    began before the step's shift would bring the step before along.
    """  # noqa: D205 - one thought
    return {
        key: {at: value for at, value in series.items() if window.start <= at < window.end}
        for key, series in readings.items()
    }


def _compared(scene: Scene, function: Function, readings: Readings) -> Compared:
    pooled = _Side(scene, function, POOLED).own("Requests", "Sum", scene.period).id
    return Compared(
        name=function.name,
        stable=_measured(_Side(scene, function, function.stable_version), readings, scene.period),
        canary=_measured(_Side(scene, function, function.canary_version), readings, scene.period),
        pooled_requests=_count(readings.get(pooled, {})),
    )


def _measured(side: _Side, readings: Readings, period: timedelta) -> Measurements:
    def series(query: Query) -> Series:
        return readings.get(query.id, {})

    requests = series(side.own("Requests", "Sum", period))
    errors = series(side.own("ServerErrors", "Sum", period))
    medians = series(side.own("Latency", "p50", period))
    tails = series(side.own("Latency", "p99", period))
    grants = {result: series(side.own("Grants", "Sum", period, result=result)) for result in (ISSUED, *REFUSALS)}
    starts = set(requests).union(*grants.values())
    return Measurements(
        version=side.version,
        samples=tuple(
            Sample(
                start=start,
                requests=round(requests.get(start, 0)),
                server_errors=round(errors.get(start, 0)),
                grants={result: round(counts[start]) for result, counts in grants.items() if counts.get(start)},
                p50_ms=medians.get(start),
                p99_ms=tails.get(start),
            )
            for start in sorted(starts)
        ),
        invocations=_count(series(side.lambdas("Invocations"))),
        unhandled=_count(series(side.lambdas("Errors"))),
    )


def _count(series: Series) -> int:
    return round(sum(series.values()))
