"""A first deployment that fails half-way is repeated, by the real CDK command line, and the environment is healthy.

The environment has everything that protects data: deletion protection of tables, termination protection of stacks,
retained resources with fixed names. Stacks break where a first deployment breaks on AWS: late, when most exists.
"""

import json
import urllib.request

import pytest

from orchestrator import environments
from orchestrator.cli.actions.stacks import remove_failed
from orchestrator.cli.context import Context
from orchestrator.local import cdk_deploy, identity_provider
from orchestrator.local.cloud import LocalCloud
from orchestrator.local.deployed_environment import cloud_for, stack_output

STACKS = (cdk_deploy.SECURITY, cdk_deploy.SERVICE, cdk_deploy.ORCHESTRATOR, cdk_deploy.BACKUPS)
BREAKS = {
    cdk_deploy.SERVICE: "AWS::ApiGateway::Stage",
    cdk_deploy.ORCHESTRATOR: "AWS::StepFunctions::StateMachine",
    cdk_deploy.BACKUPS: "AWS::Backup::BackupPlan",
}
"""The type whose creation fails, by stack."""


@pytest.fixture
def assembly(local, tmp_path):
    """The stacks of a local environment that protects its data, and the settings that they were made from."""
    settings = tmp_path / "environments.toml"
    before, _, own = environments.settings_file().read_text().partition("[local]\n")
    settings.write_text(
        f"{before}[local]\n{own.replace('deletion_protection = false', 'deletion_protection = true', 1)}"
    )
    context = {"environment": "local", "environments": str(settings), "endpoint_url": local.endpoint_url}
    return cdk_deploy.synthesise(context, tmp_path / "assembly"), environments.load("local", settings)


@pytest.fixture
def local(tmp_path):
    with identity_provider.serve(), LocalCloud.start(tmp_path / "cloud") as cloud:
        cdk_deploy.bootstrap(cloud)
        yield cloud


def deploy(local, assembly, environment, stack: str) -> None:
    cdk_deploy.deploy_assembly(local, environment, assembly, (stack,))


def fail(local, assembly, environment, stack: str) -> str:
    local.fail_creations(BREAKS[stack])
    with pytest.raises(cdk_deploy.DeployFailed) as failed:
        deploy(local, assembly, environment, stack)
    local.fail_creations()
    return str(failed.value)


def remove_failed_stacks(local, environment) -> None:
    clients = cloud_for(local.environ).clients
    remove_failed.remove_failed_stacks(Context(environment, clients), yes=True, json=False)


@pytest.mark.proof
def test_every_stack_is_created_after_it_failed_and_the_environment_is_healthy(local, assembly):
    folder, environment = assembly
    for stack in STACKS:
        if stack in BREAKS:
            assert "as the local cloud's creation faults require" in fail(local, folder, environment, stack)
            remove_failed_stacks(local, environment)
        deploy(local, folder, environment, stack)

    cloud = cloud_for(local.environ)
    url = stack_output(cloud, cdk_deploy.SERVICE, "ApiUrl").rstrip("/")
    with urllib.request.urlopen(f"{url}/health/deep") as answer:
        assert json.load(answer)["healthy"] is True
    for table in environment_tables(folder):
        found = cloud.clients("dynamodb").describe_table(TableName=table)["Table"]
        assert (found["TableStatus"], found["DeletionProtectionEnabled"]) == ("ACTIVE", True)
    statuses = {
        one["StackName"]: (one["StackStatus"], one["EnableTerminationProtection"])
        for one in cloud.clients("cloudformation").describe_stacks()["Stacks"]
    }
    assert {statuses[f"{stack}-local"] for stack in STACKS} == {("CREATE_COMPLETE", True)}


@pytest.mark.proof
def test_with_plain_retention_no_later_deployment_succeeds(local, assembly):
    folder, environment = assembly
    file = folder / f"{cdk_deploy.SERVICE}-local.template.json"
    file.write_text(file.read_text().replace('"RetainExceptOnCreate"', '"Retain"'))
    fail(local, folder, environment, cdk_deploy.SERVICE)
    with pytest.raises(cdk_deploy.DeployFailed, match="TerminationProtection"):
        deploy(local, folder, environment, cdk_deploy.SERVICE)

    remove_failed_stacks(local, environment)

    with pytest.raises(cdk_deploy.DeployFailed, match="already exists"):
        deploy(local, folder, environment, cdk_deploy.SERVICE)


def environment_tables(folder) -> list[str]:
    return [
        own["Properties"]["TableName"]
        for stack in (cdk_deploy.SERVICE, cdk_deploy.ORCHESTRATOR)
        for own in json.loads((folder / f"{stack}-local.template.json").read_bytes())["Resources"].values()
        if own["Type"] == "AWS::DynamoDB::Table"
    ]
