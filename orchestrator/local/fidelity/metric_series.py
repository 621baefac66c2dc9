"""CloudWatch's metrics as the mends keep them: statistic sets by second, from which every period is put together.

AWS keeps what is published with a ``StorageResolution`` of 1 by the second and everything else by the minute; a period
is aggregated from these. Percentiles need the values themselves: of a published statistic set there are none, unless its
lowest and highest values are the same, and there are none where a value is negative. Data of less than a minute is kept
for three hours, the rest for longer.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html

MiniStack keeps every published value as an entry of one list a metric and copies all lists at every request.

Nothing here waits, reads a clock or knows MiniStack.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

MINUTE_SECONDS: Final = 60
HIGH_RESOLUTION_SECONDS: Final = 1
FINE_DATA_SECONDS: Final = 3 * 3600
"""How long data of less than a minute is kept; then it is by the minute."""
KEPT_SECONDS: Final = 15 * 24 * 3600
"""How long data by the minute is kept."""

_BASIC: Final = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")
_PERCENTILE: Final = re.compile(r"p(100|\d{1,2}(?:\.\d{1,10})?)")


def known_statistic(name: str) -> bool:
    """Whether it is a statistic that can be answered: a basic one or a percentile such as ``p99`` or ``p99.9``."""
    return name in _BASIC or _PERCENTILE.fullmatch(name) is not None


@dataclass(slots=True)
class Statistics:
    """What was published of one metric within a stretch of time.

    values: how often each value was seen; None once something was published of which only the sums are known.
    """

    count: float = 0.0
    total: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")
    values: dict[float, float] | None = field(default_factory=dict)

    def add(self, value: float, count: float = 1.0) -> None:
        """Add a value that was seen `count` times."""
        self.count += count
        self.total += value * count
        self.low = min(self.low, value)
        self.high = max(self.high, value)
        if self.values is not None:
            self.values[value] = self.values.get(value, 0.0) + count

    def merge(self, other: Statistics) -> None:
        """Add what another stretch of time has."""
        self.count += other.count
        self.total += other.total
        self.low = min(self.low, other.low)
        self.high = max(self.high, other.high)
        if self.values is None or other.values is None:
            self.values = None
            return
        for value, count in other.values.items():
            self.values[value] = self.values.get(value, 0.0) + count

    def value(self, statistic: str) -> float | None:
        """Return a statistic; None where there is none of these data."""
        if not self.count:
            return None
        if percent := _PERCENTILE.fullmatch(statistic):
            return self._percentile(float(percent[1]))
        basic = (self.count, self.total, self.total / self.count, self.low, self.high)
        return dict(zip(_BASIC, basic, strict=True)).get(statistic)

    def _percentile(self, percent: float) -> float | None:
        """Interpolate between the two nearest ranks, each value as often as it was seen."""
        if self.values is None or self.low < 0:
            return None
        ordered = sorted(self.values.items())
        rank = percent / 100 * max(self.count - 1, 0)
        below, above = _at(ordered, int(rank)), _at(ordered, int(rank) + 1)
        return below + (rank - int(rank)) * (above - below)


def of_statistic_set(count: float, total: float, low: float, high: float) -> Statistics:
    """Return what a published statistic set says."""
    if low == high and total == low * count:
        return Statistics(count, total, low, high, {low: count})
    return Statistics(count, total, low, high, None)


@dataclass
class Series:
    """One metric: a namespace, a name and dimensions have exactly one. Safe to write and read from several threads."""

    dimensions: Mapping[str, str]
    unit: str = "None"
    updated: int = 0
    _by_second: dict[int, Statistics] = field(default_factory=dict)

    def add(self, at: float, published: Statistics, resolution_seconds: int = MINUTE_SECONDS) -> None:
        """Add what was published for a moment in epoch seconds, at its resolution."""
        second = int(at) // resolution_seconds * resolution_seconds
        with _LOCK:
            self.updated = max(self.updated, int(at))
            self._by_second.setdefault(second, Statistics()).merge(published)

    def periods(self, start: int, end: int, period_seconds: int) -> dict[int, Statistics]:
        """Return the periods that have data, by their start, counted from `start`; `end` is not part of it.

        All in epoch seconds.
        """
        found: dict[int, Statistics] = {}
        with _LOCK:
            for second, statistics in self._within(start, end):
                begins = start + (second - start) // period_seconds * period_seconds
                found.setdefault(begins, Statistics()).merge(statistics)
        return dict(sorted(found.items()))

    def _within(self, start: int, end: int) -> Iterator[tuple[int, Statistics]]:
        if end - start < len(self._by_second):
            return ((second, self._by_second[second]) for second in range(start, end) if second in self._by_second)
        return ((second, found) for second, found in self._by_second.items() if start <= second < end)

    def age(self, now: float) -> bool:
        """Keep old data by the minute only, and very old data no longer; returns whether there is any left."""
        with _LOCK:
            for second in [second for second in self._by_second if second < now - FINE_DATA_SECONDS]:
                minute = second // MINUTE_SECONDS * MINUTE_SECONDS
                if second < now - KEPT_SECONDS:
                    del self._by_second[second]
                elif second != minute:
                    self._by_second.setdefault(minute, Statistics()).merge(self._by_second.pop(second))
            return bool(self._by_second)


_LOCK = threading.Lock()  # of all series: what is done under it takes microseconds


def _at(ordered: list[tuple[float, float]], rank: int) -> float:
    seen = 0.0
    for value, count in ordered:
        seen += count
        if rank < seen:
            return value
    return ordered[-1][0]
