"""The writes to a table, from which it is told what the table held at any moment of a window.

A journal costs a table nothing but its writes: it holds the items that the table holds or held, not copies of them. MiniStack
puts a new item in the place of one that is changed, and changes none in place.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

DAY_SECONDS: Final = 24 * 3600
LONGEST_DAYS: Final = 35

Item = Mapping[str, Any]
Items = dict[Any, dict[Any, Item]]
"""Items by partition key and sort key, as MiniStack keeps them."""


@dataclass(frozen=True)
class Window:
    """From when to when a table can be restored, in epoch seconds."""

    earliest: float
    latest: float

    def point(self, asked: float) -> float | None:
        """Return the moment that is restored for one that was asked for, to the second; None outside the window.

        The second in which the window begins is in it, and gives the table as it was when it began.
        """
        return max(asked, self.earliest) if int(self.earliest) <= asked <= self.latest else None


class Journal:
    """What was written to one table since a moment, which is now.

    Args:
        items: what the table holds.
        days: for how long the journal reaches back.
        most_writes: how many writes are kept; of more, the oldest are folded together, and the window begins after them.
        clock: epoch seconds.
    """

    def __init__(
        self,
        items: Mapping[Any, Mapping[Any, Item]],
        *,
        days: int = LONGEST_DAYS,
        most_writes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.days = days
        self._clock = clock
        self._most_writes = most_writes
        self._lock = threading.Lock()
        self._earliest = clock()
        self._base = shallow(items)
        self._times: list[float] = []
        self._writes: list[tuple[Any, Any, Item | None] | Items] = []

    def wrote(self, partition: Any, sort: Any, item: Item | None) -> None:
        """An item was put there, or removed where there is none."""
        self._append((partition, sort, item))

    def replaced(self, items: Mapping[Any, Mapping[Any, Item]]) -> None:
        """All items were replaced at once."""
        self._append(shallow(items))

    def window(self, lag_seconds: float) -> Window:
        """Return the window that there is now, where the latest seconds cannot be restored yet."""
        now = self._clock()
        with self._lock:
            earliest = max(self._earliest, now - self.days * DAY_SECONDS)
        return Window(earliest, max(earliest, now - lag_seconds))

    def at(self, moment: float) -> Items:
        """Return what the table held at a moment of the window, in epoch seconds; what was written at it is in it."""
        with self._lock:
            items = shallow(self._base)
            _play(items, self._writes[: bisect.bisect_right(self._times, moment)])
        return items

    def _append(self, write: tuple[Any, Any, Item | None] | Items) -> None:
        with self._lock:
            # A clock that is set back does not bring writes into another order.
            self._times.append(max(self._clock(), self._times[-1] if self._times else self._earliest))
            self._writes.append(write)
            if len(self._writes) > self._most_writes:
                self._fold(len(self._writes) // 2)

    def _fold(self, number: int) -> None:
        _play(self._base, self._writes[:number])
        self._earliest = float(ceil(self._times[number - 1]))
        del self._writes[:number], self._times[:number]


def shallow(items: Mapping[Any, Mapping[Any, Item]]) -> Items:
    """Return the same items in mappings of their own."""
    return {partition: dict(sorted_items) for partition, sorted_items in items.items()}


def _play(items: Items, writes: list[tuple[Any, Any, Item | None] | Items]) -> None:
    for write in writes:
        if isinstance(write, dict):
            items.clear()
            items.update(shallow(write))
            continue
        partition, sort, item = write
        if item is not None:
            items.setdefault(partition, {})[sort] = item
        elif partition in items:
            items[partition].pop(sort, None)
            if not items[partition]:
                del items[partition]
