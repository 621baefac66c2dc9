"""Schedule expressions of EventBridge, and how often they are due in a month.

A cron expression has six fields (minutes, hours, day of the month, month, day of the week, year), in UTC. One of the two
fields of days must be ``?``. A rate is a number of minutes, hours or days
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html). The last day (``L``), the
nearest weekday (``W``) and the n-th weekday (``#``) are refused: nothing here needs them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

_CRON: Final = re.compile(r"cron\(([^()]+)\)")
_RATE: Final = re.compile(r"rate\(([1-9][0-9]{0,4}) (minute|hour|day)s?\)")
_UNITS: Final = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS: Final = 6
_STEP: Final = re.compile(r"(\*|[0-9]+)/([1-9][0-9]{0,3})")
_NUMBER: Final = re.compile(r"[0-9]{1,4}")
_YEARS: Final = range(1970, 2200)
_DAY: Final = timedelta(days=1)
_MONTHS_A_YEAR: Final = 12
_DAYS_A_YEAR: Final = 365


class InvalidSchedule(ValueError):
    """A schedule expression cannot be read. The message says why."""


@dataclass(frozen=True)
class Rate:
    """A rate, such as ``rate(5 minutes)``."""

    every: timedelta

    def runs_in(self, begin: datetime, days: int) -> int:
        """Return how often it is due in some days from a time."""
        del begin  # the same at any time
        return days * _DAY // self.every

    def next_after(self, at: datetime) -> datetime:
        """Return the time by which it is due next. When it was due last is not known."""
        return at + self.every


@dataclass(frozen=True)
class Cron:
    """A cron expression. Days of the week count from Sunday, 1."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    years: frozenset[int]

    def runs_in(self, begin: datetime, days: int) -> int:
        """Return how often it is due in some days from a time."""
        on = sum(self._on_day(begin + number * _DAY) for number in range(days))
        return on * len(self.hours) * len(self.minutes)

    def next_after(self, at: datetime) -> datetime | None:
        """Return the first time after another at which it is due; None if that is more than five years later."""
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        times = [
            timedelta(hours=hour, minutes=minute) for hour in sorted(self.hours) for minute in sorted(self.minutes)
        ]
        days = (midnight + number * _DAY for number in range(5 * _DAYS_A_YEAR))
        due = (day + time for day in days if self._on_day(day) for time in times)
        return next((one for one in due if one > at), None)

    def _on_day(self, at: datetime) -> bool:
        weekday = at.isoweekday() % 7 + 1
        return at.day in self.days and at.month in self.months and weekday in self.weekdays and at.year in self.years


def read_schedule(expression: str) -> Cron | Rate:
    """Read a schedule expression.

    Raises:
        InvalidSchedule: it is neither a cron expression nor a rate, or a field is wrong.
    """
    if rate := _RATE.fullmatch(expression):
        return Rate(int(rate[1]) * _UNITS[rate[2]])
    found = _CRON.fullmatch(expression)
    fields = found[1].split() if found else []
    if len(fields) != _FIELDS:
        raise InvalidSchedule("it is neither cron() with six fields nor a rate(), such as cron(0 5 * * ? *)")
    minutes, hours, days, months, weekdays, years = fields
    if (days == "?") == (weekdays == "?"):
        raise InvalidSchedule("exactly one of the day of the month and the day of the week is ?")
    return Cron(
        _values(minutes, range(60)),
        _values(hours, range(24)),
        _values(days, range(1, 32)),
        _values(months, range(1, 13), _MONTHS),
        _values(weekdays, range(1, 8), _DAYS),
        _values(years, _YEARS),
    )


def next_run(expression: str, now: datetime) -> datetime | None:
    """Return the time by which a schedule expression is due next; None if that is more than five years later.

    Raises:
        InvalidSchedule: it cannot be read.
    """
    return read_schedule(expression).next_after(now)


def runs_per_month(schedule: Cron | Rate, now: datetime) -> float:
    """Return how often a schedule is due in a month, as the average of the year from now."""
    return schedule.runs_in(now, _DAYS_A_YEAR) / _MONTHS_A_YEAR


def _values(field: str, allowed: range, names: tuple[str, ...] = ()) -> frozenset[int]:
    """Return the values that a field permits: numbers or names, in lists, ranges and steps."""
    if field in {"*", "?"}:
        return frozenset(allowed)
    values: set[int] = set()
    for part in field.split(","):
        if step := _STEP.fullmatch(part):
            first = allowed.start if step[1] == "*" else _value(step[1], allowed, names)
            values |= set(range(first, allowed.stop, int(step[2])))
            continue
        first, last = (_value(text, allowed, names) for text in (part.partition("-")[0], part.rpartition("-")[2]))
        if last < first:
            raise InvalidSchedule(f"the range {part} ends before it begins")
        values |= set(range(first, last + 1))
    return frozenset(values)


def _value(text: str, allowed: range, names: tuple[str, ...]) -> int:
    if text.upper() in names:
        return names.index(text.upper()) + 1
    if not _NUMBER.fullmatch(text) or int(text) not in allowed:
        raise InvalidSchedule(f"{text} is none of {allowed.start} to {allowed.stop - 1}")
    return int(text)
