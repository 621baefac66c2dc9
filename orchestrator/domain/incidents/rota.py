"""Who is on call: each level's people take turns, a week each, from a handover to the next in the rota's time zone.

A handover is a wall clock's time. In a week in which daylight saving time begins or ends, a turn therefore lasts 167 or
169 hours. A handover time that the clock skips takes place when it has skipped it; of one that comes twice, the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from orchestrator.domain.deployment.calendar import DAYS, WEEK_DAYS


@dataclass(frozen=True)
class Level:
    """One level of escalation.

    Attributes:
        people: who take turns, in this order; at least one.
        destinations: names of the destinations of notifications that its pages go to; empty for all.
    """

    people: tuple[str, ...]
    destinations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rota:
    """The rota of an environment.

    Attributes:
        time_zone: a name of the IANA database, such as ``Europe/Berlin``.
        handover_day: one of `DAYS`.
        handover_time: on the wall clock of the time zone.
        starts: the handover day on which the first of each level's people begins.
        escalate_minutes: after which a page that is not acknowledged goes to the next level.
        levels: at least one.
    """

    time_zone: str
    handover_day: str
    handover_time: time
    starts: date
    escalate_minutes: int
    levels: tuple[Level, ...]

    @property
    def starts_at(self) -> datetime:
        """The first handover, in UTC."""
        return self._handover(self.starts)

    def on_call(self, level: int, now: datetime) -> str:
        """Return who is on call for a level (from 1) at a moment (aware)."""
        people = self.levels[level - 1].people
        return people[self._turn(now) % len(people)]

    def turn_ends_at(self, now: datetime) -> datetime:
        """Return the next handover after a moment, in UTC."""
        handover = self._handover(self._last_handover(now) + timedelta(days=WEEK_DAYS))
        return handover.astimezone(UTC)

    def _turn(self, now: datetime) -> int:
        """Return the number of handovers since the first; negative before it."""
        return (self._last_handover(now) - self.starts).days // WEEK_DAYS

    def _last_handover(self, now: datetime) -> date:
        today = now.astimezone(ZoneInfo(self.time_zone)).date()
        day = today - timedelta(days=(today.weekday() - DAYS.index(self.handover_day)) % WEEK_DAYS)
        return day if self._handover(day) <= now else day - timedelta(days=WEEK_DAYS)

    def _handover(self, day: date) -> datetime:
        # In UTC: aware datetimes of one zone compare by their wall clocks, and without their offsets.
        return datetime.combine(day, self.handover_time, ZoneInfo(self.time_zone)).astimezone(UTC)
