"""DynamoDB: the cost of a Scan page depends on the page, not on the size of the table.

AWS:

- A Scan continues after ``ExclusiveStartKey``, or starts at the beginning of its segment, and ends after ``Limit``
  items or a megabyte. It consumes capacity for the items it read.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html

For each page stock MiniStack sorts the whole table, hashes the key of each item for its segment, and compares each item
again to find the start of the page. Reading a table therefore takes quadratic time. Here MiniStack's function gets, for
each page, a table with no more items than the page can hold.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha1
from types import FunctionType
from typing import Any, Final

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.dynamodb._scan": "7094ff00335eb104",
    "ministack.services.dynamodb._extract_key_val": "faaaf17a7c3923b4",
    "ministack.services.dynamodb._apply_exclusive_start_key_scan": "ba125dde3d8c0ac7",
    "ministack.services.dynamodb._paginate_evaluated_items": "d70cfb58e3a279c9",
    "ministack.services.dynamodb._normalize_table_name": "904f676618e44f7b",
}

PAGE_ITEMS: Final = 10_000
"""Number of items of the first attempt at a page. If a megabyte holds more, the page is repeated with twice as many."""

Json = dict[str, Any]
Scan = Callable[[Json], Any]


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    dynamodb = importlib.import_module("ministack.services.dynamodb")
    wrap(dynamodb, "_scan", _Pages(dynamodb).scanning)


class _Pages:
    """Replacement of MiniStack's function."""

    def __init__(self, dynamodb: Any) -> None:
        self._dynamodb = dynamodb

    def scanning(self, original: FunctionType) -> Scan:
        def page_of(table: Json, data: Json) -> Any:
            """Run the original on this table instead of the stored one. Return a mapping, or an error response."""
            known = {**original.__globals__, "_tables": {self._name(data): table}, "json_response": dict}
            return FunctionType(original.__code__, known, original.__name__, original.__defaults__)(data)

        def scan(data: Json) -> Any:
            table = self._dynamodb._tables.get(self._name(data))
            if table is None or not _is_plain_scan(data, table):
                return original(data)
            items = _most_items(data)
            while True:
                partitions, complete = self._partitions(table, data, items)
                page = page_of({**table, "items": partitions}, data)
                if not isinstance(page, dict):
                    return page
                if complete or "LastEvaluatedKey" in page:
                    return self._dynamodb.json_response(page)
                items *= 2

        return scan

    def _name(self, data: Json) -> str:
        name: str = self._dynamodb._normalize_table_name(data.get("TableName"))
        return name

    def _partitions(self, table: Mapping[str, Any], data: Json, max_items: int) -> tuple[dict[Any, Any], bool]:
        """Return the partitions for a page of at most `max_items` items, and whether none follow.

        The last partition is included whole.
        """
        items, start = table["items"], data.get("ExclusiveStartKey")
        keys = list(items)
        if start:
            first = self._dynamodb._extract_key_val(start[table["pk_name"]])
            keys = [key for key in keys if key >= first]
        partitions: dict[Any, Any] = {}
        count = 0
        for key in sorted(keys):
            if count >= max_items:
                return partitions, False
            if _in_segment(key, data):
                partitions[key] = items[key]
                count += len(partitions[key])
        return partitions, True


def _is_plain_scan(data: Json, table: Mapping[str, Any]) -> bool:
    """Return whether the scan reads the table itself, from the start or a previous page; MiniStack handles the rest."""
    if data.get("IndexName"):
        return False
    start, segment, segments = (data.get(name) for name in ("ExclusiveStartKey", "Segment", "TotalSegments"))
    if start and not (isinstance(start, dict) and isinstance(start.get(table["pk_name"]), dict)):
        return False
    if segment is None or segments is None:
        return segment is segments
    return isinstance(segment, int) and isinstance(segments, int) and 0 <= segment < segments


def _most_items(data: Json) -> int:
    """Return the items of the first attempt at a page: its limit, and the item after which it starts.

    MiniStack's function rejects a wrong limit.
    """
    limit = data.get("Limit")
    return min(PAGE_ITEMS, limit + 1) if type(limit) is int and limit > 0 else PAGE_ITEMS


def _in_segment(partition: str, data: Json) -> bool:
    """Return whether a partition belongs to the request's segment, by MiniStack's own rule."""
    if data.get("Segment") is None:
        return True
    return _hash_value(partition) % int(data["TotalSegments"]) == int(data["Segment"])


@lru_cache(maxsize=1 << 20)
def _hash_value(partition: str) -> int:
    return int.from_bytes(sha1(partition.encode(), usedforsecurity=False).digest()[:4], "big")
