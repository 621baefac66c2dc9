"""Saved questions to the logs, and who of the clients asks for grants.

A question names fields that the log lines have; a test holds each to lines as the functions write them. Nothing here shows a
person: the lines have no subject (docs/personal-data.md). The API's access log has addresses, and one question groups by them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

from environments import Environment
from stack_parts import name_of

CLIENTS_RULE = "clients"


@dataclass(frozen=True)
class Question:
    """A saved query.

    Attributes:
        of: whose logs are asked: `service`, `api`, `tasks` or `intakes`.
    """

    of: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The query as CloudWatch takes it."""
        return "\n| ".join(self.lines)


QUESTIONS: Mapping[str, Question] = {
    "failures": Question(
        "service",
        (
            'filter level = "ERROR"',
            "stats count(*) as times, latest(reason) as why, latest(request_id) as example by error, function, version",
            "sort times desc",
        ),
    ),
    "slow-requests": Question(
        "service",
        (
            'filter message = "request" and Latency > 1000',
            "fields @timestamp, function, version, route, status, Latency, request_id",
            "sort Latency desc",
            "limit 50",
        ),
    ),
    "one-request": Question(
        "service",
        (
            'filter request_id = "PUT THE REQUEST ID HERE"',
            "fields @timestamp, message, function, version, route, status, error, reason",
            "sort @timestamp asc",
        ),
    ),
    "versions-compared": Question(
        "service",
        (
            'filter message = "request"',
            "stats count(*) as requests, sum(ServerErrors) as failed, pct(Latency, 99) as p99 by function, version",
            "sort function asc",
        ),
    ),
    "clients": Question(
        "service",
        (
            "filter ispresent(client)",
            "stats count(*) as requests, count(Grants) as grants by client, result",
            "sort requests desc",
        ),
    ),
    "sources": Question(
        "api",
        ("stats count(*) as requests by source_ip, route, status", "sort requests desc", "limit 50"),
    ),
    "turned-away": Question(
        "api",
        (
            "filter status like /^(4|5)/",
            "stats count(*) as requests, latest(integration_error) as why by status, route",
            "sort requests desc",
        ),
    ),
    "decisions": Question(
        "tasks",
        (
            'filter message = "task done" or message = "task failed"',
            "fields @timestamp, deployment, state, action, reason, error",
            "sort @timestamp desc",
            "limit 100",
        ),
    ),
    "endings": Question(
        "tasks",
        (
            'filter message = "measured"',
            "fields @timestamp, deployment, ending, trigger, TriggerToRestored, Exposed",
            "sort @timestamp desc",
        ),
    ),
}
"""Questions by name."""

_TASKS_ASKED = ("record", "record-incident", "start-rollback", "verify", "shift-traffic", "promote", "fence", "plan")
"""Whose logs tell a deployment's story. A query may name fifty groups, and is charged by what it reads."""


def groups_of(environment: Environment, of: str) -> list[str]:
    """Return the log groups behind a word."""
    match of:
        case "service":
            return [f"/aws/lambda/{name_of(name, environment)}" for name in environment.service.functions]
        case "api":
            return [f"/aws/apigateway/{name_of('api', environment)}"]
        case "tasks":
            return [f"/aws/lambda/{name_of(f'task-{name}', environment)}" for name in _TASKS_ASKED]
    raise ValueError(f"nothing logs as {of!r}")


def queries(scope: Construct, environment: Environment) -> None:
    """Save the questions; the console lists them under the environment's name."""
    for name, question in QUESTIONS.items():
        logs.CfnQueryDefinition(
            scope,
            f"{name.title().replace('-', '')}Query",
            name=f"ib-oauth/{environment.name}/{name}",
            query_string=question.text,
            log_group_names=groups_of(environment, question.of),
        )


def contributors(scope: Construct, environment: Environment) -> str | None:
    """Let Contributor Insights count grants by client and result; return the rule's name, or None where that is off."""
    if not environment.monitoring.insight_rules:
        return None
    rule = name_of(CLIENTS_RULE, environment)
    body = {
        "Schema": {"Name": "CloudWatchLogRule", "Version": 1},
        "LogGroupNames": [f"/aws/lambda/{name_of('token', environment)}"],
        "LogFormat": "JSON",
        "Contribution": {"Keys": ["$.client", "$.result"], "Filters": [{"Match": "$.client", "IsPresent": True}]},
        "AggregateOn": "Count",
    }
    cloudwatch.CfnInsightRule(
        scope, "ClientsRule", rule_name=rule, rule_state="ENABLED", rule_body=json.dumps(body, separators=(",", ":"))
    )
    return rule
