"""What has been sent under one dedup key to one destination, and what follows from it. The ledger keeps the record.

Events arrive at least once, late and in any order; messages of the queue do as well. So every attempt first claims the
record for a time (a lease), then sends, then notes the delivery.

- A transition that was delivered is not sent again.
- After a RESOLVE was delivered, nothing of its key is sent. A message that arrives so late is out of date.
- A RESOLVE waits for what is known and not delivered yet. An UPDATE and an ACKNOWLEDGE wait for a TRIGGER that failed.
- A RESOLVE and an ACKNOWLEDGE wait `HOLD` for a TRIGGER that is not known yet.
- An end of an incident's page goes to the pagers that got the page. At any other pager it would open an alert, so it is
  skipped there, and a page that arrives still later is out of date.
- An attempt whose lease ended without a note may have been delivered. It is repeated: a message may come twice, but none
  is lost. A pager recognizes the dedup key, so it does not open a second alert.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orchestrator.domain.notifications.destinations import Destination
from orchestrator.domain.notifications.notification import EventKind, Notification, Severity, Transition

LEASE = timedelta(seconds=60)
"""Longer than the function runs, so that an attempt whose lease has ended has ended too."""

ENDS = frozenset({Transition.ACKNOWLEDGE, Transition.RESOLVE})
"""What ends the calls of a pager. A TRIGGER that arrived after it would call a person again."""

HOLD = timedelta(minutes=2)
"""How long one of `ENDS` waits for its TRIGGER. Events of EventBridge are rarely seconds out of order."""

GRACE = timedelta(minutes=15)
"""A waiting transition that is later than this after its next attempt is in the dead-letter queue, and not waited for."""

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, LONGEST_RETRY_AFTER_SECONDS = 5, 600, 3600

RECEIVES = 30
"""How often the queue delivers a message before it moves it to the dead-letter queue: for more than three hours."""


@dataclass(frozen=True)
class Waiting:
    """A transition that is known and not delivered: when it is no longer waited for, and why the last attempt failed."""

    transition: Transition
    until: datetime
    failure: str = ""


@dataclass(frozen=True)
class DeliveryRecord:
    """The record of one dedup key at one destination.

    Attributes:
        version: of the stored item; 0 if there is none.
        delivered: id of a transition to what the provider answered.
        refused: id of a transition that the provider refused for good, to its answer.
        waiting: transitions that are known and not delivered, by id.
        leased_until: until when an attempt may be running; None if none is.
        opened: a TRIGGER was delivered or refused, so none is waited for.
        closed: a RESOLVE was delivered, or there was nothing to resolve or to acknowledge.
    """

    version: int = 0
    delivered: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    leased_until: datetime | None = None
    opened: bool = False
    closed: bool = False


@dataclass(frozen=True)
class Send:
    """Write the record, which is claimed, and send."""

    record: DeliveryRecord


@dataclass(frozen=True)
class Wait:
    """Write the record, if there is one, and try again later."""

    reason: str
    record: DeliveryRecord | None = None


@dataclass(frozen=True)
class Skip:
    """Write the record, if there is one, and send nothing."""

    reason: str
    record: DeliveryRecord | None = None


def next_step(
    record: DeliveryRecord, notification: Notification, destination: Destination, now: datetime, waited: timedelta
) -> Send | Wait | Skip:
    """Decide about one attempt.

    Args:
        record: the record of the notification's key at the destination.
        notification: what is to be sent.
        destination: where.
        now: the current time.
        waited: for how long the notification has been in the queue of this destination.
    """
    if notification.id in record.delivered:
        return Skip("it was delivered before")
    if record.closed:
        return Skip("its end was reported before")
    blocker = _blocker(record, notification, destination, now, waited)
    if blocker:
        return Wait(blocker, _with_waiting(record, notification, now + _longest_retry(), ""))
    if notification.transition in ENDS and not _may_be_open(record):
        if destination.pages and notification.kind is EventKind.INCIDENT:
            return Skip("no page was sent here", replace(record, closed=True))
        if not _passes(notification, destination):
            closed = notification.transition is Transition.RESOLVE
            return Skip("nothing is open here", replace(record, closed=True) if closed else None)
    claimed = _with_waiting(record, notification, now + LEASE, "")
    return Send(replace(claimed, leased_until=now + LEASE))


def after_delivery(record: DeliveryRecord, notification: Notification, answer: str) -> DeliveryRecord:
    """Return the record after the provider accepted the notification."""
    return replace(
        _ended(record, notification),
        delivered={**record.delivered, notification.id: answer},
        closed=record.closed or notification.transition is Transition.RESOLVE,
    )


def after_refusal(record: DeliveryRecord, notification: Notification, answer: str) -> DeliveryRecord:
    """Return the record after the provider refused the notification for good. Nothing waits for it any more."""
    return replace(
        _ended(record, notification),
        refused={**record.refused, notification.id: answer},
    )


def after_failure(record: DeliveryRecord, notification: Notification, due: datetime, failure: str) -> DeliveryRecord:
    """Return the record after an attempt that is to be repeated.

    Args:
        record: the record.
        notification: what was to be sent.
        due: when it is tried again.
        failure: why the attempt failed.
    """
    return replace(_with_waiting(record, notification, due, failure), leased_until=None)


def retry_seconds(receives: int, retry_after_seconds: int = 0) -> int:
    """Return after how many seconds a message is tried again: twice as long each time, or later if the provider asks.

    Args:
        receives: how often it has been received.
        retry_after_seconds: what the provider asks for; 0 if it does not.
    """
    doubled = FIRST_RETRY_SECONDS << min(max(receives, 1) - 1, 10)
    return max(min(doubled, LONGEST_RETRY_SECONDS), min(retry_after_seconds, LONGEST_RETRY_AFTER_SECONDS))


def _blocker(
    record: DeliveryRecord, notification: Notification, destination: Destination, now: datetime, waited: timedelta
) -> str:
    """Return why a notification must not be sent yet; empty if it may be."""
    if record.leased_until is not None and record.leased_until > now:
        return "another message of its key is being sent"
    waiting = [
        other.transition
        for other_id, other in record.waiting.items()
        if other_id != notification.id and other.until > now
    ]
    if notification.transition in {Transition.UPDATE, Transition.ACKNOWLEDGE} and Transition.TRIGGER in waiting:
        return "the message before it is not delivered yet"
    if notification.transition is Transition.RESOLVE and waiting:
        return "a message before it is not delivered yet"
    if notification.transition in ENDS:
        opened = notification.opened_as
        expected = opened is not None and _reaches(opened, notification, destination)
        if expected and not record.opened and waited < HOLD:
            return "its beginning has not arrived yet"
    return ""


def _may_be_open(record: DeliveryRecord) -> bool:
    """Return whether anything was delivered, or was attempted without a note: the provider may have it."""
    return bool(record.delivered) or any(other.transition not in ENDS for other in record.waiting.values())


def _passes(notification: Notification, destination: Destination) -> bool:
    return _reaches(notification.severity, notification, destination)


def _reaches(severity: Severity, notification: Notification, destination: Destination) -> bool:
    return notification.kind is EventKind.TEST or severity.at_least(destination.minimum_severity)


def _longest_retry() -> timedelta:
    return timedelta(seconds=LONGEST_RETRY_SECONDS)


def _with_waiting(record: DeliveryRecord, notification: Notification, due: datetime, failure: str) -> DeliveryRecord:
    earlier = record.waiting.get(notification.id)
    entry = Waiting(notification.transition, due + GRACE, failure or (earlier.failure if earlier else ""))
    return replace(record, waiting={**record.waiting, notification.id: entry})


def _ended(record: DeliveryRecord, notification: Notification) -> DeliveryRecord:
    waiting = {other: entry for other, entry in record.waiting.items() if other != notification.id}
    opened = record.opened or notification.transition is Transition.TRIGGER
    return replace(record, waiting=waiting, leased_until=None, opened=opened)
