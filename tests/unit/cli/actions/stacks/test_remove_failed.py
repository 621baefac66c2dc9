"""`orchestrator remove-failed-stacks` shows first, changes nothing without --yes, and plans all before it removes one."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.cli import context as cli_context
from orchestrator.cli.context import Context
from orchestrator.cli.main import app

BEGAN = datetime(2026, 11, 29, tzinfo=UTC)
RUN = CliRunner()


class Account:
    """CloudFormation, DynamoDB, KMS and CloudWatch Logs of one account, as far as the command needs them."""

    def __init__(self, *stacks: dict, resources: dict[str, list[dict]] | None = None):
        self.stacks, self.resources, self.calls = list(stacks), resources or {}, []

    def __getattr__(self, operation):
        def call(**parameters):
            self.calls.append((operation, parameters))

        return call

    def __call__(self, _service):
        return self

    def get_paginator(self, _operation):
        return SimpleNamespace(paginate=lambda: iter([{"Stacks": self.stacks}]))

    def get_waiter(self, _name):
        return SimpleNamespace(wait=lambda **_: None)

    def describe_stack_resources(self, *, StackName):  # noqa: N803 - botocore's
        return {"StackResources": self.resources.get(StackName, [])}

    def describe_table(self, *, TableName):  # noqa: N803 - botocore's
        deleted = ("delete_table", {"TableName": TableName}) in self.calls
        status = "DELETING" if deleted else "ACTIVE"
        return {"Table": {"TableName": TableName, "TableStatus": status, "CreationDateTime": BEGAN}}


def stack(name: str, phase: str, **more) -> dict:
    return {"StackName": name, "StackStatus": phase, "CreationTime": BEGAN, "EnableTerminationProtection": True, **more}


def resource(kind: str, name: str) -> dict:
    return {
        "LogicalResourceId": "Id",
        "ResourceType": kind,
        "PhysicalResourceId": name,
        "ResourceStatus": "DELETE_FAILED",
    }


@pytest.fixture
def run(monkeypatch):
    def invoke(account, *arguments: str):
        context = Context(environments.load("prod"), account)
        monkeypatch.setattr(cli_context, "context_of", lambda _name: context)
        return RUN.invoke(app, ["remove-failed-stacks", "--env", "prod", *arguments])

    return invoke


FAILED = stack("ib-oauth-stack-prod", "ROLLBACK_FAILED")
KEY = {"ib-oauth-stack-prod": [resource("AWS::KMS::Key", "0f1e")]}


def test_without_yes_it_shows_what_is_left_and_changes_nothing(run):
    account = Account(FAILED, stack("ib-oauth-orchestrator-prod", "CREATE_COMPLETE"), resources=KEY)
    answer = run(account)
    assert answer.exit_code == 0
    assert "ib-oauth-stack-prod: ROLLBACK_FAILED, left: key 0f1e" in answer.stdout
    assert "orchestrator remove-failed-stacks --env prod --yes" in answer.stdout
    assert account.calls == []


def test_with_yes_it_removes_the_rest_and_the_stack(run):
    account = Account(FAILED, resources=KEY)
    answer = run(account, "--yes")
    assert answer.exit_code == 0, answer.stdout
    assert [operation for operation, _ in account.calls] == [
        "schedule_key_deletion",
        "update_termination_protection",
        "delete_stack",
    ]
    assert account.calls[0][1] == {"KeyId": "0f1e", "PendingWindowInDays": 7}


def test_stacks_of_other_environments_and_those_that_were_created_are_not_looked_at(run):
    others = [
        stack("ib-oauth-stack-staging", "ROLLBACK_COMPLETE"),
        stack("other-prod", "ROLLBACK_COMPLETE"),
        stack("ib-oauth-stack-prod", "UPDATE_ROLLBACK_COMPLETE"),
    ]
    account = Account(*others)
    answer = run(account, "--yes")
    assert "no stack of prod failed its creation" in answer.stdout
    assert account.calls == []


def test_one_refusal_keeps_every_stack(run):
    bucket = {"ib-oauth-security-prod": [resource("AWS::S3::Bucket", "ib-oauth-trail-prod")], **KEY}
    account = Account(FAILED, stack("ib-oauth-security-prod", "ROLLBACK_FAILED"), resources=bucket)
    answer = run(account, "--yes", "--json")
    error = json.loads(answer.stdout)["error"]
    assert (answer.exit_code, error["field"], error["value"]) == (2, "ib-oauth-security-prod.Id", "ib-oauth-trail-prod")
    assert account.calls == []


def test_as_json_it_names_what_it_removes(run):
    answer = run(Account(FAILED, resources=KEY), "--json")
    document = json.loads(answer.stdout)
    assert (document["removed"], document["stacks"][0]["keys"]) == (False, ["0f1e"])
