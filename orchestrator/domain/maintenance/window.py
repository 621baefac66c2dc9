"""A maintenance window: a time in which people work on the environment. `TRANSITIONS` is the state machine.

| state       | meaning                                                                              |
|-------------|--------------------------------------------------------------------------------------|
| `PLANNED`   | it is announced before it begins                                                     |
| `UNDER_WAY` | deployments are refused, and the pages of the named alarms are silenced              |
| `ENDED`     | at its planned end by the clock, or earlier by a person                              |
| `CANCELLED` | a person cancelled it before it began                                                |

The clock starts and ends a window. A reconciler that is late changes nothing about its effects: `is_under_way` decides by
the time, and the state records it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.errors import Refused

CLOCK = "orchestrator"
"""Who starts and ends a window at its planned times."""


class WindowState(StrEnum):
    """The state of a window."""

    PLANNED = "PLANNED"
    UNDER_WAY = "UNDER_WAY"
    ENDED = "ENDED"
    CANCELLED = "CANCELLED"


class WindowAction(StrEnum):
    """What a person or the clock does with a window."""

    PLAN = "PLAN"
    START = "START"
    END = "END"
    CANCEL = "CANCEL"


class Announcement(StrEnum):
    """What is announced of a window, in the order of time. A later one replaces an earlier one that was not sent."""

    IN_72_HOURS = "in-72-hours"
    IN_1_HOUR = "in-1-hour"
    STARTED = "started"
    ENDED = "ended"
    CANCELLED = "cancelled"


TRANSITIONS: Mapping[tuple[WindowState, WindowAction], WindowState] = {
    (WindowState.PLANNED, WindowAction.START): WindowState.UNDER_WAY,
    (WindowState.PLANNED, WindowAction.CANCEL): WindowState.CANCELLED,
    (WindowState.UNDER_WAY, WindowAction.END): WindowState.ENDED,
}
"""State and action to the next state. What is not here is refused. A window begins as PLANNED."""

_REMEDIES: Mapping[tuple[WindowState, WindowAction], str] = {
    (WindowState.PLANNED, WindowAction.END): "it has not begun: `orchestrator maintenance cancel` cancels it",
    (WindowState.UNDER_WAY, WindowAction.START): "it is under way already",
    (WindowState.UNDER_WAY, WindowAction.CANCEL): "it has begun: `orchestrator maintenance end` ends it",
}
_CLOSED_REMEDY = "it is over: `orchestrator maintenance plan` plans another one"


@dataclass(frozen=True)
class WindowStep:
    """One action in a window's history, with the person (or `CLOCK`) and the reason, which may be empty."""

    action: WindowAction
    at: datetime
    by: str
    reason: str = ""


@dataclass(frozen=True)
class Lease:
    """An announcement that is being sent. Until the time, no other run sends it."""

    announcement: Announcement
    until: datetime


@dataclass(frozen=True)
class Window:
    """One maintenance window. Times are in UTC.

    Attributes:
        title: what is done, in one line, for clients.
        text: what clients notice and have to do.
        components: what is affected, such as ``token``.
        starts_at, ends_at: as planned.
        allowed_deployments: ids of the deployments that may start while it is under way.
        silenced_alarms: sections of the alarm runbook whose pages are silenced while it is under way.
        steps: its history, oldest first; the first one is PLAN.
        began_at, ended_at: when it did; None before, and for one that was cancelled.
        announced: what was announced, in order.
        lease: the newest announcement that is being sent, or whose run died or failed; None if none is.
    """

    id: str
    title: str
    text: str
    components: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    allowed_deployments: tuple[str, ...] = ()
    silenced_alarms: tuple[str, ...] = ()
    state: WindowState = WindowState.PLANNED
    steps: tuple[WindowStep, ...] = ()
    began_at: datetime | None = None
    ended_at: datetime | None = None
    announced: tuple[Announcement, ...] = ()
    lease: Lease | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is planned or under way."""
        return self.state in {WindowState.PLANNED, WindowState.UNDER_WAY}

    @property
    def may_be_known(self) -> bool:
        """Whether something was announced of it, or may have been by a run that died."""
        return bool(self.announced) or self.lease is not None

    @property
    def start(self) -> datetime:
        """When it began, or is planned to."""
        return self.began_at or self.starts_at

    @property
    def end(self) -> datetime:
        """When it ended, or is planned to. One that was cancelled keeps its planned end."""
        # An earlier release wrote the time of a cancellation into `ended_at`.
        return self.ended_at if self.state is WindowState.ENDED and self.ended_at else self.ends_at

    @property
    def closed_at(self) -> datetime | None:
        """When it ended or was cancelled; None while it is open."""
        if self.is_open:
            return None
        return self.end if self.state is WindowState.ENDED else self.steps[-1].at

    @property
    def description(self) -> str:
        """Its id, its end and its title."""
        return f"{self.id} until {self.ends_at:%Y-%m-%d %H:%M} UTC: {self.title}"

    def is_under_way(self, now: datetime) -> bool:
        """Return whether it is under way by the time, whatever the clock's runs have recorded yet."""
        return self.is_open and self.start <= now < self.ends_at

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """Return whether it takes part of the time from `start` to `end`. One may begin when another ends."""
        return self.is_open and self.start < end and start < self.ends_at


def apply(window: Window, step: WindowStep, effective: datetime | None = None) -> Window:
    """Return the window after an action.

    Args:
        window: the window.
        step: the action.
        effective: when it takes effect, if that is not the time of the step: the clock may run late.

    Raises:
        Refused: the table has no such transition.
    """
    state = TRANSITIONS.get((window.state, step.action))
    if state is None:
        remedy = _REMEDIES.get((window.state, step.action), _CLOSED_REMEDY)
        raise Refused("maintenance", f"{step.action} of {window.id}, which is {window.state}", remedy)
    at = effective or step.at
    after = replace(window, state=state, steps=(*window.steps, step))
    if state is WindowState.UNDER_WAY:
        return replace(after, began_at=at)
    return replace(after, ended_at=at) if state is WindowState.ENDED else after
