"""`orchestrator remove-failed-stacks` against CloudFormation: afterwards the same stack can be created."""

import json

import pytest

from orchestrator.aws.failed_stacks import FailedStacks
from orchestrator.domain.errors import Refused
from tests.contract.cloudformation.test_failed_creations import NOWHERE, Stacks, table

SEALED = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}


@pytest.fixture
def environment(cloud):
    """An environment that no other test has."""
    return cloud.name("env")


def resources(cloud) -> dict[str, dict]:
    """A protected table with its key, and a log group."""
    key = {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Version": "2012-10-17", "Statement": []}}, **SEALED}
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": f"/ib-oauth/{cloud.name('logs')}"}, **SEALED}
    return {
        "Key": key,
        "Logs": group,
        "Table": {**table(cloud.name("table"), protected=True), **SEALED, "DependsOn": "Key"},
    }


def create(cloud, name: str, template: dict[str, dict], *, protected: bool = True) -> str:
    client = cloud.client("cloudformation")
    body = json.dumps({"Resources": template})
    client.create_stack(StackName=name, TemplateBody=body, EnableTerminationProtection=protected)
    return Stacks(cloud).settled(name)


def test_a_stack_whose_creation_failed_is_created_after_its_remains_were_removed(cloud, environment):
    good, stack = resources(cloud), f"ib-oauth-stack-{environment}"
    assert create(cloud, stack, {**good, "Broken": {**NOWHERE, "DependsOn": list(good)}}) == "ROLLBACK_FAILED"
    stacks = FailedStacks(cloud.client, lambda _: None)

    (found,) = stacks.find(environment)
    removal = stacks.plan(found)
    stacks.remove(removal)

    assert removal.tables == (good["Table"]["Properties"]["TableName"],)
    assert stacks.find(environment) == ()
    assert create(cloud, stack, good) == "CREATE_COMPLETE"
    assert stacks.find(environment) == (), "a stack that was created is none of them"


@pytest.mark.both
def test_a_stack_that_was_rolled_back_completely_only_loses_its_termination_protection(cloud, environment):
    stack = f"ib-oauth-stack-{environment}"
    unprotected = {"Table": table(cloud.name("table"))}
    assert create(cloud, stack, {**unprotected, "Broken": {**NOWHERE, "DependsOn": "Table"}}) == "ROLLBACK_COMPLETE"
    stacks = FailedStacks(cloud.client, lambda _: None)

    removal = stacks.plan(*stacks.find(environment))
    stacks.remove(removal)

    assert (removal.protected, removal.tables, removal.keys) == (True, (), ())
    assert create(cloud, stack, unprotected) == "CREATE_COMPLETE"


def test_a_bucket_with_records_is_refused_and_nothing_is_changed(cloud, environment):
    stack, bucket, good = f"ib-oauth-security-{environment}", cloud.name("bucket"), resources(cloud)
    kept = {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": bucket}, **SEALED, "DependsOn": "Table"}}
    client = cloud.client("cloudformation")
    body = json.dumps({"Resources": {**good, **kept, "Broken": {**NOWHERE, "DependsOn": "Bucket"}}})
    client.create_stack(StackName=stack, TemplateBody=body, DisableRollback=True)
    assert Stacks(cloud).settled(stack) == "CREATE_FAILED"
    cloud.client("s3").put_object(Bucket=bucket, Key="record", Body=b"1")
    client.rollback_stack(StackName=stack)
    assert Stacks(cloud).settled(stack) == "ROLLBACK_FAILED"
    stacks = FailedStacks(cloud.client, lambda _: None)

    with pytest.raises(Refused, match=f"'{bucket}' is refused: empty the bucket and delete it"):
        stacks.plan(*stacks.find(environment))

    assert cloud.client("dynamodb").describe_table(TableName=good["Table"]["Properties"]["TableName"])
