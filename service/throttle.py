"""How often one source may ask: a token bucket for each, in the memory of one process.

The second line of defence. The first is in front of the functions, where a flood costs nothing: the API's own throttle. This one
keeps a single source from taking a whole process for itself; n processes let it through n times as often.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from math import ceil
from typing import Final

_SOURCES: Final = 4096
"""Buckets that are remembered: whoever asked longest ago is forgotten, and starts anew with a full bucket."""


@dataclass
class Throttle:
    """Lets a source ask `burst` times at once and `per_second` times a second in the long run; both are positive."""

    per_second: float
    burst: int
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict, repr=False)

    def wait_seconds(self, source: str, now: float) -> int:
        """Return 0 and count the request, or the whole seconds after which the next one is let through. now: epoch seconds."""
        left, since = self._buckets.pop(source, (float(self.burst), now))
        left = min(float(self.burst), left + max(0.0, now - since) * self.per_second)
        allowed = left >= 1
        self._buckets[source] = (left - 1 if allowed else left, now)
        if len(self._buckets) > _SOURCES:
            self._buckets.popitem(last=False)
        return 0 if allowed else max(1, ceil((1 - left) / self.per_second))
