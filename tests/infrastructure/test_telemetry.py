"""The export of traces in the templates: only where there is a collector, for every ended execution of every state machine."""

from __future__ import annotations

import json

from tests.infrastructure.templates import COLLECTOR_SECRET, named, text_of
from tests.infrastructure.test_rights import as_list


def test_without_a_collector_there_is_nothing_of_traces(every):
    text = json.dumps(every.orchestrator)
    assert "export_trace" not in text
    assert "execution-ended" not in text


def test_every_end_of_every_state_machine_is_exported_with_retries_and_dead_letters(everything_on):
    rule = named(everything_on.orchestrator, "AWS::Events::Rule", "Name", "ib-oauth-event-execution-ended-staging")
    assert rule["EventPattern"]["detail"]["status"] == ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
    machines = {text_of(arn).rsplit(":", 1)[1] for arn in rule["EventPattern"]["detail"]["stateMachineArn"]}
    assert machines == {f"ib-oauth-{name}-staging" for name in ("deployment", "rollback", "drill", "restore")}
    (target,) = rule["Targets"]
    assert text_of(target["Arn"]).startswith("<EventExportTrace")
    assert text_of(target["DeadLetterConfig"]["Arn"]).startswith("<DeadLetters")
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 20}


def test_the_function_knows_the_collector_and_where_its_headers_are_but_not_the_headers(everything_on):
    function = named(
        everything_on.orchestrator,
        "AWS::Lambda::Function",
        "Handler",
        "orchestrator.event_handlers.export_trace.handler",
    )
    variables = function["Environment"]["Variables"]
    assert (variables["OTLP_ENDPOINT"], variables["OTLP_HEADERS_SECRET"]) == (
        "https://otlp.example.com", COLLECTOR_SECRET,
    )  # fmt: skip


def test_it_reads_executions_and_one_secret_and_changes_nothing(everything_on):
    role = named(everything_on.orchestrator, "AWS::IAM::Role", "RoleName", "ib-oauth-event-export-trace-staging")
    actions = {
        action
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in as_list(statement["Action"])
    }
    assert {"states:DescribeExecution", "states:GetExecutionHistory", "secretsmanager:GetSecretValue"} <= actions
    assert not {one for one in actions if one.startswith(("dynamodb:Put", "dynamodb:Update", "events:", "lambda:"))}
