"""Which recovery points standing grants cover, which of them a drill takes, and a random point that they cover.

    written_at                     changed_at                written_at + LIFETIME
        | all of the set is given      | one family is revoked,        | the families have ended
        |                              | one token is rotated          |
        |------- points that it covers |

A set of before a point, unchanged at it, is in a restored table of that point as it was given. Its changes are made
once the next set is complete, so the newest set before a point was changed after the point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from orchestrator.domain.cron import next_run
from orchestrator.domain.errors import Refused

LIFETIME: Final = timedelta(hours=12)
"""How long a login of the synthetic identity lasts (service/login/flow.py). Later points hold no token of it."""

KEPT: Final = timedelta(days=36)
"""How long a set is kept: a day longer than the longest window of point-in-time recovery."""

_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class StandingGrants:
    """A set of standing grants, without its secrets.

    Attributes:
        written_at: a whole second after the last of them was issued.
        changed_at: when one family was revoked and the token of another was rotated; None before that.
    """

    written_at: datetime
    changed_at: datetime | None = None

    @property
    def ends_at(self) -> datetime:
        """The time up to which the set covers points."""
        lapses = self.written_at + LIFETIME
        return lapses if self.changed_at is None else min(self.changed_at, lapses)

    def covers(self, point: datetime, now: datetime) -> bool:
        """Return whether a restored table of a point holds the set as it was given, and it was or can be changed since."""
        changeable = self.changed_at is not None or now < self.written_at + LIFETIME
        return changeable and self.written_at <= point < self.ends_at


def choose_standing(
    kept: Sequence[StandingGrants], later: datetime | None, point: datetime, now: datetime, schedule: str | None
) -> StandingGrants:
    """Return the newest set that covers a recovery point.

    Args:
        kept: the sets that were written before the point.
        later: when the first set after the point was written; None without one.
        point: the recovery point.
        now: the time.
        schedule: the setting `recovery.standing_grants`; empty if no grants are given, None if it is not known.

    Raises:
        Refused: none covers it. The error has the earliest later time that can be drilled.
    """
    covering = [one for one in kept if one.covers(point, now)]
    if covering:
        return max(covering, key=lambda one: one.written_at)
    why = "no standing grants of before it are kept, so a drill could try no token in a copy of that time"
    if later is None:
        raise Refused("to", point.isoformat(), f"{why}: omit it for the latest time, or {_first_grants(schedule, now)}")
    raise Refused("to", point.isoformat(), f"{why}: the earliest later time that can be drilled is {later.isoformat()}")


def _first_grants(schedule: str | None, now: datetime) -> str:
    """Return how a drill gets its first standing grants.

    Args:
        schedule: the setting `recovery.standing_grants`; empty if no grants are given, None if it is not known.
        now: the time.
    """
    if schedule is None:
        return "wait for the next standing grants if recovery.standing_grants is set; set it otherwise"
    if not schedule:
        return "set recovery.standing_grants, such as cron(0 * * * ? *), and wait for the first ones"
    first = next_run(schedule, now)
    if first is None:
        return f"correct recovery.standing_grants: {schedule} is never due again"
    return (
        f"wait: recovery.standing_grants ({schedule}) gives the next ones by {first.isoformat(timespec='minutes')}, "
        "and points from then on can be drilled"
    )


def find_standing_of_backups(
    kept: Sequence[StandingGrants], begin: datetime, end: datetime, now: datetime
) -> StandingGrants | None:
    """Return the newest set that backups hold as it was given; None if there is none.

    Args:
        kept: the sets.
        begin: the earliest time of which a backup's content may be.
        end: the latest one.
        now: the time.
    """
    covering = [one for one in kept if one.covers(begin, now) and one.covers(end, now)]
    return max(covering, key=lambda one: one.written_at, default=None)


def draw_point(
    kept: Sequence[StandingGrants],
    earliest: datetime,
    latest: datetime,
    recovery: str,
    now: datetime,
    schedule: str | None,
) -> datetime:
    """Return a random recovery point that standing grants cover. Every attempt of a drill draws the same.

    Args:
        kept: the sets, in any order.
        earliest: the beginning of the window to draw from, a whole second.
        latest: its end, a whole second.
        recovery: id of the drill, by which the point is drawn.
        now: the time.
        schedule: the setting `recovery.standing_grants`; empty if no grants are given, None if it is not known.

    Raises:
        Refused: no set covers a point of the window.
    """
    spans = []
    written = sorted(kept, key=lambda one: one.written_at)
    for number, one in enumerate(written, start=1):
        begin = max(one.written_at, earliest)
        ends = [one.ends_at, *(following.written_at for following in written[number : number + 1])]
        end = min(latest, *((time - _SECOND).replace(microsecond=0) for time in ends))
        if begin <= end and one.covers(begin, now):
            spans.append((begin, end))
    if not spans:
        remedy = (
            f"no standing grants from {earliest.isoformat()} to {latest.isoformat()} are kept: "
            f"{_first_grants(schedule, now)}"
        )
        raise Refused("select", "random", remedy)
    number = int.from_bytes(blake2b(recovery.encode(), digest_size=16).digest())
    begin, end = spans[number % len(spans)]
    seconds = (end - begin) // _SECOND + 1
    return begin + number // len(spans) % seconds * _SECOND
