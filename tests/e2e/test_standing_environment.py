"""One environment without traffic, and what CloudFormation and people with plain AWS commands do to it.

The tests go in order: deploying the stack changes `$LATEST` and leaves `live` where the orchestrator put it; at the end the orchestrator
is taken away, and the break-glass runbook is run word for word.
"""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from orchestrator import environments
from orchestrator.application.cloud import Cloud
from orchestrator.application.status_page.publish import publish_page
from orchestrator.application.status_page.watch import watch_page
from orchestrator.domain.configuration.snapshot import snapshot_differences
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.incidents.policy import encode_policy
from orchestrator.domain.status_page.component_state import ComponentState
from orchestrator.domain.status_page.settings import StatusPageSettings, encode_status_page
from orchestrator.local import cdk_deploy
from orchestrator.local.deployed_environment import ENVIRONMENT, cloud_for, local_environment
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


PAGE_BUCKET, PAGE_REGION = f"ib-oauth-status-{ENVIRONMENT}", "us-east-2"
PAGE = StatusPageSettings(enabled=True, title="Status", address="https://status.example.com", region=PAGE_REGION)


class PublishedPage:
    """The status page in a bucket of another region, as its publisher in the home region and its own stack reach it."""

    def __init__(self, standing) -> None:
        there = cloud_for(standing.local.environ_for_region(PAGE_REGION))
        self.s3 = there.clients("s3")
        self.s3.create_bucket(Bucket=PAGE_BUCKET, CreateBucketConfiguration={"LocationConstraint": PAGE_REGION})
        settings = {
            "STATUS_PAGE": encode_status_page(PAGE),
            "STATUS_BUCKET": PAGE_BUCKET,
            "STATUS_REGION": PAGE_REGION,
            "STATUS_HEARTBEATS": "",
            "INCIDENTS": encode_policy(environments.load(ENVIRONMENT).incidents),
        }
        home = standing.cloud
        self.publisher = Cloud({**home.settings, **settings}, clients=home.clients, client_in=lambda *_: self.s3)
        self.watched_at = datetime.now(UTC)
        own = {name: settings[name] for name in ("STATUS_BUCKET", "STATUS_REGION")}
        self.watcher = Cloud(
            {"ENVIRONMENT": ENVIRONMENT, "AWS_REGION": PAGE_REGION, **own},
            clients=there.clients,
            now=lambda: self.watched_at,
        )

    def text(self, path: str = "index.html") -> str:
        return self.s3.get_object(Bucket=PAGE_BUCKET, Key=path)["Body"].read().decode()

    def headline(self) -> str:
        return re.search(r'<h1 class="overall (\w+)"', self.text())[1]


def test_the_status_page_stands_and_says_what_is_true_while_the_home_region_is_lost(standing):
    """The page's own region has the page and what watches it. The publisher is in the home region.

    It comes before the tests that split aliases by hand, because a deployment is refused while an alias is split.
    """
    standing.start_deployment("d-page", strategy="all-at-once")
    standing.wait_for_deployment("d-page", 600)
    page = PublishedPage(standing)
    published = publish_page(page.publisher).page
    assert page.headline() == "operational", page.text()

    standing.local.set_lost_regions(standing.local.region)
    try:
        with pytest.raises((OrchestratorError, ClientError)):
            publish_page(page.publisher)
        # The last page stands, and names its time. After some minutes it is no longer believed.
        assert f"{published.at:%H:%M} UTC" in page.text()
        page.watched_at = published.at + timedelta(minutes=5)
        watch_page(page.watcher)
        assert page.headline() == "operational"
        page.watched_at = published.at + timedelta(minutes=12)
        assert "its states are not known" in watch_page(page.watcher)
        assert page.headline() == "unknown"
        assert f"not reported for 12 minutes, since {published.at:%d %B %Y, %H:%M} UTC" in page.text()
        assert page.text().count('class="badge unknown"') == len(PAGE.components)
        assert json.loads(page.text("summary.json"))["status"]["indicator"] != "none"
    finally:
        standing.local.set_lost_regions()

    assert publish_page(page.publisher).page.state is ComponentState.OPERATIONAL
    page.watched_at = datetime.now(UTC)
    watch_page(page.watcher)
    assert page.headline() == "operational"


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
