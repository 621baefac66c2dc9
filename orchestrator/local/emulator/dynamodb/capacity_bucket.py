"""Provisioned capacity of one table in one direction: units a second, and a burst of what was not used before.

AWS retains up to 300 seconds of unused capacity, and uses it for requests beyond the provisioned rate.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html
"""

from __future__ import annotations

from collections.abc import Callable

BURST_SECONDS = 300


class CapacityBucket:
    """Units that may be consumed now. They grow by the provisioned rate, up to `BURST_SECONDS` of it.

    A request is admitted while there are units left. Its cost is known afterwards, so the last one admitted may leave
    a debt, which the next seconds pay.

    Args:
        units: the units that may be consumed at first.
        clock: seconds.
        burst_seconds: how many seconds of unused capacity are retained. AWS guarantees none.
    """

    def __init__(self, units: float, clock: Callable[[], float], burst_seconds: float = BURST_SECONDS) -> None:
        self._clock, self._at, self._burst_seconds = clock, clock(), burst_seconds
        self._units = units

    def admits(self, units_per_second: float) -> bool:
        """Return whether a request is admitted at the current provisioned rate."""
        now = self._clock()
        grown = self._units + (now - self._at) * units_per_second
        self._units, self._at = min(grown, self._burst_seconds * units_per_second), now
        return self._units > 0

    def consume(self, units: float) -> None:
        """Take the units of an admitted request."""
        self._units -= units
