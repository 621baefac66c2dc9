"""Read tables for a comparison: their description, their contents by hashes, and single items by key."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from itertools import chain
from time import sleep
from typing import Any, TypeAlias

import msgspec

from orchestrator.aws.clients import translate_errors
from orchestrator.aws.dynamodb.batch import batch_client, batch_get, scan_segment
from orchestrator.aws.dynamodb.descriptions import describe_table, stream_since
from orchestrator.aws.dynamodb.raw_client import RawClient
from orchestrator.aws.dynamodb.read_pace import ReadPace, read_units_of
from orchestrator.domain.errors import TableNotReadable
from orchestrator.domain.recovery.read_pace import ON_DEMAND_READ_UNITS
from orchestrator.domain.table_comparison import digest
from orchestrator.domain.table_comparison.comparison import ItemHash
from orchestrator.domain.table_comparison.digest import EMPTY, Digest

Item: TypeAlias = dict[str, dict[str, Any]]
Pages: TypeAlias = Callable[[int, int], Iterator[Sequence[msgspec.Raw]]]
"""Reads segment `n` of `m`, page after page, to its end or with an error."""

_PAGE_HASH_BYTES = 16
_decode = msgspec.json.Decoder(Item).decode
_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True)
class Hashing:
    """How items are hashed; both sides of a comparison use the same.

    Attributes:
        key: 32 random bytes.
        names: attributes of the primary key.
        ttl_attribute: the attribute of the time to live, after which DynamoDB may delete an item; empty if none.
    """

    key: bytes
    names: tuple[str, ...]
    ttl_attribute: str = ""

    def entry(self, raw: msgspec.Raw | bytes) -> tuple[bytes, ItemHash]:
        """Return an item's hashed key and its entry."""
        item = digest.canonical_item(_decode(raw))
        return digest.hashed_key(item, self.key, self.names), self._entry(item)

    def hashed_key(self, raw: msgspec.Raw | bytes) -> bytes:
        """Return the hashed key of an item. The item needs no attributes but those of the key."""
        return digest.hashed_key(digest.canonical_item(_decode(raw)), self.key, self.names)

    def entries(
        self, items: Iterable[msgspec.Raw], partitions: Collection[int] | None
    ) -> Iterator[tuple[bytes, ItemHash]]:
        """Return hashed key and entry of the items in some hash partitions; of all items if `partitions` is None."""
        for raw in items:
            item = digest.canonical_item(_decode(raw))
            if partitions is None or digest.partition_of(item, self.names) in partitions:
                yield digest.hashed_key(item, self.key, self.names), self._entry(item)

    def _entry(self, item: Mapping[str, Any]) -> ItemHash:
        expires_at = item.get(self.ttl_attribute, {}).get("N") if self.ttl_attribute else None
        return ItemHash(digest.hashed_content(item, self.key, _encode), float(expires_at or 0))


class LoadedTable:
    """A table that was read once and is held in memory.

    Args:
        pages: the table's pages.
        hashing: how items are hashed.
    """

    def __init__(self, pages: Iterable[Sequence[msgspec.Raw]], hashing: Hashing) -> None:
        self._pages, self._hashing = list(pages), hashing
        self._hashes = [digest.raw_hashes(page, hashing.key) for page in self._pages]

    def raw_digest(self) -> Digest:
        """Return the digest of the items' bytes."""
        return sum(map(digest.digest_of, self._hashes), EMPTY)

    def count(self) -> int:
        """Return the number of items. An item that was read more than once, with the same bytes, counts once."""
        return len(set(chain.from_iterable(self._hashes)))

    def entries(self) -> Mapping[bytes, ItemHash]:
        """Return all entries by hashed key. An item that was read more than once has one entry."""
        return dict(entry for page in self._pages for entry in self._hashing.entries(page, None))

    def entries_unlike(self, other: LoadedTable) -> Mapping[bytes, ItemHash]:
        """Return the entries of the items that the other table does not hold with the same bytes, by hashed key.

        Both tables have the same hashing. Most items are equal, and none of these is decoded.
        """
        held = set(chain.from_iterable(other._hashes))
        unlike = (
            raw
            for page, hashes in zip(self._pages, self._hashes, strict=True)
            for raw, item_hash in zip(page, hashes, strict=True)
            if item_hash not in held
        )
        return dict(self._hashing.entries(unlike, None))


