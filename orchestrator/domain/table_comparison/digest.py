"""Digests that show whether two tables hold the same items, independent of order, pages and segments.

The digest of a table is the number of its items and the sum, modulo 2**256, of a keyed BLAKE2b hash of each item (a
multiset hash: AdHash of Bellare and Micciancio, with a keyed function). The sums of parts add up to the sum of the
whole, so segments can be read in parallel. Each comparison generates a new key. Without the key
it is infeasible to construct a different table with the same sum; for an unkeyed sum of 256 bits this is feasible.

There are two levels. `digest_raw` hashes items as they appear in DynamoDB's responses; if raw digests agree, the
contents agree. DynamoDB does not guarantee the order of attributes, so if they differ, `digest_canonical` decides. It
ignores the order of attributes and of sets, and how a number is written (1.0 is 1). It ignores nothing else; types
count.

To locate a difference, `digest_by_partition` keeps one digest for each of `PARTITIONS` hash partitions. An item's key
determines its partition, on either side and in any segment. If two partitions agree, their items agree. Otherwise
`hashed_content` of their items shows which ones differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context
from hashlib import blake2b
from typing import Any, TypeAlias
from zlib import crc32

KEY_BYTES = 32
_HASH_BYTES = 32
_MODULUS = 1 << (8 * _HASH_BYTES)

_MAX_DIGITS = 38
"""A DynamoDB number has at most 38 significant digits. A plain integer of no more digits needs no arithmetic."""
_EXACT = Context(prec=_MAX_DIGITS + 2)


PARTITIONS = 1024
"""Ten million items are ten thousand per partition. A thousand digests are 40 KB, which fit into one ledger item."""
_ENTRY_BYTES = 16
_COUNT_BYTES = 8
_PACKED_BYTES = _COUNT_BYTES + _HASH_BYTES

Encode: TypeAlias = Callable[[Mapping[str, Any]], bytes]


@dataclass(frozen=True)
class Digest:
    """The digest of a multiset of items: their number, and the sum of their hashes modulo 2**256."""

    items: int = 0
    total: int = 0

    def __add__(self, other: Digest) -> Digest:
        """Return the digest of both multisets together."""
        return Digest(self.items + other.items, (self.total + other.total) % _MODULUS)

    @property
    def text(self) -> str:
        """The form in evidence: ``items:sum``, with the sum in 64 hexadecimal digits."""
        return f"{self.items}:{self.total:064x}"

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read `text`. Raises ValueError for any other form."""
        items, _, total = text.partition(":")
        return cls(int(items), int(total, 16))


EMPTY = Digest()


def digest_raw(items: Iterable[bytes], key: bytes) -> Digest:
    """Digest items by their raw bytes. key: 32 random bytes, the same for both sides of a comparison."""
    return digest_of(raw_hashes(items, key))


def raw_hashes(items: Iterable[bytes], key: bytes) -> list[bytes]:
    """Return the hash of each item's raw bytes. Arguments: as for `digest_raw`."""
    return [blake2b(item, digest_size=_HASH_BYTES, key=key).digest() for item in items]


def digest_of(hashes: Sequence[bytes]) -> Digest:
    """Return the digest of items by the hash of each."""
    return Digest(len(hashes), sum(map(int.from_bytes, hashes)) % _MODULUS)


