"""What a table is restored to, and which moments it can be restored to."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from tests.contract.tables import (
    content,
    described,
    fill,
    key,
    moment,
    recover,
    restorable,
    restore,
    rewrite,
    table,
    window,
)


def refusal(call, **arguments) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def put(client, name: str, pk: str, value: str) -> None:
    client.put_item(TableName=name, Item={**key(pk), "v": {"S": value}})


def test_a_restore_gives_the_table_as_it_was_at_that_second_whatever_wrote_to_it(cloud):
    client, name = cloud.client("dynamodb"), table(cloud)

    def write(value: str) -> None:
        put(client, name, "put", value)
        client.update_item(
            TableName=name,
            Key=key("update"),
            UpdateExpression="SET v = :v",
            ExpressionAttributeValues={":v": {"S": value}},
        )
        client.batch_write_item(
            RequestItems={name: [{"PutRequest": {"Item": {**key(f"batch-{value}"), "v": {"S": value}}}}]}
        )
        client.transact_write_items(
            TransactItems=[{"Put": {"TableName": name, "Item": {**key(f"transaction-{value}"), "v": {"S": value}}}}]
        )
        client.execute_statement(
            Statement=f"INSERT INTO \"{name}\" VALUE {{'pk': 'statement-{value}', 'v': '{value}'}}"
        )

    write("before")
    put(client, name, "deleted", "before")
    between, then = moment(), content(cloud, name)
    write("after")
    client.delete_item(TableName=name, Key=key("deleted"))

    assert content(cloud, restore(cloud, name, between)) == then


def test_a_second_is_the_same_whatever_is_written_to_the_table_and_to_those_restored_from_it(cloud):
    client, name = cloud.client("dynamodb"), table(cloud)
    then, between = fill(client, name), moment()
    rewrite(client, name)
    for _ in range(3):
        restored = restore(cloud, name, between)
        assert content(cloud, restored) == then
        rewrite(client, restored)


def test_every_second_of_a_table_can_be_distinguished(cloud):
    client, name = cloud.client("dynamodb"), table(cloud)
    moments = []
    for value in ("1", "2", "3"):
        put(client, name, "counter", value)
        moments.append(moment())

    restored = [content(cloud, restore(cloud, name, at))[0]["v"]["S"] for at in moments]
    assert restored == ["1", "2", "3"]


def test_what_a_cancelled_transaction_did_is_in_no_moment(cloud):
    client, name = cloud.client("dynamodb"), table(cloud)
    put(client, name, "kept", "before")
    statements = [
        {"Statement": f"UPDATE \"{name}\" SET v = 'torn' WHERE pk = 'kept'"},
        {"Statement": f"UPDATE \"{name}\" SET v = 'torn' WHERE pk = 'absent'"},
    ]
    assert refusal(client.execute_transaction, TransactStatements=statements) == "TransactionCanceledException"
    between = moment()
    put(client, name, "kept", "after")

    assert content(cloud, restore(cloud, name, between)) == [{**key("kept"), "v": {"S": "before"}}]


def test_the_latest_moment_is_reported_and_what_was_written_since_is_left_out(cloud):
    client, name = cloud.client("dynamodb"), table(cloud)
    put(client, name, "old", "x")
    restorable(cloud, name, moment())
    before = datetime.now(UTC)
    put(client, name, "young", "x")
    restored = restore(cloud, name)

    # On a machine that stands still for a second here, the latest moment is after both.
    at = described(cloud, restored)["RestoreSummary"]["RestoreDateTime"]
    expected = ["old"] if at < before else ["old", "young"]
    assert [item["pk"]["S"] for item in content(cloud, restored)] == expected


@pytest.mark.parametrize("away", [timedelta(days=-9000), timedelta(days=-1), timedelta(hours=1)])
def test_a_moment_outside_the_window_is_refused(cloud, away):
    client, name = cloud.client("dynamodb"), table(cloud)
    params = {"TargetTableName": cloud.name("restored"), "RestoreDateTime": datetime.now(UTC) + away}
    code = refusal(client.restore_table_to_point_in_time, SourceTableName=name, **params)
    assert code == "InvalidRestoreTimeException"


def test_a_table_without_recovery_is_not_restored(cloud):
    params = {"TargetTableName": cloud.name("restored"), "UseLatestRestorableTime": True}
    call = cloud.client("dynamodb").restore_table_to_point_in_time
    name = table(cloud, recovery=False)
    assert refusal(call, SourceTableName=name, **params) == "PointInTimeRecoveryUnavailableException"


@pytest.mark.both
def test_a_table_that_is_not_there_is_not_restored(cloud):
    params = {"TargetTableName": cloud.name("restored"), "UseLatestRestorableTime": True}
    call = cloud.client("dynamodb").restore_table_to_point_in_time
    assert refusal(call, SourceTableName=cloud.name("absent"), **params) == "TableNotFoundException"


@pytest.mark.both
def test_a_restore_into_a_table_that_is_there_is_refused(cloud):
    source, there = table(cloud), table(cloud)
    call = cloud.client("dynamodb").restore_table_to_point_in_time
    params = {"TargetTableName": there, "UseLatestRestorableTime": True}
    assert refusal(call, SourceTableName=source, **params) == "TableAlreadyExistsException"


def test_a_restore_asks_for_one_moment(cloud):
    call, source = cloud.client("dynamodb").restore_table_to_point_in_time, table(cloud)
    params = {"SourceTableName": source, "TargetTableName": cloud.name("restored")}
    assert refusal(call, **params) == "ValidationException"
    now = datetime.now(UTC)
    assert refusal(call, **params, UseLatestRestorableTime=True, RestoreDateTime=now) == "ValidationException"


def test_the_window_begins_when_recovery_was_enabled_and_moves_on_at_its_end(cloud):
    name = table(cloud)
    first = window(cloud, name)
    at = restorable(cloud, name, moment())
    later = window(cloud, name)

    assert later["EarliestRestorableDateTime"] == first["EarliestRestorableDateTime"] < at
    assert later["LatestRestorableDateTime"] > first["LatestRestorableDateTime"]
    assert later["RecoveryPeriodInDays"] == 35


def test_recovery_that_was_off_begins_anew(cloud):
    client, name = cloud.client("dynamodb"), table(cloud)
    put(client, name, "a", "before")
    before = moment()
    moment()
    recover(cloud, name, enabled=False)
    assert "EarliestRestorableDateTime" not in window(cloud, name)
    recover(cloud, name, enabled=True)

    params = {"TargetTableName": cloud.name("restored"), "RestoreDateTime": before}
    code = refusal(client.restore_table_to_point_in_time, SourceTableName=name, **params)
    assert code == "InvalidRestoreTimeException"
    assert content(cloud, restore(cloud, name)) == [{**key("a"), "v": {"S": "before"}}]


def test_recovery_that_is_enabled_twice_goes_on(cloud):
    client, name = cloud.client("dynamodb"), table(cloud)
    put(client, name, "a", "before")
    before = moment()
    recover(cloud, name, enabled=True, RecoveryPeriodInDays=7)
    put(client, name, "a", "after")

    assert window(cloud, name)["RecoveryPeriodInDays"] == 7
    assert content(cloud, restore(cloud, name, before)) == [{**key("a"), "v": {"S": "before"}}]


def test_backups_of_a_table_that_is_not_there_are_not_found(cloud):
    client, absent = cloud.client("dynamodb"), cloud.name("absent")
    assert refusal(client.describe_continuous_backups, TableName=absent) == "TableNotFoundException"
    wanted = {"PointInTimeRecoveryEnabled": True}
    call = client.update_continuous_backups
    code = refusal(call, TableName=absent, PointInTimeRecoverySpecification=wanted)
    assert code == "TableNotFoundException"


@pytest.mark.both
def test_what_a_restore_leaves_out(cloud):
    client = cloud.client("dynamodb")
    name = table(
        cloud,
        DeletionProtectionEnabled=True,
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        Tags=[{"Key": "team", "Value": "identity"}],
    )
    client.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"})

    restored = restore(cloud, name)
    found = described(cloud, restored)
    assert not found["DeletionProtectionEnabled"]
    assert "LatestStreamArn" not in found
    assert client.list_tags_of_resource(ResourceArn=found["TableArn"])["Tags"] == []
    assert client.describe_time_to_live(TableName=restored)["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED"
    assert window(cloud, restored)["PointInTimeRecoveryStatus"] == "DISABLED"


INDEX = {
    "IndexName": "by-owner",
    "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}
INDEXED = {
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "owner")],
    "GlobalSecondaryIndexes": [INDEX],
}


def test_indexes_encryption_and_billing_are_the_source_s(cloud):
    name = table(cloud, **INDEXED, SSESpecification={"Enabled": True, "SSEType": "KMS"})
    found = described(cloud, restore(cloud, name))
    assert [index["IndexName"] for index in found["GlobalSecondaryIndexes"]] == ["by-owner"]
    assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert found["SSEDescription"]["Status"] == "ENABLED"


def test_a_restore_can_have_other_billing_and_fewer_indexes_but_none_of_its_own(cloud):
    client, name = cloud.client("dynamodb"), table(cloud, **INDEXED)
    throughput = {"ReadCapacityUnits": 7, "WriteCapacityUnits": 8}
    overrides = {"BillingModeOverride": "PROVISIONED", "ProvisionedThroughputOverride": throughput}
    found = described(cloud, restore(cloud, name, **overrides, GlobalSecondaryIndexOverride=[]))

    assert "GlobalSecondaryIndexes" not in found
    assert found["ProvisionedThroughput"]["WriteCapacityUnits"] == 8
    params = {"TargetTableName": cloud.name("restored"), "UseLatestRestorableTime": True}
    other = [INDEX | {"IndexName": "by-nobody"}]
    call = client.restore_table_to_point_in_time
    code = refusal(call, SourceTableName=name, GlobalSecondaryIndexOverride=other, **params)
    assert code == "ValidationException"
