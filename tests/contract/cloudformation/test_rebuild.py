"""A stack that was deleted comes back with what it retained, from wherever a former attempt stopped."""

import json
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from orchestrator.aws.rebuild.assemblies import Assembly, digest_of
from orchestrator.aws.rebuild.remains import Remains
from orchestrator.aws.rebuild.stacks import StackNotRebuilt, Stacks
from orchestrator.domain.configuration.normalization import Part, redact
from orchestrator.domain.configuration.snapshot import ConfigurationSnapshot
from orchestrator.domain.errors import Refused
from orchestrator.domain.rebuild.plan import PlannedStack, Sources, TableSource, plan_rebuild, tables_of
from orchestrator.domain.rebuild.template import import_template
from orchestrator.local.cloud import ACCOUNT
from tests.contract.waiting import eventually

KEEP = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
POLICY = {"Version": "2012-10-17", "Statement": []}
pytestmark = pytest.mark.both


class Emptied:
    """A stack with a key, a table, a log group and a queue, in an assembly of its own; the queue is not retained."""

    def __init__(self, cloud, folder):
        self.cloud, self.client = cloud, cloud.client("cloudformation")
        self.name, self.table, self.group = cloud.name("ib-oauth-stack"), cloud.name("table"), f"/{cloud.name('logs')}"
        self.template = {
            "Resources": {
                "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": POLICY, "Description": "d"}, **KEEP},
                "Table": {
                    "Type": "AWS::DynamoDB::Table",
                    "Properties": {
                        "TableName": self.table,
                        "BillingMode": "PAY_PER_REQUEST",
                        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                        "SSESpecification": {
                            "SSEEnabled": True,
                            "SSEType": "KMS",
                            "KMSMasterKeyId": {"Fn::GetAtt": ["Key", "Arn"]},
                        },
                        "Tags": [{"Key": "owner", "Value": "tests"}],
                    },
                    **KEEP,
                },
                "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": self.group}, **KEEP},
                "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": cloud.name("queue")}},
            }
        }
        bucket = cloud.name("assets")
        cloud.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": cloud.region})
        text = json.dumps(self.template)
        key = f"{sha256(text.encode()).hexdigest()}.json"
        file = {"source": {"path": f"{self.name}.template.json"}, "destinations": {"a": {"bucketName": bucket, "objectKey": key}}}  # fmt: skip
        artifact = {
            "type": "aws:cloudformation:stack",
            "environment": f"aws://unknown-account/{cloud.region}",
            "properties": {
                "stackTemplateAssetObjectUrl": f"s3://{bucket}/{key}",
                "terminationProtection": True,
                "tags": {"owner": "tests"},
            },
        }
        folder.mkdir(exist_ok=True)
        (folder / f"{self.name}.template.json").write_text(text)
        (folder / f"{self.name}.assets.json").write_text(json.dumps({"files": {"t": file}}))
        (folder / "manifest.json").write_text(json.dumps({"artifacts": {self.name: artifact}}))
        self.assembly = Assembly(folder, ACCOUNT, cloud.region)
        self.stacks = Stacks(
            cloud.client, self.assembly, lambda _: None, endpoint=cloud.endpoint_url, as_role=False, poll_seconds=0.1
        )
        self.remains = Remains(cloud.client)

    def plan(self):
        part = Part("stack", self.name, {"template": redact("template", self.template)})
        snapshot = ConfigurationSnapshot("local", ACCOUNT, "r", datetime.now(UTC), "test", (part,))
        templates = {self.name: self.template}
        sources = Sources(
            "rb-1", ACCOUNT, self.cloud.region, snapshot, "c-1", "k", "0", templates, digest_of(templates)
        )
        return plan_rebuild(sources, self.remains.find((self.name,), tables_of(sources)))

    def create(self):
        self.stacks.rebuild(PlannedStack(self.name, ()))

    def delete(self):
        self.client.update_termination_protection(StackName=self.name, EnableTerminationProtection=False)
        self.client.delete_stack(StackName=self.name)
        self.client.get_waiter("stack_delete_complete").wait(StackName=self.name, WaiterConfig={"Delay": 1})

    def resources(self):
        found = self.client.describe_stack_resources(StackName=self.name)["StackResources"]
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}

    def put(self, key):
        self.cloud.client("dynamodb").put_item(TableName=self.table, Item={"pk": {"S": key}})

    def items(self):
        return {item["pk"]["S"] for item in self.cloud.client("dynamodb").scan(TableName=self.table)["Items"]}


