"""Failback: synchronize the original tables with the tables in use before the service uses them again.

The tables in use are authoritative. All writes since the restore are kept. Items that exist only in the original
tables were written between the recovery point and the restore; they are removed, because the restore discarded them.
The service does not use the original tables. Clients go on writing to the tables in use.

A round has two phases, each divided into segments that resume where they stopped. The first writes the items of the
tables in use, and removes all other items. The second compares both sides, item by item. What clients wrote meanwhile
is replayed from the stream (`orchestrator.domain.deployment.late_writes`): before the second phase, and whenever
that phase found items that differ. These items, the suspects, are then read again. Each of them must be equal by now,
or have been written again. A suspect that still differs and was not written differs for another reason than a client's
write: then another round begins, up to `MAX_ROUNDS`.

So all that is left to do while the service takes no writes is to replay the last of them. Its duration depends on the
rate of writes, and not on the size of the tables.

Heartbeats are not compared, because their writer is independent of restores. Items that had expired before the round
are not compared either, because DynamoDB may delete them on either side at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from orchestrator.domain.errors import TablesOutOfSync
from orchestrator.domain.table_comparison.comparison import MAX_EXAMPLES, SEGMENT_ITEMS

MAX_ROUNDS = 3
MAX_LOOKS = 30
"""How often the suspects of a round are read again. Clients may write some of them all the time."""
MOST_SUSPECTS = 100
"""Suspects of one segment after which it stops, until the stream was replayed: the record has room for so many."""
MIN_SEGMENTS = 4
"""Number of segments of a table that are processed in parallel, at least."""

Suspects: TypeAlias = Mapping[str, str]
"""Items that differ: the primary key as JSON, to the hash of the item in the table in use, empty if it has none."""


class SyncPhase(StrEnum):
    """The work on a segment."""

    WRITE = "write"  # write the items of the table in use that the original table lacks or holds differently
    REMOVE = "remove"  # remove the items that only the original table holds
    READ_IN_USE = "read-in-use"  # compare the items of the table in use with the original table
    READ_OTHER = "read-other"  # find items that only the original table holds


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
        written, removed: numbers of its items that were changed.
        examples: up to `MAX_EXAMPLES` removed items, by hashed key.
        compared: number of items of the table in use that were compared with it in this round.
    """

    written: int = 0
    removed: int = 0
    examples: tuple[str, ...] = ()
    compared: int = 0

    def __add__(self, other: SyncCounts) -> SyncCounts:
        """Add up both."""
        examples = (self.examples + other.examples)[:MAX_EXAMPLES]
        compared = self.compared + other.compared
        return SyncCounts(self.written + other.written, self.removed + other.removed, examples, compared)


@dataclass(frozen=True)
class Look:
    """A suspect when it was read again. in_use: the hash of the item in the table in use; empty if it has none."""

    in_use: str
    equal: bool


@dataclass(frozen=True)
class SyncProgress:
    """The progress of the synchronization.

    Attributes:
        segments: role to the number of segments of its tables.
        left: unfinished segments of the current phase.
        moved: role to the changes of its original table.
        as_of: when the round began; items that had expired by then are not compared.
        in_sync: both sides were compared completely, and all that differed was settled.
        began_at: when the first round began. Writes since then are in the stream.
        suspects: role to its suspects. They are read again after the stream was replayed.
        settled: number of suspects that were found equal after that.
        looks: how often the suspects of this round were read again.
    """

    segments: Mapping[str, int]
    left: tuple[SyncSegment, ...]
    moved: Mapping[str, SyncCounts]
    as_of: datetime
    round: int = 1
    in_sync: bool = False
    began_at: datetime | None = None
    suspects: Mapping[str, Suspects] = field(default_factory=dict)
    settled: int = 0
    looks: int = 0

    @property
    def compares(self) -> bool:
        """Whether the items are compared by now: the stream must have been replayed before."""
        return not any(segment.doing in WRITE_PHASES for segment in self.left)

    @property
    def description(self) -> str:
        """The progress in words."""
        counts = "; ".join(
            f"{role}: {item.written} written, {item.removed} removed" for role, item in self.moved.items()
        )
        if self.in_sync:
            return f"both sides hold the same items; {counts}"
        phases = " and ".join(sorted({item.doing for item in self.left}))
        suspects = sum(map(len, self.suspects.values()))
        left = f"{len(self.left)} segments left to {phases}" if self.left else "all segments compared"
        return f"round {self.round}, {left}, {suspects} items to read again; {counts}"


