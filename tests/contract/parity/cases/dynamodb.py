"""DynamoDB: conditions, transactions, batches, tables, point-in-time recovery, streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.contract.parity.case import Case, Rejection
from tests.contract.parity.emulators import error_of, wait_until

T = "dynamodb/test_dynamodb::TestDynamoDB::"


def _table(aws: Any, **settings: Any) -> str:
    name = aws.new_name("table")
    aws.client("dynamodb").create_table(
        **{
            "TableName": name,
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        }
        | settings
    )
    client = aws.client("dynamodb")
    wait_until(lambda: client.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE")
    return str(name)


def _shared_table(aws: Any) -> str:
    return str(aws.shared("table", lambda: _table(aws)))


def _item(identity: str, **attributes: str) -> dict[str, Any]:
    return {"id": {"S": identity}} | {name: {"S": value} for name, value in attributes.items()}


def _failed_condition(aws: Any, **parameters: Any) -> Any:
    """Put an item, then put it on the condition that it is absent; return the error's item, if it names one."""
    client, table, item = aws.client("dynamodb"), _shared_table(aws), _item(aws.new_name("item"), kept="yes")
    client.put_item(TableName=table, Item=item)
    refused = error_of(
        lambda: client.put_item(
            TableName=table, Item=item, ConditionExpression="attribute_not_exists(id)", **parameters
        )
    )
    error = refused.response["Error"]
    item_named = refused.response.get("Item", {}).get("kept")
    return {"code": error["Code"], "message": error["Message"], "item": item_named}


def _failed_update(aws: Any) -> Any:
    return aws.client("dynamodb").update_item(
        TableName=_shared_table(aws),
        Key=_item(aws.new_name("item")),
        UpdateExpression="SET a = :a",
        ConditionExpression="attribute_exists(id)",
        ExpressionAttributeValues={":a": {"S": "1"}},
    )


def _failed_delete(aws: Any) -> Any:
    return aws.client("dynamodb").delete_item(
        TableName=_shared_table(aws), Key=_item(aws.new_name("item")), ConditionExpression="attribute_exists(id)"
    )


def _cancelled(aws: Any) -> Any:
    client, table = aws.client("dynamodb"), _shared_table(aws)
    absent = {"TableName": table, "Key": _item(aws.new_name("item")), "ConditionExpression": "attribute_exists(id)"}
    put = {"TableName": table, "Item": _item(aws.new_name("item"))}
    refused = error_of(lambda: client.transact_write_items(TransactItems=[{"ConditionCheck": absent}, {"Put": put}]))
    error = refused.response["Error"]
    reasons = [reason["Code"] for reason in refused.response.get("CancellationReasons", ())]
    return {"code": error["Code"], "message": error["Message"], "reasons": reasons}


def _transaction_on_absent_table(aws: Any) -> Any:
    put = {"TableName": "parity-absent", "Item": _item("a")}
    return aws.client("dynamodb").transact_write_items(TransactItems=[{"Put": put}])


def _repeated_transaction(aws: Any) -> list[int]:
    put = {"TableName": _shared_table(aws), "Item": _item("again")}
    token = aws.new_name("token")
    answers = [
        aws.client("dynamodb").transact_write_items(TransactItems=[{"Put": put}], ClientRequestToken=token)
        for _ in range(2)
    ]
    return [answer["ResponseMetadata"]["HTTPStatusCode"] for answer in answers]


def _batch_of_another_schema(aws: Any) -> Any:
    item = {"another": {"S": "x"}}
    return aws.client("dynamodb").batch_write_item(
        RequestItems={_shared_table(aws): [{"DeleteRequest": {"Key": item}}]}
    )


def _batch_write(aws: Any) -> Any:
    request = [{"PutRequest": {"Item": _item(f"batch-{number}")}} for number in range(2)]
    return aws.client("dynamodb").batch_write_item(RequestItems={_shared_table(aws): request})["UnprocessedItems"]


def _batch_get_absent(aws: Any) -> Any:
    table = _shared_table(aws)
    answer = aws.client("dynamodb").batch_get_item(RequestItems={table: {"Keys": [_item("absent")]}})
    return {"items": answer["Responses"].get(table), "unprocessed": answer["UnprocessedKeys"]}


def _returned(aws: Any, previous: bool) -> Any:
    client, table, name = aws.client("dynamodb"), _shared_table(aws), aws.new_name("item")
    if previous:
        client.put_item(TableName=table, Item=_item(name, value="before"))
    answer = client.put_item(TableName=table, Item=_item(name, value="after"), ReturnValues="ALL_OLD")
    return answer.get("Attributes", {}).get("value")


def _create_again(aws: Any) -> Any:
    name = _table(aws)
    return aws.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


