"""The service's alarms, which trigger a rollback. Each evaluates one rate over all versions of a function.

An alarm cannot name a canary's version, because that does not exist when the alarm is created. The metrics are the
functions' own (embedded metrics with one-second resolution, which allows ten-second periods), Lambda's and API
Gateway's. A rate over fewer requests than `minimum_requests` counts as 0.

Each counts only outcomes that the service is responsible for. What a visitor, a client or an upstream identity provider
can cause is left out, because none of them may be able to roll a release back; docs/reference/security.md lists it, a
row for each alarm. What is left out notifies the operators (`infrastructure/monitoring/alarms.py`).

Metrics arrive late, each by another delay. So an alarm is evaluated over more periods than have to breach ("M out of
N"), and one that subtracts a metric needs more breaching periods than can lack that metric
(docs/adr/0038-alarms-evaluate-late-metrics.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch

from infrastructure.alarms import Alarm, create_alarm, metric
from infrastructure.arns import alarm_arn
from infrastructure.naming import physical_name
from orchestrator.environments import AlarmSettings, Environment

UPSTREAM_FUNCTION = "authorize"
"""The function that calls upstream identity providers."""

_MINUTE_SECONDS = 60
"""The period of Lambda's and API Gateway's own metrics."""


def create_alarms(stack: Stack, environment: Environment, namespace: str) -> list[str]:
    """Create the alarms; return their ARNs. Only events of these alarms trigger a rollback."""
    settings = environment.service.alarms
    alarms = [_api_alarm(environment, settings, namespace), _refused_grants(environment, settings, namespace)]
    for function in environment.service.functions:
        alarms += _function_alarms(environment, settings, namespace, function)
    described = [replace(alarm, meaning=f"{alarm.meaning} is above {alarm.threshold:g}") for alarm in alarms]
    return [alarm_arn(stack, create_alarm(stack, environment, alarm, None)) for alarm in described]


def _function_alarms(environment: Environment, settings: AlarmSettings, namespace: str, function: str) -> list[Alarm]:
    own_metrics = _Metrics(namespace, {"environment": environment.name, "function": function}, settings.period_seconds)
    lambda_metrics = _Metrics("AWS/Lambda", {"FunctionName": physical_name(function, environment)}, _MINUTE_SECONDS)
    return [
        Alarm(
            f"{function}-server-errors",
            "server-errors",
            "percent of requests that the function answered with 5xx, without failures of upstream identity providers",
            _share(own_metrics.sum("ServerErrors"), own_metrics.sum("Requests"), settings),
            settings.server_error_percent,
            settings.datapoints,
        ),
        Alarm(
            f"{function}-latency",
            "latency",
            "p99 latency of the function's requests in ms, without waiting for servers that are not ours",
            own_metrics.p99("Latency"),
            settings.p99_latency_ms,
            settings.datapoints,
        ),
        Alarm(
            f"{function}-errors",
            "errors",
            "percent of invocations that ended with an exception or a timeout",
            _share(lambda_metrics.sum("Errors"), lambda_metrics.sum("Invocations"), settings),
            settings.server_error_percent,
            settings.datapoints,
        ),
    ]


def _refused_grants(environment: Environment, settings: AlarmSettings, namespace: str) -> Alarm:
    own_metrics = _Metrics(namespace, {"environment": environment.name, "function": "token"}, settings.period_seconds)
    return Alarm(
        "token-refused-grants",
        "refused-grants",
        "percent of known grants (an authenticated client's own code or refresh token) refused with invalid_grant",
        _share(own_metrics.sum("RefusedGrants"), own_metrics.sum("KnownGrants"), settings),
        settings.refused_grants_percent,
        settings.datapoints,
    )


def _api_alarm(environment: Environment, settings: AlarmSettings, namespace: str) -> Alarm:
    """Return the alarm on the API's 5xx, less those that a visitor or an upstream identity provider can cause.

    API Gateway also answers 5xx when Lambda throttles a function, which a flood of requests brings about.
    """
    metrics = _Metrics(
        "AWS/ApiGateway", {"ApiName": physical_name("api", environment), "Stage": environment.name}, _MINUTE_SECONDS
    )
    not_ours = {}
    for function in environment.service.functions:
        own_metrics = _Metrics(namespace, {"environment": environment.name, "function": function}, _MINUTE_SECONDS)
        lambda_metrics = _Metrics("AWS/Lambda", {"FunctionName": physical_name(function, environment)}, _MINUTE_SECONDS)
        not_ours[f"{function}_throttles"] = lambda_metrics.sum("Throttles")
        if function == UPSTREAM_FUNCTION:
            not_ours["upstream"] = own_metrics.sum("UpstreamErrors")
    return Alarm(
        "api-server-errors",
        "api-server-errors",
        "percent of requests that the API answered with 5xx, including API Gateway's own errors, but neither throttled"
        " invocations nor failures of upstream identity providers",
        _share(metrics.sum("5XXError"), metrics.sum("Count"), settings, without=not_ours),
        settings.server_error_percent,
        # While what is subtracted is late, all 5xx count. One period more has to breach than can lack it.
        max(settings.datapoints, settings.late_periods(_MINUTE_SECONDS) + 1),
    )


@dataclass(frozen=True)
class _Metrics:
    """The metrics of one namespace and set of dimensions."""

    namespace: str
    dimensions: Mapping[str, str]
    period_seconds: int

    def sum(self, name: str) -> cloudwatch.Metric:
        return metric(self.namespace, name, self.dimensions, "Sum", Duration.seconds(self.period_seconds))

    def p99(self, name: str) -> cloudwatch.Metric:
        return metric(self.namespace, name, self.dimensions, "p99", Duration.seconds(self.period_seconds))


def _share(
    part: cloudwatch.Metric,
    whole: cloudwatch.Metric,
    settings: AlarmSettings,
    *,
    without: Mapping[str, cloudwatch.Metric] | None = None,
) -> cloudwatch.MathExpression:
    """Return part / whole in percent. without: metrics, by their ids, to subtract from part."""
    subtracted = without or {}
    # A metric of failures has no data point while there are none.
    counted = " - ".join(["part", *(f"FILL({name}, 0)" for name in subtracted)])
    return cloudwatch.MathExpression(
        expression=f"IF(whole >= {settings.minimum_requests}, 100 * ({counted}) / whole, 0)",
        label="percent",
        using_metrics={"part": part, "whole": whole, **subtracted},
        period=whole.period,
    )
