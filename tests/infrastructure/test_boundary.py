"""The permission boundary, evaluated as IAM would: what our roles do is within it, and it ends at the environment."""

from __future__ import annotations

import dataclasses
import json
import re
from fnmatch import fnmatchcase

import pytest

from infrastructure.security.permissions_boundary import (
    DENIED_ACTIONS,
    DENIED_EXCEPT_SCALING_ALARMS,
    DENIED_EXCEPT_STATE_MACHINES,
    SIGNING_KEY_TAG,
)
from infrastructure.service.iam import SIGNING_KEY_TAG as TAG_OF_THE_SERVICE
from orchestrator import environments
from tests.infrastructure.access import Templates, read
from tests.infrastructure.templates import OTHER_REGION, resources, synthesise, text_of
from tests.infrastructure.test_rights import as_list

ACCOUNT, REGION = "111122223333", "us-west-1"
LONGEST_POLICY = 6144  # of a managed policy, without white space (IAM quotas)
OURS = {"aws:ResourceTag/environment": "staging"}
_REFERENCE = re.compile(r"<(?P<stack>[\w-]+)/(?P<id>\w+)(\.Arn)?>")
_NAMED = {
    "AWS::DynamoDB::Table": ("dynamodb", "table/", "TableName"),
    "AWS::Lambda::Function": ("lambda", "function:", "FunctionName"),
    "AWS::SNS::Topic": ("sns", "", "TopicName"),
    "AWS::SQS::Queue": ("sqs", "", "QueueName"),
    "AWS::Events::EventBus": ("events", "event-bus/", "Name"),
    "AWS::StepFunctions::StateMachine": ("states", "stateMachine:", "StateMachineName"),
}


class Names:
    """What the references of templates are once they are deployed."""

    def __init__(self, one, region: str = REGION) -> None:
        self.templates: Templates = read(one.files)
        self._region = region
        self._known = {}
        for kind in (*_NAMED, "AWS::IAM::Role", "AWS::KMS::Key", "AWS::S3::Bucket", "AWS::Logs::LogGroup"):
            for stack, logical_id, properties in self.templates.resources(kind):
                self._known[stack, logical_id] = self._arn(kind, logical_id, stack, properties)

    def _arn(self, kind, logical_id, stack, properties) -> str:
        if kind in _NAMED:
            service, prefix, key = _NAMED[kind]
            return f"arn:aws:{service}:{self._region}:{ACCOUNT}:{prefix}{properties[key]}"
        if kind == "AWS::KMS::Key":
            return f"arn:aws:kms:{self._region}:{ACCOUNT}:key/{logical_id}"
        if kind == "AWS::Logs::LogGroup":
            return str(properties["LogGroupName"])
        # CloudFormation names what has no name after its stack.
        name = properties.get("BucketName" if kind == "AWS::S3::Bucket" else "RoleName", f"{stack}-{logical_id}-DRAWN")
        bare = self.real(self.templates.text(stack, name))
        return f"arn:aws:s3:::{bare}" if kind == "AWS::S3::Bucket" else f"arn:aws:iam::{ACCOUNT}:role/{bare}"

    def real(self, text: str) -> str:
        text = text.replace("<AWS::Partition>", "aws").replace("<AWS::AccountId>", ACCOUNT)
        return _REFERENCE.sub(self._referred, text)

    def _referred(self, found: re.Match[str]) -> str:
        known = self._known[found["stack"], found["id"]]
        # A reference to a log group is its name, unlike the others.
        is_log_group = known.startswith("/")
        return f"arn:aws:logs:{self._region}:{ACCOUNT}:log-group:{known}:*" if is_log_group and found[3] else known

    def statements(self):
        """The role that has it, and each statement, of the roles that have the boundary."""
        bounded = {
            (stack, logical_id)
            for stack, logical_id, role in self.templates.resources("AWS::IAM::Role")
            if "PermissionsBoundary" in role
        }
        for stack, logical_id, properties in self.templates.resources("AWS::IAM::Role", "AWS::IAM::Policy"):
            (holder,) = properties.get("Roles", [{"Ref": logical_id}])
            role = self._known.get((stack, holder["Ref"]), "")
            if (stack, holder["Ref"]) in bounded:
                holders = [*properties.get("Policies", []), properties]
                documents = [one["PolicyDocument"] for one in holders if "PolicyDocument" in one]
                for statement in (one for document in documents for one in document["Statement"]):
                    yield stack, role, statement


