"""A creation that fails half-way: what stays is what AWS keeps, and it stands in the way of the next creation.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html
"""

import json

import pytest
from botocore.exceptions import ClientError

from tests.contract.waiting import eventually

NOWHERE = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "http://127.0.0.1:1/template"}}
"""No template is there, so the creation of a stack with this nested stack fails."""


def table(name: str, *, protected: bool = False) -> dict:
    return {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "TableName": name,
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
            "DeletionProtectionEnabled": protected,
        },
    }


def key_alias(name: str) -> dict[str, dict]:
    key = {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Version": "2012-10-17", "Statement": []}}}
    return {
        "Key": key,
        "Named": {
            "Type": "AWS::KMS::Alias",
            "Properties": {"AliasName": f"alias/{name}", "TargetKeyId": {"Ref": "Key"}},
        },
    }


NAMED = {
    "AWS::DynamoDB::Table": lambda name: {"Named": table(name)},
    "AWS::Logs::LogGroup": lambda name: {
        "Named": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": f"/ib-oauth/{name}"}}
    },
    "AWS::Backup::BackupVault": lambda name: {
        "Named": {"Type": "AWS::Backup::BackupVault", "Properties": {"BackupVaultName": name}}
    },
    "AWS::KMS::Alias": key_alias,
}


class Stacks:
    def __init__(self, cloud):
        self._cloud, self.client = cloud, cloud.client("cloudformation")

    def create(self, resources: dict[str, dict], name: str | None = None) -> str:
        name = name or self._cloud.name("stack")
        self.client.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
        self.settled(name)
        return name

    def create_half(self, resources: dict[str, dict], policy: str | None) -> str:
        """Create resources, and fail when all of them are there."""
        kept = {key: {**own, **({"DeletionPolicy": policy} if policy else {})} for key, own in resources.items()}
        return self.create({**kept, "Broken": {**NOWHERE, "DependsOn": list(kept)}})

    def settled(self, name: str) -> str:
        def phase() -> str:
            found = self.client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
            return "" if found.endswith("IN_PROGRESS") else found

        return eventually(phase)

    def statuses(self, name: str) -> dict[str, str]:
        found = self.client.describe_stack_resources(StackName=name)["StackResources"]
        return {one["LogicalResourceId"]: one["ResourceStatus"] for one in found}

    def reasons(self, name: str) -> str:
        found = self.client.describe_stack_events(StackName=name)["StackEvents"]
        return "\n".join(one.get("ResourceStatusReason", "") for one in found)


@pytest.fixture
def stacks(cloud):
    return Stacks(cloud)


@pytest.mark.parametrize("kind", NAMED)
def test_what_a_failed_creation_retains_stands_in_the_way_of_the_next(cloud, stacks, kind):
    resources = NAMED[kind](cloud.name("named"))
    first = stacks.create_half(resources, "Retain")
    assert stacks.settled(first) == "ROLLBACK_COMPLETE"

    second = stacks.create({key: {**own, "DeletionPolicy": "Retain"} for key, own in resources.items()})

    assert stacks.settled(second) == "ROLLBACK_COMPLETE"
    assert "already exists" in stacks.reasons(second)


@pytest.mark.both
@pytest.mark.parametrize("policy", ["RetainExceptOnCreate", "Delete", None])
@pytest.mark.parametrize("kind", NAMED)
def test_what_it_deletes_does_not(cloud, stacks, kind, policy):
    resources = NAMED[kind](cloud.name("named"))
    first = stacks.create_half(resources, policy)
    assert stacks.settled(first) == "ROLLBACK_COMPLETE"

    second = stacks.create(resources)

    assert stacks.settled(second) == "CREATE_COMPLETE"


@pytest.mark.both
def test_the_policy_that_spares_a_failed_creation_retains_when_the_stack_is_deleted(cloud, stacks):
    name = cloud.name("table")
    stack = stacks.create({"Table": {**table(name), "DeletionPolicy": "RetainExceptOnCreate"}})

    stacks.client.delete_stack(StackName=stack)

    eventually(lambda: "DELETE_COMPLETE" in str(stacks.client.list_stacks(StackStatusFilter=["DELETE_COMPLETE"])))
    assert cloud.client("dynamodb").describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE"


@pytest.mark.parametrize("policy", ["RetainExceptOnCreate", "Delete"])
def test_a_protected_table_is_not_deleted_and_stays_in_the_failed_stack(cloud, stacks, policy):
    name = cloud.name("table")
    stack = stacks.create_half({"Table": table(name, protected=True)}, policy)

    assert stacks.settled(stack) == "ROLLBACK_FAILED"
    assert stacks.statuses(stack)["Table"] == "DELETE_FAILED"
    assert "currently protected against deletion" in stacks.reasons(stack)
    assert cloud.client("dynamodb").describe_table(TableName=name)["Table"]["DeletionProtectionEnabled"]


def test_a_bucket_with_objects_is_not_deleted(cloud, stacks):
    name = cloud.name("bucket")
    stack = stacks.create({"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}})
    cloud.client("s3").put_object(Bucket=name, Key="record", Body=b"1")

    stacks.client.delete_stack(StackName=stack)

    assert stacks.settled(stack) == "DELETE_FAILED"
    assert cloud.client("s3").list_objects_v2(Bucket=name)["KeyCount"] == 1


def test_a_stack_that_was_never_created_is_deleted_before_another_of_its_name(cloud, stacks):
    stack = stacks.create_half({"Table": table(cloud.name("table"))}, None)
    assert stacks.settled(stack) == "ROLLBACK_COMPLETE"

    with pytest.raises(ClientError, match="already exists"):
        stacks.client.create_stack(StackName=stack, TemplateBody=json.dumps({"Resources": {"Other": NOWHERE}}))


def test_a_creation_fails_where_the_cloud_was_configured_to(cloud, stacks):
    by_type, by_id = {"Queue": {"Type": "AWS::SQS::Queue"}}, {"TokensTable7": table(cloud.name("table"))}
    try:
        cloud.local.fail_creations("AWS::SQS::*", "TokensTable*")
        assert stacks.settled(stacks.create(by_type)) == "ROLLBACK_COMPLETE"
        assert stacks.settled(stacks.create(by_id)) == "ROLLBACK_COMPLETE"
    finally:
        cloud.local.fail_creations()
    assert stacks.settled(stacks.create(by_id)) == "CREATE_COMPLETE"
