"""The readers of an environment's configuration, over an IAM that lists roles as AWS does."""

import json
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws

from orchestrator.aws.configuration.readers import Names, buses, functions, roles
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.failover.manual_plan import plan_failover
from orchestrator.domain.recovery.request import target_name
from tests.unit.domain.failover.test_manual_plan import FACTS

TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
ACCESS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}],
}
BOUNDARY = "arn:aws:iam::123456789012:policy/ib-oauth-boundary-prod"
HOME = Names("prod", "ib-oauth-evidence-prod-123456789012", "us-west-1")
MOVED = Names("prod", "ib-oauth-evidence-prod-123456789012-us-east-2", "us-east-2")


@pytest.fixture
def iam(monkeypatch):
    """An IAM whose ListRoles leaves out what AWS's leaves out.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
    """
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")

    def leave_out(parsed, **_):
        for role in parsed.get("Roles", ()):
            for attribute in ("PermissionsBoundary", "RoleLastUsed", "Tags"):
                role.pop(attribute, None)

    with mock_aws():
        client = boto3.client("iam", region_name="us-west-1")
        client.meta.events.register("after-call.iam.ListRoles", leave_out)
        yield client


def create(iam, name, **settings):
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, **settings)
    iam.put_role_policy(RoleName=name, PolicyName="access", PolicyDocument=json.dumps(ACCESS))


def read(iam, names):
    return dict(roles({"iam": iam}.__getitem__, names))


def test_a_role_is_read_with_its_boundary_and_its_tags(iam):
    create(iam, "ib-oauth-token-prod", PermissionsBoundary=BOUNDARY, Tags=[{"Key": "environment", "Value": "prod"}])
    create(iam, "ib-oauth-public-prod")

    found = read(iam, HOME)

    assert found["ib-oauth-token-prod"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY
    assert found["ib-oauth-token-prod"]["Tags"] == {"environment": "prod"}
    assert "PermissionsBoundary" not in found["ib-oauth-public-prod"]
    assert found["ib-oauth-public-prod"]["policies"] == {"access": ACCESS}


@pytest.mark.parametrize(
    ("names", "ours"),
    [
        (HOME, {"ib-oauth-token-prod", "ib-oauth-stack-prod-ApiRole-1A2B3C"}),
        (MOVED, {"ib-oauth-token-prod-us-east-2", "ib-oauth-stack-prod-ApiRole-1A2B3C"}),
    ],
    ids=["home", "after a failover"],
)
def test_the_roles_are_those_of_the_region_that_serves(iam, names, ours):
    """IAM has the roles of both regions. Those of the lost region keep the plain names."""
    for name in (
        *("ib-oauth-token-prod", "ib-oauth-token-prod-us-east-2", "ib-oauth-stack-prod-ApiRole-1A2B3C"),
        *("ib-oauth-token-staging", "ib-oauth-token-staging-us-east-2", "ib-oauth-drill-d1-prod", "somebody"),
    ):
        create(iam, name)

    assert read(iam, names).keys() == ours


@pytest.mark.parametrize("names", [HOME, MOVED])
def test_every_table_that_can_become_live_is_ours_and_a_drills_table_is_not(names):
    failed_over = [table.name for table in plan_failover(FACTS).tables]
    assert len(failed_over) == 2
    restored = target_name(Kind.RESTORE, "re-20261124", "tokens", "prod")
    assert all(map(names.is_ours, [*failed_over, restored, "ib-oauth-tokens-prod"]))
    assert not names.is_ours(target_name(Kind.DRILL, "dr-20261124", "tokens", "prod"))
    assert not any(map(Names("staging", "", "us-west-1").is_ours, failed_over))


class Lambda:
    """A Lambda with one function, whose environment is as Lambda describes it to this caller."""

    def __init__(self, environment):
        self._function = {"FunctionName": "ib-oauth-task-notify-prod", "FunctionArn": "arn", "Environment": environment}

    def get_paginator(self, operation):
        pages = [{"Functions": [self._function]}] if operation == "list_functions" else []
        return SimpleNamespace(paginate=lambda **_: pages)

    def get_policy(self, **_):
        return {"Policy": ""}

    def get_function_concurrency(self, **_):
        return {}


@pytest.mark.parametrize(
    ("environment", "read_as"),
    [
        ({"Variables": {"LOG_LEVEL": "INFO"}}, {"Variables": {"LOG_LEVEL": "INFO"}}),
        (
            {"Error": {"ErrorCode": "AccessDeniedException", "Message": "Lambda was unable to decrypt"}},
            {"Variables": {}, "Error": "AccessDeniedException"},
        ),
    ],
)
def test_variables_that_cannot_be_decrypted_are_shown_as_such_and_not_as_none(environment, read_as):
    ((_, facts),) = functions(lambda _: Lambda(environment), HOME)

    assert facts["Environment"] == read_as


def test_a_text_that_is_nested_too_deeply_is_read_as_text():
    policy = "[" * 100_000
    events = SimpleNamespace(describe_event_bus=lambda **_: {"Name": "ib-oauth-prod", "Policy": policy})
    ((_, facts),) = buses(lambda _: events, HOME)
    assert facts["Policy"] == policy
