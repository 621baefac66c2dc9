"""A journal of the writes to a table, from which the items at any time of a window can be reconstructed.

A journal holds the items that the table holds or held, not copies of them, so it costs only the writes. MiniStack
replaces an item that changes and never modifies it in place.
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
"""Items by partition key and sort key, as MiniStack stores them."""


@dataclass(frozen=True)
class Window:
    """The time range to which a table can be restored, in epoch seconds."""

    earliest: float
    latest: float

    def restorable_time(self, requested: float) -> float | None:
        """Return the time to restore for a requested time, to the second; None outside the window.

        The second in which the window starts belongs to it, and restores the table as of the window's start.
        """
        return max(requested, self.earliest) if int(self.earliest) <= requested <= self.latest else None


class Journal:
    """The writes to one table since the journal was created.

    Args:
        items: the items of the table now.
        days: the number of days that the journal covers.
        max_writes: the maximum number of writes kept. Older ones are merged, and the window starts after them.
        clock: returns epoch seconds.
    """

    def __init__(
        self,
        items: Mapping[Any, Mapping[Any, Item]],
        *,
        days: int = LONGEST_DAYS,
        max_writes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.days = days
        self._clock = clock
        self._max_writes = max_writes
        self._lock = threading.Lock()
        self._earliest = clock()
        self._base = copy_items(items)
        self._times: list[float] = []
        self._writes: list[tuple[Any, Any, Item | None] | Items] = []

    def record_write(self, partition: Any, sort: Any, item: Item | None) -> None:
        """Record that an item was put; None if it was removed."""
        self._append((partition, sort, item))

    def record_replacement(self, items: Mapping[Any, Mapping[Any, Item]]) -> None:
        """Record that all items were replaced at once."""
        self._append(copy_items(items))

    def window(self, lag_seconds: float) -> Window:
        """Return the current window. The latest `lag_seconds` cannot be restored yet."""
        now = self._clock()
        with self._lock:
            earliest = max(self._earliest, now - self.days * DAY_SECONDS)
        return Window(earliest, max(earliest, now - lag_seconds))

    def items_at(self, moment: float) -> Items:
        """Return the items at a time of the window (epoch seconds), including writes made at that time."""
        with self._lock:
            items = copy_items(self._base)
            _apply_writes(items, self._writes[: bisect.bisect_right(self._times, moment)])
        return items

    def _append(self, write: tuple[Any, Any, Item | None] | Items) -> None:
        with self._lock:
            # A clock that is set back must not reorder writes.
            self._times.append(max(self._clock(), self._times[-1] if self._times else self._earliest))
            self._writes.append(write)
            if len(self._writes) > self._max_writes:
                self._fold(len(self._writes) // 2)

    def _fold(self, number: int) -> None:
        _apply_writes(self._base, self._writes[:number])
        self._earliest = float(ceil(self._times[number - 1]))
        del self._writes[:number], self._times[:number]


def copy_items(items: Mapping[Any, Mapping[Any, Item]]) -> Items:
    """Return the same items in new mappings."""
    return {partition: dict(sorted_items) for partition, sorted_items in items.items()}


def _apply_writes(items: Items, writes: list[tuple[Any, Any, Item | None] | Items]) -> None:
    for write in writes:
        if isinstance(write, dict):
            items.clear()
            items.update(copy_items(write))
            continue
        partition, sort, item = write
        if item is not None:
            items.setdefault(partition, {})[sort] = item
        elif partition in items:
            items[partition].pop(sort, None)
            if not items[partition]:
                del items[partition]