@pytest.fixture(scope="module")
def names(everything_on):
    return Names(everything_on)


@pytest.fixture(scope="module")
def boundary(names):
    return boundary_of(names)


def boundary_of(names):
    """The boundary's statements, with real ARNs."""

    def arns(stack, values):
        return [names.real(names.templates.text(stack, one)) for one in as_list(values)]

    ((stack, _, policy),) = names.templates.resources("AWS::IAM::ManagedPolicy")
    return [
        {
            **statement,
            "Action": as_list(statement["Action"]),
            "Resource": arns(stack, statement.get("Resource", "*")),
            "NotResource": arns(stack, statement.get("NotResource", [])),
            "Condition": {
                operator: {key: names.real(names.templates.text(stack, value)) for key, value in pairs.items()}
                for operator, pairs in statement.get("Condition", {}).items()
            },
        }
        for statement in policy["PolicyDocument"]["Statement"]
    ]


@pytest.mark.parametrize("where", ["staging", "dev elsewhere", "staging elsewhere", "prod elsewhere"])
def test_iam_takes_it_whole(everything_on, elsewhere, where):
    name, _, moved = where.partition(" ")
    boundary = boundary_of(Names(elsewhere(name), OTHER_REGION) if moved else Names(everything_on))
    written = [
        {key: value for key, value in statement.items() if value and (key, value) != ("Resource", ["*"])}
        | ({} if statement["NotResource"] else {"Resource": statement["Resource"]})
        for statement in boundary
    ]
    document = {"Version": "2012-10-17", "Statement": written}

    assert len(json.dumps(document, separators=(",", ":"))) < LONGEST_POLICY


def ever(boundary, action: str, resource: str, context: dict[str, str] = OURS) -> bool:
    """Whether a role under the boundary could do this, whatever its own policy said.

    A resource may have asterisks of its own: they are taken as they stand, so a boundary that is narrower than a right is found.
    """

    def applies(statement) -> bool:
        wanted = statement.get("Condition", {}).get("StringEquals", {})
        unlike = statement.get("Condition", {}).get("ArnNotLike", {})
        return (
            any(fnmatchcase(action.lower(), pattern.lower()) for pattern in statement["Action"])
            and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
            and not any(fnmatchcase(resource, pattern) for pattern in statement["NotResource"])
            and all(context.get(key) == value for key, value in wanted.items())
            and not any(fnmatchcase(context.get(key, ""), pattern) for key, pattern in unlike.items())
        )

    effects = {statement["Effect"] for statement in boundary if applies(statement)}
    return effects == {"Allow"}


def conditions(statement) -> dict[str, str]:
    """What a right asks of a request, and what every resource of ours has."""
    return OURS | {
        key: value
        for operator, pairs in statement.get("Condition", {}).items()
        if operator == "StringEquals"
        for key, value in pairs.items()
        if isinstance(value, str)
    }


@pytest.mark.strategy("Features: Advanced security")
@pytest.mark.parametrize("where", ["home", "elsewhere"])
def test_what_our_roles_do_is_within_the_boundary(everything_on, elsewhere, where):
    names = Names(everything_on) if where == "home" else Names(elsewhere("staging"), OTHER_REGION)
    boundary = boundary_of(names)
    beyond, looked_at = set(), 0
    for stack, role, statement in names.statements():
        if statement["Effect"] == "Deny":
            continue
        for resource in map(names.real, (names.templates.text(stack, one) for one in as_list(statement["Resource"]))):
            for action in as_list(statement["Action"]):
                # A statement of many services names all their resources for all its actions: those of another service match nothing.
                if resource != "*" and action.split(":")[0] != resource.split(":")[2]:
                    continue
                looked_at += 1
                context = conditions(statement) | {"aws:PrincipalArn": role}
                assert role.startswith("arn:aws:iam::")
                if not ever(boundary, action, resource, context):
                    beyond.add((role, action, resource))

    assert looked_at > 500
    assert beyond == set()


