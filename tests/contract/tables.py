"""Tables for contract tests, and the whole seconds between writes that a restore can tell apart."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from tests.contract.waiting import eventually


def key(value: str) -> dict[str, Any]:
    return {"pk": {"S": value}}


def table(cloud: Any, *, recovery: bool = True, **settings: Any) -> str:
    """A table with one key, and with point-in-time recovery unless it is to have none."""
    name = cloud.name("table")
    client = cloud.client("dynamodb")
    client.create_table(
        **{
            "TableName": name,
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        }
        | settings
    )
    if recovery:
        recover(cloud, name, enabled=True)
    return name


def recover(cloud: Any, name: str, *, enabled: bool, **settings: Any) -> None:
    wanted = {"PointInTimeRecoveryEnabled": enabled} | settings
    cloud.client("dynamodb").update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=wanted)


def window(cloud: Any, name: str) -> dict[str, Any]:
    described = cloud.client("dynamodb").describe_continuous_backups(TableName=name)
    return described["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]


def moment() -> datetime:
    """A whole second: what was written before the call is older, what is written after it is younger."""
    second = math.ceil(time.time())
    time.sleep(second - time.time() + 0.01)
    return datetime.fromtimestamp(second, UTC)


def restorable(cloud: Any, name: str, at: datetime) -> datetime:
    """Wait until a table can be restored to a moment; returns the moment."""
    eventually(lambda: window(cloud, name)["LatestRestorableDateTime"] >= at)
    return at


def restore(cloud: Any, source: str, at: datetime | None = None, **overrides: Any) -> str:
    """Restore a table into one of another name, to a moment or to the latest one, and wait until it is there."""
    target = cloud.name("restored")
    when = {"RestoreDateTime": restorable(cloud, source, at)} if at else {"UseLatestRestorableTime": True}
    cloud.client("dynamodb").restore_table_to_point_in_time(
        SourceTableName=source, TargetTableName=target, **when, **overrides
    )
    return active(cloud, target)


def active(cloud: Any, name: str) -> str:
    eventually(lambda: described(cloud, name)["TableStatus"] == "ACTIVE", within_seconds=20)
    return name


def described(cloud: Any, name: str) -> dict[str, Any]:
    return cloud.client("dynamodb").describe_table(TableName=name)["Table"]


def content(cloud: Any, name: str) -> list[dict[str, Any]]:
    """All items of a small table, in the order of their keys."""
    return scanned(cloud.client("dynamodb"), name)


def scanned(client: Any, name: str) -> list[dict[str, Any]]:
    """All items of a small table of the client's region, in the order of their keys."""
    return sorted(client.scan(TableName=name)["Items"], key=lambda item: item["pk"]["S"])


WAYS = (
    "put", "update", "nested", "batch-put", "transaction-put", "transaction-update", "statement-update",
    "deleted", "batch-deleted", "transaction-deleted", "statement-deleted",
)  # fmt: skip
"""Each way in which `rewrite` changes or deletes an item, and the key of that item."""
NESTED = {"M": {"list": {"L": [{"S": "first"}, {"M": {"n": {"N": "1"}}}]}, "removed": {"S": "x"}}}


def fill(client: Any, name: str) -> list[dict[str, Any]]:
    """Put the items that `rewrite` changes; returns them."""
    for way in WAYS:
        item = {**key(way), "v": {"S": "before"}, "names": {"SS": ["x", "y"]}, "nested": NESTED}
        client.put_item(TableName=name, Item=item)
    return scanned(client, name)


def rewrite(client: Any, name: str) -> None:
    """Change or delete each item of `fill` in its way, values within values included, and add one."""
    after, table = {"S": "after"}, {"TableName": name}
    setting = {"UpdateExpression": "SET v = :v", "ExpressionAttributeValues": {":v": after}}
    client.put_item(**table, Item={**key("put"), "v": after})
    client.update_item(**table, Key=key("update"), **setting)
    client.update_item(
        **table,
        Key=key("nested"),
        UpdateExpression="SET nested.#l[0] = :v, nested.#l[1].n = nested.#l[1].n + :n, nested.more = :v "
        "REMOVE nested.removed ADD seen :n DELETE #names :gone",
        ExpressionAttributeNames={"#l": "list", "#names": "names"},
        ExpressionAttributeValues={":v": after, ":n": {"N": "1"}, ":gone": {"SS": ["x"]}},
    )
    client.batch_write_item(
        RequestItems={
            name: [
                {"PutRequest": {"Item": {**key("batch-put"), "v": after}}},
                {"PutRequest": {"Item": {**key("added"), "v": after}}},
                {"DeleteRequest": {"Key": key("batch-deleted")}},
            ]
        }
    )
    client.transact_write_items(
        TransactItems=[
            {"Put": {**table, "Item": {**key("transaction-put"), "v": after}}},
            {"Update": {**table, "Key": key("transaction-update"), **setting}},
            {"Delete": {**table, "Key": key("transaction-deleted")}},
        ]
    )
    client.execute_statement(Statement=f"UPDATE \"{name}\" SET v = 'after' WHERE pk = 'statement-update'")
    client.execute_statement(Statement=f"DELETE FROM \"{name}\" WHERE pk = 'statement-deleted'")
    client.delete_item(**table, Key=key("deleted"))
    found = {item["pk"]["S"]: item for item in scanned(client, name)}
    assert found.keys() == {"added", *(way for way in WAYS if "deleted" not in way)}
    assert all(item.get("v") == after or "seen" in item for item in found.values())


def there(cloud: Any, name: str) -> bool:
    with suppress(cloud.client("dynamodb").exceptions.ResourceNotFoundException):
        return bool(described(cloud, name))
    return False
