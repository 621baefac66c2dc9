"""An alarm's configuration: parsed from MiniStack's record, and validated as AWS does.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.local.emulator.cloudwatch.alarm_state import COMPARISONS, TREATMENTS, Rule
from orchestrator.local.emulator.cloudwatch.metric_data_queries import (
    InvalidQuery,
    MetricStat,
    Query,
    compute_queries,
    parse_dimensions,
    parse_queries,
    read_statistic,
)
from orchestrator.local.emulator.cloudwatch.metric_math.functions import TimeSeries
from orchestrator.local.emulator.cloudwatch.statistics import MINUTE_SECONDS, is_known_statistic

HIGH_RESOLUTION_PERIODS: Final = (10, 20, 30)
"""Allowed periods of less than a minute, in seconds."""
MAX_METRICS: Final = 10
"""Maximum number of metrics of an alarm on metric math."""
LONGEST_SECONDS: Final = 7 * 24 * 3600
"""Maximum total length of the evaluated periods."""
SINGLE_METRIC_FIELDS: Final = (
    "MetricName",
    "Namespace",
    "Period",
    "Statistic",
    "ExtendedStatistic",
    "Dimensions",
    "Unit",
)
"""Fields that an alarm on metric math does not have."""

Record = Mapping[str, Any]
"""MiniStack's record of an alarm, in the form of DescribeAlarms."""


@dataclass(frozen=True)
class AlarmDefinition:
    """The metric or expression that an alarm evaluates, and its rule.

    statistic: the name in the alarm's reason; None for an alarm on metric math.
    """

    rule: Rule
    period_seconds: int
    source: MetricStat | tuple[Query, ...]
    statistic: str | None

    def read_datapoints(self, periods: Sequence[int]) -> TimeSeries:
        """Return the datapoints of consecutive periods; raises InvalidQuery."""
        time_range = (periods[0], periods[-1] + self.period_seconds)
        if isinstance(self.source, MetricStat):
            return read_statistic(self.source, self.period_seconds, lambda _: time_range)
        result = compute_queries(self.source, lambda _: time_range)[_returned(self.source).id]
        if isinstance(result, list):
            raise InvalidQuery("the expression returns several time series")
        assert not isinstance(result, float), "a query never returns a scalar"
        return result


def parse_alarm(record: Record) -> AlarmDefinition | None:
    """Return what the alarm evaluates; None for an alarm on an anomaly detection band, which is not evaluated here."""
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
        queries = tuple(parse_queries(metrics))
        period = _returned(queries).period_seconds
        period = period or max((query.period_seconds for query in queries), default=0) or MINUTE_SECONDS
        return AlarmDefinition(rule, period, queries, None)
    if not record.get("MetricName"):
        return None
    statistic = record.get("ExtendedStatistic") or record.get("Statistic") or "Average"
    dimensions = parse_dimensions(record.get("Dimensions"))
    stat = MetricStat(record["Namespace"], record["MetricName"], dimensions, statistic)
    return AlarmDefinition(rule, int(record.get("Period") or MINUTE_SECONDS), stat, statistic)


def validate_alarm(request: Record) -> None:
    """Validate a PutMetricAlarm request by AWS's rules; raises InvalidQuery."""
    if (treatment := request.get("TreatMissingData")) and treatment not in TREATMENTS:
        raise InvalidQuery(f"Invalid value for treatMissingData: {treatment}")
    periods = int(request.get("EvaluationPeriods") or 0)
    if periods < 1:
        raise InvalidQuery("EvaluationPeriods must be greater than or equal to 1")
    if int(request.get("DatapointsToAlarm") or 1) > periods:
        raise InvalidQuery("DatapointsToAlarm must be less than or equal to EvaluationPeriods")
    if not request.get("Metrics"):
        _check_one_metric(request)
    elif request.get("MetricName"):
        raise InvalidQuery("MetricName and Metrics must not be specified together")
    elif band := request.get("ThresholdMetricId"):
        _check_band(band, request["Metrics"])
    else:
        _check_metrics(request["Metrics"])
    alarm = parse_alarm(request)
    if not alarm:
        return
    if alarm.period_seconds not in HIGH_RESOLUTION_PERIODS and alarm.period_seconds % MINUTE_SECONDS:
        raise InvalidQuery("Period must be 10, 20, 30 or a multiple of 60")
    if periods * alarm.period_seconds > LONGEST_SECONDS:
        raise InvalidQuery("Metrics cannot be checked across more than 7 days")


def normalize_metrics(metrics: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return an alarm's metrics with numbers and booleans where a template or the Query API has strings."""
    normalized = []
    for metric in metrics:
        result = {**metric, "ReturnData": str(metric.get("ReturnData", True)).lower() != "false"}
        if metric.get("Period"):
            result["Period"] = int(metric["Period"])
        if stat := metric.get("MetricStat"):
            result["MetricStat"] = {**stat, "Period": int(stat["Period"])}
        normalized.append(result)
    return normalized


def _check_one_metric(request: Record) -> None:
    if not (request.get("MetricName") and request.get("Namespace")):
        raise InvalidQuery("MetricName and Namespace, or Metrics, are required")
    statistic = request.get("ExtendedStatistic") or request.get("Statistic") or ""
    if not is_known_statistic(statistic):
        raise InvalidQuery("Statistic or a percentile as ExtendedStatistic is required")
    if not int(request.get("Period") or 0):
        raise InvalidQuery("Period is required")


def _check_metrics(metrics: Sequence[Mapping[str, Any]]) -> None:
    queries = parse_queries(metrics)
    if sum(query.returned for query in queries) != 1:
        raise InvalidQuery("Exactly one element of Metrics must return data")
    if sum(isinstance(query.source, MetricStat) for query in queries) > MAX_METRICS:
        raise InvalidQuery(f"An alarm takes no more than {MAX_METRICS} metrics")


def _check_band(band: str, metrics: Sequence[Mapping[str, Any]]) -> None:
    """Check that an alarm on a band names it. The band itself is learned by AWS and not computed here."""
    expressions = {metric.get("Id"): metric.get("Expression") or "" for metric in metrics}
    if not expressions.get(band, "").startswith("ANOMALY_DETECTION_BAND("):
        raise InvalidQuery(f"ThresholdMetricId {band} is not an ANOMALY_DETECTION_BAND expression of Metrics")


def _returned(queries: Sequence[Query]) -> Query:
    return next(query for query in queries if query.returned)
