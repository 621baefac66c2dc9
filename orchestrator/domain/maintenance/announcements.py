"""What is announced of a window, and when: 72 hours and 1 hour before, at its start, at its end, and its cancellation.

Each announcement is sent once. A run that is late sends the newest one that is due, which replaces those before it: after
the start, that a window begins in an hour is out of date. A run first leases the announcement by a conditional
write, then sends it, then notes it. So of several runs at a time one sends it. A run that dies between the lease and the
note is repeated after `LEASE_DURATION`, with the same notification ids, which recognize the repetition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from orchestrator.domain.maintenance.schedule import Change, Schedule, find_window, with_window
from orchestrator.domain.maintenance.window import Announcement, Lease, Window, WindowState
from orchestrator.domain.verdict import Json

BEFORE: Mapping[Announcement, timedelta] = {
    Announcement.IN_1_HOUR: timedelta(hours=1),
    Announcement.IN_72_HOURS: timedelta(hours=72),
}
"""Announcements before the start, latest first."""

LEASE_DURATION = timedelta(seconds=150)
"""Longer than the reconcile function runs, so that a run whose lease has ended has ended too."""

RETRY_AFTER = timedelta(seconds=30)
"""Shorter than the time between two runs."""

EVENT_TYPES: Mapping[Announcement, str] = {
    Announcement.IN_72_HOURS: "MaintenanceAnnounced",
    Announcement.IN_1_HOUR: "MaintenanceAnnounced",
    Announcement.STARTED: "MaintenanceStarted",
    Announcement.ENDED: "MaintenanceEnded",
    Announcement.CANCELLED: "MaintenanceCancelled",
}
"""Announcement to the detail-type of its event. docs/reference/events/schemas.json describes the events."""

_OF_STATE: Mapping[WindowState, Announcement] = {
    WindowState.UNDER_WAY: Announcement.STARTED,
    WindowState.ENDED: Announcement.ENDED,
    WindowState.CANCELLED: Announcement.CANCELLED,
}


def due_announcement(window: Window, now: datetime) -> Announcement | None:
    """Return the newest announcement that is due and was not made; None if there is none."""
    due = _OF_STATE.get(window.state)
    if due is None:
        due = next((one for one, before in BEFORE.items() if window.starts_at - before <= now), None)
    if due is None or (window.announced and _rank(due) <= _rank(window.announced[-1])):
        return None
    return due


def next_lease(schedule: Schedule, now: datetime) -> tuple[Change, Window, Announcement] | None:
    """Return the lease of the first announcement that is due and that no other run is sending; None if there is none.

    Returns:
        What is to be written before it is sent, the window, and the announcement.
    """
    for window in schedule.windows:
        due = due_announcement(window, now)
        if due is None or (window.lease is not None and window.lease.until > now):
            continue
        leased = replace(window, lease=Lease(due, now + LEASE_DURATION))
        return Change(with_window(schedule, leased), (leased,)), window, due
    return None


def note(schedule: Schedule, window_id: str, announcement: Announcement) -> Change:
    """Return the schedule after an announcement was sent. A closed window with nothing left to announce is dropped.

    Raises:
        Refused: the schedule has no such window.
    """
    window = find_window(schedule, window_id)
    after = replace(window, announced=(*window.announced, announcement), lease=None)
    done = announcement is _OF_STATE.get(after.state) and not after.is_open
    kept = with_window(schedule, after)
    if done:
        kept = replace(kept, windows=tuple(one for one in kept.windows if one.id != window_id))
    return Change(kept, (after,))


def release(schedule: Schedule, window_id: str, announcement: Announcement, now: datetime) -> Change:
    """Return the schedule after an announcement could not be sent completely: it is tried again after `RETRY_AFTER`.

    Raises:
        Refused: the schedule has no such window.
    """
    # The lease stays, with an earlier end: a part of the announcement may have been sent. And this run goes on to others.
    after = replace(find_window(schedule, window_id), lease=Lease(announcement, now + RETRY_AFTER))
    return Change(with_window(schedule, after), (after,))


def event_detail(window: Window, announcement: Announcement, now: datetime) -> Mapping[str, Json]:
    """Return the detail of the event of an announcement, without the environment."""
    last = window.steps[-1]
    return {
        "maintenance": window.id,
        "at": now.isoformat(),
        "announcement": announcement.value,
        "title": window.title,
        "text": window.text,
        "components": list(window.components),
        "starts_at": window.start.isoformat(),
        "ends_at": window.end.isoformat(),
        "state": window.state.value,
        "by": last.by,
        "reason": last.reason,
        "first": not window.may_be_known,
        "allowed_deployments": list(window.allowed_deployments),
        "silenced_alarms": list(window.silenced_alarms),
    }


def message_to_clients(window: Window, announcement: Announcement) -> tuple[str, str] | None:
    """Return subject and text of the e-mail to clients; None if they never heard of a window that was cancelled."""
    if announcement is Announcement.CANCELLED and not window.may_be_known:
        return None
    period = f"{window.start:%Y-%m-%d %H:%M} to {window.ends_at:%Y-%m-%d %H:%M} UTC"
    words = {
        Announcement.STARTED: "has begun",
        Announcement.ENDED: "has ended",
        Announcement.CANCELLED: "is cancelled",
    }.get(announcement, "is planned")
    lines = [f"Maintenance of the OAuth service {words}: {window.title}", f"Time: {period}"]
    if announcement is Announcement.ENDED and window.ended_at is not None:
        lines.append(f"It ended at {window.ended_at:%Y-%m-%d %H:%M} UTC.")
    else:
        lines.append(f"Components: {', '.join(window.components)}")
    if announcement is not Announcement.ENDED and announcement is not Announcement.CANCELLED:
        lines += ["", window.text]
    return f"OAuth service: maintenance {words}", "\n".join(lines)


def _rank(announcement: Announcement) -> int:
    return tuple(Announcement).index(announcement)
