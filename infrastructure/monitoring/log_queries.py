"""Saved CloudWatch Logs Insights queries, and the Contributor Insights rule on the clients that request grants.

A test runs each query against log lines as the functions write them. No query returns personal data, because the
functions' log lines have no subject (docs/guides/personal-data.md). The API's access log contains source addresses,
by which one query groups.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

from infrastructure.naming import physical_name, title_of
from orchestrator.environments import Environment

CLIENTS_RULE = "clients"


@dataclass(frozen=True)
class SavedQuery:
    """A saved query.

    Attributes:
        source: the log groups that it reads: `service`, `api` or `tasks`.
    """

    source: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the query in CloudWatch's syntax."""
        return "\n| ".join(self.lines)


SAVED_QUERIES: Mapping[str, SavedQuery] = {
    "failures": SavedQuery(
        "service",
        (
            # Failures of upstream identity providers have the level WARNING.
            'filter level in ["ERROR", "WARNING"]',
            "stats count(*) as times, latest(reason) as why, latest(request_id) as example by error, function, version",
            "sort times desc",
        ),
    ),
    "slow-requests": SavedQuery(
        "service",
        (
            'filter message = "request" and Latency > 1000',
            "fields @timestamp, function, version, route, status, Latency, request_id",
            "sort Latency desc",
            "limit 50",
        ),
    ),
    "one-request": SavedQuery(
        "service",
        (
            'filter request_id = "PUT THE REQUEST ID HERE"',
            "fields @timestamp, message, function, version, route, status, error, reason",
            "sort @timestamp asc",
        ),
    ),
    "versions-compared": SavedQuery(
        "service",
        (
            'filter message = "request"',
            "stats count(*) as requests, sum(ServerErrors) as failed, pct(Latency, 99) as p99 by function, version",
            "sort function asc",
        ),
    ),
    "clients": SavedQuery(
        "service",
        (
            "filter ispresent(client)",
            "stats count(*) as requests, count(Grants) as grants by client, result",
            "sort requests desc",
        ),
    ),
    "sources": SavedQuery(
        "api",
        ("stats count(*) as requests by source_ip, route, status", "sort requests desc", "limit 50"),
    ),
    "turned-away": SavedQuery(
        "api",
        (
            "filter status like /^(4|5)/",
            "stats count(*) as requests, latest(integration_error) as why by status, route",
            "sort requests desc",
        ),
    ),
    "decisions": SavedQuery(
        "tasks",
        (
            'filter message = "task done" or message = "task failed"',
            "fields @timestamp, deployment, state, action, reason, error",
            "sort @timestamp desc",
            "limit 100",
        ),
    ),
    "endings": SavedQuery(
        "tasks",
        (
            'filter message = "measured"',
            "fields @timestamp, deployment, outcome, trigger, RollbackSeconds, CustomerExposureSeconds",
            "sort @timestamp desc",
        ),
    ),
}
"""Saved queries by name."""

_QUERIED_TASKS = (
    "plan-deployment", "shift-traffic", "analyze-canary", "promote", "complete",
    "start-rollback", "take-over-lock", "record-incident",
)  # fmt: skip
"""The tasks whose logs contain a deployment's decisions.

A query reads at most fifty groups and is charged by volume.
"""


def log_groups_of(environment: Environment, source: str) -> list[str]:
    """Return the names of the log groups of a source: `service`, `api` or `tasks`."""
    match source:
        case "service":
            return [f"/aws/lambda/{physical_name(name, environment)}" for name in environment.service.functions]
        case "api":
            return [f"/aws/apigateway/{physical_name('api', environment)}"]
        case "tasks":
            return [f"/aws/lambda/{physical_name(f'task-{name}', environment)}" for name in _QUERIED_TASKS]
    raise ValueError(f"no log groups for the source {source!r}")


def create_saved_queries(scope: Construct, environment: Environment) -> None:
    """Create the saved queries; the console lists them under the environment's name."""
    for name, query in SAVED_QUERIES.items():
        logs.CfnQueryDefinition(
            scope,
            f"{title_of(name)}Query",
            name=f"ib-oauth/{environment.name}/{name}",
            query_string=query.text,
            log_group_names=log_groups_of(environment, query.source),
        )


def create_contributor_rule(scope: Construct, environment: Environment) -> str | None:
    """Create the Contributor Insights rule that counts grants by client; return its name, or None if disabled."""
    if not environment.monitoring.insight_rules:
        return None
    rule = physical_name(CLIENTS_RULE, environment)
    body = {
        "Schema": {"Name": "CloudWatchLogRule", "Version": 1},
        "LogGroupNames": [f"/aws/lambda/{physical_name('token', environment)}"],
        "LogFormat": "JSON",
        "Contribution": {"Keys": ["$.client", "$.result"], "Filters": [{"Match": "$.client", "IsPresent": True}]},
        "AggregateOn": "Count",
    }
    cloudwatch.CfnInsightRule(
        scope,
        "ClientsRule",
        rule_name=rule,
        rule_state="ENABLED",
        rule_body=json.dumps(body, separators=(",", ":"), allow_nan=False),
    )
    return rule
