"""What CloudWatch's metric math computes with: scalars, time series and arrays of them, and what it does to them.

AWS:

- Between two time series a value that one of them lacks counts as 0; a division by zero gives no value.
- IF looks at every value of its condition: where the condition is true and there is no value to take, the value is 0;
  where it is false and there is none, or the condition has none, there is none.
- SUM, AVG, MIN, MAX and STDDEV of one time series give a scalar, of several a time series.
- FILL gives a value to every period that has none.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html#metric-math-syntax
"""

from __future__ import annotations

import math
import operator
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from orchestrator.local.fidelity.metric_math_syntax import InvalidExpression

TimeSeries = Mapping[int, float]
"""Values by the start of their period in epoch seconds."""
Value = float | TimeSeries | list[TimeSeries]


@dataclass(frozen=True)
class Metrics:
    """What an expression is computed from.

    values: time series by id; of an expression, which METRICS() leaves out, they are in `expressions`.
    periods_seconds: the period of each metric.
    starts: every period that was asked for, with data or without.
    """

    starts: Sequence[int]
    values: Mapping[str, TimeSeries]
    expressions: Mapping[str, Value] = field(default_factory=dict)
    periods_seconds: Mapping[str, int] = field(default_factory=dict)


def _divided(left: float, right: float) -> float | None:
    return left / right if right else None


def _power(left: float, right: float) -> float | None:
    try:
        raised = left**right
    except (ZeroDivisionError, OverflowError):
        return None
    return raised if isinstance(raised, float) else None  # a root of a negative number is complex


Operator = Callable[[float, float], float | None]
OPERATORS: Final[Mapping[str, Operator]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divided,
    "^": _power,
    "==": lambda left, right: float(left == right),
    "!=": lambda left, right: float(left != right),
    "<": lambda left, right: float(left < right),
    ">": lambda left, right: float(left > right),
    "<=": lambda left, right: float(left <= right),
    ">=": lambda left, right: float(left >= right),
    "&&": lambda left, right: float(bool(left) and bool(right)),
    "||": lambda left, right: float(bool(left) or bool(right)),
}


def combined(sign: Operator, left: Value, right: Value) -> Value:
    """Put an operator between two values; raises InvalidExpression for what it does not go between."""
    if isinstance(left, list) or isinstance(right, list):
        lefts = left if isinstance(left, list) else None
        rights = right if isinstance(right, list) else None
        if lefts is not None and rights is not None and len(lefts) != len(rights):
            raise InvalidExpression("two arrays of different lengths")
        size = len(lefts if lefts is not None else rights or ())
        return [
            series
            for index in range(size)
            for series in several(
                combined(
                    sign,
                    lefts[index] if lefts is not None else left,
                    rights[index] if rights is not None else right,
                )
            )
        ]
    if isinstance(left, Mapping) or isinstance(right, Mapping):
        starts = {*(left if isinstance(left, Mapping) else ()), *(right if isinstance(right, Mapping) else ())}
        found = {start: sign(value_at(left, start), value_at(right, start)) for start in sorted(starts)}
        return {start: value for start, value in found.items() if value is not None and math.isfinite(value)}
    scalar = sign(left, right)
    if scalar is None or not math.isfinite(scalar):
        raise InvalidExpression("a scalar that is no number")
    return scalar


def value_at(value: float | TimeSeries, start: int) -> float:
    """Return a scalar, or the value of a period, which is 0 where there is none."""
    return value.get(start, 0.0) if isinstance(value, Mapping) else value


def several(value: Value) -> list[TimeSeries]:
    """Return time series, one or more; raises InvalidExpression for a scalar."""
    if isinstance(value, list):
        return value
    if isinstance(value, Mapping):
        return [value]
    raise InvalidExpression("a scalar where a time series is needed")


def each(value: Value, function: Callable[[float], float]) -> Value:
    """Apply a function to every value."""
    if isinstance(value, list):
        return [{start: function(one) for start, one in series.items()} for series in value]
    if isinstance(value, Mapping):
        return {start: function(one) for start, one in value.items()}
    return function(value)


def _repeated(series: TimeSeries, starts: Sequence[int]) -> TimeSeries:
    filled: dict[int, float] = {}
    last = None
    for start in starts:
        last = series.get(start, last)
        if last is not None:
            filled[start] = last
    return filled


