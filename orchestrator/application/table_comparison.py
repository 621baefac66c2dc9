"""Compare a table with the table restored from it: read both sides once, then what changed in the source meanwhile.

The order matters. The source's changes are read after everything else. So a key without a change had the same content
from the recovery point until it was read, whenever that was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

from orchestrator.aws.dynamodb.read_pace import ReadPace
from orchestrator.aws.dynamodb.streams import StreamChanges
from orchestrator.aws.dynamodb.table_reader import Hashing, TableContents, TableDescription, TableReader
from orchestrator.domain.errors import SourceStateUnknown
from orchestrator.domain.table_comparison.between_exports import compare_between
from orchestrator.domain.table_comparison.comparison import (
    ComparisonResult,
    Differences,
    ItemHash,
    Origin,
    SegmentedComparison,
    compare_changed_keys,
    compare_unchanged_keys,
)
from orchestrator.domain.table_comparison.matching import MatchedSide, Matching, TooManyUnmatched
from orchestrator.domain.table_comparison.point_in_time import SECOND, PointInTimeState

RETENTION = timedelta(hours=24)
"""How long a stream keeps its records (developer guide of DynamoDB Streams)."""
MOST_ENTRIES = 400_000
"""The most entries of one side that are held in memory while differences are located: about 100 MB."""
MOST_UNMATCHED = 100_000
"""The most entries that wait for their counterpart while both sides are read at the same time: about 35 MB."""
MOST_CHANGES = 100_000
"""The most changed keys since the recovery point; beyond that, an export is the cheaper way to learn the state."""


@dataclass(frozen=True)
class RecoveryPoint:
    """The time to which a table was restored.

    Attributes:
        at: the time.
        uncertainty: how much earlier or later the restored content may be.
        stream_delay: how late a write may appear in its table's stream.
        now: the time of the comparison.
    """

    at: datetime
    uncertainty: timedelta
    stream_delay: timedelta
    now: datetime


@dataclass(frozen=True)
class Changed:
    """What changed in a source since the recovery point, from its stream.

    Attributes:
        at_point: what the changed keys held at the recovery point.
        keys: the changed primary keys, by hashed key.
    """

    at_point: PointInTimeState
    keys: Mapping[bytes, Any]


class TableSides:
    """A table and the table restored from it. Reading raises any error: a part is never mistaken for the whole.

    Args:
        role: the table's.
        source, restored: their descriptions.
        point: what `restored` was restored to.
        tables: reads both.
        streams: reads the source's stream.
        hashing: how both are hashed.
        exported: an export of the source at the recovery point; None if its stream provides the changes since.
        pace: limits the reads of the source, which clients use.
    """

    def __init__(
        self,
        role: str,
        source: TableDescription,
        restored: TableDescription,
        point: RecoveryPoint,
        tables: TableReader,
        streams: StreamChanges,
        hashing: Hashing,
        exported: TableContents | None = None,
        pace: ReadPace | None = None,
    ) -> None:
        self.role = role
        self.origin = Origin.EXPORT if exported else Origin.STREAM
        self.source = exported or tables.contents(source.table, hashing, pace)
        self.restored = tables.contents(restored.table, hashing)
        self._source, self._restored, self._point = source, restored, point
        self._tables, self._streams, self._hashing = tables, streams, hashing

    def read_changes(self) -> Changed | None:
        """Read what changed in the source since the recovery point; None if an export holds its state at that time.

        Raises:
            SourceStateUnknown: the source has no stream that reaches back to the recovery point, or more than
                `MOST_CHANGES` keys changed.
        """
        if self.origin is Origin.EXPORT:
            return None
        earliest = self._point.at - self._point.uncertainty - SECOND
        self._check_reach(earliest)
        at_point, keys = PointInTimeState(self._point.at, self._point.uncertainty), dict[bytes, Any]()
        delay = self._point.stream_delay.total_seconds()
        for change, key in self._streams.changes_since(self._source.stream, earliest, self._hashing, delay):
            at_point.add_change(change)
            keys.setdefault(change.key, key)
            if len(keys) > MOST_CHANGES:
                raise SourceStateUnknown(
                    f"more than {MOST_CHANGES} keys changed since the recovery point: compare with an export"
                )
        self._tables.check_readable(self._source.table)
        return Changed(at_point, keys)

    def fetch_restored(self, keys: Sequence[Any]) -> Mapping[bytes, ItemHash]:
        """Return the entries of the restored table under some primary keys, by hashed key."""
        return self._tables.fetch(self._restored.table, keys, self._hashing)

    def _check_reach(self, earliest: datetime) -> None:
        since = self._source.stream_since
        if since is None:
            raise SourceStateUnknown(
                f"{self._source.table} has no stream of both images, so its content at the recovery point is unknown"
            )
        reach = max(since, self._point.now - RETENTION)
        if reach > earliest:
            raise SourceStateUnknown(
                f"the stream of {self._source.table} reaches back to {reach.isoformat()} only, and not to the recovery "
                "point: compare with an export"
            )


def compare_whole(sides: TableSides, now: datetime, uncertainty: timedelta = timedelta(0)) -> ComparisonResult:
    """Compare a table that fits into memory: read each side once, compare bytes, and keys where the bytes differ.

    Args:
        sides: the table and its restored table.
        now: the time, to recognize items that have expired.
        uncertainty: the recovery point's, for the result.

    Raises:
        SourceStateUnknown: as `TableSides.read_changes`.
        TableNotReadable, Throttled, Unreachable: a side could not be read.
    """
    source, restored = sides.source.load(), sides.restored.load()
    changed = sides.read_changes()
    source_digest, restored_digest = source.raw_digest(), restored.raw_digest()
    source_items, restored_items = source_digest.items, restored_digest.items
    differences, level = Differences(), "raw"
    accepted = changed.at_point.accepted_items if changed else {}
    if accepted or source_digest != restored_digest:
        level, at = "keys", now.timestamp()
        source_items, restored_items = source.count(), restored.count()
        source_entries, entries = source.entries_unlike(restored), restored.entries_unlike(source)
        differences = compare_unchanged_keys(source_entries, entries, accepted, at)
        if changed and accepted:
            differences += compare_changed_keys(accepted, sides.fetch_restored(list(changed.keys.values())), at)
    return ComparisonResult(
        role=sides.role,
        origin=_origin(sides, changed),
        source_items=source_items,
        restored_items=restored_items,
        level=level,
        differences=differences,
        changed_since=len(accepted),
        at_the_boundary=changed.at_point.at_the_boundary if changed else 0,
        uncertainty=uncertainty,
    )


def compare_segments(
    sides: TableSides, segmented: SegmentedComparison, now: datetime, uncertainty: timedelta = timedelta(0)
) -> ComparisonResult:
    """Compare a large table whose segments have digests: only the keys of the hash partitions that differ are read.

    Args:
        sides: the table and its restored table.
        segmented: the segments' digests.
        now: the time, to recognize items that have expired.
        uncertainty: the recovery point's, for the result.

    Raises:
        SourceStateUnknown: as `TableSides.read_changes`.
        TableNotReadable, Throttled, Unreachable: a side could not be read.
    """
    unequal, at = segmented.unequal_segments(), now.timestamp()
    located, changed, chosen, unread = _locate_differences(sides, segmented, unequal)
    level = "keys" if chosen or unread else "canonical" if unequal else "raw"
    accepted = changed.at_point.accepted_items if changed else {}
    differences = compare_unchanged_keys(located.source.waiting, located.restored.waiting, accepted, at)
    if changed and accepted:
        differences += compare_changed_keys(accepted, sides.fetch_restored(list(changed.keys.values())), at)
    return ComparisonResult(
        role=sides.role,
        origin=_origin(sides, changed),
        source_items=segmented.source_items(chosen, located.source.items),
        restored_items=segmented.restored_items(chosen, located.restored.items),
        level=level,
        differences=differences,
        changed_since=len(accepted),
        at_the_boundary=changed.at_point.at_the_boundary if changed else 0,
        segments=unequal,
        segment_count=segmented.segments,
        unread_partitions=unread,
        uncertainty=uncertainty,
    )


def _locate_differences(
    sides: TableSides, segmented: SegmentedComparison, unequal: Sequence[int]
) -> tuple[Matching, Changed | None, frozenset[int], int]:
    """Read the keys of the hash partitions that differ, then the changes.

    Both sides are read at the same time, and what is equal is forgotten, so that little is held in memory. If they are
    read in different orders, as an export is, as many partitions as fit into memory are read one side after the other.

    Returns:
        The entries that differ or may differ, the changes, the partitions that were read, and how many were not.
    """
    chosen = segmented.differing_partitions()
    if not chosen:
        return Matching(0), sides.read_changes(), chosen, 0
    try:
        return *_match(sides, segmented, unequal, chosen), chosen, 0
    except TooManyUnmatched:
        chosen, unread = segmented.differing_partitions_within(MOST_ENTRIES)
    located = Matching(2 * MOST_ENTRIES)
    source = sides.source.entries(unequal, segmented.segments, chosen)
    located.source = MatchedSide(dict(source), len(source))
    restored = sides.restored.entries(unequal, segmented.segments, chosen)
    located.restored = MatchedSide(dict(restored), len(restored))
    return located, sides.read_changes(), chosen, unread


def _match(
    sides: TableSides, segmented: SegmentedComparison, unequal: Sequence[int], chosen: frozenset[int]
) -> tuple[Matching, Changed | None]:
    """Match both sides' entries page by page, and read again what differs and did not change.

    Raises:
        TooManyUnmatched: the sides are read in different orders.
    """
    where, matching = (unequal, segmented.segments, chosen), Matching(MOST_UNMATCHED)
    for source, restored in zip_longest(
        sides.source.entry_pages(*where), sides.restored.entry_pages(*where), fillvalue=()
    ):
        matching.add_source(source)
        matching.add_restored(restored)
    changed = sides.read_changes()
    suspects = matching.suspects(changed.at_point.accepted_items if changed else ())
    if not suspects:
        return matching, changed
    matching.settle(
        suspects, sides.source.entries_under(suspects, *where), sides.restored.entries_under(suspects, *where)
    )
    # Whatever is read later may have changed later.
    return matching, sides.read_changes()


def compare_with_exports(
    role: str, earlier: TableContents, later: TableContents, restored: TableContents, point: RecoveryPoint
) -> ComparisonResult:
    """Compare a restored backup with two exports of its source, between which its content lies.

    Args:
        role: the table's.
        earlier: the export from before the backup.
        later: the export from after it.
        restored: the restored table.
        point: the backup's time.

    Raises:
        ExportFailed: the files of an export do not match its manifest.
        TableNotReadable, Throttled, Unreachable: a side could not be read.
    """
    before, after, held = (side.load().entries() for side in (earlier, later, restored))
    differences, changed = compare_between(before, after, held, point.now.timestamp())
    return ComparisonResult(
        role=role,
        origin=Origin.EXPORT,
        source_items=len(before),
        restored_items=len(held),
        level="keys",
        differences=differences,
        changed_since=changed,
        at_the_boundary=changed,
        uncertainty=point.uncertainty,
    )


def _origin(sides: TableSides, changed: Changed | None) -> Origin:
    if sides.origin is Origin.STREAM and changed and not changed.at_point.accepted_items:
        return Origin.QUIET
    return sides.origin
