"""Read every value that the metrics and performance probes judge, for all functions and both versions in one call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from orchestrator.domain.analysis.latency_lines import (
    PERCENTILES,
    LatencyLines,
    bounds_ms,
    fix_before,
    fix_from_first_look,
)
from orchestrator.domain.analysis.observations import (
    GRANT_FUNCTION,
    ISSUED,
    REFUSALS,
    UPSTREAM_FUNCTION,
    Measurements,
    MetricQuery,
    Sample,
    VersionComparison,
)
from orchestrator.domain.analysis.sequential_testing import Tally
from orchestrator.domain.deployment.plan import Function
from orchestrator.domain.deployment.strategy import FULL_PERCENT
from orchestrator.domain.verdict import Json, Window
from orchestrator.probes.context import MINUTE, ProbeContext, align_window, kept_period
from orchestrator.probes.metrics import PROBE as METRICS_PROBE
from orchestrator.probes.ports import MetricsReader

LAMBDA_NAMESPACE = "AWS/Lambda"
FIVE_MINUTES = timedelta(minutes=5)
"""Stable's latency before the deployment is read in periods of this length, so that thin traffic has percentiles."""

LATENCY_LINES = "latency_lines"
"""Where `Deployment.running` keeps the lines by function."""

LATENCY, COLD_START_LATENCY = "Latency", "ColdStartLatency"

POOLED = ""
"""In place of a version: the metric without the version dimension."""

Series = Mapping[datetime, float]
Readings = Mapping[str, Series]


@dataclass(frozen=True)
class _VersionMetrics:
    """The metrics of one version of one function, or of both versions pooled."""

    context: ProbeContext
    function: Function
    version: str

    def query_id(self, metric: str) -> str:
        return f"{self.function.name}/{self.version}/{metric}"

    def service_metric(self, name: str, statistic: str, period: timedelta, **dimensions: str) -> MetricQuery:
        """Return the query of a service metric. `dimensions` are further ones, such as a grant's result."""
        all_dimensions = {
            "environment": self.context.environment,
            "function": self.function.name,
            **dimensions,
        }
        if self.version:
            all_dimensions["version"] = self.version
        return MetricQuery(
            id=self.query_id("/".join([name, statistic, *dimensions.values()])),
            namespace=self.context.service.metric_namespace,
            name=name,
            dimensions=all_dimensions,
            statistic=statistic,
            period_seconds=int(period.total_seconds()),
        )

    def lambda_metric(self, name: str) -> MetricQuery:
        """Return the query of a metric that Lambda emits by the version that an alias chose.

        The dimension ExecutedVersion is documented for weighted aliases only
        (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html).
        """
        return self._of_alias(self.query_id(name), name, {"ExecutedVersion": self.version})

    def alias_metric(self, name: str) -> MetricQuery:
        """Return the query of a metric that Lambda emits by alias: that of the version, while it has all traffic."""
        return self._of_alias(f"{self.function.name}/alias/{name}", name, {})

    def _of_alias(self, query_id: str, name: str, further: Mapping[str, str]) -> MetricQuery:
        dimensions = {
            "FunctionName": self.function.function_name,
            "Resource": f"{self.function.function_name}:{self.context.service.alias}",
            **further,
        }
        return MetricQuery(query_id, LAMBDA_NAMESPACE, name, dimensions, "Sum", int(MINUTE.total_seconds()))


def measure_versions(context: ProbeContext, metrics: MetricsReader) -> tuple[VersionComparison, ...]:
    """Measure the changed functions over the context's window.

    The first evaluation of a deployment fixes the latency lines, with a call for stable's latency in the hour before
    the deployment. The metrics of that hour are read until an evaluation has seen requests of stable, because they show
    stable's rates and how its errors cluster; and whenever stable has no requests in the window.

    Lambda's own metrics have one value a minute, and so has the time before the deployment. A window that began almost
    three hours ago is read by the minute, too: the running tests compare totals, so the change of the period does not
    matter to them.

    Raises:
        Throttled, Unreachable: CloudWatch could not be read.
    """
    lines = _stored_latency_lines(context)
    if not context.window.length:
        return tuple(_comparison(context, function, {}, lines.get(function.name)) for function in context.changed)
    lines = {**_latency_lines_before(context, metrics, lines), **lines}
    queries = [query for function in context.changed for query in _queries(context, function, lines.get(function.name))]
    window = _whole_periods(context)
    readings = _within(metrics.read_metrics(queries, window), window)
    comparisons = tuple(
        _comparison(context, function, readings, lines.get(function.name)) for function in context.changed
    )
    if context.baseline_window is None or (
        _knows_stable(context) and all(comparison.stable.requests for comparison in comparisons)
    ):
        return comparisons
    stable = [_VersionMetrics(context, function, function.stable_version) for function in context.changed]
    # Before the deployment stable had all traffic.
    baseline_queries = [
        query for version in stable for query in (*_version_queries(version, MINUTE, ()), *_alias_queries(version))
    ]
    baseline = metrics.read_metrics(baseline_queries, context.baseline_window)
    return tuple(
        replace(comparison, before=_measurements(version, baseline, MINUTE, (), has_all_traffic=True))
        for comparison, version in zip(comparisons, stable, strict=True)
    )


