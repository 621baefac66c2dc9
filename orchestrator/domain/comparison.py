"""Whether a restored table holds what its source held at the point, what has to be read to know it, and where they differ.

The source is read after the point, when it may have moved on. What it held at the point is told by something that has no part in
the restore: the table's stream of changes (`domain/changes.py`), or an export at the point. So three statements make the verdict:

* every key that did not change between the point and the end of all reading holds the same on both sides, which the tiers show;
* every key that did change holds in the restored table what the stream, or the export, says that it held at the point;
* both sides were read to their end. A reading that is missing never passes.

Tiers, for a large table: the raw digests of all segments; the buckets of those segments whose raw digests differ; the keys of those
buckets that differ. A segment whose raw digests agree holds the same on both sides, so leaving it out changes nothing for the rest,
even if DynamoDB cut the two tables into segments differently.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from orchestrator.domain import digest
from orchestrator.domain.digest import NOTHING, Digest
from orchestrator.domain.verdict import Json, Verdict

SEGMENT_ITEMS = 500_000
"""What one task reads in well under a minute, digested canonically on a third of a core."""
MOST_SEGMENTS = 256
WHOLE_BYTES = 64 << 20
"""A table of more bytes is never compared by one task, which holds both sides in memory."""
EXAMPLES = 20
"""So many differences of a kind are named in evidence; all are counted."""


class Side(StrEnum):
    """One of the two tables that are compared."""

    SOURCE = "source"
    EXPORT = "export"  # of the source at the point, in its place
    RESTORED = "restored"


class Tier(StrEnum):
    """How closely a segment is looked at."""

    RAW = "raw"
    CANONICAL = "canonical"


class Origin(StrEnum):
    """How it is known what the source held at the point."""

    QUIET = "quiet"  # its stream has no change since the point: it is what it was
    STREAM = "stream"  # it is what it was but for the changes in its stream, which are undone
    EXPORT = "export"  # an export to S3 at the point


@dataclass(frozen=True)
class Reading:
    """One segment of one side of one table, as one task reads it."""

    role: str
    side: Side
    tier: Tier
    segment: int
    segments: int


def told(readings: Sequence[Reading]) -> str:
    """Name segments in a sentence."""
    first = readings[0]
    more = f" and {len(readings) - 1} more" if len(readings) > 1 else ""
    side = "export" if first.side is Side.EXPORT else f"{first.side} table"
    return f"segment {first.segment} of {first.segments} of the {side}{more}"


@dataclass(frozen=True)
class SegmentDigest:
    """What a reading came to. buckets: of the canonical tier."""

    reading: Reading
    digest: Digest
    buckets: tuple[Digest, ...] = ()


def segments_for(items: int, size_bytes: int, whole_items: int) -> int:
    """Into how many segments a table of this size is cut; 0 where one task compares it whole, which goes up to so many items."""
    if items <= whole_items and size_bytes <= WHOLE_BYTES:
        return 0
    return max(1, min(MOST_SEGMENTS, -(-items // SEGMENT_ITEMS)))


class Incomplete(Exception):
    """A reading is missing: nothing can be said yet."""


class Tiers:
    """What was read of one large table.

    Args:
        role: the table's.
        segments: into how many it was cut.
        done: the readings that there are, of whichever table.
        exported: the source is read from an export, whose bytes are not a scan's: the raw tier is left out.
    """

    def __init__(self, role: str, segments: int, done: Iterable[SegmentDigest], *, exported: bool = False) -> None:
        self.segments = segments
        self._role, self._exported = role, exported
        self._source = Side.EXPORT if exported else Side.SOURCE
        self._done = {made.reading: made for made in done}

    def missing(self) -> tuple[Reading, ...]:
        """What has to be read next; nothing once it can be judged."""
        if not self._exported and (raw := self._not_done(Tier.RAW, range(self.segments))):
            return raw
        return self._not_done(Tier.CANONICAL, self.unequal())

    def unequal(self) -> tuple[int, ...]:
        """The segments that the raw tier did not settle.

        Raises:
            Incomplete: it has not been read.
        """
        if self._exported:
            return tuple(range(self.segments))
        return tuple(
            segment
            for segment in range(self.segments)
            if self._made(Side.SOURCE, Tier.RAW, segment).digest != self._made(Side.RESTORED, Tier.RAW, segment).digest
        )

    def suspects(self) -> frozenset[int]:
        """The buckets that differ, of the unequal segments.

        Raises:
            Incomplete: a segment has not been read.
        """
        source, restored = self._buckets(self._source), self._buckets(Side.RESTORED)
        return frozenset(place for place in range(digest.BUCKETS) if source[place] != restored[place])

    def suspects_within(self, most: int) -> tuple[frozenset[int], int]:
        """The buckets that differ, as many as have no more than so many items on either side, and how many there are beside these.

        Raises:
            Incomplete: a segment has not been read.
        """
        source, restored = self._buckets(self._source), self._buckets(Side.RESTORED)
        suspects, chosen, items = sorted(self.suspects()), [], 0
        for place in suspects:
            items += max(source[place].items, restored[place].items)
            if items > most:
                break
            chosen.append(place)
        return frozenset(chosen), len(suspects) - len(chosen)

    def source_items(self) -> int:
        """How many items the source has, or had at the point where an export tells.

        Raises:
            Incomplete: a segment has not been read.
        """
        return self._items(self._source)

    def restored_items(self) -> int:
        """How many items the restored table has.

        Raises:
            Incomplete: a segment has not been read.
        """
        return self._items(Side.RESTORED)

    def _items(self, side: Side) -> int:
        tier = Tier.CANONICAL if self._exported else Tier.RAW
        total = sum((self._made(side, tier, segment).digest for segment in range(self.segments)), NOTHING)
        return total.items

    def _buckets(self, side: Side) -> tuple[Digest, ...]:
        return digest.added(self._made(side, Tier.CANONICAL, segment).buckets for segment in self.unequal())

    def _not_done(self, tier: Tier, segments: Iterable[int]) -> tuple[Reading, ...]:
        sides = (self._source, Side.RESTORED)
        wanted = [Reading(self._role, side, tier, segment, self.segments) for segment in segments for side in sides]
        return tuple(reading for reading in wanted if reading not in self._done)

    def _made(self, side: Side, tier: Tier, segment: int) -> SegmentDigest:
        reading = Reading(self._role, side, tier, segment, self.segments)
        if reading not in self._done:
            raise Incomplete(f"segment {segment} of {self.segments} of {side} was not read ({tier})")
        return self._done[reading]


@dataclass(frozen=True)
class Entry:
    """One item by hashes.

    Attributes:
        content: of all of it.
        deleted_from: epoch seconds from which its time to live lets DynamoDB delete it; 0 where it has none.
    """

    content: bytes
    deleted_from: float = 0


Entries = Mapping[bytes, Entry]
"""By hashed key."""


@dataclass(frozen=True)
class Differences:
    """How two sides differ.

    Attributes:
        missing: keys that the source held and the restored table does not.
        extra: the reverse.
        changed: keys that hold something else.
        expired: missing ones whose time to live has passed: DynamoDB deletes those when it gets round to it. No difference.
        examples: up to `EXAMPLES` of each kind, as ``kind hashed-key``.
    """

    missing: int = 0
    extra: int = 0
    changed: int = 0
    expired: int = 0
    examples: tuple[str, ...] = ()

    def __add__(self, other: Differences) -> Differences:
        return Differences(
            self.missing + other.missing,
            self.extra + other.extra,
            self.changed + other.changed,
            self.expired + other.expired,
            self.examples + other.examples,
        )

    @property
    def count(self) -> int:
        """How many keys differ."""
        return self.missing + self.extra + self.changed


def unchanged_keys(source: Entries, restored: Entries, changed: Collection[bytes], now: float) -> Differences:
    """Compare the keys that did not change since the point.

    Args:
        source: what the source holds, at least under every key that differs.
        restored: the same of the restored table.
        changed: hashed keys that the stream names: they are not compared here.
        now: epoch seconds.
    """
    found: dict[str, list[bytes]] = {"missing": [], "extra": [], "changed": [], "expired": []}
    for key, entry in source.items():
        if key in changed:
            continue
        other = restored.get(key)
        if other is None:
            found["expired" if 0 < entry.deleted_from <= now else "missing"].append(key)
        elif other.content != entry.content:
            found["changed"].append(key)
    found["extra"] = [key for key in restored if key not in source and key not in changed]
    return _differences(found)


def changed_keys(at_point: Mapping[bytes, frozenset[Entry | None]], restored: Entries, now: float) -> Differences:
    """Compare the keys that changed since the point with what they held at it.

    Args:
        at_point: what a key may have held at the point; more than one where a change came within the same second, None for
            nothing.
        restored: what the restored table holds under these keys.
        now: epoch seconds.
    """
    found: dict[str, list[bytes]] = {"missing": [], "extra": [], "changed": [], "expired": []}
    for key, accepted in at_point.items():
        other = restored.get(key)
        contents = {entry.content if entry else None for entry in accepted}
        if (other.content if other else None) in contents:
            continue
        if other is None:
            over = any(0 < entry.deleted_from <= now for entry in accepted if entry)
            found["expired" if over else "missing"].append(key)
        else:
            found["extra" if contents == {None} else "changed"].append(key)
    return _differences(found)


def _differences(found: Mapping[str, Sequence[bytes]]) -> Differences:
    examples = [f"{kind} {key.hex()}" for kind in ("missing", "extra", "changed") for key in found[kind][:EXAMPLES]]
    return Differences(
        len(found["missing"]), len(found["extra"]), len(found["changed"]), len(found["expired"]), tuple(examples)
    )


@dataclass(frozen=True)
class Seen:
    """All that was seen of one table.

    Attributes:
        role: the table's.
        origin: how it is known what the source held.
        source_items, restored_items: how many were read; the source's as it is now, or as the export has it.
        tier: how far one had to look: `raw`, `canonical`, or `keys`.
        differences: what was found.
        changed_since: keys that changed since the point.
        at_the_boundary: of these, those that changed within the second of the point: either of two contents is right.
        segments: which segments the raw tier found to differ, and of how many; empty for a table that was compared whole.
        unread_buckets: buckets that differ and hold more than one task can look through.
        fuzzy: how exact the point itself is; nothing for point-in-time recovery, about a minute for an on-demand backup.
    """

    role: str
    origin: Origin
    source_items: int
    restored_items: int
    tier: str
    differences: Differences
    changed_since: int = 0
    at_the_boundary: int = 0
    segments: tuple[int, ...] = ()
    of_segments: int = 0
    unread_buckets: int = 0
    fuzzy: timedelta = field(default=timedelta(0))


_SAID = {
    Origin.QUIET: "its stream shows no change of the source since the point",
    Origin.STREAM: "changes of the source since the point were undone by its stream",
    Origin.EXPORT: "the source at the point is an export of its own",
}


def verdict(seen: Seen) -> Verdict:
    """Say whether the restored table is what its source was."""
    how = _SAID[seen.origin]
    if seen.fuzzy:
        how += f"; the backup is fuzzy by {seen.fuzzy.total_seconds():.0f} s, so what changed within that is accepted either way"
    found = seen.differences
    least = "at least " if seen.unread_buckets else ""
    if found.count:
        return Verdict.failed(
            f"{seen.role}: {least}{found.missing} missing, {found.extra} extra, {found.changed} changed of {seen.source_items} items; {how}"
        )
    if seen.unread_buckets:
        return Verdict.inconclusive(
            f"{seen.role}: {seen.unread_buckets} of {digest.BUCKETS} buckets differ and hold too much to tell by what; {how}"
        )
    if not seen.restored_items and not seen.source_items and not seen.changed_since:
        return Verdict.inconclusive(f"{seen.role}: both tables are empty, which proves nothing of the restore")
    return Verdict.passed(f"{seen.role}: {seen.restored_items} items are what they were; {how}")


def figures(seen: Seen) -> Mapping[str, Json]:
    """What the verdict rests on, for evidence."""
    found = seen.differences
    return {
        "source_at_point": seen.origin,
        "source_items": seen.source_items,
        "restored_items": seen.restored_items,
        "tier": seen.tier,
        "missing": found.missing,
        "extra": found.extra,
        "changed": found.changed,
        "expired": found.expired,
        "examples": list(found.examples),
        "changed_since_point": seen.changed_since,
        "at_the_boundary": seen.at_the_boundary,
        "segments_that_differ": list(seen.segments),
        "segments": seen.of_segments,
        "unread_buckets": seen.unread_buckets,
        "fuzzy_seconds": seen.fuzzy.total_seconds(),
    }
