"""MetricDataQuery: what GetMetricData and an alarm on metric math ask for, read and computed.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from orchestrator.local.fidelity import metric_store
from orchestrator.local.fidelity.metric_math import KNOWN_FUNCTIONS, compute
from orchestrator.local.fidelity.metric_math_syntax import InvalidExpression, Node, functions, names, parse
from orchestrator.local.fidelity.metric_math_values import FILLERS, Metrics, TimeSeries, Value
from orchestrator.local.fidelity.metric_series import MINUTE_SECONDS, known_statistic

Reach = Callable[[int], tuple[int, int]]
"""For a period in seconds: from when to when is read, in epoch seconds; the first is where periods are counted from."""

HIGH_RESOLUTION_PERIODS: Final = (1, 5, 10, 20, 30)
"""Periods of less than a minute that there are, in seconds."""

_ID: Final = re.compile(r"[a-z][A-Za-z0-9_]*")
_parsed = lru_cache(maxsize=256)(parse)


class InvalidQuery(Exception):
    """A request that AWS would not take; says why. `code` is AWS's name of the error."""

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
    """One query: of a metric, or an expression over other queries. `period_seconds` is 0 for an expression without its own."""

    id: str
    label: str
    returned: bool
    period_seconds: int
    source: MetricStat | Node


def read_queries(given: Sequence[Mapping[str, Any]]) -> list[Query]:
    """Return MetricDataQueries as a caller gave them; raises InvalidQuery."""
    queries = [_query(one) for one in given]
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
    return queries


def dimensions_of(given: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """Return dimensions as CloudWatch lists them by their names."""
    return {one["Name"]: one["Value"] for one in given or ()}


def check_period(seconds: int) -> int:
    """Return the period; raises InvalidQuery where there is none of that length."""
    if seconds in HIGH_RESOLUTION_PERIODS or (seconds > 0 and seconds % MINUTE_SECONDS == 0):
        return seconds
    raise InvalidQuery(f"Period must be 1, 5, 10, 20, 30, or a multiple of 60, is {seconds}")


def data_of(queries: Sequence[Query], reach: Reach) -> dict[str, Value]:
    """Return what the queries give, by id; raises InvalidQuery where an expression gives nothing that could be returned."""
    return _Reading(queries, reach).all()


def values_of(stat: MetricStat, period_seconds: int, reach: Reach) -> TimeSeries:
    """Return a statistic of a metric by period; a period without data is absent."""
    series = metric_store.find(stat.namespace, stat.name, stat.dimensions)
    if series is None:
        return {}
    periods = series.periods(*reach(period_seconds), period_seconds).items()
    found = ((start, statistics.value(stat.statistic)) for start, statistics in periods)
    return {start: value for start, value in found if value is not None}


def _query(given: Mapping[str, Any]) -> Query:
    name = given.get("Id") or ""
    if not _ID.fullmatch(name):
        raise InvalidQuery(f"The value '{name}' for parameter Id is not matching the expected pattern.")
    returned = str(given.get("ReturnData", True)).lower() != "false"  # a template may spell it as a string
    if expression := given.get("Expression"):
        try:
            node = _parsed(expression)
        except (InvalidExpression, RecursionError) as invalid:
            raise InvalidQuery(f"Error in expression '{name}': {invalid}") from invalid
        period = int(given.get("Period") or 0)
        return Query(name, given.get("Label") or name, returned, period and check_period(period), node)
    asked = given.get("MetricStat") or {}
    metric = asked.get("Metric") or {}
    if not (metric.get("Namespace") and metric.get("MetricName") and asked.get("Period") and asked.get("Stat")):
        raise InvalidQuery(f"The query {name} has neither an Expression nor a complete MetricStat.")
    if not known_statistic(asked["Stat"]):
        raise InvalidQuery(f"The value {asked['Stat']} for parameter Stat is not supported.")
    stat = MetricStat(metric["Namespace"], metric["MetricName"], dimensions_of(metric.get("Dimensions")), asked["Stat"])
    return Query(name, given.get("Label") or stat.name, returned, check_period(int(asked["Period"])), stat)


class _Reading:
    """One reading of several queries, each computed once."""

    def __init__(self, queries: Sequence[Query], reach: Reach) -> None:
        self._by_id = {query.id: query for query in queries}
        self._reach = reach
        self._under_way: list[str] = []
        self._values = {
            query.id: values_of(query.source, query.period_seconds, reach)
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
            if name in self._under_way:
                raise InvalidQuery(f"Error in expression '{name}': it depends on itself")
            self._under_way.append(name)
            try:
                self._expressions[name] = self._computed(query, query.source)
            except (InvalidExpression, RecursionError) as invalid:
                raise InvalidQuery(f"Error in expression '{name}': {invalid}") from invalid
            self._under_way.pop()
        return self._expressions[name]

    def _computed(self, query: Query, node: Node) -> Value:
        periods = {name: self._by_id[name].period_seconds for name in self._values}
        period = query.period_seconds or max(periods.values(), default=MINUTE_SECONDS)
        expressions = {name: self._value(name) for name in names(node) if name in self._by_id and name not in periods}
        found = compute(node, Metrics(range(*self._reach(period), period), self._values, expressions, periods))
        if isinstance(found, float):
            raise InvalidExpression("the result is a scalar and no time series")
        return found
