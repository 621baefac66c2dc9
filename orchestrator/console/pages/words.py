"""Times, durations and percentages as the pages write them. All times are in UTC."""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.cli.live.layout import duration

ABSENT = "–"  # noqa: RUF001 - the sign for a value that was not recorded, as in the live view


def minute(at: datetime | None) -> str:
    """Return a date and a time of day, to the minute."""
    return ABSENT if at is None else f"{at:%Y-%m-%d %H:%M}"


def utc_minute(at: datetime) -> str:
    """Return a date and a time of day, to the minute, with its time zone: within a sentence."""
    return f"{minute(at)} UTC"


def clock(at: datetime | None) -> str:
    """Return a time of day, to the second."""
    return ABSENT if at is None else f"{at:%H:%M:%S} UTC"


def moment(at: datetime | None) -> str:
    """Return a date and a time of day, to the second: of what may be on another day."""
    return ABSENT if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def lasted(length: timedelta | None) -> str:
    """Return a duration with its two largest units."""
    return ABSENT if length is None else duration(length)


def sentence(words: str) -> str:
    """Return words as a sentence: the first letter is a capital, and all others, such as those of names, stay."""
    return f"{words[:1].upper()}{words[1:]}."


def text_or_absent(value: object) -> str:
    """Return a value as text, or the sign that it was not recorded."""
    return ABSENT if value is None or value == "" else str(value)
