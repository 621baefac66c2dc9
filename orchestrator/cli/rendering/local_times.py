"""Times as a terminal shows them: in its own time zone. Pages, reports and JSON have UTC."""

from __future__ import annotations

from datetime import datetime


def local_time(at: datetime) -> str:
    """Return a time of day in the local time zone, for a place below one that names the date and the zone."""
    return f"{at.astimezone():%H:%M:%S}"


def local_minute(at: datetime) -> str:
    """Return a date and a time of day, to the minute, in the local time zone, which it names."""
    return f"{at.astimezone():%Y-%m-%d %H:%M %Z}"


def local_second(at: datetime) -> str:
    """Return a date and a time of day, to the second, in the local time zone, which it names."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}"
