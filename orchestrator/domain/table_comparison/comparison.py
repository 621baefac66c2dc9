"""Comparison of a restored table with its source at the recovery point.

The source is read after the recovery point, so it may have changed since. What it held at the point comes from
evidence that is independent of the restore: the table's stream (`point_in_time.py`), or an export at the point.
The verdict therefore rests on three statements:

* Every key that did not change between the point and the end of all reads is equal on both sides (the digests show it).
* Every key that changed holds, in the restored table, what the stream or the export says it held at the point.
* Both sides were read completely. A missing segment never passes.

A large table is compared at three levels: the raw digests of all segments, then the hash partitions of the segments
whose raw digests differ, then the keys of the partitions that differ. Segments with equal raw digests hold the same
items on both sides. They can be skipped even if DynamoDB divides the two tables into segments differently.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from orchestrator.domain.table_comparison import digest
from orchestrator.domain.table_comparison.digest import EMPTY, Digest
from orchestrator.domain.verdict import Json, Verdict

SEGMENT_ITEMS = 500_000
"""One task reads this many items in well under a minute, computing canonical digests on a third of a core."""
MAX_SEGMENTS = 256
SINGLE_TASK_BYTES = 64 << 20
"""Larger tables are never compared by one task, because it holds both sides in memory."""
MAX_EXAMPLES = 20
"""Number of differences of each kind that evidence names. All are counted."""


class Side(StrEnum):
    """One of the compared tables."""

    SOURCE = "source"
    EXPORT = "export"  # the export of the source at the point, instead of the source
    RESTORED = "restored"


class ComparisonLevel(StrEnum):
    """How a segment is digested: by its raw bytes, or by its canonical items."""

    RAW = "raw"
    CANONICAL = "canonical"


class Origin(StrEnum):
    """The evidence for what the source held at the recovery point."""

    QUIET = "quiet"  # its stream shows no change since the point
    STREAM = "stream"  # its stream shows the changes since the point, which are reverted for the comparison
    EXPORT = "export"  # an export to S3 at the point


@dataclass(frozen=True)
class SegmentRef:
    """One segment of one side of a table, which one task reads."""

    role: str
    side: Side
    level: ComparisonLevel
    segment: int
    segments: int


def describe_segments(segments: Sequence[SegmentRef]) -> str:
    """Return a short description of segments for a message."""
    first = segments[0]
    more = f" and {len(segments) - 1} more" if len(segments) > 1 else ""
    side = "export" if first.side is Side.EXPORT else f"{first.side} table"
    return f"segment {first.segment} of {first.segments} of the {side}{more}"


@dataclass(frozen=True)
class SegmentDigest:
    """The digest of a segment; at the canonical level also the digests of its hash partitions."""

    segment: SegmentRef
    digest: Digest
    partitions: tuple[Digest, ...] = ()


def segments_for(items: int, size_bytes: int, whole_items: int) -> int:
    """Return the number of segments of a table.

    Args:
        items: items of the table.
        size_bytes: size of the table.
        whole_items: the most items that one task compares.

    Returns:
        The number of segments; 0 if one task compares the whole table.
    """
    if items <= whole_items and size_bytes <= SINGLE_TASK_BYTES:
        return 0
    return max(1, min(MAX_SEGMENTS, -(-items // SEGMENT_ITEMS)))


class Incomplete(Exception):
    """A segment was not read yet, so there is no verdict."""


class SegmentedComparison:
    """The segment digests of one large table.

    Args:
        role: role of the table.
        segments: number of its segments.
        digests: available digests, of any table.
        exported: the source is read from an export. Its bytes differ from a scan's, so the raw level is skipped.
    """

    def __init__(self, role: str, segments: int, digests: Iterable[SegmentDigest], *, exported: bool = False) -> None:
        self.segments = segments
        self._role, self._exported = role, exported
        self._source = Side.EXPORT if exported else Side.SOURCE
        self._digests = {segment_digest.segment: segment_digest for segment_digest in digests}

    def missing_segments(self) -> tuple[SegmentRef, ...]:
        """Return the segments to read next; empty if the comparison is complete."""
        if not self._exported and (raw := self._missing(ComparisonLevel.RAW, range(self.segments))):
            return raw
        return self._missing(ComparisonLevel.CANONICAL, self.unequal_segments())

    def unequal_segments(self) -> tuple[int, ...]:
        """Return the segments that are not equal at the raw level.

        Raises:
            Incomplete: a raw digest is missing.
        """
        if self._exported:
            return tuple(range(self.segments))
        return tuple(
            segment
            for segment in range(self.segments)
            if self._segment_digest(Side.SOURCE, ComparisonLevel.RAW, segment).digest
            != self._segment_digest(Side.RESTORED, ComparisonLevel.RAW, segment).digest
        )

    def differing_partitions(self) -> frozenset[int]:
        """Return the hash partitions that differ in the unequal segments.

        Raises:
            Incomplete: a segment has not been read.
        """
        source, restored = self._partitions(self._source), self._partitions(Side.RESTORED)
        return frozenset(
            partition for partition in range(digest.PARTITIONS) if source[partition] != restored[partition]
        )

    def differing_partitions_within(self, max_items: int) -> tuple[frozenset[int], int]:
        """Return as many differing partitions as fit into a limit.

        Args:
            max_items: the most items of all returned partitions, on either side.

        Returns:
            The partitions, and the number of differing partitions that were left out.

        Raises:
            Incomplete: a segment has not been read.
        """
        source, restored = self._partitions(self._source), self._partitions(Side.RESTORED)
        differing, chosen, items = sorted(self.differing_partitions()), [], 0
        for partition in differing:
            items += max(source[partition].items, restored[partition].items)
            if items > max_items:
                break
            chosen.append(partition)
        return frozenset(chosen), len(differing) - len(chosen)

    def source_items(self, partitions: Collection[int] = (), keys: int = 0) -> int:
        """Return the number of items of the source; of an export, at the recovery point.

        Args:
            partitions: hash partitions whose keys were read.
            keys: the number of these keys, which counts in place of the partitions' items.

        Raises:
            Incomplete: a segment has not been read.
        """
        return self._items(self._source) - self._items_of(self._source, partitions) + keys

    def restored_items(self, partitions: Collection[int] = (), keys: int = 0) -> int:
        """Return the number of items of the restored table. The arguments are those of `source_items`.

        Raises:
            Incomplete: a segment has not been read.
        """
        return self._items(Side.RESTORED) - self._items_of(Side.RESTORED, partitions) + keys

    def _items(self, side: Side) -> int:
        """Return the number of items that the latest reads of all segments found."""
        unequal = frozenset(self.unequal_segments())
        total = EMPTY
        for segment in range(self.segments):
            level = ComparisonLevel.CANONICAL if segment in unequal else ComparisonLevel.RAW
            total += self._segment_digest(side, level, segment).digest
        return total.items

    def _items_of(self, side: Side, partitions: Collection[int]) -> int:
        """Return the number of items of some hash partitions, in the unequal segments."""
        digests = self._partitions(side) if partitions else ()
        return sum(digests[partition].items for partition in partitions)

    def _partitions(self, side: Side) -> tuple[Digest, ...]:
        return digest.add_partitions(
            self._segment_digest(side, ComparisonLevel.CANONICAL, segment).partitions
            for segment in self.unequal_segments()
        )

    def _missing(self, level: ComparisonLevel, numbers: Iterable[int]) -> tuple[SegmentRef, ...]:
        sides = (self._source, Side.RESTORED)
        required = [SegmentRef(self._role, side, level, number, self.segments) for number in numbers for side in sides]
        return tuple(segment for segment in required if segment not in self._digests)

    def _segment_digest(self, side: Side, level: ComparisonLevel, number: int) -> SegmentDigest:
        reference = SegmentRef(self._role, side, level, number, self.segments)
        if reference not in self._digests:
            raise Incomplete(f"segment {number} of {self.segments} of {side} was not read ({level})")
        return self._digests[reference]


@dataclass(frozen=True)
class ItemHash:
    """The hash of one item.

    Attributes:
        content: hash of all attributes.
        expires_at: epoch seconds from which DynamoDB may delete the item by its time to live; 0 if it has none.
    """

    content: bytes
    expires_at: float = 0


ItemHashes = Mapping[bytes, ItemHash]
"""Hashed key to the item's hash."""


