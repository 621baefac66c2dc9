"""An alarm's configuration: from MiniStack's record, and what AWS refuses.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.local.fidelity.alarm_states import COMPARISONS, TREATMENTS, Rule
from orchestrator.local.fidelity.metric_data import (
    InvalidQuery,
    MetricStat,
    Query,
    data_of,
    dimensions_of,
    read_queries,
    values_of,
)
from orchestrator.local.fidelity.metric_math_values import TimeSeries
from orchestrator.local.fidelity.metric_series import MINUTE_SECONDS, known_statistic

HIGH_RESOLUTION_PERIODS: Final = (10, 20, 30)
"""Periods of less than a minute that an alarm may have, in seconds."""
MOST_METRICS: Final = 10
"""An alarm on metric math takes no more metrics."""
LONGEST_SECONDS: Final = 7 * 24 * 3600
"""The evaluated periods may be no longer together."""
OF_ONE_METRIC: Final = ("MetricName", "Namespace", "Period", "Statistic", "ExtendedStatistic", "Dimensions", "Unit")
"""What an alarm on metric math does not have."""

Record = Mapping[str, Any]
"""An alarm as MiniStack keeps it, which is as DescribeAlarms gives it."""


@dataclass(frozen=True)
class Watch:
    """What an alarm watches, and when it rings.

    statistic: as the alarm's reason names it; an alarm on metric math has none.
    """

    rule: Rule
    period_seconds: int
    source: MetricStat | tuple[Query, ...]
    statistic: str | None

    def values(self, periods: Sequence[int]) -> TimeSeries:
        """Return the datapoints of the given periods, which follow one another; raises InvalidQuery."""
        reach = (periods[0], periods[-1] + self.period_seconds)
        if isinstance(self.source, MetricStat):
            return values_of(self.source, self.period_seconds, lambda _: reach)
        found = data_of(self.source, lambda _: reach)[_returned(self.source).id]
        if isinstance(found, list):
            raise InvalidQuery("the expression gives several time series")
        assert not isinstance(found, float), "no reading gives a scalar"
        return found


def watch_of(record: Record) -> Watch | None:
    """Return what the alarm watches; None where this is nothing that can be evaluated here, as an anomaly's band is."""
    if record.get("ComparisonOperator") not in COMPARISONS:
        return None
    periods = int(record.get("EvaluationPeriods") or 1)
    rule = Rule(
        evaluation_periods=periods,
        datapoints_to_alarm=int(record.get("DatapointsToAlarm") or periods),
        comparison=record["ComparisonOperator"],
        threshold=float(record.get("Threshold") or 0),
        treat_missing_data=record.get("TreatMissingData") or "missing",
    )
    if metrics := record.get("Metrics"):
        queries = tuple(read_queries(metrics))
        period = _returned(queries).period_seconds
        period = period or max((query.period_seconds for query in queries), default=0) or MINUTE_SECONDS
        return Watch(rule, period, queries, None)
    if not record.get("MetricName"):
        return None
    statistic = record.get("ExtendedStatistic") or record.get("Statistic") or "Average"
    dimensions = dimensions_of(record.get("Dimensions"))
    stat = MetricStat(record["Namespace"], record["MetricName"], dimensions, statistic)
    return Watch(rule, int(record.get("Period") or MINUTE_SECONDS), stat, statistic)


def check(given: Record) -> None:
    """Hold a request to make an alarm to AWS's rules; raises InvalidQuery."""
    if (treatment := given.get("TreatMissingData")) and treatment not in TREATMENTS:
        raise InvalidQuery(f"Invalid value for treatMissingData: {treatment}")
    periods = int(given.get("EvaluationPeriods") or 0)
    if periods < 1:
        raise InvalidQuery("EvaluationPeriods must be greater than or equal to 1")
    if int(given.get("DatapointsToAlarm") or 1) > periods:
        raise InvalidQuery("DatapointsToAlarm must be less than or equal to EvaluationPeriods")
    if not given.get("Metrics"):
        _check_one_metric(given)
    elif given.get("MetricName"):
        raise InvalidQuery("MetricName and Metrics must not be specified together")
    elif band := given.get("ThresholdMetricId"):
        _check_band(band, given["Metrics"])
    else:
        _check_metrics(given["Metrics"])
    watch = watch_of(given)
    if not watch:
        return
    if watch.period_seconds not in HIGH_RESOLUTION_PERIODS and watch.period_seconds % MINUTE_SECONDS:
        raise InvalidQuery("Period must be 10, 20, 30 or a multiple of 60")
    if periods * watch.period_seconds > LONGEST_SECONDS:
        raise InvalidQuery("Metrics cannot be checked across more than 7 days")


def metrics_as_described(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return an alarm's metrics with numbers and truth values where a template or the Query API has strings."""
    described = []
    for one in given:
        metric = {**one, "ReturnData": str(one.get("ReturnData", True)).lower() != "false"}
        if one.get("Period"):
            metric["Period"] = int(one["Period"])
        if stat := one.get("MetricStat"):
            metric["MetricStat"] = {**stat, "Period": int(stat["Period"])}
        described.append(metric)
    return described


def _check_one_metric(given: Record) -> None:
    if not (given.get("MetricName") and given.get("Namespace")):
        raise InvalidQuery("MetricName and Namespace, or Metrics, are required")
    statistic = given.get("ExtendedStatistic") or given.get("Statistic") or ""
    if not known_statistic(statistic):
        raise InvalidQuery("Statistic or a percentile as ExtendedStatistic is required")
    if not int(given.get("Period") or 0):
        raise InvalidQuery("Period is required")


def _check_metrics(metrics: Sequence[Mapping[str, Any]]) -> None:
    queries = read_queries(metrics)
    if sum(query.returned for query in queries) != 1:
        raise InvalidQuery("Exactly one element of Metrics must return data")
    if sum(isinstance(query.source, MetricStat) for query in queries) > MOST_METRICS:
        raise InvalidQuery(f"An alarm takes no more than {MOST_METRICS} metrics")


def _check_band(band: str, metrics: Sequence[Mapping[str, Any]]) -> None:
    """Hold an alarm on a band to naming one. What is in the band is learned, and nothing here learns it."""
    expressions = {one.get("Id"): one.get("Expression") or "" for one in metrics}
    if not expressions.get(band, "").startswith("ANOMALY_DETECTION_BAND("):
        raise InvalidQuery(f"ThresholdMetricId {band} is no expression of Metrics that gives a band")


def _returned(queries: Sequence[Query]) -> Query:
    return next(query for query in queries if query.returned)
