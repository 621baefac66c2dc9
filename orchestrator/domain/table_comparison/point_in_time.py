"""What a table held at a point in time, derived from its current items and its stream of changes since.

A stream record contains the key, the item before and after the change, and the time of the change, rounded down to the
second. A change in the second of the point, in the one before, or in the one after may therefore be on either side of
the point. Its key may have held the item before or after each of these changes. A key that changed only later held
what its first change replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.table_comparison.comparison import ItemHash

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Change:
    """One stream record, by hashes.

    Attributes:
        key: hashed key.
        at: second of the change, rounded down.
        before, after: the items; None for no item.
    """

    key: bytes
    at: datetime
    before: ItemHash | None
    after: ItemHash | None


class PointInTimeState:
    """What keys held at a point in time. Add the changes of a stream in their order.

    Args:
        point: the recovery point.
        uncertainty: how far from the point the restored content may be; zero for point-in-time recovery.
    """

    def __init__(self, point: datetime, uncertainty: timedelta = timedelta(0)) -> None:
        self._from, self._to = point - uncertainty - SECOND, point + uncertainty + SECOND
        self._accepted: dict[bytes, set[ItemHash | None]] = {}

    def add_change(self, change: Change) -> None:
        """Add the next change of the stream. Changes well before the point have no effect."""
        if change.at < self._from:
            return
        accepted = self._accepted.setdefault(change.key, {change.before})
        if change.at <= self._to:
            accepted.add(change.after)

    @property
    def accepted_items(self) -> Mapping[bytes, frozenset[ItemHash | None]]:
        """Hashed key to the items that it may have held at the point; None stands for no item."""
        return {key: frozenset(entries) for key, entries in self._accepted.items()}

    @property
    def at_the_boundary(self) -> int:
        """Number of keys with more than one possible item."""
        return sum(len(entries) > 1 for entries in self._accepted.values())