@dataclass(frozen=True)
class Differences:
    """The differences between the source and the restored table.

    Attributes:
        missing: number of keys that only the source held.
        extra: number of keys that only the restored table holds.
        changed: number of keys whose items differ.
        expired: missing keys whose time to live has passed. DynamoDB deletes them in time, so they are no difference.
        examples: up to `MAX_EXAMPLES` of each kind, as ``kind hashed-key``.
    """

    missing: int = 0
    extra: int = 0
    changed: int = 0
    expired: int = 0
    examples: tuple[str, ...] = ()

    def __add__(self, other: Differences) -> Differences:
        """Add up the differences of two sets of keys."""
        return Differences(
            self.missing + other.missing,
            self.extra + other.extra,
            self.changed + other.changed,
            self.expired + other.expired,
            self.examples + other.examples,
        )

    @property
    def count(self) -> int:
        """The number of differing keys."""
        return self.missing + self.extra + self.changed


def compare_unchanged_keys(
    source: ItemHashes, restored: ItemHashes, changed: Collection[bytes], now: float
) -> Differences:
    """Compare the keys that did not change since the recovery point.

    Args:
        source: items of the source, at least those of all differing keys.
        restored: items of the restored table, likewise.
        changed: hashed keys in the stream, which are not compared here.
        now: epoch seconds.
    """
    keys_by_kind: dict[str, list[bytes]] = {"missing": [], "extra": [], "changed": [], "expired": []}
    for key, entry in source.items():
        if key in changed:
            continue
        other = restored.get(key)
        if other is None:
            keys_by_kind["expired" if 0 < entry.expires_at <= now else "missing"].append(key)
        elif other.content != entry.content:
            keys_by_kind["changed"].append(key)
    keys_by_kind["extra"] = [key for key in restored if key not in source and key not in changed]
    return _differences(keys_by_kind)


