"""On-demand backups, and the one that a deleted table leaves."""

import time
from datetime import UTC, datetime

import pytest

from orchestrator.application.prices import load_prices
from orchestrator.application.recovery_planning import plan_table_recovery
from orchestrator.aws.dynamodb.backups import OnDemandBackups
from orchestrator.aws.dynamodb.restores import TableRestores
from orchestrator.aws.dynamodb.table_settings import TableSettingsStore
from orchestrator.aws.ledger.standing_grants import StandingGrantIndex
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.backup_times import describe_times
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.recovery.request import RecoveryRequest
from tests.contract.dynamodb.test_point_in_time_recovery import INDEXED, put, refusal
from tests.contract.tables import active, content, described, fill, key, restore, rewrite, table
from tests.contract.waiting import eventually
from tests.samples import recovery_table


def begun(cloud, name: str) -> str:
    return cloud.client("dynamodb").create_backup(TableName=name, BackupName="a-backup")["BackupDetails"]["BackupArn"]


def backup(cloud, name: str) -> str:
    arn = begun(cloud, name)
    eventually(lambda: details(cloud, arn)["BackupStatus"] == "AVAILABLE")
    return arn


def details(cloud, arn: str) -> dict:
    return cloud.client("dynamodb").describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]


def restored_from(cloud, arn: str) -> str:
    target = cloud.name("restored")
    cloud.client("dynamodb").restore_table_from_backup(BackupArn=arn, TargetTableName=target)
    return active(cloud, target)


def test_a_backup_is_available_after_a_while(cloud):
    client, name = cloud.client("dynamodb"), table(cloud, recovery=False)
    answered = client.create_backup(TableName=name, BackupName="a-backup")["BackupDetails"]
    assert answered["BackupStatus"] == "CREATING"
    eventually(lambda: details(cloud, answered["BackupArn"])["BackupStatus"] == "AVAILABLE")


def test_what_is_restored_from_a_backup_takes_its_time_and_names_what_was_backed_up(cloud):
    client, name = cloud.client("dynamodb"), table(cloud, recovery=False)
    put(client, name, "a", "before")
    arn = backup(cloud, name)
    put(client, name, "a", "after")
    target = cloud.name("restored")
    answered = client.restore_table_from_backup(BackupArn=arn, TargetTableName=target)["TableDescription"]
    assert (answered["TableStatus"], answered["RestoreSummary"]["RestoreInProgress"]) == ("CREATING", True)

    summary = described(cloud, active(cloud, target))["RestoreSummary"]
    assert summary["SourceTableArn"] == described(cloud, name)["TableArn"]
    assert (summary["SourceBackupArn"], summary["RestoreInProgress"]) == (arn, False)
    assert content(cloud, target) == [{**key("a"), "v": {"S": "before"}}]


def check_unharmed(cloud, arn: str, then: list) -> None:
    """Every restore of a backup holds the same, whatever is written to the tables that were restored before it."""
    for _ in range(3):
        restored = restored_from(cloud, arn)
        assert content(cloud, restored) == then
        rewrite(cloud.client("dynamodb"), restored)


@pytest.mark.both
def test_a_backup_holds_the_same_whatever_is_written_to_its_table_and_to_those_restored_from_it(cloud):
    client, name = cloud.client("dynamodb"), table(cloud, recovery=False)
    then = fill(client, name)
    arn = backup(cloud, name)
    rewrite(client, name)
    check_unharmed(cloud, arn, then)


def test_the_backup_of_a_deleted_table_holds_the_same_whatever_is_written_to_those_restored_from_it(cloud):
    client, name = cloud.client("dynamodb"), table(cloud)
    then = fill(client, name)
    client.delete_table(TableName=name)
    (left,) = client.list_backups(TableName=name, BackupType="SYSTEM")["BackupSummaries"]
    check_unharmed(cloud, left["BackupArn"], then)


