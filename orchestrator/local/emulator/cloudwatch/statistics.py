"""CloudWatch metrics as the patches store them: statistic sets by second, from which every period is aggregated.

AWS stores data with a ``StorageResolution`` of 1 by the second and all other data by the minute, and aggregates periods
from these. Percentiles and trimmed counts need the values themselves. A published statistic set has none, unless its
minimum and maximum are equal; and there are none if a value is negative. Data of less than a minute is kept for three hours, other data
longer. https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html

Of the trimmed counts (TC) those with absolute bounds are supported: ``TC(100:200)`` is the number of values above 100
and up to 200; either bound may be left out.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html

Stock MiniStack stores every published value as an entry of one list for each metric and copies all lists at every
request.

This module does not wait, read a clock or depend on MiniStack.
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
"""Retention of data of less than a minute; afterwards it is merged by the minute."""
RETENTION_SECONDS: Final = 15 * 24 * 3600
"""Retention of data by the minute."""

_BASIC: Final = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")
_PERCENTILE: Final = re.compile(r"p(100|\d{1,2}(?:\.\d{1,10})?)")
_BOUND: Final = r"\d+(?:\.\d{1,10})?"
_TRIMMED_COUNT: Final = re.compile(rf"TC\((?=.*\d)(?P<above>{_BOUND})?:(?P<up_to>{_BOUND})?\)")


def is_known_statistic(name: str) -> bool:
    """Return whether the statistic is supported: a basic one, a percentile such as ``p99.9``, or a ``TC(100:200)``."""
    return name in _BASIC or any(pattern.fullmatch(name) for pattern in (_PERCENTILE, _TRIMMED_COUNT))


@dataclass(slots=True)
class Statistics:
    """The values of one metric within a period.

    values: the number of occurrences of each value; None once a statistic set without values was published.
    """

    count: float = 0.0
    total: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")
    values: dict[float, float] | None = field(default_factory=dict)

    def add(self, value: float, count: float = 1.0) -> None:
        """Add a value with `count` occurrences."""
        self.count += count
        self.total += value * count
        self.low = min(self.low, value)
        self.high = max(self.high, value)
        if self.values is not None:
            self.values[value] = self.values.get(value, 0.0) + count

    def merge(self, other: Statistics) -> None:
        """Add the values of another period."""
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
        """Return a statistic; None if it cannot be computed from these data."""
        if not self.count:
            return None
        if percent := _PERCENTILE.fullmatch(statistic):
            return self._percentile(float(percent[1]))
        if bounds := _TRIMMED_COUNT.fullmatch(statistic):
            return self._trimmed_count(float(bounds["above"] or "-inf"), float(bounds["up_to"] or "inf"))
        basic = (self.count, self.total, self.total / self.count, self.low, self.high)
        return dict(zip(_BASIC, basic, strict=True)).get(statistic)

    def _trimmed_count(self, above: float, up_to: float) -> float | None:
        """Count the values between two bounds, without the lower and with the upper one."""
        if self.values is None or self.low < 0:
            return None
        return sum(count for value, count in self.values.items() if above < value <= up_to)

    def _percentile(self, percent: float) -> float | None:
        """Interpolate between the two nearest ranks, counting each value as often as it occurred."""
        if self.values is None or self.low < 0:
            return None
        ordered = sorted(self.values.items())
        rank = percent / 100 * max(self.count - 1, 0)
        below, above = _at(ordered, int(rank)), _at(ordered, int(rank) + 1)
        return below + (rank - int(rank)) * (above - below)


def from_statistic_set(count: float, total: float, low: float, high: float) -> Statistics:
    """Return the statistics of a published statistic set."""
    if low == high and total == low * count:
        return Statistics(count, total, low, high, {low: count})
    return Statistics(count, total, low, high, None)


@dataclass
class Series:
    """One metric (namespace, name and dimensions). Safe to write and read from several threads."""

    dimensions: Mapping[str, str]
    unit: str = "None"
    updated: int = 0
    _by_second: dict[int, Statistics] = field(default_factory=dict)

    def add(self, at: float, published: Statistics, resolution_seconds: int = MINUTE_SECONDS) -> None:
        """Add data published for a time in epoch seconds, at its resolution."""
        second = int(at) // resolution_seconds * resolution_seconds
        with _LOCK:
            self.updated = max(self.updated, int(at))
            self._by_second.setdefault(second, Statistics()).merge(published)

    def periods(self, start: int, end: int, period_seconds: int) -> dict[int, Statistics]:
        """Return the periods with data by their start, aligned to `start` and before `end`; all in epoch seconds."""
        periods: dict[int, Statistics] = {}
        with _LOCK:
            for second, statistics in self._within(start, end):
                period_start = start + (second - start) // period_seconds * period_seconds
                periods.setdefault(period_start, Statistics()).merge(statistics)
        return dict(sorted(periods.items()))

    def _within(self, start: int, end: int) -> Iterator[tuple[int, Statistics]]:
        if end - start < len(self._by_second):
            return ((second, self._by_second[second]) for second in range(start, end) if second in self._by_second)
        return ((second, statistics) for second, statistics in self._by_second.items() if start <= second < end)

    def drop_old_data(self, now: float) -> bool:
        """Merge old data by the minute and drop very old data; return whether any data is left."""
        with _LOCK:
            for second in [second for second in self._by_second if second < now - FINE_DATA_SECONDS]:
                minute = second // MINUTE_SECONDS * MINUTE_SECONDS
                if second < now - RETENTION_SECONDS:
                    del self._by_second[second]
                elif second != minute:
                    self._by_second.setdefault(minute, Statistics()).merge(self._by_second.pop(second))
            return bool(self._by_second)


_LOCK = threading.Lock()  # for all series: operations under it take microseconds


def _at(ordered: list[tuple[float, float]], rank: int) -> float:
    counted = 0.0
    for value, count in ordered:
        counted += count
        if rank < counted:
            return value
    return ordered[-1][0]