def first_progress(items: Mapping[str, int], now: datetime) -> SyncProgress:
    """Return the progress before the first task. items: role to DynamoDB's item count."""
    segments = {role: max(MIN_SEGMENTS, -(-count // SEGMENT_ITEMS)) for role, count in items.items()}
    counts = {role: SyncCounts() for role in items}
    return SyncProgress(segments, _all_segments(segments, WRITE_PHASES), counts, now, began_at=now)


def next_progress(
    progress: SyncProgress,
    done: Iterable[tuple[SyncSegment, SyncCounts, Suspects]],
    left: Sequence[SyncSegment],
) -> SyncProgress:
    """Return the progress after some segments were worked on.

    Args:
        progress: the progress before.
        done: each processed segment, with its changes and the items that differ.
        left: unfinished segments.
    """
    moved = dict(progress.moved)
    suspects = {role: dict(found) for role, found in progress.suspects.items()}
    for segment, counts, differing in done:
        moved[segment.role] += counts
        if differing:
            suspects.setdefault(segment.role, {}).update(differing)
    after = replace(progress, moved=moved, suspects=suspects, left=tuple(left))
    if left:
        return after
    if not progress.compares:
        return replace(after, left=_all_segments(after.segments, READ_PHASES))
    return replace(after, in_sync=not suspects)


def look_again(progress: SyncProgress, looks: Mapping[str, Mapping[str, Look]], at: datetime) -> SyncProgress:
    """Return the progress after the suspects were read again.

    Args:
        progress: the progress before; all writes until its suspects were read have been replayed since.
        looks: role to its suspects, by key.
        at: the time.

    Raises:
        TablesOutOfSync: a table still differs after `MAX_ROUNDS`, or clients write the same items all the time.
    """
    suspects: dict[str, Suspects] = {}
    unexplained = []
    for role, found in looks.items():
        known = progress.suspects[role]
        differing = {key: look.in_use for key, look in found.items() if not look.equal}
        if any(known[key] == in_use for key, in_use in differing.items()):
            unexplained.append(role)
        if differing:
            suspects[role] = differing
    if unexplained:
        return _next_round(progress, unexplained, at)
    if suspects and progress.looks >= MAX_LOOKS:
        raise TablesOutOfSync(f"{', '.join(suspects)}: clients write the same items all the time; try again later")
    settled = progress.settled + sum(look.equal for found in looks.values() for look in found.values())
    after = replace(progress, suspects=suspects, settled=settled, looks=progress.looks + 1)
    return replace(after, in_sync=not (suspects or after.left))


def _next_round(progress: SyncProgress, unequal: Sequence[str], at: datetime) -> SyncProgress:
    if progress.round == MAX_ROUNDS:
        raise TablesOutOfSync(f"{', '.join(unequal)} still differs after {MAX_ROUNDS} rounds: another writer is active")
    moved = {role: replace(counts, compared=0) for role, counts in progress.moved.items()}
    left = _all_segments(progress.segments, WRITE_PHASES)
    return replace(progress, round=progress.round + 1, left=left, moved=moved, suspects={}, looks=0, as_of=at)


def _all_segments(segments: Mapping[str, int], phases: Sequence[SyncPhase]) -> tuple[SyncSegment, ...]:
    return tuple(
        SyncSegment(role, phase, segment, segments_of_role)
        for role, segments_of_role in segments.items()
        for phase in phases
        for segment in range(segments_of_role)
    )
