"""Whether two tables hold the same items, however these are ordered, paged, or cut into segments.

Each item becomes a keyed BLAKE2b of its bytes, and a table the sum of these modulo 2**256 beside the number of its items (a
multiset hash: AdHash of Bellare and Micciancio, with a keyed function). Sums of parts add up to the sum of the whole, so segments
can be read side by side. The key is drawn anew for each comparison: without it, a different table with the same sum cannot be
made up, which for an unkeyed sum of 256 bits can be done.

Two tiers. `of_raw` hashes items as they stand in DynamoDB's answers; where it agrees the content agrees. DynamoDB promises nothing
about the order of attributes, so where it differs `of_canonical` decides: it disregards the order of attributes and of sets and how
a number is written (1.0 is 1), and nothing else; types count.

To find a difference, `by_bucket` keeps a sum for each of `BUCKETS` parts into which an item falls by its key, on whichever side and
in whichever segment it is: where two buckets agree their items do, and `hashed_content` of the items in the others tells which differ.
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

_PLAIN_DIGITS = 38
"""A DynamoDB number has at most 38 significant digits; one that is written out in no more needs no arithmetic."""
_EXACT = Context(prec=_PLAIN_DIGITS + 2)


BUCKETS = 1024
"""Ten million items are ten thousand a bucket; a thousand sums are 40 KB, which fit into one item of the ledger."""
_ENTRY_BYTES = 16
_COUNT_BYTES = 8
_PACKED_BYTES = _COUNT_BYTES + _HASH_BYTES

Encode: TypeAlias = Callable[[Mapping[str, Any]], bytes]


@dataclass(frozen=True)
class Digest:
    """Of a multiset of items: how many there are, and the sum of their hashes modulo 2**256."""

    items: int = 0
    total: int = 0

    def __add__(self, other: Digest) -> Digest:
        return Digest(self.items + other.items, (self.total + other.total) % _MODULUS)

    @property
    def text(self) -> str:
        """As it stands in evidence: ``items:sum`` with the sum in 64 hexadecimal digits."""
        return f"{self.items}:{self.total:064x}"

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read `text` again. Raises ValueError for any other."""
        items, _, total = text.partition(":")
        return cls(int(items), int(total, 16))


NOTHING = Digest()


def of_raw(items: Iterable[bytes], key: bytes) -> Digest:
    """Digest items by their bytes as they came. key: 32 random bytes, the same on both sides of a comparison."""
    hashes = [blake2b(item, digest_size=_HASH_BYTES, key=key).digest() for item in items]
    return Digest(len(hashes), sum(map(int.from_bytes, hashes)) % _MODULUS)


def _json(item: Mapping[str, Any]) -> bytes:
    return json.dumps(item, separators=(",", ":"), sort_keys=True).encode()


def of_canonical(items: Iterable[Mapping[str, Any]], key: bytes, encode: Encode = _json) -> Digest:
    """Digest items by what they say and not how it is written.

    Args:
        items: in DynamoDB's notation, such as {"attribute": {"S": "text"}}.
        key: as for `of_raw`.
        encode: writes an item with its attributes sorted; the same on both sides of a comparison.

    Raises:
        ValueError: an attribute value is not one of DynamoDB's.
    """
    return of_raw((encode(canonical(item)) for item in items), key)


def by_bucket(
    items: Iterable[Mapping[str, Any]], key: bytes, names: Sequence[str], encode: Encode = _json
) -> tuple[Digest, ...]:
    """Digest items as `of_canonical` does, each into the bucket of its primary key.

    Args:
        items: as there.
        key: as there.
        names: the attributes of the primary key.
        encode: as there.

    Raises:
        ValueError: an attribute value is not one of DynamoDB's.
        KeyError: an item lacks its key.
    """
    counts, sums = [0] * BUCKETS, [0] * BUCKETS
    for item in items:
        told = canonical(item)
        place = crc32(key_text(told, names).encode()) % BUCKETS
        counts[place] += 1
        sums[place] += int.from_bytes(blake2b(encode(told), digest_size=_HASH_BYTES, key=key).digest())
    return tuple(Digest(count, total % _MODULUS) for count, total in zip(counts, sums, strict=True))