_INDEX = {
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "subject", "AttributeType": "S"}],
    "GlobalSecondaryIndexes": [
        {"IndexName": "by-subject", "KeySchema": [{"AttributeName": "subject", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}
    ],
}  # fmt: skip
_BOTH = "NEW_AND_OLD_IMAGES"
_UNITS = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}


def _described(aws: Any, **settings: Any) -> dict[str, Any]:
    found = aws.client("dynamodb").describe_table(TableName=_table(aws, **settings))["Table"]
    facts = {
        "billing": found.get("BillingModeSummary", {}).get("BillingMode"),
        "deletion protection": found.get("DeletionProtectionEnabled"),
        "items": found["ItemCount"],
        "status": found["TableStatus"],
        "units": found.get("ProvisionedThroughput", {}).get("ReadCapacityUnits"),
        "stream": found.get("StreamSpecification", {}).get("StreamViewType"),
    }
    indexes = [(index["IndexName"], index["IndexStatus"]) for index in found.get("GlobalSecondaryIndexes", ())]
    return facts | {"indexes": indexes}


def _recovery(aws: Any) -> Any:
    answer = aws.client("dynamodb").update_continuous_backups(
        TableName=_table(aws), PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )["ContinuousBackupsDescription"]
    recovery = answer["PointInTimeRecoveryDescription"]
    return {
        "backups": answer["ContinuousBackupsStatus"],
        "recovery": recovery["PointInTimeRecoveryStatus"],
        "days": recovery.get("RecoveryPeriodInDays"),
        "has a window": {"EarliestRestorableDateTime", "LatestRestorableDateTime"} <= recovery.keys(),
    }


def _stream_records(view: str, write: Callable[[Any, str], None]) -> Callable[[Any], Any]:
    """Return a request that reads the stream of what `write` writes: events and their images."""
    return lambda aws: [
        (record["eventName"], [image for image in ("NewImage", "OldImage") if image in record["dynamodb"]])
        for record in _written_records(aws, view, write)
    ]


def _record_sizes(aws: Any) -> list[int]:
    return [record["dynamodb"].get("SizeBytes") for record in _written_records(aws, _BOTH, _write_and_repeat)]


def _written_records(aws: Any, view: str, write: Callable[[Any, str], None]) -> list[dict[str, Any]]:
    table = _table(aws, StreamSpecification={"StreamEnabled": True, "StreamViewType": view})
    streams = aws.client("dynamodbstreams")
    arn = aws.client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]
    write(aws.client("dynamodb"), table)
    records = [record for shard in _shards(streams, arn) for record in _records(streams, arn, shard)]
    return sorted(records, key=lambda record: int(record["dynamodb"]["SequenceNumber"]))


def _shards(streams: Any, arn: str) -> list[str]:
    return [shard["ShardId"] for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]]


def _records(streams: Any, arn: str, shard: str) -> list[dict[str, Any]]:
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    found: list[dict[str, Any]] = []
    for _ in range(12):  # an empty response is not the end of a shard
        answer = streams.get_records(ShardIterator=iterator)
        found += answer["Records"]
        if not (iterator := answer.get("NextShardIterator")):
            break
    return found


def _write_and_repeat(client: Any, table: str) -> None:
    client.put_item(TableName=table, Item=_item("Fred"))
    client.put_item(TableName=table, Item=_item("Fred", name="Fred"))
    client.put_item(TableName=table, Item=_item("Fred", name="Fred"))  # no change, so no record
    client.delete_item(TableName=table, Key=_item("Fred"))
    client.delete_item(TableName=table, Key=_item("Fred"))  # nothing there, so no record


def _write_transaction(client: Any, table: str) -> None:
    client.put_item(TableName=table, Item=_item("Fred"))
    for put in (_item("Fred", name="Fred"), _item("NewKey")):
        client.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": put}}])


def _stream_absent(aws: Any) -> Any:
    table = _table(aws, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
    arn = aws.client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]
    absent = f"{arn.rpartition('/')[0]}/2024-11-18T14:36:44.149"
    return aws.client("dynamodbstreams").describe_stream(StreamArn=absent)


_CONDITION = Rejection("ConditionalCheckFailedException", 400, "^The conditional request failed$")
_CONDITION_FACTS = {"code": "ConditionalCheckFailedException", "message": "The conditional request failed"}
_TABLE_FACTS = {"deletion protection": False, "items": 0, "status": "ACTIVE", "stream": None, "indexes": []}
_ON_DEMAND = {"billing": "PAY_PER_REQUEST", "units": 0}
_RETURN_FAILED = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}

