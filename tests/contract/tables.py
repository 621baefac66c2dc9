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
    return sorted(cloud.client("dynamodb").scan(TableName=name)["Items"], key=lambda item: item["pk"]["S"])


def there(cloud: Any, name: str) -> bool:
    with suppress(cloud.client("dynamodb").exceptions.ResourceNotFoundException):
        return bool(described(cloud, name))
    return False
