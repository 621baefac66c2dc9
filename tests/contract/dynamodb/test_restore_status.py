"""A table that is being restored."""

import pytest
from botocore.exceptions import ClientError

from orchestrator.local.cloud import LocalCloud
from orchestrator.local.emulator.dynamodb.restore_status import MAX_RESTORES
from tests.contract.conftest import CloudUnderTest
from tests.contract.dynamodb.test_point_in_time_recovery import put, refusal
from tests.contract.tables import active, content, described, key, restore, table
from tests.contract.waiting import eventually


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A cloud whose restores take longer than any test here, and its backups a tenth of that."""
    with LocalCloud.start(tmp_path_factory.mktemp("slow"), restore_seconds=40) as local:
        yield CloudUnderTest(local, patched=True)


def begun(cloud, source: str) -> str:
    target = cloud.name("restored")
    cloud.client("dynamodb").restore_table_to_point_in_time(
        SourceTableName=source, TargetTableName=target, UseLatestRestorableTime=True
    )
    return target


def test_a_restore_takes_its_time_and_says_where_it_came_from(cloud):
    client, source = cloud.client("dynamodb"), table(cloud)
    target = cloud.name("restored")
    answered = client.restore_table_to_point_in_time(
        SourceTableName=source, TargetTableName=target, UseLatestRestorableTime=True
    )["TableDescription"]
    assert (answered["TableStatus"], answered["RestoreSummary"]["RestoreInProgress"]) == ("CREATING", True)

    found = described(cloud, active(cloud, target))
    assert found["RestoreSummary"]["SourceTableArn"] == described(cloud, source)["TableArn"]
    assert found["RestoreSummary"]["RestoreInProgress"] is False


@pytest.mark.both
def test_a_restored_table_is_a_table(cloud):
    client, source = cloud.client("dynamodb"), table(cloud)
    restored = restore(cloud, source)
    put(client, restored, "new", "x")
    assert content(cloud, restored) == [{**key("new"), "v": {"S": "x"}}]
    client.delete_table(TableName=restored)


def test_no_client_reads_or_changes_a_table_before_it_is_whole(slow):
    client, source = slow.client("dynamodb"), table(slow)
    put(client, source, "a", "x")
    target = begun(slow, source)

    assert described(slow, target)["RestoreSummary"]["RestoreInProgress"] is True
    assert target in client.list_tables()["TableNames"]
    for call, arguments in (
        (client.get_item, {"TableName": target, "Key": key("a")}),
        (client.scan, {"TableName": target}),
        (client.batch_get_item, {"RequestItems": {target: {"Keys": [key("a")]}}}),
        (client.put_item, {"TableName": target, "Item": key("b")}),
        (client.list_tags_of_resource, {"ResourceArn": described(slow, target)["TableArn"]}),
        (
            client.tag_resource,
            {"ResourceArn": described(slow, target)["TableArn"], "Tags": [{"Key": "a", "Value": "b"}]},
        ),
    ):
        assert refusal(call, **arguments) == "ResourceNotFoundException", call
    lives = {"Enabled": True, "AttributeName": "expires"}
    for call, arguments in (
        (client.delete_table, {}),
        (client.update_table, {"DeletionProtectionEnabled": True}),
        (client.update_time_to_live, {"TimeToLiveSpecification": lives}),
    ):
        assert refusal(call, TableName=target, **arguments) == "ResourceInUseException", call
    wanted = {"PointInTimeRecoveryEnabled": True}
    call = client.update_continuous_backups
    code = refusal(call, TableName=target, PointInTimeRecoverySpecification=wanted)
    assert code == "ContinuousBackupsUnavailableException"
    assert refusal(client.create_backup, TableName=target, BackupName="early") == "TableInUseException"


def test_a_name_is_taken_as_soon_as_its_restore_has_begun(slow):
    client, source = slow.client("dynamodb"), table(slow)
    target = begun(slow, source)

    params = {"SourceTableName": source, "TargetTableName": target, "UseLatestRestorableTime": True}
    assert refusal(client.restore_table_to_point_in_time, **params) == "TableInUseException"
    with pytest.raises(ClientError) as refused:
        client.create_table(
            TableName=target,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    assert refused.value.response["Error"]["Code"] == "ResourceInUseException"


def test_a_backup_is_neither_restored_before_it_is_whole_nor_deleted_while_it_is_restored(slow):
    client, source = slow.client("dynamodb"), table(slow, recovery=False)
    arn = client.create_backup(TableName=source, BackupName="a-backup")["BackupDetails"]["BackupArn"]
    params = {"BackupArn": arn, "TargetTableName": slow.name("restored")}
    assert refusal(client.restore_table_from_backup, **params) == "BackupInUseException"
    assert refusal(client.delete_backup, BackupArn=arn) == "BackupInUseException"

    def available() -> bool:
        found = client.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]
        return found["BackupStatus"] == "AVAILABLE"

    eventually(available, within_seconds=30, every_seconds=0.2)
    client.restore_table_from_backup(**params)
    assert refusal(client.delete_backup, BackupArn=arn) == "BackupInUseException"


def test_an_account_restores_fifty_tables_at_once(slow):
    client, source = slow.client("dynamodb"), table(slow)
    running = len([name for name in client.list_tables()["TableNames"] if name.startswith("restored-")])
    for _ in range(MAX_RESTORES - running):
        begun(slow, source)

    params = {"TargetTableName": slow.name("restored"), "UseLatestRestorableTime": True}
    call = client.restore_table_to_point_in_time
    assert refusal(call, SourceTableName=source, **params) == "LimitExceededException"
