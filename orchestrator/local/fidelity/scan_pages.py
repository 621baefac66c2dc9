"""DynamoDB: a page of a Scan costs what the page holds, however large its table is.

AWS:

- A Scan goes on from ``ExclusiveStartKey``, or at its segment's beginning, and ends after ``Limit`` items or a megabyte. Capacity is
  consumed by what was read. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html

MiniStack sorts the whole table for each page, hashes the key of each item for its segment, and looks at each once more to find where the page
begins: reading a table costs the square of its size. Here each page is given a table that holds no more than the page can.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from hashlib import sha1
from types import FunctionType
from typing import Any, Final

from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

PINNED = {
    "ministack.services.dynamodb._scan": "7094ff00335eb10456a25d7d7440d18cc7eb8a03df9ae609edecf578fe3a529d",
    "ministack.services.dynamodb._extract_key_val": "faaaf17a7c3923b48e07651c20d59e6cbb7a103ef747dd4e8bbea997d0affd7a",
    "ministack.services.dynamodb._apply_exclusive_start_key_scan": "ba125dde3d8c0ac70c0ee4b866202743eb3e8eb68c26f363ef4321c98fddff06",
    "ministack.services.dynamodb._paginate_evaluated_items": "d70cfb58e3a279c99c8c67aac2c9d6a47683919ae024555b1c03510f4fae7fe4",
    "ministack.services.dynamodb._normalize_table_name": "904f676618e44f7bc9eb72ff535b8403d24ee2d02beb34fa804c25510dd44c30",
}

PAGE_ITEMS: Final = 10_000
"""So many items a page is given at first. Where a megabyte holds more of them it is made again, of twice as many."""

Json = dict[str, Any]
Scan = Callable[[Json], Any]


def install(options: Options) -> None:
    """Put the mend in place, in this process."""
    del options
    dynamodb = importlib.import_module("ministack.services.dynamodb")
    wrap(dynamodb, "_scan", _Pages(dynamodb).scanning)


class _Pages:
    """What takes the place of MiniStack's function."""

    def __init__(self, dynamodb: Any) -> None:
        self._dynamodb = dynamodb

    def scanning(self, original: FunctionType) -> Scan:
        def page_of(table: Json, data: Json) -> Any:
            """Have the original scan this table instead of the one of that name; returns what it answers, as a mapping unless refused."""
            known = {**original.__globals__, "_tables": {self._name(data): table}, "json_response": dict}
            return FunctionType(original.__code__, known, original.__name__, original.__defaults__)(data)

        def scan(data: Json) -> Any:
            table = self._dynamodb._tables.get(self._name(data))
            if table is None or not _plain(data, table):
                return original(data)
            items = PAGE_ITEMS
            while True:
                held, all_of_it = self._held(table, data, items)
                page = page_of({**table, "items": held}, data)
                if not isinstance(page, dict):
                    return page
                if all_of_it or "LastEvaluatedKey" in page:
                    return self._dynamodb.json_response(page)
                items *= 2

        return scan

    def _name(self, data: Json) -> str:
        name: str = self._dynamodb._normalize_table_name(data.get("TableName"))
        return name

    def _held(self, table: Mapping[str, Any], data: Json, most: int) -> tuple[dict[Any, Any], bool]:
        """Return the partitions that a page can hold, up to the one with the last of so many items, and whether that is all that is left."""
        items, start = table["items"], data.get("ExclusiveStartKey")
        keys = list(items)
        if start:
            first = self._dynamodb._extract_key_val(start[table["pk_name"]])
            keys = [key for key in keys if key >= first]
        held: dict[Any, Any] = {}
        count = 0
        for key in sorted(keys):
            if count >= most:
                return held, False
            if _in_segment(key, data):
                held[key] = items[key]
                count += len(held[key])
        return held, True


def _plain(data: Json, table: Mapping[str, Any]) -> bool:
    """Whether it reads the table itself, and goes on where a page before it ended. Anything else, errors too, is MiniStack's as it is."""
    if data.get("IndexName"):
        return False
    start, segment, segments = (data.get(name) for name in ("ExclusiveStartKey", "Segment", "TotalSegments"))
    if start and not (isinstance(start, dict) and isinstance(start.get(table["pk_name"]), dict)):
        return False
    if segment is None or segments is None:
        return segment is segments
    return isinstance(segment, int) and isinstance(segments, int) and 0 <= segment < segments


def _in_segment(partition: str, data: Json) -> bool:
    """MiniStack's own way to cut a table into segments."""
    if data.get("Segment") is None:
        return True
    place = int.from_bytes(sha1(partition.encode(), usedforsecurity=False).digest()[:4], "big")
    return place % int(data["TotalSegments"]) == int(data["Segment"])
