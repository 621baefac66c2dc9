"""One environment without traffic, and what CloudFormation and people with plain AWS commands do to it.

The tests go in order: deploying the stack changes `$LATEST` and leaves `live` where the orchestrator put it; at the end the orchestrator
is taken away, and the break-glass runbook is run word for word.
"""

import json

import pytest

from orchestrator import environments
from orchestrator.domain.configuration.snapshot import snapshot_differences
from orchestrator.local import cdk_deploy
from orchestrator.local.deployed_environment import ENVIRONMENT, local_environment
from tests.e2e.runbook import Runbook

pytestmark = pytest.mark.timeout(900)
FUNCTIONS = [f"ib-oauth-{name}-{ENVIRONMENT}" for name in environments.FUNCTIONS]
LONG = {"type": "canary", "steps": [{"weight_percent": 50, "bake_seconds": 60}]}
MOVERS = tuple(
    f"ib-oauth-task-{name}-{ENVIRONMENT}" for name in ("promote", "shift-traffic", "start-rollback", "revert-aliases")
)
"""What moves aliases: gone first, so that nothing moves them while the others go, however long that takes."""
SET, STOP_ALL, SHOW, REVERT = range(4)
"""The blocks of commands of the break-glass runbook, in its order."""


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    with local_environment(tmp_path_factory.mktemp("cloud")) as standing:
        yield standing


def live(standing, function: str) -> dict:
    found = standing.cloud.clients("lambda").get_alias(FunctionName=function, Name="live")
    return {key: value for key, value in found.items() if key != "ResponseMetadata"}


def latest(standing, function: str) -> str:
    return standing.cloud.clients("lambda").get_function_configuration(FunctionName=function)["CodeSha256"]


def test_a_first_deployment_puts_live_on_version_1(standing):
    for function in FUNCTIONS:
        assert live(standing, function)["FunctionVersion"] == "1"


def stands(standing) -> dict:
    """What CloudFormation knows of both stacks: resources with their ids and times, events, templates; and where `live` is."""
    client, found = standing.cloud.clients("cloudformation"), {}
    for stack in (f"{name}-{ENVIRONMENT}" for name in (cdk_deploy.SERVICE, cdk_deploy.ORCHESTRATOR)):
        pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
        resources = [one for page in pages for one in page["StackResourceSummaries"]]
        events = client.get_paginator("describe_stack_events").paginate(StackName=stack)
        found[stack] = {
            "resources": {one["LogicalResourceId"]: one for one in resources},
            "events": [one["EventId"] for page in events for one in page["StackEvents"]],
            "template": client.get_template(StackName=stack)["TemplateBody"],
        }
        assert len(resources) > 40
    return found | {
        "live": {function: (live(standing, function), latest(standing, function)) for function in FUNCTIONS}
    }


def test_deploying_the_same_once_more_changes_nothing(standing):
    before, configured = stands(standing), standing.cloud.configuration("test")

    cdk_deploy.deploy(standing.local, environments.load(ENVIRONMENT), platform_url=standing.platform_url)

    assert stands(standing) == before
    assert snapshot_differences(configured, standing.cloud.configuration("test")) == ()


@pytest.mark.strategy("Deployment Steps: npm run cdk:deploy:staging")
def test_neither_deploying_other_code_nor_deploying_the_assembly_before_it_again_moves_an_alias(standing):
    client = standing.cloud.clients("lambda")
    good = standing.deploy_release("good")
    for function in FUNCTIONS:
        version = client.publish_version(FunctionName=function)["Version"]
        client.update_alias(
            FunctionName=function,
            Name="live",
            FunctionVersion="1",
            RoutingConfig={"AdditionalVersionWeights": {version: 0.25}},
            Description="fencing_token=1 deployment=d-by-hand",
        )
    before = {function: (live(standing, function), latest(standing, function)) for function in FUNCTIONS}

    standing.deploy_release("token-500s")

    for function in FUNCTIONS:
        alias, code = before[function]
        assert live(standing, function) == alias
        assert alias["RoutingConfig"]["AdditionalVersionWeights"] == {"2": 0.25}
        assert latest(standing, function) != code
        versions = client.list_versions_by_function(FunctionName=function)["Versions"]
        assert [version["Version"] for version in versions] == ["$LATEST", "1", "2"]

    # Rollback of infrastructure from UPDATE_COMPLETE: the assembly of the release before is deployed again.
    cdk_deploy.deploy_assembly(standing.local, environments.load(ENVIRONMENT), good, (cdk_deploy.SERVICE,))

    for function in FUNCTIONS:
        assert (live(standing, function), latest(standing, function)) == before[function]


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


