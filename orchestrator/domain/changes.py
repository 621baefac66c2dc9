"""What a table held at a point, told by what it holds now and by its stream of changes since.

A record of a stream has a key, what stood there before and what stood there after, and the second in which it was made, rounded
down. So a change of the second before the point, of the point's own, or of the one after it may be on either side of the point:
its key may hold what it held before or after each of these. Of a key that changed only later it is certain: what its first
change replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.comparison import Entry

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Change:
    """One record of a stream, by hashes.

    Attributes:
        key: hashed.
        at: the second in which it was made, rounded down.
        before, after: None for nothing.
    """

    key: bytes
    at: datetime
    before: Entry | None
    after: Entry | None


class AtPoint:
    """What keys held at a point. Give it a stream's changes in their order.

    Args:
        point: what was restored to.
        fuzzy: how much earlier or later than that the restored content may be: nothing for point-in-time recovery.
    """

    def __init__(self, point: datetime, fuzzy: timedelta = timedelta(0)) -> None:
        self._from, self._to = point - fuzzy - SECOND, point + fuzzy + SECOND
        self._accepted: dict[bytes, set[Entry | None]] = {}

    def add(self, change: Change) -> None:
        """Take the next change of the stream; those that were made well before the point say nothing."""
        if change.at < self._from:
            return
        accepted = self._accepted.setdefault(change.key, {change.before})
        if change.at <= self._to:
            accepted.add(change.after)

    @property
    def accepted(self) -> Mapping[bytes, frozenset[Entry | None]]:
        """By hashed key what it may have held at the point; None stands for nothing."""
        return {key: frozenset(entries) for key, entries in self._accepted.items()}

    @property
    def at_the_boundary(self) -> int:
        """How many keys may have held one or another thing."""
        return sum(len(entries) > 1 for entries in self._accepted.values())
