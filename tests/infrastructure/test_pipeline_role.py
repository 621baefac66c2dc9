"""The role of a pipeline: whose tokens it trusts, and what it may and may not."""

import dataclasses
import json
import re
import tomllib
from fnmatch import fnmatchcase

import pytest

from orchestrator import environments
from orchestrator.domain.schema import SettingsReader
from orchestrator.environments import EnvironmentRefused
from orchestrator.environments.pipeline import PipelineSettings, read_pipeline
from tests.infrastructure.templates import named, resources, synthesise, text_of
from tests.infrastructure.test_rights import as_list

PIPELINE = PipelineSettings("example/ib-oauth", "staging", None)
MOVES_TRAFFIC_OR_WRITES = {"lambda:UpdateAlias", "lambda:PublishVersion", "dynamodb:PutItem", "states:StartExecution"}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    environment = dataclasses.replace(environments.load("dev"), pipeline=PIPELINE)
    return synthesise(tmp_path_factory.mktemp("pipeline"), environment)


@pytest.fixture(scope="module")
def role(shipped):
    return named(shipped.orchestrator, "AWS::IAM::Role", "RoleName", "ib-oauth-pipeline-dev")


def statements(role):
    (policy,) = role["Policies"]
    return policy["PolicyDocument"]["Statement"]


def actions(statement):
    return [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]


def test_it_trusts_the_tokens_of_one_environment_of_one_repository_for_aws_alone(shipped, role):
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:example/ib-oauth:environment:staging",
        }
    }
    (provider,) = resources(shipped.orchestrator, "AWS::IAM::OIDCProvider").values()
    assert (provider["Url"], provider["ClientIdList"]) == (
        "https://token.actions.githubusercontent.com",
        ["sts.amazonaws.com"],
    )


def test_it_moves_no_traffic_and_writes_no_ledger(role):
    assert not {action for statement in statements(role) for action in actions(statement)} & MOVES_TRAFFIC_OR_WRITES


def test_it_says_that_a_release_is_ready_and_the_bus_lets_it(shipped, role):
    (announce,) = [one for one in statements(role) if "events:PutEvents" in actions(one)]
    assert announce["Condition"] == {"StringEquals": {"events:detail-type": "ReleaseReady"}}
    (policy,) = resources(shipped.orchestrator, "AWS::Events::EventBusPolicy").values()
    let = policy["Statement"]["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]
    assert [
        text_of(arn).endswith(":role/ib-oauth-pipeline-dev") for arn in ([let] if isinstance(let, dict) else let)
    ] == [True]


def test_it_deploys_as_the_cdk_s_own_roles_of_this_account(role):
    (assume,) = [one for one in statements(role) if "sts:AssumeRole" in actions(one)]
    assert text_of(assume["Resource"]) == (
        "arn:<AWS::Partition>:iam::<AWS::AccountId>:role/cdk-hnb659fds-*-<AWS::AccountId>-us-west-1"
    )


@pytest.mark.parametrize("where", ["staging", "dev elsewhere", "prod elsewhere"])
def test_it_may_assume_the_bootstrap_roles_of_every_stack_of_the_assembly(everything_on, elsewhere, where):
    """Those that the CDK asks for, by the assembly's manifest: in each region that has a stack or an asset."""
    name, _, moved = where.partition(" ")
    one = elsewhere(name) if moved else everything_on
    suffix = "-eu-west-1" if moved else ""
    role = named(one.orchestrator, "AWS::IAM::Role", "RoleName", f"ib-oauth-pipeline-{name}{suffix}")
    (assume,) = [found for found in statements(role) if "sts:AssumeRole" in actions(found)]
    may = [text_of(arn) for arn in as_list(assume["Resource"])]
    assumed = {
        found.replace("${AWS::Partition}", "<AWS::Partition>").replace("${AWS::AccountId}", "<AWS::AccountId>")
        for file in (one.folder / "manifest.json", *one.folder.glob("*.assets.json"))
        for found in re.findall(r'"assumeRoleArn": ?"([^"]+)"', file.read_text())
    }

    regions = {arn.rpartition("<AWS::AccountId>-")[2] for arn in assumed}
    # Its own, that of the status page, and that of the copies.
    assert len(regions) == (2 if name != "prod" else 3)
    assert [arn for arn in assumed if not any(fnmatchcase(arn, pattern) for pattern in may)] == []
    assert len(may) == len(regions)


def test_no_pipeline_ships_from_outside_until_a_repository_is_named(every):
    roles = resources(every.orchestrator, "AWS::IAM::Role").values()
    assert not [one for one in roles if "pipeline" in json.dumps(one.get("RoleName", ""))]
    assert not resources(every.orchestrator, "AWS::IAM::OIDCProvider")


def test_an_account_that_has_a_provider_keeps_it(tmp_path):
    arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    environment = dataclasses.replace(environments.load("dev"), pipeline=dataclasses.replace(PIPELINE, provider=arn))
    one = synthesise(tmp_path, environment)
    role = named(one.orchestrator, "AWS::IAM::Role", "RoleName", "ib-oauth-pipeline-dev")
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Federated": arn}
    assert not resources(one.orchestrator, "AWS::IAM::OIDCProvider")


@pytest.mark.parametrize("repository", ["example/ib-oauth", "example@123456/ib-oauth@456789"])
def test_a_repository_is_named_as_its_tokens_name_it(repository):
    """Those of repositories that were created, renamed or transferred since 2026-07-15 have the ids of owner and repository.
    https://github.blog/changelog/2026-04-23-immutable-subject-claims-for-github-actions-oidc-tokens"""
    text = f'repository = "{repository}"\ngithub_environment = "staging"'
    assert read_pipeline(SettingsReader("dev.pipeline", tomllib.loads(text))).repository == repository


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (
            'repository = "example@123456/ib-oauth"\ngithub_environment = "staging"',
            r"dev.pipeline.repository: 'example@123456/ib-oauth' is refused: give OWNER/NAME or OWNER@ID/NAME@ID",
        ),
        (
            'repository = "example/*"\ngithub_environment = "staging"',
            r"dev.pipeline.repository: 'example/\*' is refused: give OWNER/NAME",
        ),
        ('repository = "a/b"\ngithub_environment = "*"', r"dev.pipeline.github_environment: '\*' is refused"),
        ('repository = "a/b"\ngithub_environment = "s"\nprovider = "arn:aws:iam::1:x"', "dev.pipeline.provider"),
        (
            'repository = "a/b"\ngithub_environment = "s"\nbranch = "main"',
            "dev.pipeline.branch: 'main' is refused: remove it",
        ),
    ],
)
def test_a_pipeline_is_named_whole(text, refused):
    with pytest.raises(EnvironmentRefused, match=refused):
        read_pipeline(SettingsReader("dev.pipeline", tomllib.loads(text)))
