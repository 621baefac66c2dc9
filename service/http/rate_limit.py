"""A rate limit for each source address: token buckets in the memory of one process.

This is the second line of defence. The first is the API's own throttle in front of the functions, where a flood costs
nothing. This one prevents a single source from occupying a whole process. n processes together allow n times the rate.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from math import ceil
from typing import Final

_SOURCES: Final = 4096
"""Maximum number of buckets. The least recently used source is dropped and starts again with a full bucket."""


@dataclass
class Throttle:
    """Allows each source `burst` requests at once and `per_second` requests a second on average; both are positive."""

    per_second: float
    burst: int
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict, repr=False)

    def wait_seconds(self, source: str, now: float) -> int:
        """Return 0 and count the request, or the whole seconds until the next one is allowed. now: epoch seconds."""
        left, since = self._buckets.pop(source, (float(self.burst), now))
        left = min(float(self.burst), left + max(0.0, now - since) * self.per_second)
        allowed = left >= 1
        self._buckets[source] = (left - 1 if allowed else left, now)
        if len(self._buckets) > _SOURCES:
            self._buckets.popitem(last=False)
        return 0 if allowed else max(1, ceil((1 - left) / self.per_second))
