"""What was lost is built again from the repository, and the bundle that was taken before says that it is the same."""

import json

import pytest

from orchestrator import environments
from orchestrator.domain.configuration.snapshot import read_snapshot, snapshot_differences, snapshot_document
from orchestrator.local import cdk_deploy
from orchestrator.local.deployed_environment import ENVIRONMENT, local_environment

TOKEN = f"ib-oauth-token-{ENVIRONMENT}"
SECRETS = (
    "2dfcd679ebb80d51dfff01de0ff048990dd3865b46b81cd3810212b22b02a159",
    "920881797f1985bfa6d4a6b34ccf9bd43c7b042f77bd24cc2ea899ba740ea6aa",
)
"""What `environments.toml` has of the local environment's clients and registration; in an account these are worth keeping."""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    with local_environment(tmp_path_factory.mktemp("cloud")) as standing:
        yield standing


def configuration(here):
    """What is there now, as it is read back from a bundle's file."""
    return read_snapshot(snapshot_document(here.cloud.configuration("test")))


def differences(before, after) -> set[tuple[str, str, str]]:
    return {(one.kind, one.name, one.path) for one in snapshot_differences(before, after)}


def test_a_bundle_has_everything_but_secrets(here):
    text = snapshot_document(here.cloud.configuration("test"))

    kinds = {part.kind for part in read_snapshot(text).parts}
    assert kinds >= {
        "alarm",
        "api",
        "bucket",
        "bus",
        "function",
        "key",
        "logs",
        "machine",
        "queue",
        "role",
        "rule",
        "stack",
        "table",
        "topic",
    }
    assert not [secret for secret in SECRETS if secret.encode() in text]


def test_what_a_hand_changes_is_reported_by_place_and_what_is_built_again_is_the_same(here):
    before, clients = configuration(here), here.cloud.clients
    assert differences(before, configuration(here)) == set(), "to look at it changes nothing"

    clients("lambda").update_function_configuration(FunctionName=TOKEN, Timeout=20)
    anything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    clients("iam").put_role_policy(RoleName=TOKEN, PolicyName="by-hand", PolicyDocument=json.dumps(anything))
    clients("cloudwatch").delete_alarms(AlarmNames=[f"ib-oauth-token-latency-{ENVIRONMENT}"])
    clients("events").disable_rule(Name=f"ib-oauth-event-reconcile-{ENVIRONMENT}")
    clients("dynamodb").update_time_to_live(
        TableName=f"ib-oauth-tokens-{ENVIRONMENT}",
        TimeToLiveSpecification={"Enabled": False, "AttributeName": "delete_at"},
    )
    assert differences(before, configuration(here)) == {
        ("function", TOKEN, "Timeout"),
        ("role", TOKEN, "policies.by-hand"),
        ("alarm", f"ib-oauth-token-latency-{ENVIRONMENT}", ""),
        ("rule", f"ib-oauth-event-reconcile-{ENVIRONMENT}", "State"),
        ("table", f"ib-oauth-tokens-{ENVIRONMENT}", "time_to_live.TimeToLiveStatus"),
    }

    for stack in (cdk_deploy.ORCHESTRATOR, cdk_deploy.SERVICE):
        clients("cloudformation").delete_stack(StackName=f"{stack}-{ENVIRONMENT}")
    lost = {(kind, name) for kind, name, path in differences(before, configuration(here)) if not path}
    assert {("function", TOKEN), ("api", f"ib-oauth-api-{ENVIRONMENT}"), ("role", TOKEN)} <= lost

    cdk_deploy.deploy(here.local, environments.load(ENVIRONMENT), platform_url=here.platform_url)
    assert differences(before, configuration(here)) == set()
