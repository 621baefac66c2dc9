"""Failback: synchronize the original tables with the tables in use before the service uses them again.

The tables in use are authoritative. All writes since the restore are kept. Items that exist only in the original
tables were written between the recovery point and the restore; they are removed, because the restore discarded them.
There are no concurrent writes: the tables in use deny writes, and the service does not use the original tables.

The synchronization has three phases, each divided into segments that resume where they stopped. It writes the items of
the tables in use, removes all other items, and then reads and digests both sides completely. If the digests differ,
because of a write or because DynamoDB deleted an expired item, it starts another round, up to `MAX_ROUNDS`. Heartbeats
are not compared, because their writer is independent of restores. Items that had expired before the round are not
compared either, because DynamoDB may delete them on either side at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.errors import TablesOutOfSync
from orchestrator.domain.table_comparison.comparison import MAX_EXAMPLES, SEGMENT_ITEMS
from orchestrator.domain.table_comparison.digest import EMPTY, Digest

MAX_ROUNDS = 3
MIN_SEGMENTS = 4
"""Number of segments of a table that are processed in parallel, at least."""


class SyncPhase(StrEnum):
    """The work on a segment."""

    WRITE = "write"  # write the items of the table in use that the original table lacks or holds differently
    REMOVE = "remove"  # remove the items that only the original table holds
    READ_IN_USE = "read-in-use"
    READ_OTHER = "read-other"


WRITE_PHASES = (SyncPhase.WRITE, SyncPhase.REMOVE)
READ_PHASES = (SyncPhase.READ_IN_USE, SyncPhase.READ_OTHER)


@dataclass(frozen=True)
class SyncSegment:
    """A segment of a table in one phase, and its progress.

    Attributes:
        role: role of the table.
        doing: the phase.
        segment, segments: number of the segment, and of all segments.
        after: the key after which to resume, as JSON; empty at the beginning.
    """

    role: str
    doing: SyncPhase
    segment: int
    segments: int
    after: str = ""


@dataclass(frozen=True)
class SyncCounts:
    """The changes of an original table.

    Attributes:
        examples: up to `MAX_EXAMPLES` removed items, by hashed key.
    """

    written: int = 0
    removed: int = 0
    examples: tuple[str, ...] = ()

    def __add__(self, other: SyncCounts) -> SyncCounts:
        """Add up both."""
        examples = (self.examples + other.examples)[:MAX_EXAMPLES]
        return SyncCounts(self.written + other.written, self.removed + other.removed, examples)


@dataclass(frozen=True)
class SyncProgress:
    """The progress of the synchronization.

    Attributes:
        segments: role to the number of segments of its tables.
        left: unfinished segments of the current phases.
        moved: role to the changes of its original table.
        as_of: when the round began; items that had expired by then are not compared.
        digests: ``role/phase`` to the digest of the items read so far, as text.
        in_sync: both sides were read completely and hold the same items.
    """

    segments: Mapping[str, int]
    left: tuple[SyncSegment, ...]
    moved: Mapping[str, SyncCounts]
    as_of: datetime
    digests: Mapping[str, str] = field(default_factory=dict)
    round: int = 1
    in_sync: bool = False

    def digest_of(self, role: str) -> Digest:
        """Return the digest of an original table."""
        return Digest.parse(self.digests[_digest_key(role, SyncPhase.READ_OTHER)])

    @property
    def description(self) -> str:
        """The progress in words."""
        counts = "; ".join(
            f"{role}: {item.written} written, {item.removed} removed" for role, item in self.moved.items()
        )
        if self.in_sync:
            return f"both sides hold the same items; {counts}"
        phases = sorted({item.doing for item in self.left})
        return f"round {self.round}, {len(self.left)} segments left to {' and '.join(phases)}; {counts}"


def first_progress(items: Mapping[str, int], now: datetime) -> SyncProgress:
    """Return the progress before the first task. items: role to DynamoDB's item count."""
    segments = {role: max(MIN_SEGMENTS, -(-count // SEGMENT_ITEMS)) for role, count in items.items()}
    return SyncProgress(segments, _all_segments(segments, WRITE_PHASES), {role: SyncCounts() for role in items}, now)


def next_progress(
    progress: SyncProgress,
    done: Iterable[tuple[SyncSegment, SyncCounts, Digest]],
    left: Sequence[SyncSegment],
    at: datetime,
) -> SyncProgress:
    """Return the progress after a task.

    Args:
        progress: the progress before the task.
        done: each processed segment, with its changes and the digest of its items.
        left: unfinished segments.
        at: when the task ended.

    Raises:
        TablesOutOfSync: the sides still differ after `MAX_ROUNDS`.
    """
    moved, digests = dict(progress.moved), dict(progress.digests)
    for segment, counts, read in done:
        moved[segment.role] += counts
        if segment.doing in READ_PHASES:
            key = _digest_key(segment.role, segment.doing)
            digests[key] = (Digest.parse(digests.get(key, EMPTY.text)) + read).text
    after = replace(progress, moved=moved, digests=digests, left=tuple(left))
    if left:
        return after
    if not digests:
        return replace(after, left=_all_segments(after.segments, READ_PHASES))
    unequal = [role for role in after.segments if len({digests[_digest_key(role, side)] for side in READ_PHASES}) > 1]
    if not unequal:
        return replace(after, in_sync=True)
    if after.round == MAX_ROUNDS:
        raise TablesOutOfSync(f"{', '.join(unequal)} still differs after {MAX_ROUNDS} rounds: another writer is active")
    return replace(after, round=after.round + 1, left=_all_segments(after.segments, WRITE_PHASES), digests={}, as_of=at)


def _all_segments(segments: Mapping[str, int], phases: Sequence[SyncPhase]) -> tuple[SyncSegment, ...]:
    return tuple(
        SyncSegment(role, phase, segment, segments_of_role)
        for role, segments_of_role in segments.items()
        for phase in phases
        for segment in range(segments_of_role)
    )


def _digest_key(role: str, phase: SyncPhase) -> str:
    return f"{role}/{phase}"