@pytest.mark.both
def test_a_backup_has_the_settings_of_its_table_whatever_is_changed_of_those_restored_from_it(cloud):
    client, units = cloud.client("dynamodb"), {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    provisioned = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": units}
    indexes = [{**index, "ProvisionedThroughput": units} for index in INDEXED["GlobalSecondaryIndexes"]]
    name = table(cloud, recovery=False, **INDEXED | provisioned | {"GlobalSecondaryIndexes": indexes})
    arn = backup(cloud, name)
    for _ in range(2):
        restored = restored_from(cloud, arn)
        found = described(cloud, restored)
        (index,) = found["GlobalSecondaryIndexes"]
        assert [one["ProvisionedThroughput"]["WriteCapacityUnits"] for one in (found, index)] == [5, 5]
        assert len(found["AttributeDefinitions"]) == 2
        more = {"ReadCapacityUnits": 7, "WriteCapacityUnits": 7}
        update = {"Update": {"IndexName": index["IndexName"], "ProvisionedThroughput": more}}
        client.update_table(TableName=restored, ProvisionedThroughput=more, GlobalSecondaryIndexUpdates=[update])
        client.update_table(
            TableName=restored, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": index["IndexName"]}}]
        )


def test_a_backup_outlives_its_table(cloud):
    client, name = cloud.client("dynamodb"), table(cloud, recovery=False)
    put(client, name, "a", "x")
    arn, gone = backup(cloud, name), described(cloud, name)["TableArn"]
    client.delete_table(TableName=name)

    target = restored_from(cloud, arn)
    assert described(cloud, target)["RestoreSummary"]["SourceTableArn"] == gone
    assert content(cloud, target) == [{**key("a"), "v": {"S": "x"}}]


@pytest.mark.both
def test_a_deleted_backup_is_gone(cloud):
    client, name = cloud.client("dynamodb"), table(cloud, recovery=False)
    arn = backup(cloud, name)
    restored_from(cloud, arn)
    client.delete_backup(BackupArn=arn)
    assert refusal(client.describe_backup, BackupArn=arn) == "BackupNotFoundException"


@pytest.mark.both
def test_backups_that_are_not_there_are_not_found(cloud):
    client, name = cloud.client("dynamodb"), table(cloud, recovery=False)
    absent = f"{described(cloud, name)['TableArn']}/backup/01234567890123-abcdef12"
    assert refusal(client.describe_backup, BackupArn=absent) == "BackupNotFoundException"
    assert refusal(client.delete_backup, BackupArn=absent) == "BackupNotFoundException"
    params = {"BackupArn": absent, "TargetTableName": cloud.name("restored")}
    assert refusal(client.restore_table_from_backup, **params) == "BackupNotFoundException"
    call = client.create_backup
    assert refusal(call, TableName=cloud.name("absent"), BackupName="a-backup") == "TableNotFoundException"


def test_a_deleted_table_with_recovery_leaves_a_backup(cloud):
    client, name = cloud.client("dynamodb"), table(cloud)
    put(client, name, "a", "last")
    client.delete_table(TableName=name)

    assert client.list_backups(TableName=name)["BackupSummaries"] == []
    (left,) = client.list_backups(TableName=name, BackupType="SYSTEM")["BackupSummaries"]
    assert left["BackupName"] == f"{name}$DeletedTableBackup"
    assert left["BackupExpiryDateTime"] > left["BackupCreationDateTime"]
    assert content(cloud, restored_from(cloud, left["BackupArn"])) == [{**key("a"), "v": {"S": "last"}}]


@pytest.mark.parametrize("deleted", [True, pytest.param(False, marks=pytest.mark.both)])
def test_a_backup_states_the_settings_of_its_table(cloud, deleted):
    client, name = cloud.client("dynamodb"), table(cloud)
    client.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "delete_at"})
    client.update_table(
        TableName=name, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    )
    settings = TableSettingsStore(client, cloud.client("application-autoscaling"))
    before = settings.read_settings(name)
    if deleted:
        client.delete_table(TableName=name)
        (left,) = client.list_backups(TableName=name, BackupType="SYSTEM")["BackupSummaries"]
        arn = left["BackupArn"]
    else:
        arn = backup(cloud, name)
    features = client.describe_backup(BackupArn=arn)["BackupDescription"]["SourceTableFeatureDetails"]
    assert features["StreamDescription"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert features["TimeToLiveDescription"]["AttributeName"] == "delete_at"

    stated = settings.read_backed_up(arn, restored_from(cloud, arn))
    assert (stated.keys, stated.indexes) == (before.keys, before.indexes)
    assert (stated.billing, stated.encryption) == (before.billing, before.encryption)


def test_two_deleted_tables_are_planned_and_restored_each_from_what_it_left(cloud):
    client = cloud.client("dynamodb")
    tables = {role: table(cloud) for role in Role}
    for role, name in tables.items():
        put(client, name, "a", role)
        client.delete_table(TableName=name)
        time.sleep(1.1)

    restores, backups = TableRestores(client), OnDemandBackups(client)
    planned = plan_table_recovery(
        restores,
        backups,
        Kind.RESTORE,
        cloud.name("dr"),
        tables,
        RecoveryRequest("ann"),
        RecoveryPolicy.parse(recovery_table()),
        environment="test",
        prices=load_prices("us-west-1"),
        now=datetime.now(UTC),
        standing=StandingGrantIndex(client, cloud.name("no-ledger")),
    )
    times = [found.backup_at for found in planned.tables]
    assert planned.point == planned.latest == min(times).replace(microsecond=0)
    assert "Tokens are sanitized to the earlier time" in describe_times(planned.tables, planned.point)
    for found in planned.tables:
        assert found.gone
        assert restores.start_restore(found.source, found.target, planned.point, found.backup_arn)
        assert content(cloud, active(cloud, found.target)) == [{**key("a"), "v": {"S": found.role}}]


@pytest.mark.both
def test_a_deleted_table_without_recovery_leaves_nothing(cloud):
    client, name = cloud.client("dynamodb"), table(cloud, recovery=False)
    client.delete_table(TableName=name)
    assert client.list_backups(TableName=name, BackupType="ALL")["BackupSummaries"] == []


@pytest.mark.both
def test_backups_are_listed_page_by_page(cloud):
    client, name = cloud.client("dynamodb"), table(cloud, recovery=False)
    made = {begun(cloud, name) for _ in range(3)}
    first = client.list_backups(TableName=name, Limit=2)
    rest = client.list_backups(TableName=name, Limit=2, ExclusiveStartBackupArn=first["LastEvaluatedBackupArn"])
    assert {one["BackupArn"] for one in [*first["BackupSummaries"], *rest["BackupSummaries"]]} == made
    assert "LastEvaluatedBackupArn" not in rest


def test_recovery_is_not_restored_from_a_backup(cloud):
    client, name = cloud.client("dynamodb"), table(cloud)
    restored = restore(cloud, name)
    params = {"TargetTableName": cloud.name("restored"), "UseLatestRestorableTime": True}
    call = client.restore_table_to_point_in_time
    code = refusal(call, SourceTableName=restored, **params)
    assert code == "PointInTimeRecoveryUnavailableException"
