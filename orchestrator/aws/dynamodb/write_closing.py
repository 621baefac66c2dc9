"""Close the service to writes for a moment, by the item of the revocation epoch, and mark the end of a table's stream.

The service reads that item before it writes (service/storage/conditional_writes.py). Attribute names are those of the service
(service/storage/item_codec.py); a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from orchestrator.aws.dynamodb.raw_client import RawClient
from orchestrator.aws.dynamodb.table_sync import write_unless_changed
from orchestrator.domain.recovery.lost_writes.closing import Closing

EPOCH = {"pk": {"S": "epoch"}}
TOKEN = "token"  # noqa: S105 - the name of an attribute
_ROW_TTL = timedelta(days=1)


class WriteClosing:
    """Closings of tables of one account and region.

    Args:
        wires: opens a raw connection, by service name.
    """

    def __init__(self, wires: Callable[[str], RawClient]) -> None:
        self._wires = wires

    def close(self, tokens_table: str, closing: Closing) -> None:
        """Announce a closing; it replaces an earlier one.

        Raises:
            Throttled, Unreachable, DynamoDBError: it may have been announced.
        """
        self._update(
            tokens_table,
            "SET closes_at = :at, opens_at = :until, epoch = if_not_exists(epoch, :none)",
            {":at": _seconds(closing.at), ":until": _seconds(closing.until), ":none": {"N": "0"}},
        )

    def extend(self, tokens_table: str, closing: Closing, until: datetime) -> bool:
        """Have a closing last until a later time; return False if it was opened or replaced meanwhile.

        Raises:
            Throttled, Unreachable, DynamoDBError: it may have been extended.
        """
        values = {":at": _seconds(closing.at), ":until": _seconds(until)}
        return self._update(tokens_table, "SET opens_at = :until", values, "closes_at = :at")

    def open(self, tokens_table: str) -> None:
        """End a closing, at once for a process that reads the item, and within seconds for the others.

        Raises:
            Throttled, Unreachable, DynamoDBError: it may still be closed.
        """
        self._update(tokens_table, "REMOVE closes_at, opens_at", {}, "attribute_exists(pk)")

    def mark(self, table: str, keys: Iterable[str], token: str, now: datetime) -> None:
        """Write marks into a table, whose records then end what its stream has of earlier writes.

        Args:
            table: the table.
            keys: of the marks.
            token: what the marks contain, other than those before: a write that changes nothing leaves no record.
            now: the time.

        Raises:
            Throttled, Unreachable, DynamoDBError: not all were written.
        """
        rest = {TOKEN: {"S": token}, "delete_at": {"N": str(int((now + _ROW_TTL).timestamp()))}}
        connection = self._wires("dynamodb")
        try:
            for key in keys:
                connection.call("PutItem", {"TableName": table, "Item": {"pk": {"S": key}, **rest}}, bytes)
        finally:
            connection.close()

    def _update(self, table: str, expression: str, values: dict[str, Any], condition: str = "") -> bool:
        params = {
            "TableName": table,
            "Key": EPOCH,
            "UpdateExpression": expression,
            **({"ExpressionAttributeValues": values} if values else {}),
            **({"ConditionExpression": condition} if condition else {}),
        }
        connection = self._wires("dynamodb")
        try:
            return write_unless_changed(connection, "UpdateItem", params)
        finally:
            connection.close()


def _seconds(at: datetime) -> dict[str, str]:
    return {"N": f"{at.timestamp():.3f}"}
