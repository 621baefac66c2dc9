"""What the page announces to subscribers: each published step of an incident, and each step of a maintenance window.

The announcements follow from the page alone. The page's bucket has them in a file, so the way from the page to its
subscribers needs nothing of the environment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.domain.notifications.delivery import HOLD, DeliveryRecord
from orchestrator.domain.notifications.notification import Audience, EventKind, Notification, Severity, Transition
from orchestrator.domain.status_page.incident_steps import Step, Update
from orchestrator.domain.status_page.maintenance import MaintenanceState, MaintenanceWindow
from orchestrator.domain.status_page.page import StatusPage
from orchestrator.domain.status_page.published_incidents import PublishedIncident
from orchestrator.domain.subscribers.subscriber import Subscriber

ANNOUNCEMENTS = "announcements.json"
"""The file of the site that has the announcements."""

LISTED = timedelta(days=3)
"""How long the file has an announcement: longer than the page may fail to be written or read."""

SENT_WITHIN = timedelta(hours=24)
"""An older announcement is out of date, and is not sent any more."""

REMINDERS = (("in-72-hours", timedelta(hours=72)), ("in-1-hour", timedelta(hours=1)))
"""The reminders before maintenance, as operators get them."""


@dataclass(frozen=True)
class Earlier:
    """A step before another one of the same key: its id, and when it was."""

    id: str
    at: datetime


@dataclass(frozen=True)
class Announcement:
    """One step of an incident or a maintenance window.

    Attributes:
        id: of the step. Each subscriber gets it once.
        key: of what it is a step of: an incident from its opening to its resolution, or a window.
        transition: whether it begins, continues or ends it.
        kind: `incident` or `maintenance`.
        step: what the page calls it, such as `investigating` or `scheduled`.
        components: ids; empty for all.
        names: of the components, for people.
        path: of the page about it, relative to the site.
        began_at: when the first step of the key was.
        earlier: the steps of the key before this one, which a subscriber gets first.
    """

    id: str
    key: str
    transition: Transition
    kind: EventKind
    step: str
    title: str
    text: str
    components: tuple[str, ...]
    names: str
    path: str
    at: datetime
    began_at: datetime
    earlier: tuple[Earlier, ...] = ()


def announcements_of(page: StatusPage, path_of: Callable[[str], str]) -> tuple[Announcement, ...]:
    """Return the announcements of a page that are not out of date, oldest first.

    Args:
        page: the page.
        path_of: returns the path of an incident's page.
    """
    found = [one for incident in page.history for one in _of_incident(page, incident, path_of(incident.id))]
    found += [one for window in page.calendar for one in _of_window(page, window)]
    recent = [one for one in found if timedelta() <= page.at - one.at <= LISTED]
    return _with_earlier(recent)


def is_for(announcement: Announcement, subscriber: Subscriber, now: datetime) -> bool:
    """Return whether a subscriber gets an announcement: it was made after the confirmation, and of a wanted component."""
    return (
        announcement.at >= subscriber.confirmed_at
        and now - announcement.at <= SENT_WITHIN
        and subscriber.wants(announcement.components)
    )


def waits_for_earlier(
    announcement: Announcement, subscriber: Subscriber, record: DeliveryRecord, waited: timedelta, now: datetime
) -> bool:
    """Return whether an announcement has to wait for one before it: the steps of an incident arrive in their order.

    One that is tried again is waited for; one of which nothing is known, for `HOLD`.

    Args:
        announcement: what is to be sent.
        subscriber: to whom.
        record: of what was sent of its key.
        waited: for how long it has been in the queue.
        now: the current time.
    """
    missing = [
        one.id
        for one in announcement.earlier
        if one.at >= subscriber.confirmed_at and one.id not in record.delivered and one.id not in record.refused
    ]
    if any(one in record.waiting and record.waiting[one].until > now for one in missing):
        return True
    return bool(missing) and waited < HOLD


def notification_of(announcement: Announcement, subscriber: Subscriber, environment: str) -> Notification:
    """Return an announcement to a subscriber as a notification, which is recorded as such.

    An end waits for the beginning only if this subscriber gets the beginning.

    Args:
        announcement: what is announced.
        subscriber: who gets it.
        environment: the environment's name.
    """
    got_beginning = announcement.began_at >= subscriber.confirmed_at
    return Notification(
        key=announcement.key,
        id=announcement.id,
        transition=announcement.transition,
        kind=announcement.kind,
        severity=Severity.INFO,
        audience=Audience.CLIENTS,
        environment=environment,
        title=announcement.title,
        at=announcement.at,
        opened_as=Severity.INFO if got_beginning else None,
    )


def _with_earlier(announcements: Sequence[Announcement]) -> tuple[Announcement, ...]:
    """Return announcements in the order of time, each with those of its key before it."""
    ordered: list[Announcement] = []
    # The order of steps with the same time is that in which they were found.
    for one in sorted(announcements, key=lambda one: one.at):
        earlier = tuple(Earlier(other.id, other.at) for other in ordered if other.key == one.key)
        ordered.append(replace(one, earlier=earlier))
    return tuple(ordered)


def _of_incident(page: StatusPage, incident: PublishedIncident, path: str) -> Iterator[Announcement]:
    """Yield the steps of an incident. One that is reopened is a new episode, with a key of its own."""
    key, began_at, is_over = "", incident.started_at, True
    for update in reversed(incident.updates):
        begins = is_over
        if begins:
            key, began_at = f"incident:{update.id}", update.at
        is_over = update.step is Step.RESOLVED
        yield Announcement(
            id=update.id,
            key=key,
            transition=_transition(update, begins=begins),
            kind=EventKind.INCIDENT,
            step=update.step,
            title=incident.title,
            text=update.text,
            components=incident.components,
            names=_names(page, incident.components),
            path=path,
            at=update.at,
            began_at=began_at,
        )


def _transition(update: Update, *, begins: bool) -> Transition:
    if begins:
        # A text that follows the resolution begins and ends nothing.
        return Transition.TRIGGER
    return Transition.RESOLVE if update.step is Step.RESOLVED else Transition.UPDATE


def _of_window(page: StatusPage, window: MaintenanceWindow) -> Iterator[Announcement]:
    for step, at, transition in _steps(window, page.at):
        yield Announcement(
            id=f"{window.id}-{step}",
            key=f"maintenance:{window.id}",
            transition=transition,
            kind=EventKind.MAINTENANCE,
            step=step,
            title=window.title,
            text=window.text,
            components=window.components,
            names=_names(page, window.components),
            path="index.html",
            at=at,
            began_at=window.announced_at,
        )


def _steps(window: MaintenanceWindow, now: datetime) -> Iterator[tuple[str, datetime, Transition]]:
    yield "planned", window.announced_at, Transition.TRIGGER
    if window.state is MaintenanceState.SCHEDULED:
        for name, before in REMINDERS:
            due = window.starts_at - before
            # A window that is planned later than a reminder would be due needs none: the plan is as new.
            if window.announced_at < due <= now < window.starts_at:
                yield name, due, Transition.UPDATE
    if window.state in {MaintenanceState.IN_PROGRESS, MaintenanceState.COMPLETED}:
        yield "started", window.starts_at, Transition.UPDATE
    if window.state is MaintenanceState.COMPLETED:
        yield "completed", window.ends_at, Transition.RESOLVE
    if window.state is MaintenanceState.CANCELLED:
        # A page of an earlier release has the time of the cancellation as the end.
        yield "cancelled", window.closed_at or window.ends_at, Transition.RESOLVE


def _names(page: StatusPage, components: Sequence[str]) -> str:
    named = [row.status.component for row in page.rows]
    return ", ".join(one.name for one in named if not components or one.id in components)
