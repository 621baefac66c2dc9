"""Going back to tables that a restore has left: they are brought level with those in use, and are used only once that was seen.

What the tables in use hold is the truth, all of it and nothing else: what was written since the restore is kept, and what only the
tables hold that were left, written after the point and before the restore, is dropped again, as the restore dropped it. Nobody
writes meanwhile: the tables in use deny writes, and the others are used by nobody.

Three passes, each in stretches that go on where they stopped: what is in use is written over, what only the other side has is
removed, and then both sides are read to their ends and digested. Where they differ, because somebody did write or DynamoDB deleted what
expires at that moment, it is all done over; after `ROUNDS` of that it is given up. Receipts are not compared: who writes them knows nothing
of restores. Nor is what had expired before the round began, which DynamoDB deletes on either side when it gets round to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.comparison import EXAMPLES, SEGMENT_ITEMS
from orchestrator.domain.digest import NOTHING, Digest
from orchestrator.domain.errors import NotLevel

ROUNDS = 3
LEAST_SEGMENTS = 4
"""So many stretches of a table are worked on side by side."""


class Pass(StrEnum):
    """What is done in a stretch."""

    WRITE = "write"  # what the table in use has is written where the other has not the same
    REMOVE = "remove"  # what only the other has is removed
    READ_IN_USE = "read-in-use"
    READ_OTHER = "read-other"


MOVES = (Pass.WRITE, Pass.REMOVE)
READS = (Pass.READ_IN_USE, Pass.READ_OTHER)


@dataclass(frozen=True)
class Stretch:
    """A segment of a table in one pass, and how far that has come.

    Attributes:
        role: the table's.
        doing: the pass.
        segment, segments: which one, of how many.
        after: the key to go on after, as JSON; empty at its beginning.
    """

    role: str
    doing: Pass
    segment: int
    segments: int
    after: str = ""


@dataclass(frozen=True)
class Moved:
    """What was changed in a table that is gone back to.

    Attributes:
        examples: up to `EXAMPLES` of the removed ones, by hashed key.
    """

    written: int = 0
    removed: int = 0
    examples: tuple[str, ...] = ()

    def __add__(self, other: Moved) -> Moved:
        examples = (self.examples + other.examples)[:EXAMPLES]
        return Moved(self.written + other.written, self.removed + other.removed, examples)


@dataclass(frozen=True)
class Levelling:
    """How far tables are from being level.

    Attributes:
        left: the stretches that are not done, of the passes that are under way.
        moved: by role.
        as_of: when the round began: what had expired by then is not compared.
        digests: by ``role/pass``, as text: of what the reads so far have come to.
        segments: by role: into how many a table is cut.
        level: both sides were read to their ends and hold the same.
    """

    segments: Mapping[str, int]
    left: tuple[Stretch, ...]
    moved: Mapping[str, Moved]
    as_of: datetime
    digests: Mapping[str, str] = field(default_factory=dict)
    round: int = 1
    level: bool = False

    def read(self, role: str) -> Digest:
        """What the table that is gone back to was read to hold."""
        return Digest.parse(self.digests[_place(role, Pass.READ_OTHER)])

    @property
    def told(self) -> str:
        """How far it is, in words."""
        changed = "; ".join(f"{role}: {one.written} written, {one.removed} removed" for role, one in self.moved.items())
        if self.level:
            return f"both sides hold the same; {changed}"
        doing = sorted({one.doing for one in self.left})
        return f"round {self.round}, {len(self.left)} stretches left to {' and '.join(doing)}; {changed}"


def begun(items: Mapping[str, int], now: datetime) -> Levelling:
    """Nothing is done yet. items: by role, as DynamoDB counts them."""
    segments = {role: max(LEAST_SEGMENTS, -(-count // SEGMENT_ITEMS)) for role, count in items.items()}
    return Levelling(segments, _stretches(segments, MOVES), {role: Moved() for role in items}, now)


def went_on(
    levelling: Levelling,
    done: Iterable[tuple[Stretch, Moved, Digest]],
    left: Sequence[Stretch],
    at: datetime,
) -> Levelling:
    """The levelling after a visit.

    Args:
        levelling: as it was before.
        done: each stretch that was worked on, with what was changed and what was read in it.
        left: the stretches that are not at their end.
        at: when the visit ended.

    Raises:
        NotLevel: the sides still differ after so many rounds.
    """
    moved, digests = dict(levelling.moved), dict(levelling.digests)
    for stretch, change, read in done:
        moved[stretch.role] += change
        if stretch.doing in READS:
            place = _place(stretch.role, stretch.doing)
            digests[place] = (Digest.parse(digests.get(place, NOTHING.text)) + read).text
    after = replace(levelling, moved=moved, digests=digests, left=tuple(left))
    if left:
        return after
    if not digests:
        return replace(after, left=_stretches(after.segments, READS))
    unequal = [role for role in after.segments if len({digests[_place(role, side)] for side in READS}) > 1]
    if not unequal:
        return replace(after, level=True)
    if after.round == ROUNDS:
        raise NotLevel(f"{', '.join(unequal)} still differs after {ROUNDS} rounds: somebody writes to it")
    return replace(after, round=after.round + 1, left=_stretches(after.segments, MOVES), digests={}, as_of=at)


def _stretches(segments: Mapping[str, int], passes: Sequence[Pass]) -> tuple[Stretch, ...]:
    return tuple(
        Stretch(role, doing, one, of) for role, of in segments.items() for doing in passes for one in range(of)
    )


def _place(role: str, doing: Pass) -> str:
    return f"{role}/{doing}"