def _period(context: ProbeContext) -> timedelta:
    return kept_period(context.period, context.window, context.now)


def _whole_periods(context: ProbeContext) -> Window:
    """Return the context's window without a period at its end that has not arrived completely.

    Its start stays, because it identifies the window to the running tests: `_within` leaves a first part out.
    """
    end = align_window(context.window.start, context.window.end, _period(context)).end
    return Window(context.window.start, max(context.window.start, end))


def _knows_stable(context: ProbeContext) -> bool:
    """Return whether an earlier evaluation of the deployment has learnt stable's rates."""
    known: Any = context.prior.get(METRICS_PROBE) or {}
    return any(test["stream"]["stable_trials"] for test in known.get("watches", {}).values())


def latency_lines_to_json(comparisons: Iterable[VersionComparison]) -> Json:
    """Return the latency lines by function, as `Deployment.running` keeps them under `LATENCY_LINES`."""
    return {one.name: one.lines.to_json() for one in comparisons if one.lines is not None}


def _stored_latency_lines(context: ProbeContext) -> Mapping[str, LatencyLines]:
    """Return the lines that an earlier evaluation fixed, by function."""
    document: Any = context.prior.get(LATENCY_LINES) or {}
    return {name: LatencyLines.from_json(entry) for name, entry in document.items()}


def _latency_lines_before(
    context: ProbeContext, metrics: MetricsReader, stored: Mapping[str, LatencyLines]
) -> Mapping[str, LatencyLines]:
    """Return the lines of the other functions, from stable's latency in the hour before the deployment."""
    functions = [function for function in context.changed if function.name not in stored]
    if not functions or context.baseline_window is None:
        return {}
    queries = {function.name: _percentile_queries(context, function, FIVE_MINUTES) for function in functions}
    all_queries = [query for by_percentile in queries.values() for query in by_percentile.values()]
    readings = metrics.read_metrics(all_queries, context.baseline_window)
    fixed = {
        name: fix_before(_values(by_percentile, readings), context.window.start)
        for name, by_percentile in queries.items()
    }
    return {name: lines for name, lines in fixed.items() if lines is not None}


def _percentile_queries(context: ProbeContext, function: Function, period: timedelta) -> Mapping[str, MetricQuery]:
    """Return the queries of stable's latency by percentile."""
    stable = _VersionMetrics(context, function, function.stable_version)
    return {percentile: stable.service_metric(LATENCY, percentile, period) for percentile in PERCENTILES}


def _values(queries: Mapping[str, MetricQuery], readings: Readings) -> Mapping[str, tuple[float, ...]]:
    return {percentile: tuple(readings.get(query.id, {}).values()) for percentile, query in queries.items()}


def _bounds_ms(context: ProbeContext, lines: LatencyLines | None) -> tuple[float, ...]:
    return bounds_ms(lines, context.thresholds, canary_has_all_traffic=context.weight_percent == FULL_PERCENT)


def _queries(context: ProbeContext, function: Function, lines: LatencyLines | None) -> Iterator[MetricQuery]:
    yield _VersionMetrics(context, function, POOLED).service_metric("Requests", "Sum", _period(context))
    for name in (function.stable_version, function.canary_version):
        version = _VersionMetrics(context, function, name)
        yield from _version_queries(version, _period(context), _bounds_ms(context, lines))
        yield version.service_metric(COLD_START_LATENCY, "SampleCount", _period(context))
        yield version.service_metric(COLD_START_LATENCY, "p50", _period(context))
        if lines is None:
            yield version.service_metric(LATENCY, "p90", _period(context))
    if context.weight_percent == FULL_PERCENT:
        yield from _alias_queries(_VersionMetrics(context, function, function.canary_version))


def _alias_queries(version: _VersionMetrics) -> Iterator[MetricQuery]:
    yield version.alias_metric("Invocations")
    yield version.alias_metric("Errors")


def _version_queries(version: _VersionMetrics, period: timedelta, bounds: Iterable[float]) -> Iterator[MetricQuery]:
    yield version.service_metric("Requests", "Sum", period)
    yield version.service_metric("ServerErrors", "Sum", period)
    yield version.service_metric(LATENCY, "p50", period)
    yield version.service_metric(LATENCY, "p99", period)
    yield version.service_metric(LATENCY, "SampleCount", period)
    for bound in bounds:
        yield version.service_metric(LATENCY, _slower_than(bound), period)
    yield version.lambda_metric("Invocations")
    yield version.lambda_metric("Errors")
    if version.function.name == UPSTREAM_FUNCTION:
        yield version.service_metric("UpstreamErrors", "Sum", period)
    if version.function.name == GRANT_FUNCTION:
        yield version.service_metric("KnownGrants", "Sum", period)
        yield version.service_metric("RefusedGrants", "Sum", period)
        for result in (ISSUED, *REFUSALS):
            yield version.service_metric("Grants", "Sum", period, result=result)


