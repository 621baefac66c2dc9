"""Maintenance windows that the tests start from, and an environment's schedule in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from orchestrator.domain.maintenance.announcements import next_lease, note
from orchestrator.domain.maintenance.policy import MaintenancePolicy
from orchestrator.domain.maintenance.schedule import Change, Schedule, WindowRequest, advance, plan
from orchestrator.domain.maintenance.window import Announcement, Window
from tests.samples import NOW

POLICY = MaintenancePolicy()
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def request(starts: timedelta = 100 * HOUR, lasts: timedelta = 2 * HOUR, **changes: Any) -> WindowRequest:
    """A request of a window, by default in 100 hours and for 2 hours."""
    begins = NOW + starts
    default = WindowRequest(
        title="New token table",
        text="Tokens are not refreshed for some minutes. Retry them.",
        components=("token",),
        starts_at=begins,
        ends_at=begins + lasts,
        by="ann",
    )
    return replace(default, **changes)


def planned(starts: timedelta = 100 * HOUR, lasts: timedelta = 2 * HOUR, **changes: Any) -> Schedule:
    """A schedule with one window that was planned at `NOW`."""
    return plan(Schedule(), request(starts, lasts, **changes), POLICY, NOW).schedule


def only(schedule: Schedule) -> Window:
    (window,) = schedule.windows
    return window


@dataclass
class Maintenance:
    """The windows of an environment in memory, written as the ledger's are."""

    schedule: Schedule = field(default_factory=Schedule)
    windows: dict[str, Window] = field(default_factory=dict)
    sent: list[tuple[str, Announcement]] = field(default_factory=list)

    def write(self, change: Change) -> None:
        self.schedule = replace(change.schedule, version=self.schedule.version + 1)
        self.windows |= {window.id: window for window in change.windows}

    def tick(self, now: datetime, dies: Callable[[], str] = lambda: "") -> None:
        """One run of the reconciler, which may die `before` it sends, or `after` that and before the note."""
        self.write(advance(self.schedule, now))
        while found := next_lease(self.schedule, now):
            change, window, due = found
            self.write(change)
            death = dies()
            if death == "before":
                return
            self.sent.append((window.id, due))
            if death == "after":
                return
            self.write(note(self.schedule, window.id, due))
