"""The environment's dashboard: health, deployments, and recovery drills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infrastructure.monitoring.alarms import monitored_tables
from infrastructure.monitoring.log_queries import SAVED_QUERIES, log_groups_of
from infrastructure.naming import physical_name
from orchestrator.application.recovery_reporting import (
    DATA_LOSS_SECONDS,
    RECOVERY_SECONDS,
    SECONDS_SINCE_SUCCESS,
    SUCCEEDED,
)
from orchestrator.domain.objectives.scenarios import DRILL
from orchestrator.environments import Environment

SERVICE, ORCHESTRATOR = "IbOauth", "IbOauth/Orchestrator"
OUTCOMES = ("SUCCEEDED", "NOTHING_TO_SHIP", "REFUSED", "ROLLED_BACK", "NOT_ROLLED_BACK")
_WIDE, _TALL, _LOW = 24, 6, 4
_PERIOD_SECONDS = 60


def create_dashboard(
    scope: Construct, environment: Environment, alarms: Mapping[str, Sequence[str]], clients_rule: str | None
) -> None:
    """Create the dashboard.

    Args:
        scope: the stack.
        environment: the environment.
        alarms: ARNs of alarms, by the title of their widget.
        clients_rule: the name of the Contributor Insights rule; None without one.
    """
    name = environment.name
    cloudwatch.Dashboard(
        scope,
        "Dashboard",
        dashboard_name=f"ib-oauth-{name}",
        default_interval=Duration.hours(3),
        widgets=[
            [_heading(f"{name}: is it healthy?", "Alarms, then the traffic of clients.")],
            *([_alarms(scope, title, arns)] for title, arns in alarms.items()),
            _traffic(environment),
            [*_grants(environment), *_clients(environment, clients_rule)],
            _limits(environment),
            [
                _heading(
                    "What is being deployed?",
                    f"`orchestrator status --env {name}` shows the state, `orchestrator explain` the decisions.",
                )
            ],
            _versions(environment),
            _deployments(environment),
            [_log(environment, "decisions", "Latest decisions")],
            [_heading("When did the last recovery drill succeed?", "A drill runs the same steps as a restore.")],
            _recovery(environment),
        ],
    )


def _heading(question: str, text: str) -> cloudwatch.IWidget:
    return cloudwatch.TextWidget(markdown=f"# {question}\n{text}", width=_WIDE, height=2)


def _alarms(scope: Construct, title: str, arns: Sequence[str]) -> cloudwatch.IWidget:
    widgets = [
        cloudwatch.Alarm.from_alarm_arn(scope, f"{title} {number}", arn) for number, arn in enumerate(arns, start=1)
    ]
    return cloudwatch.AlarmStatusWidget(title=title, alarms=widgets, width=_WIDE, height=_LOW)


def _graph(title: str, metrics: Sequence[cloudwatch.IMetric], width: int) -> cloudwatch.IWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=width, height=_TALL, live_data=True)


def _metric(
    namespace: str,
    name: str,
    dimensions: Mapping[str, str],
    statistic: str = "Sum",
    label: str = "",
    seconds: int = _PERIOD_SECONDS,
) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        label=label or name,
        period=Duration.seconds(seconds),
    )


def _search(namespace: str, dimensions: str, term: str, statistic: str, label: str = "") -> cloudwatch.IMetric:
    """Return all metrics that match a search.

    Versions and error codes are not known when the template is synthesised.
    """
    return cloudwatch.MathExpression(
        expression=f"SEARCH('{{{namespace},{dimensions}}} {term}', '{statistic}', {_PERIOD_SECONDS})",
        using_metrics={},
        label=label,
        period=Duration.seconds(_PERIOD_SECONDS),
    )


def _traffic(environment: Environment) -> list[cloudwatch.IWidget]:
    functions = {
        function: {"environment": environment.name, "function": function} for function in environment.service.functions
    }
    requests = [_metric(SERVICE, "Requests", of, label=function) for function, of in functions.items()]
    failed = [_metric(SERVICE, "ServerErrors", of, label=function) for function, of in functions.items()]
    latency = [
        _metric(SERVICE, "Latency", of, statistic, f"{function} {statistic}")
        for function, of in functions.items()
        for statistic in ("p50", "p99")
    ]
    return [
        _graph("Requests per minute", requests, 8),
        _graph("5xx responses", failed, 8),
        _graph("Latency, ms", latency, 8),
    ]


def _grants(environment: Environment) -> list[cloudwatch.IWidget]:
    by_result = _search(
        f'"{SERVICE}"',
        "environment,function,result",
        f'MetricName="Grants" environment="{environment.name}"',
        "Sum",
    )
    return [_graph("Token requests by result", [by_result], 12)]


def _clients(environment: Environment, rule: str | None) -> list[cloudwatch.IWidget]:
    if rule is None:
        return [_log(environment, "clients", "Clients that request grants", width=12)]
    report = cloudwatch.MathExpression(
        expression=f"INSIGHT_RULE_METRIC('{rule}', 'UniqueContributors')",
        using_metrics={},
        label="clients by result",
        period=Duration.minutes(5),
    )
    return [_graph("Clients that request grants", [report], 12)]


def _limits(environment: Environment) -> list[cloudwatch.IWidget]:
    functions = [physical_name(function, environment) for function in environment.service.functions]
    running = [
        _metric("AWS/Lambda", "ConcurrentExecutions", {"FunctionName": name}, "Maximum", name) for name in functions
    ]
    throttled = [_metric("AWS/Lambda", "Throttles", {"FunctionName": name}, label=name) for name in functions]
    tables = monitored_tables(environment).items()
    units = [
        _metric("AWS/DynamoDB", f"Consumed{kind}CapacityUnits", {"TableName": table}, label=f"{role} {kind.lower()}s")
        for role, table in tables
        for kind in ("Read", "Write")
    ]
    throttle_events = [
        _metric("AWS/DynamoDB", f"{kind}ThrottleEvents", {"TableName": table}, label=f"{role} {kind.lower()}s")
        for role, table in tables
        for kind in ("Read", "Write")
    ]
    return [
        _graph("Concurrent executions", running, 6),
        _graph("Throttled invocations", throttled, 6),
        _graph("Consumed capacity units", units, 6),
        _graph("Throttled reads and writes", throttle_events, 6),
    ]


def _versions(environment: Environment) -> list[cloudwatch.IWidget]:
    def by_version(metric: str, statistic: str) -> cloudwatch.IMetric:
        term = f'MetricName="{metric}" environment="{environment.name}"'
        return _search(f'"{SERVICE}"', "environment,function,version", term, statistic)

    return [
        _graph("Requests by version", [by_version("Requests", "Sum")], 8),
        _graph("5xx by version", [by_version("ServerErrors", "Sum")], 8),
        _graph("p99 latency by version, ms", [by_version("Latency", "p99")], 8),
    ]


def _deployments(environment: Environment) -> list[cloudwatch.IWidget]:
    day = 24 * 3600
    outcomes = [
        _metric(
            ORCHESTRATOR,
            "Deployments",
            {"environment": environment.name, "outcome": outcome},
            label=outcome,
            seconds=day,
        )
        for outcome in OUTCOMES
    ]
    dimensions = {"environment": environment.name}
    durations = [
        _metric(ORCHESTRATOR, "RollbackSeconds", dimensions, "Maximum", "from trigger to stable", day),
        _metric(ORCHESTRATOR, "CustomerExposureSeconds", dimensions, "Maximum", "clients exposed", day),
    ]
    return [
        cloudwatch.GraphWidget(
            title="Deployments per day by outcome", left=outcomes, stacked=True, width=8, height=_TALL
        ),
        _graph("Rollbacks per day", [_metric(ORCHESTRATOR, "Rollbacks", dimensions, seconds=day)], 8),
        _graph("Slowest rollback of the day, s", durations, 8),
    ]


def _log(environment: Environment, query_name: str, title: str, width: int = _WIDE) -> cloudwatch.IWidget:
    query = SAVED_QUERIES[query_name]
    return cloudwatch.LogQueryWidget(
        title=title,
        log_group_names=log_groups_of(environment, query.source),
        query_lines=list(query.lines),
        width=width,
        height=_TALL,
    )


def _recovery(environment: Environment) -> list[cloudwatch.IWidget]:
    day = 24 * 3600
    drills = {"environment": environment.name, "kind": DRILL}
    age = cloudwatch.MathExpression(
        expression="since / 86400",
        using_metrics={"since": _metric(ORCHESTRATOR, SECONDS_SINCE_SUCCESS, drills, "Minimum")},
        label="days",
        period=Duration.seconds(_PERIOD_SECONDS),
    )
    measured = [
        _metric(ORCHESTRATOR, RECOVERY_SECONDS, drills, "Maximum", "recovery time", day),
        _metric(ORCHESTRATOR, DATA_LOSS_SECONDS, drills, "Maximum", "data loss", day),
    ]
    return [
        cloudwatch.SingleValueWidget(title="Days since a successful drill", metrics=[age], width=6, height=_TALL),
        _graph(
            "Drills: 1 is a success", [_metric(ORCHESTRATOR, SUCCEEDED, drills, "Minimum", "worst of the day", day)], 9
        ),
        _graph("Measured in drills, s", measured, 9),
    ]
