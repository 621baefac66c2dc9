"""What one side of a comparison holds, by hashes: a table as a scan gives it, or whatever else gives pages of items."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from orchestrator.domain import digest
from orchestrator.domain.comparison import Entry
from orchestrator.domain.digest import NOTHING, Digest

Item: TypeAlias = dict[str, dict[str, Any]]
Pages: TypeAlias = Callable[[int, int], Iterator[Sequence[msgspec.Raw]]]
"""Reads one segment of so many, page after page, to its end or with an error."""

_decode = msgspec.json.Decoder(Item).decode
_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True)
class Hashing:
    """How items are hashed: alike on both sides.

    Attributes:
        key: 32 random bytes.
        names: attributes of the primary key.
        deleted_by: the attribute from which DynamoDB takes when it may delete an item; empty where none.
    """

    key: bytes
    names: tuple[str, ...]
    deleted_by: str = ""

    def entry(self, raw: msgspec.Raw | bytes) -> tuple[bytes, Entry]:
        """Return an item's hashed key, and what the item holds."""
        item = digest.canonical(_decode(raw))
        return digest.hashed_key(item, self.key, self.names), self._entry(item)

    def hashed_key(self, raw: msgspec.Raw | bytes) -> bytes:
        """Return the hashed key of an item of which nothing but the key is needed."""
        return digest.hashed_key(digest.canonical(_decode(raw)), self.key, self.names)

    def entries(self, items: Iterable[msgspec.Raw], buckets: Collection[int] | None) -> Iterator[tuple[bytes, Entry]]:
        """Return the entries of those items that are in some buckets; of all where None are named."""
        for raw in items:
            item = digest.canonical(_decode(raw))
            if buckets is None or digest.bucket_of(item, self.names) in buckets:
                yield digest.hashed_key(item, self.key, self.names), self._entry(item)

    def _entry(self, item: Mapping[str, Any]) -> Entry:
        until = item.get(self.deleted_by, {}).get("N") if self.deleted_by else None
        return Entry(digest.hashed_content(item, self.key, _encode), float(until or 0))


class Held:
    """A side that was read once and is held in memory."""

    def __init__(self, pages: Iterable[Sequence[msgspec.Raw]], hashing: Hashing) -> None:
        self._pages, self._hashing = list(pages), hashing

    def raw(self) -> Digest:
        """Digest it by its bytes."""
        return sum((digest.of_raw(page, self._hashing.key) for page in self._pages), NOTHING)

    def entries(self) -> Mapping[bytes, Entry]:
        """Return all of it, by hashes."""
        return dict(entry for page in self._pages for entry in self._hashing.entries(page, None))


class Content:
    """One side.

    Args:
        pages: reads it. It raises what goes wrong: a part of a segment is never taken for all of it.
        hashing: how.
    """

    def __init__(self, pages: Pages, hashing: Hashing) -> None:
        self._pages, self._hashing = pages, hashing

    def held(self) -> Held:
        """Read all of it, once."""
        return Held(self._pages(0, 1), self._hashing)

    def raw(self, segment: int, segments: int) -> Digest:
        """Digest a segment by its bytes."""
        key = self._hashing.key
        return sum((digest.of_raw(page, key) for page in self._pages(segment, segments)), NOTHING)

    def buckets(self, segment: int, segments: int) -> tuple[Digest, ...]:
        """Digest a segment by what its items say, bucket by bucket."""
        items = (_decode(raw) for page in self._pages(segment, segments) for raw in page)
        return digest.by_bucket(items, self._hashing.key, self._hashing.names, _encode)

    def entries(self, chosen: Iterable[int], segments: int, buckets: Collection[int]) -> Mapping[bytes, Entry]:
        """Return the entries of some buckets out of some segments."""
        found: dict[bytes, Entry] = {}
        for segment in chosen:
            for page in self._pages(segment, segments):
                found.update(self._hashing.entries(page, buckets))
        return found