def bucket_of(item: Mapping[str, Any], names: Sequence[str]) -> int:
    """Return the bucket of a canonical item."""
    return crc32(key_text(item, names).encode()) % BUCKETS


def key_text(item: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the primary key of a canonical item as one text. The types of a table's keys are fixed, so they need not be in it."""
    if len(names) == 1:
        (content,) = item[names[0]].values()
        return str(content)
    return "\0".join(str(content) for name in names for content in item[name].values())


def hashed_key(item: Mapping[str, Any], key: bytes, names: Sequence[str]) -> bytes:
    """Name a canonical item by its primary key, for who may not know that: keys hold digests of tokens, and the ids of clients."""
    return blake2b(key_text(item, names).encode(), digest_size=_ENTRY_BYTES, key=key).digest()


def hashed_content(item: Mapping[str, Any], key: bytes, encode: Encode = _json) -> bytes:
    """Return the hash of one canonical item, for comparing it with the other side's of the same key."""
    return blake2b(encode(item), digest_size=_ENTRY_BYTES, key=key).digest()


def added(parts: Iterable[Sequence[Digest]]) -> tuple[Digest, ...]:
    """Add up the buckets of several segments."""
    counts, sums = [0] * BUCKETS, [0] * BUCKETS
    for part in parts:
        for place, digest in enumerate(part):
            counts[place] += digest.items
            sums[place] += digest.total
    return tuple(Digest(count, total % _MODULUS) for count, total in zip(counts, sums, strict=True))


def pack(buckets: Iterable[Digest]) -> bytes:
    """Write buckets down, 40 bytes each."""
    return b"".join(bucket.items.to_bytes(_COUNT_BYTES) + bucket.total.to_bytes(_HASH_BYTES) for bucket in buckets)


def unpack(packed: bytes) -> tuple[Digest, ...]:
    """Read what `pack` wrote.

    Raises:
        ValueError: it is not whole.
    """
    if len(packed) != BUCKETS * _PACKED_BYTES:
        raise ValueError(f"{len(packed)} bytes are not {BUCKETS} buckets")
    places = range(0, len(packed), _PACKED_BYTES)
    return tuple(
        Digest(
            int.from_bytes(packed[place : place + _COUNT_BYTES]),
            int.from_bytes(packed[place + _COUNT_BYTES : place + _PACKED_BYTES]),
        )
        for place in places
    )


def canonical(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an item with its numbers and sets in their one spelling; the order of its attributes is the encoder's."""
    changed = {}
    for name, value in item.items():
        ((kind, content),) = value.items()
        # Most numbers stand in their one spelling already: an item of these is not made anew.
        if kind not in _AS_IT_IS and not (kind == "N" and _plain(content)):
            changed[name] = _value(value)
    return {**item, **changed} if changed else item


def _plain(text: str) -> bool:
    return len(text) <= _PLAIN_DIGITS and text.isdigit() and (text[0] != "0" or text == "0")


def number(text: str) -> str:
    """Return the one spelling of a number: digits alone for a whole one, otherwise digits and an exponent of ten."""
    if _plain(text):
        return text
    exact = _EXACT.create_decimal(text)
    if not exact.is_finite():
        raise ValueError("a number is not finite")
    if exact == 0:
        return "0"
    sign, digits, exponent = exact.normalize(_EXACT).as_tuple()
    assert isinstance(exponent, int), "it is finite"
    written = "".join(map(str, digits))
    if 0 <= exponent <= _PLAIN_DIGITS - len(digits):
        return f"{'-' * sign}{written}{'0' * exponent}"
    return f"{'-' * sign}{written}e{exponent}"


def _value(value: Mapping[str, Any]) -> Mapping[str, Any]:
    ((kind, content),) = value.items()
    if kind in _AS_IT_IS:
        return value
    try:
        return {kind: _CANONICAL[kind](content)}
    except KeyError:
        raise ValueError(f"{kind} is no type of DynamoDB's") from None


_AS_IT_IS = frozenset({"S", "B", "BOOL", "NULL"})
_CANONICAL: Mapping[str, Callable[[Any], Any]] = {
    "N": number,
    "SS": sorted,
    "BS": sorted,
    "NS": lambda numbers: sorted(map(number, numbers)),
    "L": lambda values: [_value(value) for value in values],
    "M": lambda values: {name: _value(value) for name, value in values.items()},
}
