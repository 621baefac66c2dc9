"""The environment's dashboard: is it healthy, what is being deployed, when was recovery proven last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from environments import Environment
from monitoring.infrastructure_alarms import tables_of
from monitoring.infrastructure_queries import QUESTIONS, groups_of
from orchestrator.aws.recorded import GREEN, LOST, SINCE_GREEN, TOOK
from stack_parts import name_of

SERVICE, ORCHESTRATOR = "IbOauth", "IbOauth/Orchestrator"
ENDINGS = ("SUCCEEDED", "NOTHING_TO_SHIP", "REFUSED", "ROLLED_BACK")
_WIDE, _TALL, _LOW = 24, 6, 4
_LOOK_SECONDS = 60


def dashboard(
    scope: Construct, environment: Environment, alarms: Mapping[str, Sequence[str]], clients_rule: str | None
) -> None:
    """Make the dashboard.

    Args:
        scope: the stack.
        environment: where.
        alarms: ARNs of alarms by what they are for.
        clients_rule: the Contributor Insights rule, where there is one.
    """
    name = environment.name
    cloudwatch.Dashboard(
        scope,
        "Dashboard",
        dashboard_name=f"ib-oauth-{name}",
        default_interval=Duration.hours(3),
        widgets=[
            [_title(f"{name}: is it healthy?", "What rings, then what clients get.")],
            *([_alarms(scope, title, arns)] for title, arns in alarms.items()),
            _traffic(environment),
            [*_grants(environment), *_clients(environment, clients_rule)],
            _limits(environment),
            [_title("What is being deployed?", f"`orchestrator status --env {name}` says it in words, `explain` why.")],
            _versions(environment),
            _deployments(environment),
            [_log(environment, "decisions", "What was decided last")],
            [_title("When did we last prove recovery?", "A drill runs what a real restore runs.")],
            _recovery(environment),
        ],
    )


def _title(question: str, text: str) -> cloudwatch.IWidget:
    return cloudwatch.TextWidget(markdown=f"# {question}\n{text}", width=_WIDE, height=2)


def _alarms(scope: Construct, title: str, arns: Sequence[str]) -> cloudwatch.IWidget:
    found = [
        cloudwatch.Alarm.from_alarm_arn(scope, f"{title} {number}", arn) for number, arn in enumerate(arns, start=1)
    ]
    return cloudwatch.AlarmStatusWidget(title=title, alarms=found, width=_WIDE, height=_LOW)


def _graph(title: str, metrics: Sequence[cloudwatch.IMetric], width: int) -> cloudwatch.IWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=width, height=_TALL, live_data=True)


def _metric(
    namespace: str,
    name: str,
    dimensions: Mapping[str, str],
    statistic: str = "Sum",
    label: str = "",
    seconds: int = _LOOK_SECONDS,
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
    """Every metric that there is of a kind: versions and error codes come and go, and no template knows them."""
    return cloudwatch.MathExpression(
        expression=f"SEARCH('{{{namespace},{dimensions}}} {term}', '{statistic}', {_LOOK_SECONDS})",
        using_metrics={},
        label=label,
        period=Duration.seconds(_LOOK_SECONDS),
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
        _graph("Requests a minute", requests, 8),
        _graph("Answered with 5xx", failed, 8),
        _graph("Latency, ms", latency, 8),
    ]


def _grants(environment: Environment) -> list[cloudwatch.IWidget]:
    by_result = _search(
        f'"{SERVICE}"',
        "environment,function,result",
        f'MetricName="Grants" environment="{environment.name}"',
        "Sum",
    )
    return [_graph("Token requests by what came of them", [by_result], 12)]


def _clients(environment: Environment, rule: str | None) -> list[cloudwatch.IWidget]:
    if rule is None:
        return [_log(environment, "clients", "Clients that ask for grants", width=12)]
    report = cloudwatch.MathExpression(
        expression=f"INSIGHT_RULE_METRIC('{rule}', 'UniqueContributors')",
        using_metrics={},
        label="clients by result",
        period=Duration.minutes(5),
    )
    return [_graph("Clients that ask for grants", [report], 12)]


def _limits(environment: Environment) -> list[cloudwatch.IWidget]:
    functions = [name_of(function, environment) for function in environment.service.functions]
    running = [
        _metric("AWS/Lambda", "ConcurrentExecutions", {"FunctionName": name}, "Maximum", name) for name in functions
    ]
    throttled = [_metric("AWS/Lambda", "Throttles", {"FunctionName": name}, label=name) for name in functions]
    tables = tables_of(environment).items()
    units = [
        _metric("AWS/DynamoDB", f"Consumed{kind}CapacityUnits", {"TableName": table}, label=f"{what} {kind.lower()}s")
        for what, table in tables
        for kind in ("Read", "Write")
    ]
    turned_away = [
        _metric("AWS/DynamoDB", f"{kind}ThrottleEvents", {"TableName": table}, label=f"{what} {kind.lower()}s")
        for what, table in tables
        for kind in ("Read", "Write")
    ]
    return [
        _graph("Functions that run at once", running, 6),
        _graph("Invocations turned away", throttled, 6),
        _graph("Capacity units of tables", units, 6),
        _graph("Reads and writes turned away", turned_away, 6),
    ]


def _versions(environment: Environment) -> list[cloudwatch.IWidget]:
    def by_version(metric: str, statistic: str) -> cloudwatch.IMetric:
        term = f'MetricName="{metric}" environment="{environment.name}"'
        return _search(f'"{SERVICE}"', "environment,function,version", term, statistic)

    return [
        _graph("Requests by version: the shift", [by_version("Requests", "Sum")], 8),
        _graph("5xx by version", [by_version("ServerErrors", "Sum")], 8),
        _graph("99th percentile by version, ms", [by_version("Latency", "p99")], 8),
    ]


def _deployments(environment: Environment) -> list[cloudwatch.IWidget]:
    day = 24 * 3600
    endings = [
        _metric(
            ORCHESTRATOR, "Deployments", {"environment": environment.name, "ending": ending}, label=ending, seconds=day
        )
        for ending in ENDINGS
    ]
    whole = {"environment": environment.name}
    took = [
        _metric(ORCHESTRATOR, "TriggerToRestored", whole, "Maximum", "from trigger to restored", day),
        _metric(ORCHESTRATOR, "Exposed", whole, "Maximum", "clients exposed", day),
    ]
    return [
        cloudwatch.GraphWidget(
            title="Deployments a day by how they ended", left=endings, stacked=True, width=8, height=_TALL
        ),
        _graph("Rollbacks a day", [_metric(ORCHESTRATOR, "Rollbacks", whole, seconds=day)], 8),
        _graph("Slowest rollback of the day, s", took, 8),
    ]


def _log(environment: Environment, question: str, title: str, width: int = _WIDE) -> cloudwatch.IWidget:
    asked = QUESTIONS[question]
    return cloudwatch.LogQueryWidget(
        title=title,
        log_group_names=groups_of(environment, asked.of),
        query_lines=list(asked.lines),
        width=width,
        height=_TALL,
    )


def _recovery(environment: Environment) -> list[cloudwatch.IWidget]:
    whole, day = {"environment": environment.name}, 24 * 3600
    drills = {**whole, "kind": "drill"}
    age = cloudwatch.MathExpression(
        expression="since / 86400",
        using_metrics={"since": _metric(ORCHESTRATOR, SINCE_GREEN, whole, "Minimum")},
        label="days",
        period=Duration.seconds(_LOOK_SECONDS),
    )
    measured = [
        _metric(ORCHESTRATOR, TOOK, drills, "Maximum", "recovery time", day),
        _metric(ORCHESTRATOR, LOST, drills, "Maximum", "data loss", day),
    ]
    return [
        cloudwatch.SingleValueWidget(title="Days since a drill was green", metrics=[age], width=6, height=_TALL),
        _graph("Drills: 1 is green", [_metric(ORCHESTRATOR, GREEN, drills, "Minimum", "worst of the day", day)], 9),
        _graph("Measured in drills, s", measured, 9),
    ]
