"""CloudWatch's metric math: computes an expression from its syntax tree and the metrics' values.

AWS: the result of an expression is one or several time series; a scalar is only an intermediate value.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html

Supported are the functions that an alarm or a query of this product may use, and similar ones. Not supported: SEARCH,
SORT, bands, insight rules and calendar functions.
"""

from __future__ import annotations

import operator
from typing import Final

from orchestrator.local.emulator.cloudwatch.metric_math.functions import (
    FILLERS,
    FUNCTIONS,
    OPERATORS,
    Metrics,
    Value,
    apply_operator,
    as_series_list,
    fill_missing,
    map_values,
)
from orchestrator.local.emulator.cloudwatch.metric_math.parser import (
    Array,
    Call,
    InvalidExpression,
    Name,
    Negative,
    Node,
    Number,
    Operation,
    Text,
)

KNOWN_FUNCTIONS: Final = frozenset({"METRICS", "PERIOD", "FILL", *FUNCTIONS})


def compute(node: Node, metrics: Metrics) -> Value:
    """Return the value of an expression; raises InvalidExpression if AWS would reject it."""
    match node:
        case Number(value):
            return value
        case Name(name):
            return _resolve_name(name, metrics)
        case Array(items):
            return [series for item in items for series in as_series_list(compute(item, metrics))]
        case Negative(of):
            return map_values(compute(of, metrics), operator.neg)
        case Operation(sign, left, right):
            return apply_operator(OPERATORS[sign], compute(left, metrics), compute(right, metrics))
        case Call(function, arguments):
            return _call_function(function, arguments, metrics)
        case Text():
            raise InvalidExpression("a string is only allowed in METRICS")


def _resolve_name(name: str, metrics: Metrics) -> Value:
    if name in metrics.values:
        return metrics.values[name]
    if name in metrics.expressions:
        return metrics.expressions[name]
    raise InvalidExpression(f"{name}: no metric or expression has this id")


def _call_function(function: str, arguments: tuple[Node, ...], metrics: Metrics) -> Value:
    if function == "METRICS":
        return _metrics(arguments, metrics)
    if function == "PERIOD":
        return _period(arguments, metrics)
    if function == "FILL":
        return _fill(arguments, metrics)
    if function not in FUNCTIONS:
        raise InvalidExpression(f"{function}: unsupported function")
    fewest, most, implementation = FUNCTIONS[function]
    if not fewest <= len(arguments) <= most:
        raise InvalidExpression(f"{function}: {len(arguments)} arguments")
    return implementation([compute(argument, metrics) for argument in arguments], metrics)


def _metrics(arguments: tuple[Node, ...], metrics: Metrics) -> Value:
    match arguments:
        case ():
            return list(metrics.values.values())
        case (Text(part),):
            return [series for name, series in metrics.values.items() if part in name]
    raise InvalidExpression("METRICS takes a string or nothing")


def _period(arguments: tuple[Node, ...], metrics: Metrics) -> Value:
    match arguments:
        case (Name(name),) if name in metrics.periods_seconds:
            return float(metrics.periods_seconds[name])
    raise InvalidExpression("PERIOD takes a metric")


def _fill(arguments: tuple[Node, ...], metrics: Metrics) -> Value:
    if len(arguments) != 2:  # noqa: PLR2004 - the series and the filler
        raise InvalidExpression(f"FILL: {len(arguments)} arguments")
    sparse, filler = arguments
    values = as_series_list(compute(sparse, metrics))
    fill = FILLERS.get(filler.name) if isinstance(filler, Name) else None
    if fill:
        filled_series = [fill(series, metrics.starts) for series in values]
    else:
        value = compute(filler, metrics)
        if isinstance(value, list):
            raise InvalidExpression("FILL takes a scalar, one time series, REPEAT or LINEAR")
        filled_series = [fill_missing(series, metrics.starts, value) for series in values]
    return filled_series if len(filled_series) != 1 else filled_series[0]
