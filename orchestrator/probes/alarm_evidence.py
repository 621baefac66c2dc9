"""Evaluate an alarm: read what its evaluation needs, within a deadline. Judged in `orchestrator.domain.rollback`.

Four calls to CloudWatch at the same time:

- by the minute, since the first shift (since the promotion, if the canary has all traffic): both versions of every
  changed function, and what API Gateway counted;
- by the minute, the hour before the first shift: the same of the stable version;
- by five minutes, the day before the first shift: how much the stable version's failures cluster;
- by the period of the canary analysis, the newest minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.analysis.dispersion import LARGEST_DISPERSION, Periods, measure_clustering
from orchestrator.domain.analysis.observations import GRANT_FUNCTION, UPSTREAM_FUNCTION, MetricQuery
from orchestrator.domain.analysis.request_metrics import REFUSED_WITHOUT_BASELINE
from orchestrator.domain.analysis.sequential_testing import Tally
from orchestrator.domain.deployment.plan import Function
from orchestrator.domain.deployment.strategy import FULL_PERCENT
from orchestrator.domain.rollback.alarm_evaluation import (
    AlarmEvaluation,
    AlarmRate,
    drift_dispersion,
    evaluate_promoted,
    evaluate_split,
    unread_evaluation,
)
from orchestrator.domain.verdict import Window
from orchestrator.probes.context import MINUTE, ProbeContext
from orchestrator.probes.metric_queries import FIVE_MINUTES, LAMBDA_NAMESPACE, LATENCY
from orchestrator.probes.ports import MetricsReader

DEADLINE = timedelta(seconds=5)
"""The longest time that reading the evidence delays the rollback of an alarm's event. Usually it takes less than one."""

UNHURRIED_DEADLINE = timedelta(seconds=20)
"""The same of an evaluation that no event waits for: of a canary analysis, and of the reconciler."""

HISTORY = timedelta(days=1)
"""How long before the first shift stable's failures are examined for bursts. A rare burst must have been seen."""

DRIFT_BLOCKS = (1, 3, 12)
"""Blocks of five minutes by which the drift of a rate is measured: five minutes, a quarter of an hour, an hour."""

LONGEST_WINDOW = timedelta(hours=12)
"""The newest part of a longer shift or rollback window is evaluated. More minutes would not be read in time."""

API_NAMESPACE = "AWS/ApiGateway"

Series = Mapping[datetime, float]
Readings = Mapping[str, Series]