@pytest.mark.parametrize(
    "action",
    [
        *DENIED_ACTIONS,
        *DENIED_EXCEPT_SCALING_ALARMS,
        *DENIED_EXCEPT_STATE_MACHINES,
        "sts:AssumeRole",
        "cloudtrail:StopLogging",
        "ec2:RunInstances",
        "backup:DeleteRecoveryPoint",
        "backup:UpdateRecoveryPointLifecycle",
        "backup:PutBackupVaultAccessPolicy",
        "backup:DeleteBackupVaultLockConfiguration",
        "backup:StartCopyJob",
        "backup:DeleteRestoreTestingPlan",
    ],
)
def test_what_would_give_rights_to_others_or_hide_what_was_done_is_beyond_the_boundary(boundary, action):
    service = action.split(":")[0]
    for resource in ("*", f"arn:aws:{service}:{REGION}:{ACCOUNT}:ib-oauth-x-staging"):
        assert not ever(boundary, action, resource)


@pytest.mark.parametrize(
    "action",
    [
        *("iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:UpdateAssumeRolePolicy"),
        *("iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary", "iam:CreatePolicyVersion"),
        *("iam:DeletePolicy", "iam:SetDefaultPolicyVersion", "iam:CreateUser", "iam:CreateAccessKey"),
    ],
)
@pytest.mark.parametrize(
    "role",
    ["role/ib-oauth-token-staging", "role/ib-oauth-drill-x-staging", "policy/ib-oauth-boundary-staging", "role/new"],
)
def test_no_role_is_made_or_changed_and_no_boundary_is_taken_off(boundary, action, role):
    """Not with a boundary either: nothing of ours makes roles while it runs."""
    assert not ever(boundary, action, f"arn:aws:iam::{ACCOUNT}:{role}")


def arn(service: str, resource: str, account: str = ACCOUNT, region: str = REGION) -> str:
    return f"arn:aws:{service}:{region}:{account}:{resource}"


@pytest.mark.parametrize(
    ("action", "ours", "others"),
    [
        ("dynamodb:GetItem", arn("dynamodb", "table/ib-oauth-state-staging"), arn("dynamodb", "table/ib-oauth-state-prod")),
        ("dynamodb:DeleteTable", arn("dynamodb", "table/ib-oauth-drill-1-state-staging"), arn("dynamodb", "table/payroll")),
        ("dynamodb:PutItem", arn("dynamodb", "table/ib-oauth-state-staging"), arn("dynamodb", "table/ib-oauth-state-staging", "444455556666")),
        ("dynamodb:PutItem", arn("dynamodb", "table/ib-oauth-state-staging"), arn("dynamodb", "table/ib-oauth-state-staging", region="eu-west-1")),
        ("lambda:UpdateAlias", arn("lambda", "function:ib-oauth-token-staging:live"), arn("lambda", "function:ib-oauth-token-prod:live")),
        ("lambda:InvokeFunction", arn("lambda", "function:ib-oauth-token-staging"), arn("lambda", "function:pay")),
        ("states:StartExecution", arn("states", "stateMachine:ib-oauth-rollback-staging"), arn("states", "stateMachine:ib-oauth-rollback-prod")),
        ("s3:PutObject", f"arn:aws:s3:::ib-oauth-evidence-staging-{ACCOUNT}/a", f"arn:aws:s3:::ib-oauth-evidence-prod-{ACCOUNT}/a"),
        ("sns:Publish", arn("sns", "ib-oauth-operators-staging"), arn("sns", "ib-oauth-operators-prod")),
        ("events:PutEvents", arn("events", "event-bus/ib-oauth-staging"), arn("events", "event-bus/ib-oauth-prod")),
        ("logs:PutLogEvents", arn("logs", "log-group:/aws/lambda/ib-oauth-token-staging:log-stream:a"), arn("logs", "log-group:/aws/lambda/pay:log-stream:a")),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/ib-oauth-functions-of-drills-staging", f"arn:aws:iam::{ACCOUNT}:role/admin"),
        ("iam:DeleteRole", f"arn:aws:iam::{ACCOUNT}:role/ib-oauth-drill-1-staging", f"arn:aws:iam::{ACCOUNT}:role/ib-oauth-token-staging"),
    ],
)  # fmt: skip
def test_it_ends_at_the_environment_its_account_and_its_region(boundary, action, ours, others):
    assert ever(boundary, action, ours)
    assert not ever(boundary, action, others)


