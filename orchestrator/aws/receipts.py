"""Receipts: a row a second into guarded tables, and a table of their own that says which were acknowledged.

| table            | pk                  | sk          | holds                                   |
|------------------|---------------------|-------------|-----------------------------------------|
| a guarded one    | ``receipt#{slot}``  |             | `second`, and until when it is kept     |
| the receipts     | role of the guarded | the second  | until when it is kept                   |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.aws.clients import narrowed
from orchestrator.domain.receipts import RECEIPT_LIVES, ROW_LIVES, SECOND, row_key, row_keys

_GET_AT_ONCE = 100


class Receipts:
    """Writes and reads receipts.

    Args:
        client: botocore's DynamoDB client.
        table: the receipts' own.
    """

    def __init__(self, client: Any, table: str) -> None:
        self._client, self._table = client, table

    def write(self, role: str, guarded: str, second: int, now: Callable[[], datetime]) -> bool:
        """Write the row of a second, and once that was acknowledged, its receipt. Both may be written again.

        A row that was acknowledged only after its second has no receipt: a copy as of the second's end may rightly lack it.

        Args:
            role: of the guarded table.
            guarded: the table.
            second: in epoch seconds; it has begun.
            now: the clock.

        Returns:
            Whether there is a receipt.

        Raises:
            Throttled, Unreachable: there is a gap then.
        """
        at = datetime.fromtimestamp(second, UTC)
        row = {"pk": {"S": row_key(second)}, "second": _number(second), "delete_at": _until(at + ROW_LIVES)}
        receipt = {"role": {"S": role}, "second": _number(second), "expires_at": _until(at + RECEIPT_LIVES)}
        with narrowed():
            self._client.put_item(TableName=guarded, Item=row)
            if now() >= at + SECOND:
                return False
            self._client.put_item(TableName=self._table, Item=receipt)
        return True

    def acknowledged(self, role: str, since: datetime) -> set[int]:
        """The seconds of which there is a receipt."""
        asked = {
            "TableName": self._table,
            "KeyConditionExpression": "#role = :role AND #second >= :since",
            "ExpressionAttributeNames": {"#role": "role", "#second": "second"},
            "ExpressionAttributeValues": {":role": {"S": role}, ":since": _number(int(since.timestamp()))},
            "ConsistentRead": True,
        }
        with narrowed():
            pages = self._client.get_paginator("query").paginate(**asked)
            return {int(item["second"]["N"]) for page in pages for item in page["Items"]}

    def rows(self, guarded: str) -> set[int]:
        """The seconds of the rows that a table has."""
        keys, found = [{"pk": {"S": key}} for key in row_keys()], set[int]()
        for start in range(0, len(keys), _GET_AT_ONCE):
            asked = {guarded: {"Keys": keys[start : start + _GET_AT_ONCE], "ConsistentRead": True}}
            while asked:
                with narrowed():
                    got = self._client.batch_get_item(RequestItems=asked)
                found |= {int(item["second"]["N"]) for item in got["Responses"].get(guarded, ())}
                asked = got.get("UnprocessedKeys") or {}
        return found


def _number(value: int) -> Mapping[str, str]:
    return {"N": str(value)}


def _until(at: datetime) -> Mapping[str, str]:
    return _number(int(at.timestamp()))