class TableContents:
    """One side of a comparison: a table, or an export of it. A page that is read twice counts once.

    Args:
        pages: reads the side. It raises any error, so a part of a segment is never mistaken for the whole.
        hashing: how items are hashed.
    """

    def __init__(self, pages: Pages, hashing: Hashing) -> None:
        self._read, self._hashing = pages, hashing

    def _pages(self, segment: int, segments: int) -> Iterator[Sequence[msgspec.Raw]]:
        """Read a segment, without repetitions of a page.

        Keys are unique, so two pages with the same first and last item and the same length are the same page. Pages
        that overlap otherwise are counted by key, where the digests of both sides differ.
        """
        seen: set[tuple[int, bytes]] = set()
        for page in self._read(segment, segments):
            if page:
                ends = blake2b(bytes(page[0]), digest_size=_PAGE_HASH_BYTES)
                ends.update(bytes(page[-1]))
                known = (len(page), ends.digest())
                if known in seen:
                    continue
                seen.add(known)
            yield page

    def load(self) -> LoadedTable:
        """Read all of it, once, into memory."""
        return LoadedTable(self._pages(0, 1), self._hashing)

    def raw_digest(self, segment: int, segments: int) -> Digest:
        """Return the digest of a segment by the bytes of its items."""
        key = self._hashing.key
        return sum((digest.digest_raw(page, key) for page in self._pages(segment, segments)), EMPTY)

    def partition_digests(self, segment: int, segments: int) -> tuple[Digest, ...]:
        """Return the digests of a segment by its items' canonical form, one digest for each hash partition."""
        items = (_decode(raw) for page in self._pages(segment, segments) for raw in page)
        return digest.digest_by_partition(items, self._hashing.key, self._hashing.names, _encode)

    def entry_pages(
        self, chosen: Iterable[int], segments: int, partitions: Collection[int]
    ) -> Iterator[list[tuple[bytes, ItemHash]]]:
        """Read the entries of some hash partitions of the chosen segments, with their hashed keys, page after page."""
        for segment in chosen:
            for page in self._pages(segment, segments):
                yield list(self._hashing.entries(page, partitions))

    def entries_under(
        self, keys: Collection[bytes], chosen: Iterable[int], segments: int, partitions: Collection[int]
    ) -> Mapping[bytes, ItemHash]:
        """Return the entries under some hashed keys. The arguments after `keys` are those of `entry_pages`."""
        pages = self.entry_pages(chosen, segments, partitions)
        return {key: entry for page in pages for key, entry in page if key in keys}

    def entries(self, chosen: Iterable[int], segments: int, partitions: Collection[int]) -> Mapping[bytes, ItemHash]:
        """Return the entries of some hash partitions of the chosen segments, by hashed key."""
        entries: dict[bytes, ItemHash] = {}
        for segment in chosen:
            for page in self._pages(segment, segments):
                entries.update(self._hashing.entries(page, partitions))
        return entries


@dataclass(frozen=True)
class TableDescription:
    """A table, apart from its items.

    Attributes:
        table: its name.
        names: attributes of its primary key.
        ttl_attribute: attribute of its time to live; empty if it has none.
        items, size_bytes: DynamoDB's own count, which is up to six hours old.
        stream: ARN of its stream with both images; empty if it has none.
        stream_since: when that stream began; None without a stream.
        read_units: read units a second that it serves.
    """

    table: str
    names: tuple[str, ...]
    ttl_attribute: str
    items: int
    size_bytes: int
    stream: str = ""
    stream_since: datetime | None = None
    read_units: int = ON_DEMAND_READ_UNITS


class TableReader:
    """Reads the tables of one account and region.

    Args:
        client: botocore's DynamoDB client.
        wires: opens a raw connection, by service name.
        sleep: waits for some seconds.
    """

    def __init__(
        self, client: Any, wires: Callable[[str], RawClient], *, sleep: Callable[[float], None] = sleep
    ) -> None:
        self._client, self._wires, self._sleep = client, wires, sleep

    def describe(self, table: str) -> TableDescription:
        """Describe a table that may be read.

        Raises:
            TableNotReadable: it does not exist, is not active, or is still being restored and holds only a part.
        """
        description = self._describe(table)
        with translate_errors():
            time_to_live = self._client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        since = stream_since(description)
        ttl_enabled = time_to_live.get("TimeToLiveStatus") == "ENABLED"
        return TableDescription(
            table=table,
            names=tuple(part["AttributeName"] for part in description["KeySchema"]),
            ttl_attribute=time_to_live.get("AttributeName", "") if ttl_enabled else "",
            items=description.get("ItemCount", 0),
            size_bytes=description.get("TableSizeBytes", 0),
            stream=description["LatestStreamArn"] if since else "",
            stream_since=since,
            read_units=read_units_of(description),
        )

    def check_readable(self, table: str) -> None:
        """Raise TableNotReadable unless a table may be read.

        Call it before and after reading: then the table was complete all the time.
        """
        self._describe(table)

    def contents(self, table: str, hashing: Hashing, pace: ReadPace | None = None) -> TableContents:
        """Return a table as one side of a comparison.

        Args:
            table: its name.
            hashing: how items are hashed.
            pace: limits the reads of a table that clients use. They are then eventually consistent: a write that they
                miss is in the table's stream, which is read afterwards.
        """

        def pages(segment: int, segments: int) -> Iterator[Sequence[msgspec.Raw]]:
            with batch_client(self._wires("dynamodb"), raw_items=True) as client:
                for page in scan_segment(client, table, segment, segments, pace=pace):
                    yield page.items

        return TableContents(pages, hashing)

    def measure(self, table: str, enough_bytes: int) -> tuple[int, int]:
        """Return how many items a table has, and their bytes in DynamoDB's JSON; of a large table, of its beginning.

        Args:
            table: its name. No client uses it.
            enough_bytes: it is read until there are so many.
        """
        items = size = 0
        with batch_client(self._wires("dynamodb"), raw_items=True) as client:
            for page in scan_segment(client, table):
                items += len(page.items)
                size += sum(len(bytes(raw)) for raw in page.items)
                if size >= enough_bytes:
                    break
        return items, size

    def fetch(self, table: str, keys: Sequence[Any], hashing: Hashing) -> Mapping[bytes, ItemHash]:
        """Return the entries of the items under some keys (in DynamoDB's notation), by hashed key.

        Raises:
            Throttled: the table's capacity does not suffice even for a slow reader.
        """
        with batch_client(self._wires("dynamodb"), raw_items=True) as client:
            return dict(hashing.entry(raw) for raw in batch_get(client, table, keys, sleep=self._sleep))

    def _describe(self, table: str) -> Mapping[str, Any]:
        description = describe_table(self._client, table)
        if description is None:
            raise TableNotReadable(f"{table} does not exist")
        if description["TableStatus"] not in {"ACTIVE", "UPDATING"}:
            raise TableNotReadable(f"{table} is {description['TableStatus']}")
        if (description.get("RestoreSummary") or {}).get("RestoreInProgress"):
            raise TableNotReadable(f"{table} is still being restored and holds only a part of its items")
        return description
