"""Maintenance windows as the status page shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.domain.maintenance.window import Window, WindowState
from orchestrator.domain.status_page.settings import Component

KEPT = timedelta(days=15)
"""How long the calendar has a window after its end; one that was cancelled, after its planned end."""


class MaintenanceState(StrEnum):
    """The state of a window, in the words of Statuspage."""

    SCHEDULED = "scheduled"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class MaintenanceWindow:
    """A planned window.

    Attributes:
        title, text: for clients.
        components: ids; all of the page if it is empty.
        starts_at, ends_at: when it began and ended, or is planned to, UTC. A cancelled window has its planned period.
        announced_at: when it was planned, UTC.
        closed_at: when it ended or was cancelled, UTC; None while it is open.
    """

    id: str
    title: str
    text: str
    components: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    state: MaintenanceState
    announced_at: datetime
    closed_at: datetime | None = None

    def is_active(self, now: datetime) -> bool:
        """Return whether it is under way. One that was started early or lasts longer than planned is, by its state."""
        if self.state is MaintenanceState.SCHEDULED:
            return self.starts_at <= now < self.ends_at
        return self.state is MaintenanceState.IN_PROGRESS

    def affects(self, component: str) -> bool:
        """Return whether it covers a component."""
        return not self.components or component in self.components


_STATES = {WindowState.ENDED: MaintenanceState.COMPLETED, WindowState.CANCELLED: MaintenanceState.CANCELLED}


def published_window(window: Window, components: Iterable[Component], now: datetime) -> MaintenanceWindow:
    """Return a maintenance window as the page shows it.

    A window names components of the page, or functions: then all components that use them are meant. A name that is
    neither affects no component of the page.

    Args:
        window: as `orchestrator maintenance` keeps it.
        components: of the page.
        now: the current time.
    """
    named = set(window.components)
    affected = tuple(one.id for one in components if one.id in named or named & set(one.functions))
    if window.is_open:
        state = MaintenanceState.IN_PROGRESS if window.is_under_way(now) else MaintenanceState.SCHEDULED
    else:
        state = _STATES[window.state]
    return MaintenanceWindow(
        id=window.id,
        title=window.title,
        text=window.text,
        components=affected or window.components,
        starts_at=window.start,
        ends_at=window.end,
        state=state,
        announced_at=window.steps[0].at,
        closed_at=window.closed_at,
    )


def upcoming(windows: Iterable[MaintenanceWindow], now: datetime) -> tuple[MaintenanceWindow, ...]:
    """Return the windows that are planned or under way, in order of time."""
    waiting = [one for one in windows if one.is_active(now) or _is_planned(one, now)]
    return tuple(sorted(waiting, key=lambda one: (one.starts_at, one.id)))


def published(windows: Iterable[MaintenanceWindow], now: datetime) -> tuple[MaintenanceWindow, ...]:
    """Return the windows of the calendar: the planned ones, and those whose end was at most `KEPT` ago."""
    shown = [one for one in windows if now - one.ends_at <= KEPT or one.is_active(now)]
    return tuple(sorted(shown, key=lambda one: (one.starts_at, one.id)))


def _is_planned(window: MaintenanceWindow, now: datetime) -> bool:
    return window.state is MaintenanceState.SCHEDULED and now < window.ends_at
