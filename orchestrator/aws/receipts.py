"""Receipts: a row a second into guarded tables, and a table of their own that says which were acknowledged.

| table            | pk                  | sk          | holds                                   |
|------------------|---------------------|-------------|-----------------------------------------|
| a guarded one    | ``receipt#{slot}``  |             | `second`, and until when it is kept     |
| the receipts     | name of the guarded | the second  | until when it is kept                   |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.receipts import RECEIPT_LIVES, ROW_LIVES, SECOND, row_key, row_keys

_GET_AT_ONCE = 100
_TAKES_NO_WRITES = frozenset({"AccessDeniedException", "ResourceNotFoundException"})
"""A restore closed the table, or it is gone."""


class Receipts:
    """Writes and reads receipts.

    Args:
        client: botocore's DynamoDB client.
        table: the receipts' own.
    """

    def __init__(self, client: Any, table: str) -> None:
        self._client, self._table = client, table

    def write(self, guarded: str, second: int, now: Callable[[], datetime]) -> bool:
        """Write the row of a second, and once that was acknowledged, its receipt. Both may be written again.

        A row that was acknowledged only after its second has no receipt: a copy as of the second's end may rightly lack it.

        Args:
            guarded: the table.
            second: in epoch seconds; it has begun.
            now: the clock.

        Returns:
            Whether there is a receipt. There is none either where the table takes no writes.

        Raises:
            Throttled, Unreachable: there is a gap then.
        """
        at = datetime.fromtimestamp(second, UTC)
        row = {"pk": {"S": row_key(second)}, "second": _number(second), "delete_at": _until(at + ROW_LIVES)}
        receipt = {"guarded": {"S": guarded}, "second": _number(second), "expires_at": _until(at + RECEIPT_LIVES)}
        try:
            with narrowed():
                self._client.put_item(TableName=guarded, Item=row)
        except ClientError as error:
            if code_of(error) not in _TAKES_NO_WRITES:
                raise
            return False
        if now() >= at + SECOND:
            return False
        with narrowed():
            self._client.put_item(TableName=self._table, Item=receipt)
        return True

    def acknowledged(self, guarded: str, since: datetime) -> set[int]:
        """The seconds of which there is a receipt for a table."""
        asked = {
            "TableName": self._table,
            "KeyConditionExpression": "#guarded = :guarded AND #second >= :since",
            "ExpressionAttributeNames": {"#guarded": "guarded", "#second": "second"},
            "ExpressionAttributeValues": {":guarded": {"S": guarded}, ":since": _number(int(since.timestamp()))},
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
