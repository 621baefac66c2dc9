"""A clock that goes only when a test advances it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


class SimulatedClock:
    """Time as an argument: `now` is what a `Cloud` takes for its clock."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def seconds(self) -> float:
        """Seconds since the clock's start."""
        return (self._now - START).total_seconds()

    def advance(self, seconds: float) -> None:
        assert seconds >= 0, "time does not go back"
        self._now += timedelta(seconds=seconds)