def _json(item: Mapping[str, Any]) -> bytes:
    return json.dumps(item, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()


def digest_canonical(items: Iterable[Mapping[str, Any]], key: bytes, encode: Encode = _json) -> Digest:
    """Digest items by their content, independent of how it is written.

    Args:
        items: in DynamoDB's notation, such as {"attribute": {"S": "text"}}.
        key: as for `digest_raw`.
        encode: serializes an item with sorted attributes; the same for both sides of a comparison.

    Raises:
        ValueError: an attribute value is not valid in DynamoDB.
    """
    return digest_raw((encode(canonical_item(item)) for item in items), key)


def digest_by_partition(
    items: Iterable[Mapping[str, Any]], key: bytes, names: Sequence[str], encode: Encode = _json
) -> tuple[Digest, ...]:
    """Digest items as `digest_canonical` does, one digest per hash partition.

    Args:
        items: as for `digest_canonical`.
        key: as for `digest_raw`.
        names: attributes of the primary key.
        encode: as for `digest_canonical`.

    Raises:
        ValueError: an attribute value is not valid in DynamoDB.
        KeyError: an item lacks its key.
    """
    counts, sums = [0] * PARTITIONS, [0] * PARTITIONS
    for item in items:
        canonical = canonical_item(item)
        partition = crc32(key_text(canonical, names).encode()) % PARTITIONS
        counts[partition] += 1
        sums[partition] += int.from_bytes(blake2b(encode(canonical), digest_size=_HASH_BYTES, key=key).digest())
    return tuple(Digest(count, total % _MODULUS) for count, total in zip(counts, sums, strict=True))


def partition_of(item: Mapping[str, Any], names: Sequence[str]) -> int:
    """Return the hash partition of a canonical item."""
    return crc32(key_text(item, names).encode()) % PARTITIONS


def key_text(item: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the primary key of a canonical item as one text. It omits types, which are fixed for a table's keys."""
    if len(names) == 1:
        (content,) = item[names[0]].values()
        return str(content)
    return "\0".join(str(content) for name in names for content in item[name].values())


def hashed_key(item: Mapping[str, Any], key: bytes, names: Sequence[str]) -> bytes:
    """Return a hash of a canonical item's key for evidence: keys contain token digests and client ids."""
    return blake2b(key_text(item, names).encode(), digest_size=_ENTRY_BYTES, key=key).digest()


def hashed_content(item: Mapping[str, Any], key: bytes, encode: Encode = _json) -> bytes:
    """Return the hash of one canonical item, to compare it with the item of the same key on the other side."""
    return blake2b(encode(item), digest_size=_ENTRY_BYTES, key=key).digest()


def add_partitions(parts: Iterable[Sequence[Digest]]) -> tuple[Digest, ...]:
    """Add up the partitions of several segments."""
    counts, sums = [0] * PARTITIONS, [0] * PARTITIONS
    for part in parts:
        for partition, digest in enumerate(part):
            counts[partition] += digest.items
            sums[partition] += digest.total
    return tuple(Digest(count, total % _MODULUS) for count, total in zip(counts, sums, strict=True))


def pack_partitions(partitions: Iterable[Digest]) -> bytes:
    """Serialize partitions, 40 bytes each."""
    return b"".join(
        partition.items.to_bytes(_COUNT_BYTES) + partition.total.to_bytes(_HASH_BYTES) for partition in partitions
    )


def unpack_partitions(packed: bytes) -> tuple[Digest, ...]:
    """Read what `pack_partitions` wrote.

    Raises:
        ValueError: the length is wrong.
    """
    if len(packed) != PARTITIONS * _PACKED_BYTES:
        raise ValueError(f"{len(packed)} bytes are not {PARTITIONS} partitions")
    offsets = range(0, len(packed), _PACKED_BYTES)
    return tuple(
        Digest(
            int.from_bytes(packed[offset : offset + _COUNT_BYTES]),
            int.from_bytes(packed[offset + _COUNT_BYTES : offset + _PACKED_BYTES]),
        )
        for offset in offsets
    )


def canonical_item(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an item with numbers and sets in canonical form; the encoder sorts the attributes."""
    changed = {}
    for name, value in item.items():
        ((kind, content),) = value.items()
        # Most numbers are already canonical: such an item is not copied.
        if kind not in _UNCHANGED_TYPES and not (kind == "N" and _is_canonical_number(content)):
            changed[name] = _canonical_value(value)
    return {**item, **changed} if changed else item


def _is_canonical_number(text: str) -> bool:
    return len(text) <= _MAX_DIGITS and text.isdigit() and (text[0] != "0" or text == "0")


def canonical_number(text: str) -> str:
    """Return the canonical form of a number: an integer as digits, any other as digits and an exponent of ten."""
    if _is_canonical_number(text):
        return text
    exact = _EXACT.create_decimal(text)
    if not exact.is_finite():
        raise ValueError("a number is not finite")
    if exact == 0:
        return "0"
    sign, digits, exponent = exact.normalize(_EXACT).as_tuple()
    assert isinstance(exponent, int), "it is finite"
    significand = "".join(map(str, digits))
    if 0 <= exponent <= _MAX_DIGITS - len(digits):
        return f"{'-' * sign}{significand}{'0' * exponent}"
    return f"{'-' * sign}{significand}e{exponent}"


def _canonical_value(value: Mapping[str, Any]) -> Mapping[str, Any]:
    ((kind, content),) = value.items()
    if kind in _UNCHANGED_TYPES:
        return value
    try:
        return {kind: _CANONICAL_FORMS[kind](content)}
    except KeyError:
        raise ValueError(f"{kind} is not a DynamoDB type") from None


_UNCHANGED_TYPES = frozenset({"S", "B", "BOOL", "NULL"})
_CANONICAL_FORMS: Mapping[str, Callable[[Any], Any]] = {
    "N": canonical_number,
    "SS": sorted,
    "BS": sorted,
    "NS": lambda numbers: sorted(map(canonical_number, numbers)),
    "L": lambda values: [_canonical_value(value) for value in values],
    "M": lambda values: {name: _canonical_value(value) for name, value in values.items()},
}
