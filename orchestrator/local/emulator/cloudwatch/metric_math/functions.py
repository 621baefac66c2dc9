"""The values of CloudWatch's metric math (scalars, time series and arrays of them), and its operators and functions.

AWS:

- Between two time series a missing value counts as 0; a division by zero gives no value.
- IF evaluates every value of its condition. If the condition is true and the value is missing, the result is 0. If the
  condition is false and the value is missing, or the condition has no value, there is no result.
- SUM, AVG, MIN, MAX and STDDEV of one time series give a scalar, of several a time series.
- FILL gives a value to every period without one.

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

from orchestrator.local.emulator.cloudwatch.metric_math.parser import InvalidExpression

TimeSeries = Mapping[int, float]
"""Values by the start of their period in epoch seconds."""
Value = float | TimeSeries | list[TimeSeries]


@dataclass(frozen=True)
class Metrics:
    """The inputs of an expression.

    values: time series of metrics by id. METRICS() uses only these; values of other expressions are in `expressions`.
    periods_seconds: the period of each metric.
    starts: the starts of all requested periods, with or without data.
    """

    starts: Sequence[int]
    values: Mapping[str, TimeSeries]
    expressions: Mapping[str, Value] = field(default_factory=dict)
    periods_seconds: Mapping[str, int] = field(default_factory=dict)


def _divided(left: float, right: float) -> float | None:
    return left / right if right else None


def _power(left: float, right: float) -> float | None:
    try:
        power = left**right
    except (ZeroDivisionError, OverflowError):
        return None
    return power if isinstance(power, float) else None  # a root of a negative number is complex


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


def apply_operator(sign: Operator, left: Value, right: Value) -> Value:
    """Apply an operator to two values; raises InvalidExpression if it does not apply to them."""
    if isinstance(left, list) or isinstance(right, list):
        lefts = left if isinstance(left, list) else None
        rights = right if isinstance(right, list) else None
        if lefts is not None and rights is not None and len(lefts) != len(rights):
            raise InvalidExpression("two arrays of different lengths")
        size = len(lefts if lefts is not None else rights or ())
        return [
            series
            for index in range(size)
            for series in as_series_list(
                apply_operator(
                    sign,
                    lefts[index] if lefts is not None else left,
                    rights[index] if rights is not None else right,
                )
            )
        ]
    if isinstance(left, Mapping) or isinstance(right, Mapping):
        starts = {*(left if isinstance(left, Mapping) else ()), *(right if isinstance(right, Mapping) else ())}
        result = {start: sign(value_at(left, start), value_at(right, start)) for start in sorted(starts)}
        return {start: value for start, value in result.items() if value is not None and math.isfinite(value)}
    scalar = sign(left, right)
    if scalar is None or not math.isfinite(scalar):
        raise InvalidExpression("a scalar is not a number")
    return scalar


def value_at(value: float | TimeSeries, start: int) -> float:
    """Return a scalar, or the value of a period; 0 if the period has none."""
    return value.get(start, 0.0) if isinstance(value, Mapping) else value


def as_series_list(value: Value) -> list[TimeSeries]:
    """Return the value as a list of time series; raises InvalidExpression for a scalar."""
    if isinstance(value, list):
        return value
    if isinstance(value, Mapping):
        return [value]
    raise InvalidExpression("a scalar where a time series is needed")


def map_values(value: Value, function: Callable[[float], float]) -> Value:
    """Apply a function to every value."""
    if isinstance(value, list):
        return [{start: function(point) for start, point in series.items()} for series in value]
    if isinstance(value, Mapping):
        return {start: function(point) for start, point in value.items()}
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


def fill_missing(series: TimeSeries, starts: Sequence[int], filler: float | TimeSeries) -> TimeSeries:
    """Give periods without a value the filler's value, if it has one."""
    result = {start: series.get(start, value_at(filler, start)) for start in starts}
    if not isinstance(filler, Mapping):
        return result
    return {start: value for start, value in result.items() if start in series or start in filler}


def _if(arguments: list[Value], metrics: Metrics) -> Value:
    condition, chosen, *otherwise = arguments
    other = otherwise[0] if otherwise else {}
    if isinstance(condition, list) or isinstance(chosen, list) or isinstance(other, list):
        raise InvalidExpression("IF takes no arrays")
    if not isinstance(condition, Mapping):
        whole = chosen if condition else other
        return dict(whole) if isinstance(whole, Mapping) else dict.fromkeys(metrics.starts, whole)
    result: dict[int, float] = {}
    for start, holds in condition.items():
        if holds:
            result[start] = value_at(chosen, start)
        elif not isinstance(other, Mapping) or start in other:
            result[start] = value_at(other, start)
    return result


def _reducer(reduce: Callable[[Sequence[float]], float], *, missing_is_zero: bool) -> Function:
    """Return a function that reduces one time series to a scalar, and several to one time series."""

    def apply(arguments: list[Value], metrics: Metrics) -> Value:
        del metrics
        (value,) = arguments
        if not isinstance(value, list):
            (series,) = as_series_list(value)
            return reduce(list(series.values())) if series else 0.0
        starts = sorted({start for series in value for start in series})
        if missing_is_zero:
            return {start: reduce([series.get(start, 0.0) for series in value]) for start in starts}
        return {start: reduce([series[start] for series in value if start in series]) for start in starts}

    return apply


def _differences(*, by_second: bool) -> Function:
    def differences(arguments: list[Value], metrics: Metrics) -> Value:
        del metrics
        result: list[TimeSeries] = [
            {
                start: (value - earlier) / ((start - before) if by_second else 1)
                for (before, earlier), (start, value) in pairwise(sorted(series.items()))
            }
            for series in as_series_list(arguments[0])
        ]
        return result if isinstance(arguments[0], list) else result[0]

    return differences


def _mapper(function: Callable[[float], float]) -> Function:
    return lambda arguments, _: map_values(arguments[0], function)


def _time_series(arguments: list[Value], metrics: Metrics) -> Value:
    if not isinstance(arguments[0], float):
        raise InvalidExpression("TIME_SERIES takes a scalar")
    return dict.fromkeys(metrics.starts, arguments[0])


def _metric_count(arguments: list[Value], metrics: Metrics) -> Value:
    del metrics
    return float(len(as_series_list(arguments[0])))


Function = Callable[[list[Value], Metrics], Value]
FUNCTIONS: Final[Mapping[str, tuple[int, int, Function]]] = {
    "IF": (2, 3, _if),
    "ABS": (1, 1, _mapper(abs)),
    "CEIL": (1, 1, _mapper(lambda value: float(math.ceil(value)))),
    "FLOOR": (1, 1, _mapper(lambda value: float(math.floor(value)))),
    "SUM": (1, 1, _reducer(math.fsum, missing_is_zero=True)),
    "AVG": (1, 1, _reducer(statistics.fmean, missing_is_zero=True)),
    "MIN": (1, 1, _reducer(min, missing_is_zero=False)),
    "MAX": (1, 1, _reducer(max, missing_is_zero=False)),
    "STDDEV": (1, 1, _reducer(statistics.pstdev, missing_is_zero=False)),
    "DIFF": (1, 1, _differences(by_second=False)),
    "RATE": (1, 1, _differences(by_second=True)),
    "METRIC_COUNT": (1, 1, _metric_count),
    "TIME_SERIES": (1, 1, _time_series),
}
