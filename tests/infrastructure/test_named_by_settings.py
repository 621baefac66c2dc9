"""What only some environments' settings name is allowed to one function, and nothing is where they name none."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import aws_cdk
import pytest

from infrastructure.orchestrator.acknowledgement import link_key_arn
from infrastructure.orchestrator.functions import EVENT_HANDLERS, OPTIONAL_HANDLERS, TASKS
from infrastructure.orchestrator.iam_arns import Resources, resources_of_settings
from infrastructure.orchestrator.iam_policies import policy_statements
from infrastructure.orchestrator.iam_resources import NAMED_BY_SETTINGS, Resource
from infrastructure.security.permissions_boundary import _statements_of_settings
from orchestrator import environments
from orchestrator.domain.incidents.acknowledgement import AcknowledgementSettings
from orchestrator.domain.telemetry.settings import TelemetrySettings
from tests.fakes.notification_providers import Providers

FUNCTION = "arn:aws:lambda:us-west-1:123456789012:function:ledger-check"
SECRET = "arn:aws:secretsmanager:us-west-1:123456789012:secret:hooks/load-AbCdEf"
CHECK = {
    "name": "denials", "kind": "logs_insights", "direction": "higher_is_worse", "margin_percent": 1,
    "log_groups": ["/aws/lambda/shop"], "query": "stats sum(d) as bad, count(*) as total", "count": "bad", "total": "total",
}  # fmt: skip
HOOKS = [
    {"name": "ledger", "kind": "lambda", "phases": [], "timeout_seconds": 5, "function": FUNCTION},
    {
        "name": "load", "kind": "webhook", "phases": [], "timeout_seconds": 5, "url": "https://ci.example.com/",
        "secret": SECRET,
    },
]  # fmt: skip
ACTIONS = {"logs:StartQuery", "logs:GetQueryResults", "lambda:InvokeFunction", "secretsmanager:GetSecretValue"}


def environment(**delivery):
    dev = environments.load("dev")
    return replace(dev, delivery={**dev.delivery, **delivery})


@pytest.fixture(scope="module")
def stack():
    return aws_cdk.Stack(aws_cdk.App(), "Stack", env=aws_cdk.Environment(account="123456789012", region="us-west-1"))


def allowed(name, arns):
    """(action, resource) pairs that a function's row allows on what settings name."""
    places = Resources(
        arns={**{kind: ["other"] for kind in Resource}, **arns}, conditions={}, ledger="ledger", bus="bus",
        ledger_key=None, topics_key=None, ring_key=None, variables_key=None, evidence_key=None,
    )  # fmt: skip
    permissions = {**TASKS, **EVENT_HANDLERS, **OPTIONAL_HANDLERS}[name].permissions
    grants = tuple(grant for grant in permissions.grants if NAMED_BY_SETTINGS & set(grant.resources))
    statements = policy_statements(replace(permissions, grants=grants), places, "us-west-1")
    return {
        (action, arn) for found in statements if not found.sid for action in found.actions for arn in found.resources
    }


def test_only_the_analysis_queries_the_named_groups_and_only_the_hook_task_calls_the_named_hooks(stack):
    arns = resources_of_settings(stack, environment(checks=[CHECK], hooks=HOOKS))
    group = "arn:aws:logs:us-west-1:123456789012:log-group:/aws/lambda/shop"
    analysis = {("logs:StartQuery", group), ("logs:StartQuery", f"{group}:*"), ("logs:GetQueryResults", "*")}
    calls = {("lambda:InvokeFunction", FUNCTION), ("secretsmanager:GetSecretValue", SECRET)}
    expected = {"analyze_canary": analysis, "verify_after_promotion": analysis, "call_hook": calls}
    resolved = {
        key: [str(stack.resolve(arn)).replace("{'Ref': 'AWS::Partition'}", "aws") for arn in value]
        for key, value in arns.items()
    }
    resolved[Resource.CHECKED_LOGS] = [group, f"{group}:*"]
    assert str(stack.resolve(arns[Resource.CHECKED_LOGS])).count("log-group:/aws/lambda/shop") == 2
    for name in (*TASKS, *EVENT_HANDLERS, *OPTIONAL_HANDLERS):
        assert allowed(name, resolved) == expected.get(name, set()), name


def test_without_them_nothing_is_allowed_and_the_boundary_has_no_statement(stack):
    without = environment()
    arns = resources_of_settings(stack, without)
    assert set(arns) == NAMED_BY_SETTINGS
    assert not any(arns.values())
    assert not any(allowed(name, arns) for name in (*TASKS, *EVENT_HANDLERS, *OPTIONAL_HANDLERS))
    assert _statements_of_settings(stack, without) == []


def test_the_boundary_allows_exactly_what_the_settings_name(stack):
    statements = _statements_of_settings(stack, environment(checks=[CHECK], hooks=HOOKS))
    assert {action for found in statements for action in found.actions} == ACTIONS
    by_action = {found.actions[0]: found.resources for found in statements}
    assert (by_action["lambda:InvokeFunction"], by_action["secretsmanager:GetSecretValue"]) == ([FUNCTION], [SECRET])


def test_the_endpoint_reads_the_secrets_of_the_pagers_webhooks_and_both_read_the_key_of_links(stack):
    destinations = Providers(datetime.now).destinations()
    enabled = AcknowledgementSettings(enabled=True)
    arns = resources_of_settings(stack, replace(environment(), notifications=destinations, acknowledgement=enabled))
    key = ("secretsmanager:GetSecretValue", link_key_arn(stack, environment()))
    webhooks = {("secretsmanager:GetSecretValue", one.webhook_secret) for one in destinations if one.webhook_secret}
    assert webhooks
    assert allowed("acknowledge_incident", arns) == {key, *webhooks}
    assert key in allowed("deliver_notifications", arns)
    assert not webhooks & allowed("deliver_notifications", arns)


def test_only_the_notifier_reads_the_secrets_of_the_destinations(stack):
    destinations = Providers(datetime.now).destinations()
    with_destinations = replace(environment(), notifications=destinations)
    arns = resources_of_settings(stack, with_destinations)
    secrets = {("secretsmanager:GetSecretValue", one.secret) for one in destinations if one.secret}
    assert len(secrets) == len(destinations) - 1, "e-mail has none"
    for name in (*TASKS, *EVENT_HANDLERS, *OPTIONAL_HANDLERS):
        assert allowed(name, arns) == (secrets if name == "deliver_notifications" else set()), name
    (statement,) = _statements_of_settings(stack, with_destinations)
    # A boundary has few characters, so it covers what the names begin with; the role names each secret.
    assert (statement.actions, statement.resources) == (
        ["secretsmanager:GetSecretValue"],
        ["arn:aws:secretsmanager:us-west-1:123456789012:secret:ib-oauth/*"],
    )
    one = _statements_of_settings(stack, replace(environment(), notifications=destinations[:1]))
    assert one[0].resources == [destinations[0].secret]


def test_only_the_export_of_traces_reads_the_secret_of_the_collector(stack):
    with_telemetry = replace(environment(), telemetry=TelemetrySettings("https://otlp.example.com", SECRET))
    arns = resources_of_settings(stack, with_telemetry)
    for name in (*TASKS, *EVENT_HANDLERS, *OPTIONAL_HANDLERS):
        expected = {("secretsmanager:GetSecretValue", SECRET)} if name == "export_trace" else set()
        assert allowed(name, arns) == expected, name
    (statement,) = _statements_of_settings(stack, with_telemetry)
    assert (statement.actions, statement.resources) == (["secretsmanager:GetSecretValue"], [SECRET])
