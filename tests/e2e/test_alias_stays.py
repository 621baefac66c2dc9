"""Deploying the stack changes `$LATEST` and leaves `live` where the orchestrator put it."""

import json

import pytest

import environments
from orchestrator.local import stacks
from orchestrator.local.stage import stage

FUNCTIONS = [f"ib-oauth-{name}-local" for name in environments.FUNCTIONS]


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    with stage(tmp_path_factory.mktemp("cloud")) as standing:
        yield standing


def live(standing, function: str) -> dict:
    found = standing.cloud.clients("lambda").get_alias(FunctionName=function, Name="live")
    return {key: value for key, value in found.items() if key != "ResponseMetadata"}


def latest(standing, function: str) -> str:
    return standing.cloud.clients("lambda").get_function_configuration(FunctionName=function)["CodeSha256"]


def test_a_first_deployment_puts_live_on_version_1(standing):
    for function in FUNCTIONS:
        assert live(standing, function)["FunctionVersion"] == "1"


def test_deploying_other_code_moves_no_alias(standing):
    client = standing.cloud.clients("lambda")
    standing.put_into_latest("good")
    for function in FUNCTIONS:
        version = client.publish_version(FunctionName=function)["Version"]
        client.update_alias(
            FunctionName=function,
            Name="live",
            FunctionVersion="1",
            RoutingConfig={"AdditionalVersionWeights": {version: 0.25}},
            Description="epoch=1 deployment=d-by-hand",
        )
    before = {function: (live(standing, function), latest(standing, function)) for function in FUNCTIONS}

    standing.put_into_latest("token-500s")

    for function in FUNCTIONS:
        alias, code = before[function]
        assert live(standing, function) == alias
        assert alias["RoutingConfig"]["AdditionalVersionWeights"] == {"2": 0.25}
        assert latest(standing, function) != code
        versions = client.list_versions_by_function(FunctionName=function)["Versions"]
        assert [version["Version"] for version in versions] == ["$LATEST", "1", "2"]


def test_tables_have_what_the_local_cloudformation_forgets(standing):
    client = standing.cloud.clients("dynamodb")
    for table, attribute in (
        ("ib-oauth-state-local", "delete_at"),
        ("ib-oauth-tokens-local", "delete_at"),
        ("ib-oauth-ledger-local", "expires_at"),
    ):
        lives = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        backups = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        assert (lives["TimeToLiveStatus"], lives["AttributeName"]) == ("ENABLED", attribute)
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_the_service_s_stack_is_under_its_policy(standing):
    set_one = standing.cloud.clients("cloudformation").get_stack_policy(StackName="ib-oauth-stack-local")

    assert json.loads(set_one["StackPolicyBody"]) == json.loads(
        (stacks.ROOT / "service" / "stack_policy.json").read_bytes()
    )


def test_a_deployment_that_fails_says_what_the_command_line_said(standing, tmp_path):
    with pytest.raises(stacks.DeployFailed, match=r"cdk_app.py ended with 1:(.|\n)*nowhere does not exist"):
        stacks.deploy(standing.local, environments.load("local"), service_source=tmp_path / "nowhere")
