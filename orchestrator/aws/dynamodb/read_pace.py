"""Read a table that clients use at a fixed rate of consumed units, in pages that never take more than a second's share.

A page of a megabyte takes 128 or 256 read units at once. A table with 50 provisioned units would serve no one else for
five seconds. So a page is as small as the rate requires, and the next one waits until the rate has paid for it. AWS
recommends both, and to measure by `ReturnConsumedCapacity`:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-query-scan.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from orchestrator.aws.clients import translate_errors
from orchestrator.domain.errors import Throttled
from orchestrator.domain.recovery.read_pace import ON_DEMAND_READ_UNITS

ATTEMPTS = 5
"""How often a paced read is tried while the table throttles. Each time it waits longer and then reads half as fast."""

FIRST_PAUSE_SECONDS = 2.0
MOST_ITEMS = 10_000
"""The most items of a page: more than fit into a page's megabyte."""

_LARGEST_ITEM_UNITS = 50
"""An eventually consistent read of 400 KB, the most that an item may have."""

_SLOWEST = 1 / 16
_GROWTH = 4
"""A page has at most this many times the items of the one before, because the next items may be larger."""


@dataclass
class Turn:
    """One read within a pace.

    Attributes:
        items: the most items that it may read.
        units: the units that it consumed.
        read: the items that it read.
    """

    items: int
    units: float = 0.0
    read: int = 0


class ReadPace:
    """The rate of one reader, or of several threads that share it. One turn is taken at a time.

    Args:
        units_per_second: the rate.
        clock: seconds.
        sleep: waits for some seconds.
    """

    def __init__(self, units_per_second: float, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._rate = self._full_rate = units_per_second
        self._clock, self._sleep, self._lock = clock, sleep, Lock()
        self._paid_at = clock()
        # Until the first page has shown what an item costs, it may be of the largest size.
        self._items = max(1, int(units_per_second / _LARGEST_ITEM_UNITS))

    @property
    def items(self) -> int:
        """The most items of the next page."""
        return self._items

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """Wait until the units of all earlier turns are paid for, and then read. The caller enters what it consumed."""
        with self._lock:
            self._sleep(max(0.0, self._paid_at - self._clock()))
            turn = Turn(self._items)
            yield turn
            self._paid_at = max(self._paid_at, self._clock()) + turn.units / self._rate
            if turn.read:
                affordable = int(self._rate * turn.read / turn.units) if turn.units else MOST_ITEMS
                self._items = max(1, min(affordable, self._items * _GROWTH, MOST_ITEMS))

    def read_paced(self, request: Callable[[int], Mapping[str, Any]], count: Callable[[Mapping[str, Any]], int]) -> Any:
        """Take a turn, and repeat it more slowly while the table throttles.

        Args:
            request: reads at most so many items.
            count: returns how many items a response read.

        Raises:
            Throttled: the table throttled `ATTEMPTS` times in a row.
        """
        for attempt in range(ATTEMPTS):
            try:
                with self.turn() as turn, translate_errors():
                    response = request(turn.items)
                    turn.read = count(response)
                    turn.units = consumed_units(response, default=turn.read)
                    return response
            except Throttled:
                if attempt == ATTEMPTS - 1:
                    raise
                self._slow_down(attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _slow_down(self, attempt: int) -> None:
        with self._lock:
            self._rate = max(self._rate / 2, self._full_rate * _SLOWEST)
            self._items = max(1, self._items // 2)
            self._paid_at = self._clock() + FIRST_PAUSE_SECONDS * 2**attempt


def consumed_units(response: Mapping[str, Any], default: float) -> float:
    """Return the units that a response consumed, or `default` where it does not say."""
    consumed = response.get("ConsumedCapacity")
    if not consumed:
        return default
    parts = [consumed] if isinstance(consumed, Mapping) else consumed
    return sum(float(part["CapacityUnits"]) for part in parts)


def read_units_of(description: Mapping[str, Any]) -> int:
    """Return the read units a second that a table serves, from its description (DescribeTable)."""
    if (description.get("BillingModeSummary") or {}).get("BillingMode") == "PAY_PER_REQUEST":
        most = int((description.get("OnDemandThroughput") or {}).get("MaxReadRequestUnits", -1))
        return min(most, ON_DEMAND_READ_UNITS) if most > 0 else ON_DEMAND_READ_UNITS
    # A table that was never on demand has no BillingModeSummary.
    provisioned = description.get("ProvisionedThroughput") or {}
    return int(provisioned.get("ReadCapacityUnits", 0)) or ON_DEMAND_READ_UNITS