@pytest.mark.parametrize(
    ("stack", "folder"),
    [(cdk_deploy.SERVICE, "infrastructure/service"), (cdk_deploy.ORCHESTRATOR, "infrastructure/orchestrator")],
)
def test_a_stack_that_keeps_something_is_under_its_policy(standing, stack, folder):
    set_one = standing.cloud.clients("cloudformation").get_stack_policy(StackName=f"{stack}-{ENVIRONMENT}")

    assert json.loads(set_one["StackPolicyBody"]) == json.loads(
        (cdk_deploy.SOURCES / folder / "stack_policy.json").read_bytes()
    )


def test_a_deployment_that_fails_says_what_the_command_line_said(standing, tmp_path):
    with pytest.raises(cdk_deploy.DeployFailed, match=r"cdk_app.py ended with 1:(.|\n)*nowhere does not exist"):
        cdk_deploy.deploy(standing.local, environments.load("local"), service_source=tmp_path / "nowhere")


@pytest.fixture(scope="module")
def runbook():
    return Runbook("break-glass", {"ENV=prod": f"ENV={ENVIRONMENT}"})


@pytest.fixture(scope="module")
def abandoned(standing):
    """A deployment stands at 50 %, and no function of the orchestrator is left."""
    client = standing.cloud.clients("lambda")
    for function in FUNCTIONS:
        no_weights = {"AdditionalVersionWeights": {}}
        client.update_alias(FunctionName=function, Name="live", FunctionVersion="1", RoutingConfig=no_weights)
    standing.start_deployment("d-abandoned", strategy=LONG)
    ledger = standing.cloud.ledger

    def shifted():
        found = ledger.find_record("d-abandoned")
        assert not ledger.read_refusal("d-abandoned"), ledger.read_refusal("d-abandoned")
        assert not (found and found.ended_at), found
        return found if found and found.shifts else None

    deployment = standing.wait_until(shifted, 600, "a shift")
    pages = client.get_paginator("list_functions").paginate()
    names = [one["FunctionName"] for page in pages for one in page["Functions"]]
    gone = [name for name in names if name.startswith(("ib-oauth-task-", "ib-oauth-event-"))]
    assert set(gone) > set(MOVERS)
    for name in sorted(gone, key=lambda name: name not in MOVERS):
        client.delete_function(FunctionName=name)
    assert len(gone) > 15
    return deployment


def routings(standing) -> dict[str, tuple[str, dict[str, float]]]:
    client = standing.cloud.clients("lambda")
    found = {
        name: client.get_alias(FunctionName=f"ib-oauth-{name}-{ENVIRONMENT}", Name="live")
        for name in environments.FUNCTIONS
    }
    return {
        name: (one["FunctionVersion"], (one.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})
        for name, one in found.items()
    }


@pytest.mark.strategy("Incident Response: Resolution steps")
def test_the_break_glass_commands_put_every_function_back_on_stable(standing, abandoned, runbook):
    environ, here = standing.local.environ, runbook.blocks[SET]
    stable = {one.name: one.stable_version for one in abandoned.functions}
    assert routings(standing) == {
        one.name: (one.stable_version, {one.canary_version: 0.5}) for one in abandoned.functions
    }

    runbook.run(here, runbook.blocks[STOP_ALL], environ=environ)

    def stopped():
        running = standing.cloud.clients("stepfunctions").list_executions(
            stateMachineArn=standing.state_machine_arn("deployment"), statusFilter="RUNNING"
        )
        return True if running["executions"] == [] else None

    standing.wait_until(stopped, 60, "executions to stop")

    seen = runbook.run(here, runbook.blocks[SHOW], environ=environ)
    assert all(f'"{one.canary_version}": 0.5' in seen for one in abandoned.functions)

    reverted = runbook.run(here, runbook.blocks[REVERT], environ=environ)
    assert all(f"{name}: version {version} by {abandoned.id}" in reverted for name, version in stable.items())
    assert routings(standing) == {name: (version, {}) for name, version in stable.items()}
    assert runbook.run(here, runbook.blocks[SHOW], environ=environ).count('"Description": "break-glass"') == len(stable)
