"""The service's alarms. Each judges one pooled rate: an alarm cannot name a canary's version before it exists.

They watch what the functions say of themselves (EMF metrics at a resolution of one second, so that ten-second periods work),
what Lambda says of the functions, and what the API says of itself. A rate of few requests says nothing and does not ring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch

from environments import AlarmSettings, Environment
from stack_parts import name_of, with_runbook

_MINUTE_SECONDS = 60
"""Lambda's and API Gateway's own metrics are by the minute."""


@dataclass(frozen=True)
class _Signal:
    """One alarm: its name's middle, its section of the runbook, what it means to the person it wakes, and what it compares."""

    what: str
    section: str
    meaning: str
    value: cloudwatch.IMetric
    threshold: float


def alarms_of(stack: Stack, environment: Environment, namespace: str) -> list[str]:
    """Make the alarms; return their exact ARNs, which are what an alarm event must name to undo a deployment."""
    settings = environment.service.alarms
    signals = [_of_api(environment, settings), _refused_grants(environment, settings, namespace)]
    for function in environment.service.functions:
        signals += _of_function(environment, settings, namespace, function)
    return [_alarm(stack, environment, settings, signal) for signal in signals]


def _of_function(environment: Environment, settings: AlarmSettings, namespace: str, function: str) -> list[_Signal]:
    own = _Metrics(namespace, {"environment": environment.name, "function": function}, settings.period_seconds)
    its = _Metrics("AWS/Lambda", {"FunctionName": name_of(function, environment)}, _MINUTE_SECONDS)
    return [
        _Signal(
            f"{function}-server-errors",
            "server-errors",
            "percent of requests that the function itself answered with 5xx",
            _share(own.sum("ServerErrors"), own.sum("Requests"), settings),
            settings.server_error_percent,
        ),
        _Signal(
            f"{function}-latency",
            "latency",
            "99th percentile of the function's own latency, in ms",
            own.p99("Latency"),
            settings.p99_latency_ms,
        ),
        _Signal(
            f"{function}-errors",
            "errors",
            "percent of invocations that ended in an exception or a timeout",
            _share(its.sum("Errors"), its.sum("Invocations"), settings),
            settings.server_error_percent,
        ),
        _Signal(
            f"{function}-throttles",
            "throttles",
            "percent of invocations that Lambda turned away",
            _share(its.sum("Throttles"), its.sum("Invocations"), settings),
            settings.server_error_percent,
        ),
    ]


def _refused_grants(environment: Environment, settings: AlarmSettings, namespace: str) -> _Signal:
    dimensions = {"environment": environment.name, "function": "token"}
    requests = _Metrics(namespace, dimensions, settings.period_seconds)
    refused = _Metrics(namespace, {**dimensions, "result": "invalid_grant"}, settings.period_seconds)
    return _Signal(
        "token-refused-grants",
        "refused-grants",
        "percent of token requests answered with invalid_grant, which is no 5xx",
        # Nobody refused is no datapoint at all.
        _share(refused.sum("Grants"), requests.sum("Requests"), settings, part_expression="FILL(part, 0)"),
        settings.refused_grants_percent,
    )


def _of_api(environment: Environment, settings: AlarmSettings) -> _Signal:
    metrics = _Metrics(
        "AWS/ApiGateway", {"ApiName": name_of("api", environment), "Stage": environment.name}, _MINUTE_SECONDS
    )
    return _Signal(
        "api-server-errors",
        "api-server-errors",
        "percent of requests that the API answered with 5xx, its own failures included",
        _share(metrics.sum("5XXError"), metrics.sum("Count"), settings),
        settings.server_error_percent,
    )


@dataclass(frozen=True)
class _Metrics:
    """The metrics of one source."""

    namespace: str
    dimensions: Mapping[str, str]
    period_seconds: int

    def sum(self, name: str) -> cloudwatch.Metric:
        return self._metric(name, "Sum")

    def p99(self, name: str) -> cloudwatch.Metric:
        return self._metric(name, "p99")

    def _metric(self, name: str, statistic: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=self.namespace,
            metric_name=name,
            dimensions_map=self.dimensions,
            period=Duration.seconds(self.period_seconds),
            statistic=statistic,
        )


def _share(
    part: cloudwatch.Metric, whole: cloudwatch.Metric, settings: AlarmSettings, *, part_expression: str = "part"
) -> cloudwatch.MathExpression:
    return cloudwatch.MathExpression(
        expression=f"IF(whole >= {settings.minimum_requests}, 100 * {part_expression} / whole, 0)",
        label="percent",
        using_metrics={"part": part, "whole": whole},
        period=whole.period,
    )


def _alarm(stack: Stack, environment: Environment, settings: AlarmSettings, signal: _Signal) -> str:
    name = name_of(signal.what, environment)
    cloudwatch.Alarm(
        stack,
        f"{signal.what.title().replace('-', '')}Alarm",
        alarm_name=name,
        alarm_description=with_runbook(f"{signal.meaning}; more than {signal.threshold:g} is wrong", signal.section),
        metric=signal.value,
        threshold=signal.threshold,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluation_periods=settings.evaluation_periods,
        datapoints_to_alarm=settings.datapoints,
        # No requests, no datapoints: a quiet service is not broken.
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )
    return stack.format_arn(
        service="cloudwatch", resource="alarm", resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
