"""What tables hold, in memory, as it is read without a client: scans by segment, gets, and streams; and what a restore makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zlib import crc32

from tests.fakes.restorable_tables import RestorableTables

Item = Mapping[str, Any]
LABEL = "2026-01-01T00:00:00.000"
SHARD = "shard-1"
PAGE_BYTES = 1 << 20


class Contents:
    """Tables' items with their history.

    Args:
        tables: the tables themselves; a copy holds what its source held at the point, but for its damage.
        now: the clock.
    """

    def __init__(self, tables: RestorableTables, now: Callable[[], datetime]) -> None:
        self._tables, self._now = tables, now
        self.history: dict[str, list[tuple[datetime, str, Item | None]]] = {}
        self.damage: list[Callable[[str, dict[str, Item]], None]] = []
        """Called with a copy's name and what it holds, to change that."""
        self.read: list[tuple[str, Mapping[str, Any]]] = []
        """(operation, request) of everything that was asked."""
        self.consumed: list[tuple[datetime, str, float]] = []
        """(time, table, read units) of every read of items."""

    def stream(self, table: str) -> None:
        """Give a table a stream with both images."""
        self._tables.stream(table, LABEL)

    def put(self, table: str, item: Item) -> None:
        """Write an item, now."""
        self.history.setdefault(table, []).append((self._now(), item["pk"]["S"], item))

    def remove(self, table: str, key: str) -> None:
        """Remove an item, now."""
        self.history.setdefault(table, []).append((self._now(), key, None))

    # --- what fault injection does to a copy, through a client ------------------------------------------------

    def scan(self, *, TableName: str, Limit: int) -> dict[str, Any]:  # noqa: N803 - botocore's
        return {"Items": list(self.held(TableName).values())[:Limit]}

    def delete_item(self, *, TableName: str, Key: Item) -> None:  # noqa: N803
        def spoil(name: str, copy: dict[str, Item]) -> None:
            if name == TableName:
                del copy[Key["pk"]["S"]]

        self.damage.append(spoil)

    def put_item(self, *, TableName: str, Item: Item) -> None:  # noqa: N803
        def spoil(name: str, copy: dict[str, Any]) -> None:
            if name == TableName:
                copy[Item["pk"]["S"]] = Item

        self.damage.append(spoil)

    def held(self, table: str, at: datetime | None = None) -> dict[str, Item]:
        """What a table holds, or held."""
        for source, target, point in self._tables.restored:
            if target == table:
                copy = self.held(source, point)
                for spoil in self.damage:
                    spoil(table, copy)
                return copy
        found: dict[str, Item] = {}
        for when, key, item in self.history.get(table, ()):
            if at is not None and when > at:
                break
            found.pop(key, None)
            if item is not None:
                found[key] = item
        return found

    def wire(self, service: str) -> Contents:
        """Open a connection: all of them are this."""
        assert service in {"dynamodb", "dynamodbstreams"}
        return self

    def close(self) -> None:
        """Nothing is open."""

    def call(self, operation: str, params: Mapping[str, Any], decode: Callable[[bytes], Any]) -> Any:
        """Answer as DynamoDB does, in bytes."""
        self.read.append((operation, params))
        return decode(json.dumps(getattr(self, f"_{operation}")(params)).encode())

    def _Scan(self, params: Mapping[str, Any]) -> Any:  # noqa: N802 - the operation's name
        items = self.held(params["TableName"])
        after = params.get("ExclusiveStartKey", {"pk": {"S": ""}})["pk"]["S"]
        keys = [
            key
            for key in sorted(items)
            if key > after and crc32(key.encode()) % params["TotalSegments"] == params["Segment"]
        ]
        page, size = list[str](), 0
        for key in keys[: params.get("Limit", len(keys))]:
            size += len(json.dumps(items[key]))
            page.append(key)
            if size >= PAGE_BYTES:
                break
        units = self._consume(params["TableName"], size, consistent=params["ConsistentRead"])
        more = {"LastEvaluatedKey": {"pk": {"S": page[-1]}}} if page and page[-1] != keys[-1] else {}
        consumed = {"ConsumedCapacity": {"CapacityUnits": units}} if "ReturnConsumedCapacity" in params else {}
        return {"Items": [items[key] for key in page], "ScannedCount": len(page), **more, **consumed}

    def _consume(self, table: str, size: int, *, consistent: bool) -> float:
        units = max(1, -(-size // 4096)) * (1 if consistent else 0.5)
        self.consumed.append((self._now(), table, units))
        return units

    def _BatchGetItem(self, params: Mapping[str, Any]) -> Any:  # noqa: N802
        ((table, request),) = params["RequestItems"].items()
        items = self.held(table)
        keys = [key["pk"]["S"] for key in request["Keys"]]
        return {"Responses": {table: [items[key] for key in keys if key in items]}, "UnprocessedKeys": {}}

    def _GetRecords(self, params: Mapping[str, Any]) -> Any:  # noqa: N802
        table, _, position = params["ShardIterator"].partition("@")
        records, held = [], dict[str, Item]()
        for number, (when, key, item) in enumerate(self.history.get(table, ())):
            images = {"OldImage": held.get(key), "NewImage": item}
            records.append(
                {
                    "dynamodb": {
                        "ApproximateCreationDateTime": int(when.timestamp()),
                        "Keys": {"pk": {"S": key}},
                        "SequenceNumber": str(number),
                        **{name: image for name, image in images.items() if image},
                    }
                }
            )
            held.pop(key, None)
            if item is not None:
                held[key] = item
        return {"Records": records[int(position) :], "NextShardIterator": f"{table}@{len(records)}"}

    # --- the client of streams ---------------------------------------------------------------------------

    def describe_stream(self, *, StreamArn: str) -> Any:  # noqa: N803 - botocore's
        assert "/stream/" in StreamArn
        return {"StreamDescription": {"Shards": [{"ShardId": SHARD}]}}

    def get_shard_iterator(self, **params: str) -> Any:
        position, table = params.get("SequenceNumber"), params["StreamArn"].split("/")[1]
        assert params["ShardId"] == SHARD
        if params["ShardIteratorType"] == "LATEST":
            return {"ShardIterator": f"{table}@{len(self.history.get(table, ()))}"}
        assert params["ShardIteratorType"] == ("AFTER_SEQUENCE_NUMBER" if position else "TRIM_HORIZON")
        begin = int(position) + 1 if position else 0  # records are numbered from 0
        return {"ShardIterator": f"{table}@{begin}"}