@dataclass(frozen=True)
class _Metric:
    """A metric of which failures or trials are counted; `dimensions` as CloudWatch has them."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str = "Sum"

    @property
    def key(self) -> str:
        return "/".join([self.namespace, self.name, self.statistic, *self.dimensions.values()])

    def query(self, period: timedelta) -> MetricQuery:
        seconds = int(period.total_seconds())
        return MetricQuery(self.key, self.namespace, self.name, self.dimensions, self.statistic, seconds)


@dataclass(frozen=True)
class _Counts:
    """The metrics of trials and of failures of one version, in order of preference, and the shortest period of both."""

    trials: tuple[_Metric, ...]
    failures: tuple[_Metric, ...]
    period: timedelta = timedelta(seconds=1)

    @property
    def metrics(self) -> tuple[_Metric, ...]:
        return (*self.trials, *self.failures)

    def tallies(self, readings: Readings, window: Window, period: timedelta) -> tuple[Tally, ...]:
        """Return trials and failures of every period of a window, ascending."""
        trials, failures = (_merged(readings, metrics) for metrics in (self.trials, self.failures))
        return tuple(_tally(trials.get(at, 0), failures.get(at, 0)) for at in _starts(window, period))


@dataclass(frozen=True)
class _RateMetrics:
    """The metrics of one rate: of both versions since the shift, and of stable before, when it had all traffic."""

    description: str
    canary: _Counts
    stable: _Counts
    before: _Counts
    otherwise: float


@dataclass(frozen=True)
class _Readings:
    """What was read: by the minute since the shift and before it, by five minutes, and the newest minute."""

    minutes: Readings
    before: Readings
    history: Readings
    newest: Readings


def evaluate(
    context: ProbeContext, open_metrics: Callable[[], MetricsReader], deadline: timedelta = DEADLINE
) -> AlarmEvaluation:
    """Evaluate an alarm. Nothing is raised: without an answer in time, it rolls back.

    Args:
        context: of the deployment, at any time after its first shift.
        open_metrics: returns the reader of CloudWatch.
        deadline: how long to wait for it.
    """
    threads = ThreadPoolExecutor(1)
    try:
        rates = threads.submit(lambda: _measure(context, open_metrics())).result(deadline.total_seconds())
        judge = evaluate_promoted if context.weight_percent == FULL_PERCENT else evaluate_split
        return judge(rates, context.thresholds, arriving=context.window.length < MINUTE)
    except Exception as error:  # noqa: BLE001 - no error of an evaluation may prevent a rollback
        return unread_evaluation(f"{type(error).__name__} {error}".strip())
    finally:
        threads.shutdown(wait=False)


def _measure(context: ProbeContext, metrics: MetricsReader) -> tuple[AlarmRate, ...]:
    """Read and count every rate. The rates and their order do not depend on the data."""
    baseline = context.baseline_window
    assert baseline is not None, "an alarm is evaluated after the first shift"
    window = _window(context, baseline)
    rates = [rate for function in context.changed for rate in _function_rates(context, function)]
    api = _api_metrics(context)
    newest = Window(context.now - MINUTE, context.now)
    of_both = [metric for rate in rates for side in (rate.canary, rate.stable) for metric in side.metrics]
    before = [metric for rate in rates for metric in rate.before.metrics]
    periodic = [metric for metric in of_both if metric.namespace == context.service.metric_namespace]
    with ThreadPoolExecutor(4) as threads:
        reads = [
            threads.submit(_read, metrics, chosen, part, period)
            for chosen, part, period in (
                ([*of_both, *api.values()], window, MINUTE),
                ([*before, *api.values()], baseline, MINUTE),
                (before, _day_before(baseline), FIVE_MINUTES),
                (periodic, newest, context.period),
            )
        ]
        readings = _Readings(*(read.result() for read in reads))
    return (
        *(_alarm_rate(context, rate, readings, window, newest) for rate in rates),
        _api_rate(context, api, readings, window),
    )


def _window(context: ProbeContext, baseline: Window) -> Window:
    """Return the whole minutes since the first shift; since the promotion, if the canary has all traffic."""
    since = context.window.start if context.weight_percent == FULL_PERCENT else baseline.end
    since = max(since, context.now - LONGEST_WINDOW)
    return Window(since.replace(second=0, microsecond=0), context.now)


def _day_before(baseline: Window) -> Window:
    return Window(baseline.end - HISTORY, baseline.end)


def _read(metrics: MetricsReader, chosen: Iterable[_Metric], window: Window, period: timedelta) -> Readings:
    queries = {query.id: query for query in (metric.query(period) for metric in chosen)}
    return metrics.read_metrics(list(queries.values()), window)


def _function_rates(context: ProbeContext, function: Function) -> tuple[_RateMetrics, ...]:
    allowed = context.thresholds.max_error_percent / 100

    def rate(description: str, counts: Callable[[str, bool], _Counts], otherwise: float = allowed) -> _RateMetrics:
        return _RateMetrics(
            description=f"{function.name}:{function.canary_version} {description}",
            canary=counts(function.canary_version, context.weight_percent == FULL_PERCENT),
            stable=counts(function.stable_version, False),
            before=counts(function.stable_version, True),
            otherwise=otherwise,
        )

    def counted(trials: str, failures: str) -> Callable[[str, bool], _Counts]:
        def counts(version: str, _alone: bool) -> _Counts:  # noqa: FBT001 - as `failed`
            of_version = _service_metric(context, function, version)
            return _Counts((of_version(trials, "Sum"),), (of_version(failures, "Sum"),))

        return counts

    def slow(version: str, _alone: bool) -> _Counts:  # noqa: FBT001 - as `failed`
        of_version = _service_metric(context, function, version)
        over = f"TC({context.thresholds.max_p99_ms:g}:)"
        return _Counts((of_version(LATENCY, "SampleCount"),), (of_version(LATENCY, over),))

    def failed(version: str, alone: bool) -> _Counts:  # noqa: FBT001 - whether the version has all traffic
        trials, failures = (
            _lambda_metrics(context, function, version, name, alone=alone) for name in ("Invocations", "Errors")
        )
        return _Counts(trials, failures, MINUTE)

    rates = (
        rate("returns 5xx", counted("Requests", "ServerErrors")),
        rate("fails with an exception or timeout", failed),
        rate(f"takes more than {context.thresholds.max_p99_ms:g} ms", slow),
    )
    if function.name != GRANT_FUNCTION:
        return rates
    return (*rates, rate("refuses a known grant", counted("KnownGrants", "RefusedGrants"), REFUSED_WITHOUT_BASELINE))


def _service_metric(context: ProbeContext, function: Function, version: str) -> Callable[[str, str], _Metric]:
    dimensions = {"environment": context.environment, "function": function.name, "version": version}
    return lambda name, statistic: _Metric(context.service.metric_namespace, name, dimensions, statistic)


def _lambda_metrics(
    context: ProbeContext, function: Function, version: str, name: str, *, alone: bool
) -> tuple[_Metric, ...]:
    """Return Lambda's metric of a version, and that of the alias if the version has all traffic."""
    of_alias = {
        "FunctionName": function.function_name,
        "Resource": f"{function.function_name}:{context.service.alias}",
    }
    by_version = _Metric(LAMBDA_NAMESPACE, name, {**of_alias, "ExecutedVersion": version})
    return (by_version, _Metric(LAMBDA_NAMESPACE, name, of_alias)) if alone else (by_version,)