@pytest.fixture
def emptied(cloud, tmp_path):
    made = Emptied(cloud, tmp_path / "assembly")
    made.create()
    made.put("kept")
    made.before = made.resources()
    made.delete()
    return made


def test_what_was_retained_is_in_the_new_stack_with_its_items_and_the_rest_is_created(emptied):
    (stack,) = emptied.plan().stacks
    assert {one.logical_id for one in stack.imports} == {"Key", "Table", "Logs"}

    assert emptied.stacks.rebuild(stack) == "3 resources imported, updated to its template"

    after = emptied.resources()
    assert {name: after[name] for name in ("Key", "Table", "Logs")} == {
        name: emptied.before[name] for name in ("Key", "Table", "Logs")
    }
    assert set(after) == {"Key", "Table", "Logs", "Queue"}
    assert emptied.items() == {"kept"}
    (described,) = emptied.client.describe_stacks(StackName=emptied.name)["Stacks"]
    assert described["EnableTerminationProtection"] is True
    assert emptied.stacks.rebuild(stack) == "was there already"


def test_a_stack_that_exists_is_refused(emptied):
    assert emptied.name in emptied.remains.deleted_stacks()
    emptied.stacks.rebuild(emptied.plan().stacks[0])
    with pytest.raises(Refused, match=emptied.name):
        emptied.plan()


def test_an_attempt_that_stopped_before_the_import_is_begun_again(emptied):
    (stack,) = emptied.plan().stacks
    emptied.client.create_change_set(
        StackName=emptied.name,
        ChangeSetName="rebuild",
        ChangeSetType="IMPORT",
        TemplateBody=json.dumps(import_template(emptied.template, ["Logs"], [])),
        ResourcesToImport=[
            {
                "ResourceType": "AWS::Logs::LogGroup",
                "LogicalResourceId": "Logs",
                "ResourceIdentifier": {"LogGroupName": emptied.group},
            }
        ],
    )
    assert emptied.remains.stack_status(emptied.name) == "REVIEW_IN_PROGRESS"
    assert emptied.stacks.rebuild(stack) == "3 resources imported, updated to its template"


def test_an_attempt_that_stopped_after_the_import_is_continued_with_the_update(emptied):
    (stack,) = emptied.plan().stacks
    emptied.stacks._import(stack)
    assert emptied.stacks._settled(stack.name) == "IMPORT_COMPLETE"
    assert emptied.stacks.rebuild(stack) == "updated to its template"
    assert set(emptied.resources()) == {"Key", "Table", "Logs", "Queue"}


def test_an_import_that_cloudformation_does_not_accept_says_why(emptied):
    (stack,) = emptied.plan().stacks
    emptied.cloud.client("logs").delete_log_group(logGroupName=emptied.group)
    with pytest.raises(StackNotRebuilt, match=emptied.name):
        emptied.stacks.rebuild(stack)


def test_a_key_about_to_be_deleted_is_found_with_its_state(emptied):
    emptied.cloud.client("kms").schedule_key_deletion(KeyId=emptied.before["Key"], PendingWindowInDays=7)
    assert emptied.plan().keys == (emptied.before["Key"],)


def test_a_table_that_is_gone_comes_from_its_backup(emptied):
    client = emptied.cloud.client("dynamodb")
    backup = client.create_backup(TableName=emptied.table, BackupName="nightly")["BackupDetails"]["BackupArn"]

    def available() -> bool:
        details = client.describe_backup(BackupArn=backup)["BackupDescription"]["BackupDetails"]
        return details["BackupStatus"] == "AVAILABLE"

    eventually(available)
    client.delete_table(TableName=emptied.table)
    table = emptied.plan().tables[0]
    assert (table.source, table.backup_arn) == (TableSource.BACKUP, backup)
    assert table.key_arn.endswith(emptied.before["Key"])
