"""CloudWatch's metric math: from a tree and the metrics' values to the values of the expression.

AWS: the result of an expression is a time series or several; a scalar is only part of one.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html

Here are the functions that an alarm or a query of this product may use, and their like; not here: SEARCH, SORT, bands,
insight rules and the functions of the calendar.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Final

from orchestrator.local.fidelity.metric_math_syntax import (
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
from orchestrator.local.fidelity.metric_math_values import (
    FILLERS,
    FUNCTIONS,
    OPERATORS,
    Metrics,
    TimeSeries,
    Value,
    combined,
    each,
    filled,
    several,
)

KNOWN_FUNCTIONS: Final = frozenset({"METRICS", "PERIOD", "FILL", *FUNCTIONS})


def compute(node: Node, metrics: Metrics) -> Value:
    """Return what an expression gives; raises InvalidExpression where AWS would not take it."""
    match node:
        case Number(value):
            return value
        case Name(name):
            return _named(name, metrics)
        case Array(items):
            return [series for item in items for series in several(compute(item, metrics))]
        case Negative(of):
            return each(compute(of, metrics), operator.neg)
        case Operation(sign, left, right):
            return combined(OPERATORS[sign], compute(left, metrics), compute(right, metrics))
        case Call(function, arguments):
            return _called(function, arguments, metrics)
        case Text():
            raise InvalidExpression("a string stands only in METRICS")


def series_of(node: Node, metrics: Metrics) -> TimeSeries:
    """Return the one time series that an expression gives; raises InvalidExpression where it gives something else."""
    found = compute(node, metrics)
    if isinstance(found, list) and len(found) == 1:
        return found[0]
    if isinstance(found, Mapping):
        return found
    raise InvalidExpression(
        f"the result is {'no' if isinstance(found, list) else 'a scalar and no'} single time series"
    )


def _named(name: str, metrics: Metrics) -> Value:
    if name in metrics.values:
        return metrics.values[name]
    if name in metrics.expressions:
        return metrics.expressions[name]
    raise InvalidExpression(f"{name}: no metric or expression of that id")


def _called(function: str, arguments: tuple[Node, ...], metrics: Metrics) -> Value:
    if function == "METRICS":
        return _metrics(arguments, metrics)
    if function == "PERIOD":
        return _period(arguments, metrics)
    if function == "FILL":
        return _fill(arguments, metrics)
    if function not in FUNCTIONS:
        raise InvalidExpression(f"{function}: no such function here")
    fewest, most, called = FUNCTIONS[function]
    if not fewest <= len(arguments) <= most:
        raise InvalidExpression(f"{function}: {len(arguments)} arguments")
    return called([compute(argument, metrics) for argument in arguments], metrics)


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
    if len(arguments) != 2:  # noqa: PLR2004 - what to fill and with what
        raise InvalidExpression(f"FILL: {len(arguments)} arguments")
    sparse, filler = arguments
    values = several(compute(sparse, metrics))
    fill = FILLERS.get(filler.name) if isinstance(filler, Name) else None
    if fill:
        found = [fill(series, metrics.starts) for series in values]
    else:
        value = compute(filler, metrics)
        if isinstance(value, list):
            raise InvalidExpression("FILL takes a scalar, one time series, REPEAT or LINEAR")
        found = [filled(series, metrics.starts, value) for series in values]
    return found if len(found) != 1 else found[0]
