"""Heartbeats: one row a second in each monitored table, and a table that records which rows were acknowledged.

| table             | pk                      | sk          | holds                                     |
|-------------------|-------------------------|-------------|-------------------------------------------|
| a monitored table | ``heartbeat#{slot}``    |             | `second`, and when the row expires        |
| the heartbeats    | the monitored table     | the second  | when the acknowledgement expires          |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import sleep
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.aws.dynamodb.batch import batch_get
from orchestrator.domain.recovery.heartbeats import HEARTBEAT_TTL, ROW_TTL, SECOND, row_key, row_keys

_TAKES_NO_WRITES = frozenset({"AccessDeniedException", "ResourceNotFoundException"})
"""The error codes of a table that a restore has blocked, or that does not exist."""


class HeartbeatStore:
    """Writes and reads heartbeats.

    Args:
        client: botocore's DynamoDB client.
        table: the table of acknowledgements.
        sleep: waits for some seconds.
    """

    def __init__(self, client: Any, table: str, *, sleep: Callable[[float], None] = sleep) -> None:
        self._client, self._table, self._sleep = client, table, sleep

    def write_heartbeat(self, monitored_table: str, second: int, now: Callable[[], datetime]) -> bool:
        """Write the row of a second and, once DynamoDB acknowledged it, the acknowledgement. Both are idempotent.

        A row that is acknowledged only after its second ended gets no acknowledgement: a table restored to the end of
        that second may rightly lack the row.

        Args:
            monitored_table: the table that gets the row.
            second: in epoch seconds; it has begun.
            now: the clock.

        Returns:
            Whether the acknowledgement was written. It is not written if the table takes no writes.

        Raises:
            Throttled, Unreachable: the heartbeat of this second is missing then.
        """
        at = datetime.fromtimestamp(second, UTC)
        row = {"pk": {"S": row_key(second)}, "second": _number(second), "delete_at": _epoch_seconds(at + ROW_TTL)}
        acknowledgement = {
            "monitored_table": {"S": monitored_table},
            "second": _number(second),
            "expires_at": _epoch_seconds(at + HEARTBEAT_TTL),
        }
        try:
            with translate_errors():
                self._client.put_item(TableName=monitored_table, Item=row)
        except ClientError as error:
            if error_code(error) not in _TAKES_NO_WRITES:
                raise
            return False
        if now() >= at + SECOND:
            return False
        with translate_errors():
            self._client.put_item(TableName=self._table, Item=acknowledgement)
        return True

    def read_acknowledged(self, monitored_table: str, since: datetime) -> set[int]:
        """Return the acknowledged seconds of a table, in epoch seconds."""
        params = {
            "TableName": self._table,
            "KeyConditionExpression": "#monitored_table = :monitored_table AND #second >= :since",
            "ExpressionAttributeNames": {"#monitored_table": "monitored_table", "#second": "second"},
            "ExpressionAttributeValues": {
                ":monitored_table": {"S": monitored_table},
                ":since": _number(int(since.timestamp())),
            },
            "ConsistentRead": True,
        }
        with translate_errors():
            pages = self._client.get_paginator("query").paginate(**params)
            return {int(item["second"]["N"]) for page in pages for item in page["Items"]}

    def read_rows(self, table: str) -> set[int]:
        """Return the seconds of the heartbeat rows that a table holds, in epoch seconds.

        Raises:
            Throttled: the table's capacity does not suffice even for a slow reader.
        """
        keys = [{"pk": {"S": key}} for key in row_keys()]
        return {int(item["second"]["N"]) for item in batch_get(self._client, table, keys, sleep=self._sleep)}


def _number(value: int) -> Mapping[str, str]:
    return {"N": str(value)}


def _epoch_seconds(at: datetime) -> Mapping[str, str]:
    return _number(int(at.timestamp()))