def compare_changed_keys(
    at_point: Mapping[bytes, frozenset[ItemHash | None]], restored: ItemHashes, now: float
) -> Differences:
    """Compare the keys that changed since the recovery point.

    Args:
        at_point: hashed key to the items that it may have held at the point; None stands for no item. A change within
            the second of the point leaves more than one possibility.
        restored: items of the restored table under these keys.
        now: epoch seconds.
    """
    keys_by_kind: dict[str, list[bytes]] = {"missing": [], "extra": [], "changed": [], "expired": []}
    for key, accepted in at_point.items():
        other = restored.get(key)
        contents = {entry.content if entry else None for entry in accepted}
        if (other.content if other else None) in contents:
            continue
        if other is None:
            expired = any(0 < entry.expires_at <= now for entry in accepted if entry)
            keys_by_kind["expired" if expired else "missing"].append(key)
        else:
            keys_by_kind["extra" if contents == {None} else "changed"].append(key)
    return _differences(keys_by_kind)


def _differences(keys_by_kind: Mapping[str, Sequence[bytes]]) -> Differences:
    examples = [
        f"{kind} {key.hex()}" for kind in ("missing", "extra", "changed") for key in keys_by_kind[kind][:MAX_EXAMPLES]
    ]
    return Differences(
        len(keys_by_kind["missing"]),
        len(keys_by_kind["extra"]),
        len(keys_by_kind["changed"]),
        len(keys_by_kind["expired"]),
        tuple(examples),
    )


@dataclass(frozen=True)
class ComparisonResult:
    """The result of comparing one table.

    Attributes:
        role: role of the table.
        origin: evidence for what the source held.
        source_items, restored_items: number of items; of the source as it is now, or as in its export. Where keys were
            compared, an item that was read twice counts once.
        level: the deepest level of the comparison: `raw`, `canonical` or `keys`.
        differences: the differences found.
        changed_since: number of keys that changed since the point.
        at_the_boundary: number of these that changed within the second of the point; both contents are accepted.
        segments: segments that differ at the raw level; empty for a table that one task compared.
        segment_count: number of segments of the table.
        unread_partitions: differing partitions with more items than one task can compare.
        uncertainty: precision of the point: zero for point-in-time recovery, about a minute for an on-demand backup.
    """

    role: str
    origin: Origin
    source_items: int
    restored_items: int
    level: str
    differences: Differences
    changed_since: int = 0
    at_the_boundary: int = 0
    segments: tuple[int, ...] = ()
    segment_count: int = 0
    unread_partitions: int = 0
    uncertainty: timedelta = field(default=timedelta(0))


_ORIGIN_TEXT = {
    Origin.QUIET: "its stream shows no change of the source since the point",
    Origin.STREAM: "the source's changes since the point were reverted by its stream",
    Origin.EXPORT: "the source at the point is an export",
}


def judge_comparison(result: ComparisonResult) -> Verdict:
    """Judge whether the restored table holds what its source held at the recovery point."""
    how = _ORIGIN_TEXT[result.origin]
    if result.uncertainty:
        seconds = result.uncertainty.total_seconds()
        how += f"; the backup's time is exact to {seconds:.0f} s, so changes within that are accepted either way"
    differences = result.differences
    at_least = "at least " if result.unread_partitions else ""
    if differences.count:
        counts = f"{differences.missing} missing, {differences.extra} extra, {differences.changed} changed"
        return Verdict.failed(f"{result.role}: {at_least}{counts} of {result.source_items} items; {how}")
    if result.unread_partitions:
        unread = f"{result.unread_partitions} of {digest.PARTITIONS} hash partitions"
        return Verdict.inconclusive(f"{result.role}: {unread} differ and are too large to compare by key; {how}")
    # A key that changed or expired since the point explains one item more or less, and nothing else does.
    if abs(result.source_items - result.restored_items) > result.changed_since + differences.expired:
        counts = f"{result.restored_items} items in the restored table, {result.source_items} in the source"
        return Verdict.error(
            f"{result.role}: no difference was found by key, but the counts contradict it: {counts}, of which "
            f"{result.changed_since} changed since the point; {how}"
        )
    if not result.restored_items and not result.source_items and not result.changed_since:
        return Verdict.inconclusive(f"{result.role}: both tables are empty, which proves nothing about the restore")
    return Verdict.passed(f"{result.role}: {result.restored_items} items match the source at the point; {how}")


def comparison_figures(result: ComparisonResult) -> Mapping[str, Json]:
    """Return the figures behind a verdict, for the evidence."""
    differences = result.differences
    return {
        "source_at_point": result.origin,
        "source_items": result.source_items,
        "restored_items": result.restored_items,
        "tier": result.level,
        "missing": differences.missing,
        "extra": differences.extra,
        "changed": differences.changed,
        "expired": differences.expired,
        "examples": list(differences.examples),
        "changed_since_point": result.changed_since,
        "at_the_boundary": result.at_the_boundary,
        "segments_that_differ": list(result.segments),
        "segments": result.segment_count,
        "unread_buckets": result.unread_partitions,
        "fuzzy_seconds": result.uncertainty.total_seconds(),
    }
