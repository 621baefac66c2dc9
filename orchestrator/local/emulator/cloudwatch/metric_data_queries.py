"""MetricDataQuery: the queries of GetMetricData and of alarms on metric math, parsed and computed.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from orchestrator.local.emulator.cloudwatch import metric_store
from orchestrator.local.emulator.cloudwatch.metric_math.evaluator import KNOWN_FUNCTIONS, compute
from orchestrator.local.emulator.cloudwatch.metric_math.functions import FILLERS, Metrics, TimeSeries, Value
from orchestrator.local.emulator.cloudwatch.metric_math.parser import InvalidExpression, Node, functions, names, parse
from orchestrator.local.emulator.cloudwatch.statistics import MINUTE_SECONDS, is_known_statistic

TimeRange = Callable[[int], tuple[int, int]]
"""For a period in seconds: start and end of the data to read, in epoch seconds. Periods are aligned to the start."""

HIGH_RESOLUTION_PERIODS: Final = (1, 5, 10, 20, 30)
"""Allowed periods of less than a minute, in seconds."""

_ID: Final = re.compile(r"[a-z][A-Za-z0-9_]*")
_parsed = lru_cache(maxsize=256)(parse)


class InvalidQuery(Exception):
    """A request that AWS rejects. `code` is AWS's error code."""

    def __init__(self, message: str, code: str = "ValidationError") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class MetricStat:
    """A statistic of one metric."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str


@dataclass(frozen=True)
class Query:
    """One query: a metric, or an expression over other queries.

    period_seconds: 0 for an expression without its own period.
    """

    id: str
    label: str
    returned: bool
    period_seconds: int
    source: MetricStat | Node


def parse_queries(request: Sequence[Mapping[str, Any]]) -> list[Query]:
    """Return the parsed MetricDataQueries; raises InvalidQuery."""
    queries = [_query(item) for item in request]
    ids = {query.id for query in queries}
    if len(ids) != len(queries):
        raise InvalidQuery("The values for parameter id in MetricDataQueries are not unique.")
    for query in queries:
        if isinstance(query.source, MetricStat):
            continue
        unknown = {name for name in names(query.source) if name not in FILLERS} - ids
        unknown |= set(functions(query.source)) - KNOWN_FUNCTIONS
        if unknown:
            raise InvalidQuery(f"Error in expression '{query.id}': Unknown {', '.join(sorted(unknown))}")
    return _distinguished(queries, {item["Id"] for item in request if item.get("Label")})


def _distinguished(queries: Sequence[Query], labelled: Collection[str]) -> list[Query]:
    """Return the queries; if several read one metric, the default labels name the statistics that differ.

    Recorded on AWS: `tests/contract/parity/cases/cloudwatch.py`.
    """
    by_default = [query for query in queries if isinstance(query.source, MetricStat) and query.id not in labelled]
    if len(by_default) != len(queries) or len({query.label for query in queries}) != 1:
        return list(queries)
    statistics = [query.source.statistic for query in queries if isinstance(query.source, MetricStat)]
    if len(set(statistics)) == 1:
        return list(queries)
    return [
        replace(query, label=f"{query.label} {statistic}") for query, statistic in zip(queries, statistics, strict=True)
    ]


def parse_dimensions(request: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """Return dimensions by their names, from CloudWatch's list."""
    return {dimension["Name"]: dimension["Value"] for dimension in request or ()}


def validate_period(seconds: int) -> int:
    """Return the period; raises InvalidQuery if CloudWatch has no period of this length."""
    if seconds in HIGH_RESOLUTION_PERIODS or (seconds > 0 and seconds % MINUTE_SECONDS == 0):
        return seconds
    raise InvalidQuery(f"Period must be 1, 5, 10, 20, 30, or a multiple of 60, is {seconds}")


def compute_queries(queries: Sequence[Query], time_range: TimeRange) -> dict[str, Value]:
    """Return the results of the queries by id; raises InvalidQuery if an expression has no valid result."""
    return _Computation(queries, time_range).all()


def read_statistic(stat: MetricStat, period_seconds: int, time_range: TimeRange) -> TimeSeries:
    """Return a statistic of a metric by period; a period without data is absent."""
    series = metric_store.find_series(stat.namespace, stat.name, stat.dimensions)
    if series is None:
        return {}
    periods = series.periods(*time_range(period_seconds), period_seconds).items()
    values = ((start, statistics.value(stat.statistic)) for start, statistics in periods)
    return {start: value for start, value in values if value is not None}


def _query(request: Mapping[str, Any]) -> Query:
    name = request.get("Id") or ""
    if not _ID.fullmatch(name):
        raise InvalidQuery(f"The value '{name}' for parameter Id is not matching the expected pattern.")
    returned = str(request.get("ReturnData", True)).lower() != "false"  # a template may contain a string
    if expression := request.get("Expression"):
        try:
            node = _parsed(expression)
        except (InvalidExpression, RecursionError) as invalid:
            raise InvalidQuery(f"Error in expression '{name}': {invalid}") from invalid
        period = int(request.get("Period") or 0)
        return Query(name, request.get("Label") or name, returned, period and validate_period(period), node)
    metric_stat = request.get("MetricStat") or {}
    metric, statistic = metric_stat.get("Metric") or {}, metric_stat.get("Stat")
    if not (metric.get("Namespace") and metric.get("MetricName") and metric_stat.get("Period") and statistic):
        raise InvalidQuery(f"The query {name} has neither an Expression nor a complete MetricStat.")
    if not is_known_statistic(statistic):
        raise InvalidQuery(f"The value {statistic} for parameter Stat is not supported.")
    stat = MetricStat(metric["Namespace"], metric["MetricName"], parse_dimensions(metric.get("Dimensions")), statistic)
    return Query(name, request.get("Label") or stat.name, returned, validate_period(int(metric_stat["Period"])), stat)


class _Computation:
    """One computation of several queries; each is computed once."""

    def __init__(self, queries: Sequence[Query], time_range: TimeRange) -> None:
        self._by_id = {query.id: query for query in queries}
        self._time_range = time_range
        self._in_progress: list[str] = []
        self._values = {
            query.id: read_statistic(query.source, query.period_seconds, time_range)
            for query in queries
            if isinstance(query.source, MetricStat)
        }
        self._expressions: dict[str, Value] = {}

    def all(self) -> dict[str, Value]:
        return {name: self._value(name) for name in self._by_id}

    def _value(self, name: str) -> Value:
        query = self._by_id[name]
        if name in self._values:
            return self._values[name]
        assert not isinstance(query.source, MetricStat)
        if name not in self._expressions:
            if name in self._in_progress:
                raise InvalidQuery(f"Error in expression '{name}': it depends on itself")
            self._in_progress.append(name)
            try:
                self._expressions[name] = self._compute_expression(query, query.source)
            except (InvalidExpression, RecursionError) as invalid:
                raise InvalidQuery(f"Error in expression '{name}': {invalid}") from invalid
            self._in_progress.pop()
        return self._expressions[name]

    def _compute_expression(self, query: Query, node: Node) -> Value:
        periods = {name: self._by_id[name].period_seconds for name in self._values}
        period = query.period_seconds or max(periods.values(), default=MINUTE_SECONDS)
        expressions = {name: self._value(name) for name in names(node) if name in self._by_id and name not in periods}
        result = compute(node, Metrics(range(*self._time_range(period), period), self._values, expressions, periods))
        if isinstance(result, float):
            raise InvalidExpression("the result is a scalar, not a time series")
        return result