def _alarm_rate(
    context: ProbeContext, rate: _RateMetrics, readings: _Readings, window: Window, newest: Window
) -> AlarmRate:
    baseline = context.baseline_window
    assert baseline is not None, "an alarm is evaluated after the first shift"
    split = context.weight_percent != FULL_PERCENT
    before = rate.before.tallies(readings.before, baseline, MINUTE)
    day = rate.before.tallies(readings.history, _day_before(baseline), FIVE_MINUTES)
    canary = rate.canary.tallies(readings.minutes, window, MINUTE)
    stable = rate.stable.tallies(readings.minutes, window, MINUTE) if split else ()
    return AlarmRate(
        description=rate.description,
        canary=canary,
        stable=stable,
        before=before,
        newest_canary=_newest(rate.canary, canary, readings.newest, newest),
        newest_stable=_newest(rate.stable, stable, readings.newest, newest),
        dispersion=max(_dispersion(before, MINUTE), _dispersion(day, FIVE_MINUTES), 1.0 if split else _drift(day)),
        otherwise=rate.otherwise,
    )


def _dispersion(tallies: tuple[Tally, ...], period: timedelta) -> float:
    return min(LARGEST_DISPERSION, measure_clustering(Periods(period.total_seconds(), tallies)).dispersion)


def _drift(day: tuple[Tally, ...]) -> float:
    return min(LARGEST_DISPERSION, drift_dispersion(day, DRIFT_BLOCKS))


def _newest(counts: _Counts, minutes: Sequence[Tally], readings: Readings, newest: Window) -> Tally:
    """Return the newest minute: by short periods, or else the newest minute of the clock that has any."""
    if counts.period >= MINUTE:
        return next((tally for tally in reversed(minutes) if tally.trials), Tally())
    trials, failures = (
        sum(value for at, value in _merged(readings, metrics).items() if newest.start <= at < newest.end)
        for metrics in (counts.trials, counts.failures)
    )
    return _tally(trials, failures)


def _api_metrics(context: ProbeContext) -> Mapping[str, _Metric]:
    """Return the metrics of which the failures that only API Gateway counted are computed."""
    api = {"ApiName": context.service.api_name, "Stage": context.service.stage}
    metrics = {
        "requests": _Metric(API_NAMESPACE, "Count", api),
        "failures": _Metric(API_NAMESPACE, "5XXError", api),
    }
    for function in context.functions:
        own = {"environment": context.environment, "function": function.name}
        alone = {"FunctionName": function.function_name}
        metrics[f"{function.name}/errors"] = _Metric(context.service.metric_namespace, "ServerErrors", own)
        metrics[f"{function.name}/throttles"] = _Metric(LAMBDA_NAMESPACE, "Throttles", alone)
        metrics[f"{function.name}/failures"] = _Metric(LAMBDA_NAMESPACE, "Errors", alone)
        if function.name == UPSTREAM_FUNCTION:
            metrics["upstream"] = _Metric(context.service.metric_namespace, "UpstreamErrors", own)
    return metrics


def _api_rate(context: ProbeContext, metrics: Mapping[str, _Metric], readings: _Readings, window: Window) -> AlarmRate:
    """Return API Gateway's own failures: 5xx that no function counted, by minute. They have no version.

    What a function counted may arrive later than what API Gateway counted, so the newest minutes are left out.
    """
    baseline = context.baseline_window
    assert baseline is not None, "an alarm is evaluated after the first shift"
    counted = [name for name in metrics if name not in {"requests", "failures"}]

    def tallies(read: Readings, part: Window) -> tuple[Tally, ...]:
        series = {name: read.get(metric.key, {}) for name, metric in metrics.items()}
        return tuple(
            _tally(
                series["requests"].get(at, 0),
                series["failures"].get(at, 0) - sum(series[name].get(at, 0) for name in counted),
            )
            for at in _starts(part, MINUTE)
        )

    before = tallies(readings.before, baseline)
    arrived = Window(window.start, context.window.end.replace(second=0, microsecond=0))
    return AlarmRate(
        description="the API returns 5xx that no function counted",
        canary=tallies(readings.minutes, arrived),
        before=before,
        dispersion=_dispersion(before, MINUTE),
        otherwise=context.thresholds.max_error_percent / 100,
    )


def _merged(readings: Readings, metrics: Sequence[_Metric]) -> Series:
    """Return the values of several metrics: at each time, of the first one that has a value."""
    values: dict[datetime, float] = {}
    for metric in reversed(metrics):
        values |= readings.get(metric.key, {})
    return values


def _starts(window: Window, period: timedelta) -> Sequence[datetime]:
    """Return the starts of the periods of a window; the last one may not have ended."""
    count = max(0, -(-(window.end - window.start) // period))
    return [window.start + number * period for number in range(count)]


def _tally(trials: float, failures: float) -> Tally:
    counted = round(trials)
    return Tally(counted, min(counted, max(0, round(failures))))
