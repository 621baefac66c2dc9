"""Items that one table has and another one lacks, by their keys. The tables may be in two regions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from time import sleep
from typing import Any, TypeAlias

from orchestrator.aws.dynamodb.batch import RawBatchClient, batch_get, scan_segment
from orchestrator.aws.dynamodb.raw_client import RawClient
from orchestrator.aws.dynamodb.read_pace import ReadPace
from orchestrator.aws.dynamodb.table_sync import unchanged_condition, write_unless_changed

Item: TypeAlias = Mapping[str, Mapping[str, Any]]
Wires: TypeAlias = Callable[[str], RawClient]

PAGE_ITEMS = 1000


class Surplus:
    """What `table` has and `other` lacks. Both have the key `pk`.

    Args:
        table: the name of the table that is read whole.
        wires: opens a raw connection to it.
        other: the name of the other table.
        other_wires: opens a raw connection to that one.
        pace: limits the reads of `table`, if clients use it.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        table: str,
        wires: Wires,
        other: str,
        other_wires: Wires,
        pace: ReadPace | None = None,
        *,
        sleep: Callable[[float], None] = sleep,
    ) -> None:
        self._table, self._wires, self._other, self._other_wires = table, wires, other, other_wires
        self._pace, self._sleep = pace, sleep

    def pages(self) -> Iterator[Sequence[Item]]:
        """Yield the items, page by page; a page may have none.

        Raises:
            Throttled, Unreachable: a table could not be read.
            DynamoDBError: a table does not exist, or may not be read.
        """
        there, here = self._wires("dynamodb"), self._other_wires("dynamodb")
        try:
            for page in scan_segment(
                RawBatchClient(there), self._table, pace=self._pace, consistent=True, Limit=PAGE_ITEMS
            ):
                keys = [{"pk": item["pk"]} for item in page.items]
                found = batch_get(RawBatchClient(here), self._other, keys, sleep=self._sleep)
                existing = {item["pk"]["S"] for item in found}
                yield [item for item in page.items if item["pk"]["S"] not in existing]
        finally:
            there.close()
            here.close()

    def copy(self) -> int:
        """Write the items into the other table; return how many. An item that is written there meanwhile is kept."""
        connection, count = self._other_wires("dynamodb"), 0
        try:
            for items in self.pages():
                for item in items:
                    put = {"TableName": self._other, "Item": item, **unchanged_condition(None, ("pk",))}
                    count += write_unless_changed(connection, "PutItem", put)
        finally:
            connection.close()
        return count
