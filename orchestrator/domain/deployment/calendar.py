"""When deployments may start: weekly windows in a time zone, and blackout dates. Read from settings, and decided.

The calendar of an environment (`[….delivery.calendar]`) is checked when a deployment is planned. While it is closed, a
deployment is refused, or it waits (`when_closed`). An operator can override it for one deployment, with a reason. It
holds back releases alone: rollbacks, recoveries and the return of a restore never wait.

The gate `window` of a strategy (`gates.py`) has the same windows, in UTC.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from orchestrator.domain.errors import Refused
from orchestrator.domain.schema import SettingsReader, refuse_long_text
from orchestrator.domain.setting_rules import Text
from orchestrator.domain.texts import MAX_REASON

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WEEK_DAYS, MINUTES_A_DAY = 7, 24 * 60
ALWAYS = ("Mon-Sun 00:00-24:00",)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)

MAX_WAIT = timedelta(days=6)
"""The longest wait for an opening: the state machine's execution ends after a week, and bakes take time as well."""

HORIZON_DAYS = 400
"""How far ahead an opening is looked for."""

OVERRIDE = "deploy nevertheless: `orchestrator deploy --outside-calendar REASON`"
"""The remedy for a calendar that is closed."""

_DAY = "|".join(DAYS)
_WINDOW = re.compile(rf"({_DAY})(?:-({_DAY}))? ([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATE_REMEDY = 'give a date as a text, such as "2026-12-24"'
_ZONE_REMEDY = "give the name of a time zone, such as UTC or Europe/Berlin"


class WhenClosed(StrEnum):
    """What becomes of a deployment that is requested while the calendar is closed."""

    REFUSE = "REFUSE"
    WAIT = "WAIT"


@dataclass(frozen=True)
class Blackout:
    """Days on which no deployment starts, in the calendar's time zone; `until` is the last of them."""

    start: date
    until: date
    reason: str


@dataclass(frozen=True)
class Calendar:
    """The calendar of an environment.

    Attributes:
        time_zone: a name of the IANA database, such as ``Europe/Berlin``.
        windows: weekly windows in that time zone, such as ``Mon-Thu 08:00-16:00``; at least one.
    """

    time_zone: str = "UTC"
    windows: tuple[str, ...] = ALWAYS
    blackouts: tuple[Blackout, ...] = ()
    when_closed: WhenClosed = WhenClosed.REFUSE

    def opens_at(self, now: datetime) -> datetime | None:
        """Return the first moment from now on at which it is open, in UTC; None within the next `HORIZON_DAYS`."""
        return next_opening(self.windows, now, self.time_zone, self.blackouts)

    def is_open(self, now: datetime) -> bool:
        """Return whether a deployment may start now."""
        return self.opens_at(now) == now

    def describe_closure(self, now: datetime) -> str:
        """Return why it is closed now, such as ``closed until 2027-01-07 08:00 CET: year-end freeze``.

        The caller has checked that it is closed.
        """
        zone = ZoneInfo(self.time_zone)
        today = now.astimezone(zone).date()
        reasons = [one.reason for one in self.blackouts if one.start <= today <= one.until]
        why = ", ".join(reasons) or f"open {', '.join(self.windows)} {self.time_zone}"
        opens = self.opens_at(now)
        until = f"until {opens.astimezone(zone):%a %Y-%m-%d %H:%M %Z}" if opens else f"for the next {HORIZON_DAYS} days"
        return f"closed {until}: {why}"


def read_calendar(table: SettingsReader) -> Calendar:
    """Read the table ``calendar``.

    Raises:
        Refused: the table is wrong. The error names the field, the value and the remedy.
    """
    calendar = Calendar(
        time_zone=read_time_zone(table),
        windows=read_windows(table, "windows") if "windows" in table else ALWAYS,
        blackouts=tuple(_blackout(entry) for entry in table.tables("blackouts")),
        when_closed=WhenClosed(table.choice("when_closed", tuple(WhenClosed))),
    )
    table.refuse_unknown_keys()
    return calendar


def refuse_closed(calendar: Calendar | None, now: datetime, override: str) -> None:
    """Refuse a deployment while the calendar is closed, if it does not wait.

    Args:
        calendar: the environment's; None if it has none.
        now: aware, in UTC.
        override: the operator's reason to deploy nevertheless; empty if there is none.

    Raises:
        Refused: it is closed, or opens only after `MAX_WAIT`. The error says until when and why, and how to override it.
    """
    if calendar is None or override or calendar.is_open(now):
        return
    if calendar.when_closed is WhenClosed.REFUSE:
        raise Refused("delivery.calendar", calendar.describe_closure(now), f"wait until it opens, or {OVERRIDE}")
    opens = calendar.opens_at(now)
    if opens is None or opens - now > MAX_WAIT:
        remedy = f"a deployment waits if it opens within {MAX_WAIT.days} days: deploy it later, or {OVERRIDE}"
        raise Refused("delivery.calendar", calendar.describe_closure(now), remedy)


def read_windows(table: SettingsReader, key: str) -> tuple[str, ...]:
    """Read a list of weekly windows.

    Raises:
        Refused: a window is wrong. The error names the field, the value and the remedy.
    """
    windows = table.texts(key, at_least=1, described_by=Text(matching=_WINDOW))
    for window in windows:
        found = _WINDOW.fullmatch(window)
        if found is None or not _minutes(found, 3) < _minutes(found, 5) <= MINUTES_A_DAY:
            remedy = "give days and times within one day, such as Mon-Thu 08:00-16:00 or Sat 00:00-24:00"
            raise table.refused(key, window, remedy)
    return windows


def next_opening(
    windows: Sequence[str], now: datetime, time_zone: str = "UTC", blackouts: Sequence[Blackout] = ()
) -> datetime | None:
    """Return the first moment from now on at which a window is open; `now` itself while one is.

    Args:
        windows: checked by `read_windows`.
        now: aware, in UTC.
        time_zone: the windows' and blackouts' time zone.
        blackouts: days without any window.

    Returns:
        None if no window opens within `HORIZON_DAYS`.
    """
    zone = ZoneInfo(time_zone)
    today = now.astimezone(zone).date()
    for later in range(HORIZON_DAYS):
        day = today + later * DAY
        if any(blackout.start <= day <= blackout.until for blackout in blackouts):
            continue
        # A window within the hour that is skipped when the clocks go forward has no length.
        openings = [max(opens, now) for opens, closes in _of_day(windows, day, zone) if now < closes and opens < closes]
        if openings:
            return min(openings)
    return None


def _of_day(windows: Sequence[str], day: date, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    for window in windows:
        found = _WINDOW.fullmatch(window)
        assert found is not None, "windows were checked when they were read"
        if _on_day(found, day.weekday()):
            yield _moment(day, _minutes(found, 3), zone), _moment(day, _minutes(found, 5), zone)


def _moment(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    # By the clock on the wall: on the day on which the clocks change, eight o'clock stays eight o'clock.
    days, rest = divmod(minutes, MINUTES_A_DAY)
    local = datetime.combine(day + days * DAY, time(*divmod(rest, 60)), zone)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return moment
    return _transition(local.replace(fold=1).astimezone(UTC), moment, zone)


def _transition(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return when the clocks go forward over a local time that they skip: with the offsets of both sides, in UTC."""
    seconds = range(round((after - before).total_seconds()) + 1)
    offset = after.astimezone(zone).utcoffset()
    first = bisect_left(
        seconds, x=True, key=lambda more: (before + more * SECOND).astimezone(zone).utcoffset() == offset
    )
    return before + first * SECOND


def _minutes(window: re.Match[str], group: int) -> int:
    return int(window[group]) * 60 + int(window[group + 1])


def _on_day(window: re.Match[str], weekday: int) -> bool:
    first = DAYS.index(window[1])
    last = DAYS.index(window[2]) if window[2] else first
    # From Saturday to Monday is a range, too.
    return (weekday - first) % WEEK_DAYS <= (last - first) % WEEK_DAYS


def read_time_zone(table: SettingsReader) -> str:
    """Read the setting ``time_zone``, a name of the IANA database.

    Raises:
        Refused: it names none.
    """
    name = table.text("time_zone", remedy=_ZONE_REMEDY)
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # unknown; with a path in it; a folder of the database
        raise table.refused("time_zone", name, _ZONE_REMEDY) from None
    return name


def _blackout(entry: SettingsReader) -> Blackout:
    start, until = read_date(entry, "from"), read_date(entry, "until")
    if until < start:
        raise entry.refused("until", until.isoformat(), f"give the last day; the first is {start.isoformat()}")
    if until - start >= HORIZON_DAYS * DAY:
        raise entry.refused("until", until.isoformat(), f"give at most {HORIZON_DAYS} days")
    reason = entry.text("reason", remedy="say why; a refused deployment shows it")
    refuse_long_text(entry.field("reason"), reason, MAX_REASON)
    entry.refuse_unknown_keys()
    return Blackout(start, until, reason)


def read_date(entry: SettingsReader, key: str) -> date:
    """Read a date, such as ``2026-12-24``.

    Raises:
        Refused: it is none.
    """
    text = entry.text(key, matching=_DATE, remedy=_DATE_REMEDY)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise entry.refused(key, text, _DATE_REMEDY) from None
