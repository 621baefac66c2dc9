"""Tables as contents to be compared: what they are, reading them through, and fetching a few of their items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.aws.contents import Content, Hashing
from orchestrator.aws.scanning import Scanner
from orchestrator.aws.wire import Asks
from orchestrator.domain.comparison import Entry
from orchestrator.domain.errors import NotReadable

_ABSENT = frozenset({"ResourceNotFoundException", "TableNotFoundException"})
_BOTH_IMAGES = "NEW_AND_OLD_IMAGES"
_GET_AT_ONCE = 100


class _Got(msgspec.Struct, frozen=True):
    Responses: dict[str, list[msgspec.Raw]]
    UnprocessedKeys: dict[str, Any] = {}


_decode_got = msgspec.json.Decoder(_Got).decode


@dataclass(frozen=True)
class Shape:
    """A table, apart from its items.

    Attributes:
        names: attributes of its primary key.
        deleted_by: attribute of its time to live; empty where it has none.
        items, size_bytes: by DynamoDB's own count, which is up to six hours old.
        stream: ARN of its stream with both images; empty where it has none.
        stream_since: when that began; None without one.
    """

    table: str
    names: tuple[str, ...]
    deleted_by: str
    items: int
    size_bytes: int
    stream: str = ""
    stream_since: datetime | None = None


class TableContents:
    """Tables of one account and region.

    Args:
        client: botocore's DynamoDB client.
        wires: opens a connection for reading without it, by service.
    """

    def __init__(self, client: Any, wires: Callable[[str], Asks]) -> None:
        self._client, self._wires = client, wires

    def shape(self, table: str) -> Shape:
        """Describe a table that may be read.

        Raises:
            NotReadable: it is not there, is not active, or is still being restored: what it holds now is a part of it.
        """
        found = self._describe(table)
        with narrowed():
            lives = self._client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        stream = found.get("StreamSpecification") or {}
        label = found.get("LatestStreamLabel", "")
        told = bool(stream.get("StreamEnabled") and stream.get("StreamViewType") == _BOTH_IMAGES and label)
        return Shape(
            table=table,
            names=tuple(part["AttributeName"] for part in found["KeySchema"]),
            deleted_by=lives.get("AttributeName", "") if lives.get("TimeToLiveStatus") == "ENABLED" else "",
            items=found.get("ItemCount", 0),
            size_bytes=found.get("TableSizeBytes", 0),
            stream=found["LatestStreamArn"] if told else "",
            stream_since=datetime.fromisoformat(label.removesuffix("Z")).replace(tzinfo=UTC) if told else None,
        )

    def check(self, table: str) -> None:
        """Raise NotReadable unless a table may be read. After a reading as before it: then it was all there all the time."""
        self._describe(table)

    def content(self, table: str, hashing: Hashing) -> Content:
        """Return a table as a side of a comparison."""

        def pages(segment: int, segments: int) -> Iterator[Sequence[msgspec.Raw]]:
            scanner = Scanner(self._wires("dynamodb"))
            try:
                yield from scanner.pages(table, segment=segment, segments=segments)
            finally:
                scanner.close()

        return Content(pages, hashing)

    def fetch(self, table: str, keys: Sequence[Any], hashing: Hashing) -> Mapping[bytes, Entry]:
        """Return the entries of the items under some keys, in DynamoDB's notation, by hashed key."""
        found: dict[bytes, Entry] = {}
        wire = self._wires("dynamodb")
        try:
            for start in range(0, len(keys), _GET_AT_ONCE):
                asked = {table: {"Keys": list(keys[start : start + _GET_AT_ONCE]), "ConsistentRead": True}}
                while asked:
                    got = wire.ask("BatchGetItem", {"RequestItems": asked}, _decode_got)
                    found.update(hashing.entry(raw) for raw in got.Responses.get(table, ()))
                    asked = got.UnprocessedKeys
        finally:
            wire.close()
        return found

    def _describe(self, table: str) -> Mapping[str, Any]:
        try:
            with narrowed():
                found: Mapping[str, Any] = self._client.describe_table(TableName=table)["Table"]
        except ClientError as error:
            if code_of(error) not in _ABSENT:
                raise
            raise NotReadable(f"{table} is not there") from error
        if found["TableStatus"] not in {"ACTIVE", "UPDATING"}:
            raise NotReadable(f"{table} is {found['TableStatus']}")
        if (found.get("RestoreSummary") or {}).get("RestoreInProgress"):
            raise NotReadable(f"{table} is still being restored: what it holds is a part")
        return found