def _slower_than(ms: float) -> str:
    """Return the statistic that counts the values above a bound, which is exclusive; up to ten decimals are allowed.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
    """
    return f"TC({f'{ms:.3f}'.rstrip('0').rstrip('.')}:)"


def _within(readings: Readings, window: Window) -> Readings:
    """Leave out the periods that begin outside the window.

    CloudWatch rounds a start time down to the minute; a minute that began before the step's shift would include
    requests of the previous step.
    """
    return {
        query_id: {at: value for at, value in series.items() if window.start <= at < window.end}
        for query_id, series in readings.items()
    }


def _comparison(
    context: ProbeContext, function: Function, readings: Readings, lines: LatencyLines | None
) -> VersionComparison:
    canary_has_all_traffic = context.weight_percent == FULL_PERCENT
    bounds = _bounds_ms(context, lines)

    def measurements(version: str, *, has_all_traffic: bool = False) -> Measurements:
        metrics = _VersionMetrics(context, function, version)
        return _measurements(metrics, readings, _period(context), bounds, has_all_traffic=has_all_traffic)

    pooled = _VersionMetrics(context, function, POOLED).service_metric("Requests", "Sum", _period(context)).id
    return VersionComparison(
        name=function.name,
        stable=measurements(function.stable_version),
        canary=measurements(function.canary_version, has_all_traffic=canary_has_all_traffic),
        pooled_requests=_total(readings.get(pooled, {})),
        lines=lines or _lines_from_first_look(context, function, readings),
        canary_has_all_traffic=canary_has_all_traffic,
    )


def _lines_from_first_look(context: ProbeContext, function: Function, readings: Readings) -> LatencyLines | None:
    queries = _percentile_queries(context, function, _period(context))
    return fix_from_first_look(_values(queries, readings), context.window.end)


def _measurements(
    version: _VersionMetrics,
    readings: Readings,
    period: timedelta,
    bounds: Iterable[float],
    *,
    has_all_traffic: bool = False,
) -> Measurements:
    def series(query: MetricQuery) -> Series:
        return readings.get(query.id, {})

    def counted_by_lambda(name: str) -> Series:
        by_version = series(version.lambda_metric(name))
        return by_version or (series(version.alias_metric(name)) if has_all_traffic else {})

    invocations, unhandled = counted_by_lambda("Invocations"), counted_by_lambda("Errors")

    requests = series(version.service_metric("Requests", "Sum", period))
    errors = series(version.service_metric("ServerErrors", "Sum", period))
    upstream = series(version.service_metric("UpstreamErrors", "Sum", period))
    known = series(version.service_metric("KnownGrants", "Sum", period))
    refused = series(version.service_metric("RefusedGrants", "Sum", period))
    medians = series(version.service_metric(LATENCY, "p50", period))
    tails = series(version.service_metric(LATENCY, "p99", period))
    timed = series(version.service_metric(LATENCY, "SampleCount", period))
    slower = {bound: series(version.service_metric(LATENCY, _slower_than(bound), period)) for bound in bounds}
    cold_starts = series(version.service_metric(COLD_START_LATENCY, "SampleCount", period))
    cold_start_medians = series(version.service_metric(COLD_START_LATENCY, "p50", period))
    grants = {
        result: series(version.service_metric("Grants", "Sum", period, result=result)) for result in (ISSUED, *REFUSALS)
    }
    starts = set(requests).union(*grants.values())
    return Measurements(
        version=version.version,
        samples=tuple(
            Sample(
                start=start,
                requests=round(requests.get(start, 0)),
                server_errors=round(errors.get(start, 0)),
                upstream_errors=round(upstream.get(start, 0)),
                known_grants=round(known.get(start, 0)),
                refused_grants=round(refused.get(start, 0)),
                grants={result: round(counts[start]) for result, counts in grants.items() if counts.get(start)},
                p50_ms=medians.get(start),
                p99_ms=tails.get(start),
                timed=round(timed.get(start, 0)),
                slower={bound: round(counts[start]) for bound, counts in slower.items() if counts.get(start)},
                cold_starts=round(cold_starts.get(start, 0)),
                cold_start_ms=cold_start_medians.get(start),
            )
            for start in sorted(starts)
        ),
        invocations=_total(invocations),
        unhandled=_total(unhandled),
        minutes=tuple(
            Tally(round(count), min(round(count), round(unhandled.get(minute, 0))))
            for minute, count in sorted(invocations.items())
        ),
    )


def _total(series: Series) -> int:
    return round(sum(series.values()))