CASES = (
    Case("dynamodb:PutItem", "a condition fails, with the item", T + "test_return_values_on_conditions_check_failure", lambda aws: _failed_condition(aws, **_RETURN_FAILED), _CONDITION_FACTS | {"item": {"S": "yes"}}),
    Case("dynamodb:UpdateItem", "a condition fails", T + "test_return_values_on_conditions_check_failure", _failed_update, _CONDITION),
    Case("dynamodb:DeleteItem", "a condition fails", T + "test_return_values_on_conditions_check_failure", _failed_delete, _CONDITION),
    Case("dynamodb:PutItem", "returns what was there", T + "test_return_values_in_put_item", lambda aws: _returned(aws, previous=True), {"S": "before"}),
    Case("dynamodb:PutItem", "returns nothing for a new item", T + "test_return_values_in_put_item", lambda aws: _returned(aws, previous=False), None),
    Case("dynamodb:TransactWriteItems", "a condition fails", T + "test_transaction_write_canceled", _cancelled, {"code": "TransactionCanceledException", "message": "Transaction cancelled, please refer cancellation reasons for specific reasons [ConditionalCheckFailed, None]", "reasons": ["ConditionalCheckFailed", "None"]}),
    Case("dynamodb:TransactWriteItems", "a table that does not exist", T + "test_batch_write_not_existing_table", _transaction_on_absent_table, Rejection("ResourceNotFoundException", 400, "^Requested resource not found$")),
    Case("dynamodb:TransactWriteItems", "the same token again", T + "test_dynamodb_idempotent_writing", _repeated_transaction, [200, 200]),
    Case("dynamodb:BatchWriteItem", "all processed", T + "test_batch_write_items", _batch_write, {}),
    Case("dynamodb:BatchWriteItem", "a key of another schema", T + "test_batch_write_not_matching_schema", _batch_of_another_schema, Rejection("ValidationException", 400, "^The provided key element does not match the schema$")),
    Case("dynamodb:BatchGetItem", "an item that does not exist", T + "test_dynamodb_get_batch_items", _batch_get_absent, {"items": [], "unprocessed": {}}),
    Case("dynamodb:CreateTable", "a name that exists", T + "test_create_duplicate_table", _create_again, Rejection("ResourceInUseException", 400, r"^Table already exists: [\w-]+$")),
    Case("dynamodb:CreateTable", "units for an on-demand table", T + "test_dynamodb_pay_per_request", lambda aws: _table(aws, ProvisionedThroughput=_UNITS), Rejection("ValidationException", 400, "^One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST$")),
    Case("dynamodb:DescribeTable", "an on-demand table with an index", T + "test_gsi_with_billing_mode", lambda aws: _described(aws, **_INDEX), _TABLE_FACTS | _ON_DEMAND | {"indexes": [("by-subject", "ACTIVE")]}),
    Case("dynamodb:DescribeTable", "a provisioned table", T + "test_table_crud", lambda aws: _described(aws, BillingMode="PROVISIONED", ProvisionedThroughput=_UNITS), _TABLE_FACTS | {"billing": None, "units": 5}),
    Case("dynamodb:DeleteTable", "one that does not exist", T + "test_table_crud", lambda aws: aws.client("dynamodb").delete_table(TableName="parity-absent"), Rejection("ResourceNotFoundException", 400, "^Requested resource not found: Table: parity-absent not found$")),
    Case("dynamodb:UpdateContinuousBackups", "point-in-time recovery is switched on", T + "test_continuous_backup_update", _recovery, {"backups": "ENABLED", "recovery": "ENABLED", "days": 35, "has a window": True}),
    Case("dynamodbstreams:GetRecords", "put, change, no change, delete", T + "test_batch_write_items_streaming", _stream_records(_BOTH, _write_and_repeat), [("INSERT", ["NewImage"]), ("MODIFY", ["NewImage", "OldImage"]), ("REMOVE", ["OldImage"])]),
    Case("dynamodbstreams:GetRecords", "transactions", T + "test_transact_write_items_streaming", _stream_records(_BOTH, _write_transaction), [("INSERT", ["NewImage"]), ("MODIFY", ["NewImage", "OldImage"]), ("INSERT", ["NewImage"])]),
    Case("dynamodbstreams:GetRecords", "the sizes of records", T + "test_batch_write_items_streaming", _record_sizes, [12, 26, 20]),
    Case("dynamodbstreams:GetRecords", "keys only", T + "test_dynamodb_stream_stream_view_type", _stream_records("KEYS_ONLY", _write_and_repeat), [("INSERT", []), ("MODIFY", []), ("REMOVE", [])]),
    Case("dynamodbstreams:DescribeStream", "one that does not exist", "dynamodbstreams/test_dynamodb_streams::TestDynamoDBStreams::test_non_existent_stream", _stream_absent, Rejection("ResourceNotFoundException", 400, r"^Requested resource not found: Stream: arn:.*/stream/2024-11-18T14:36:44\.149 not found$")),
)  # fmt: skip