def _interpolated(series: TimeSeries, starts: Sequence[int]) -> TimeSeries:
    filled = dict(series)
    for (before, low), (after, high) in pairwise(sorted(series.items())):
        for start in starts:
            if before < start < after:
                filled[start] = low + (high - low) * (start - before) / (after - before)
    return dict(sorted(filled.items()))


FILLERS: Final[Mapping[str, Callable[[TimeSeries, Sequence[int]], TimeSeries]]] = {
    "REPEAT": _repeated,
    "LINEAR": _interpolated,
}


def filled(series: TimeSeries, starts: Sequence[int], filler: float | TimeSeries) -> TimeSeries:
    """Give the periods that have no value the filler's, where it has one."""
    given = {start: series.get(start, value_at(filler, start)) for start in starts}
    if not isinstance(filler, Mapping):
        return given
    return {start: value for start, value in given.items() if start in series or start in filler}


def _if(given: list[Value], metrics: Metrics) -> Value:
    condition, chosen, *otherwise = given
    other = otherwise[0] if otherwise else {}
    if isinstance(condition, list) or isinstance(chosen, list) or isinstance(other, list):
        raise InvalidExpression("IF takes no arrays")
    if not isinstance(condition, Mapping):
        whole = chosen if condition else other
        return dict(whole) if isinstance(whole, Mapping) else dict.fromkeys(metrics.starts, whole)
    found: dict[int, float] = {}
    for start, holds in condition.items():
        if holds:
            found[start] = value_at(chosen, start)
        elif not isinstance(other, Mapping) or start in other:
            found[start] = value_at(other, start)
    return found


def _reduced(reduce: Callable[[Sequence[float]], float], *, missing_is_zero: bool) -> Function:
    """Make a function that reduces one time series to a scalar, and several to one time series."""

    def reduced(given: list[Value], metrics: Metrics) -> Value:
        del metrics
        (value,) = given
        if not isinstance(value, list):
            (series,) = several(value)
            return reduce(list(series.values())) if series else 0.0
        starts = sorted({start for series in value for start in series})
        if missing_is_zero:
            return {start: reduce([series.get(start, 0.0) for series in value]) for start in starts}
        return {start: reduce([series[start] for series in value if start in series]) for start in starts}

    return reduced


def _differences(*, by_second: bool) -> Function:
    def differences(given: list[Value], metrics: Metrics) -> Value:
        del metrics
        found: list[TimeSeries] = [
            {
                start: (value - earlier) / ((start - before) if by_second else 1)
                for (before, earlier), (start, value) in pairwise(sorted(series.items()))
            }
            for series in several(given[0])
        ]
        return found if isinstance(given[0], list) else found[0]

    return differences


def _of_each(function: Callable[[float], float]) -> Function:
    return lambda given, _: each(given[0], function)


def _time_series(given: list[Value], metrics: Metrics) -> Value:
    if not isinstance(given[0], float):
        raise InvalidExpression("TIME_SERIES takes a scalar")
    return dict.fromkeys(metrics.starts, given[0])


def _counted(given: list[Value], metrics: Metrics) -> Value:
    del metrics
    return float(len(several(given[0])))


Function = Callable[[list[Value], Metrics], Value]
FUNCTIONS: Final[Mapping[str, tuple[int, int, Function]]] = {
    "IF": (2, 3, _if),
    "ABS": (1, 1, _of_each(abs)),
    "CEIL": (1, 1, _of_each(lambda value: float(math.ceil(value)))),
    "FLOOR": (1, 1, _of_each(lambda value: float(math.floor(value)))),
    "SUM": (1, 1, _reduced(math.fsum, missing_is_zero=True)),
    "AVG": (1, 1, _reduced(statistics.fmean, missing_is_zero=True)),
    "MIN": (1, 1, _reduced(min, missing_is_zero=False)),
    "MAX": (1, 1, _reduced(max, missing_is_zero=False)),
    "STDDEV": (1, 1, _reduced(statistics.pstdev, missing_is_zero=False)),
    "DIFF": (1, 1, _differences(by_second=False)),
    "RATE": (1, 1, _differences(by_second=True)),
    "METRIC_COUNT": (1, 1, _counted),
    "TIME_SERIES": (1, 1, _time_series),
}