def test_keys_are_reached_by_their_tags(boundary):
    assert SIGNING_KEY_TAG == TAG_OF_THE_SERVICE
    key = arn("kms", "key/1")
    assert ever(boundary, "kms:Decrypt", key, {"aws:ResourceTag/environment": "staging"})
    assert ever(boundary, "kms:Sign", key, {"aws:ResourceTag/ib-oauth:signing-key": "staging"})
    assert ever(boundary, "kms:CreateKey", "*", {"aws:RequestTag/ib-oauth:signing-key": "staging"})
    for tags in ({}, {"aws:ResourceTag/environment": "prod"}, {"aws:RequestTag/ib-oauth:signing-key": "prod"}):
        assert not ever(boundary, "kms:Decrypt", key, tags)
        assert not ever(boundary, "kms:CreateKey", "*", tags)


# --- who has it ----------------------------------------------------------------------------------------------


def roles(one) -> dict[str, dict]:
    return {
        text_of(role["RoleName"]) if "RoleName" in role else f"unnamed {number}": role
        for template in (one.service, one.orchestrator)
        for number, role in enumerate(resources(template, "AWS::IAM::Role").values())
    }


def bounds(one) -> set[str]:
    return {text_of(role["PermissionsBoundary"]) for role in roles(one).values() if "PermissionsBoundary" in role}


def test_every_role_has_the_boundary_where_an_environment_asks_for_it(prod, everything_on):
    assert not bounds(prod)
    assert bounds(everything_on) == {"arn:<AWS::Partition>:iam::<AWS::AccountId>:policy/ib-oauth-boundary-staging"}
    without = {name: role for name, role in roles(everything_on).items() if "PermissionsBoundary" not in role}
    # It hands over to the CDK's own roles, which can do all that CloudFormation can: no boundary of ours allows that.
    del without["ib-oauth-pipeline-staging"]
    # The logs of an API are outside the environment's names: API Gateway names them after the API's id.
    (api_gateway,) = without.values()
    assert text_of(api_gateway["ManagedPolicyArns"][0]).endswith("/AmazonAPIGatewayPushToCloudWatchLogs")
    assert len(roles(everything_on)) > 40


def test_no_role_with_the_boundary_has_a_policy_that_this_cannot_read(everything_on):
    """A policy of AWS's is not in the templates, so nothing would show that the boundary allows what it is for."""
    assert [
        name
        for name, role in roles(everything_on).items()
        if "PermissionsBoundary" in role and "ManagedPolicyArns" in role
    ] == []


def test_an_account_that_prescribes_a_boundary_has_its_own_used(tmp_path):
    environment = environments.load("staging")
    security = dataclasses.replace(environment.security, permission_boundary="prescribed")
    one = synthesise(tmp_path, dataclasses.replace(environment, security=security))

    assert {text.rpartition("/")[2] for text in bounds(one)} == {"prescribed"}
    assert all("PermissionsBoundary" in role for role in roles(one).values())
    assert not [found for template in one.all for found in resources(template, "AWS::IAM::ManagedPolicy")]
