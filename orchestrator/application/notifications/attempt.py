"""One attempt to send one message to one receiver: a destination, a subscriber of the status page, a client's developers.

1. Read the record of the dedup key, and decide (`orchestrator/domain/notifications/delivery.py`).
2. Claim the record for the time of an attempt, by a conditional write.
3. Send. Only the holder of the claim does.
4. Note the result. If the process dies between 3 and 4, the message is sent again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from orchestrator.domain.errors import Throttled
from orchestrator.domain.notifications.delivery import (
    DeliveryRecord,
    Skip,
    Wait,
    after_delivery,
    after_failure,
    after_refusal,
    next_step,
    retry_seconds,
)
from orchestrator.domain.notifications.destinations import Destination
from orchestrator.domain.notifications.notification import Notification
from orchestrator.domain.notifications.providers.requests import Answer, Result

NOTES = 5
"""How often a result is noted until no other writer is faster."""


class Records(Protocol):
    """Where the records of deliveries are (`orchestrator/aws/ledger/deliveries.py`)."""

    def read_record(self, destination: str, key: str) -> DeliveryRecord:
        """Read the record of a dedup key at a destination."""

    def write_record(self, destination: str, key: str, record: DeliveryRecord, now: datetime) -> DeliveryRecord | None:
        """Write a record that was read; None if another writer was faster."""


@dataclass(frozen=True)
class Outcome:
    """The result of an attempt.

    Attributes:
        retry_seconds: after which the message is tried again; None if it is done.
        result: what the receiver answered; None if nothing was sent.
    """

    text: str
    retry_seconds: int | None = None
    result: Result | None = None


@dataclass(frozen=True)
class Way:
    """The way of a message to its receiver.

    Attributes:
        destination: the receiver. Its name is the records' key.
        records: of what was sent.
        send: sends the message.
        put_aside: keeps a message that no later attempt can deliver, for a person.
        now: the clock.
    """

    destination: Destination
    records: Records
    send: Callable[[], Answer]
    put_aside: Callable[[], None]
    now: Callable[[], datetime]


def attempt(notification: Notification, way: Way, receives: int, waited: timedelta) -> Outcome:
    """Send a message, unless it has to wait or was sent before.

    Args:
        notification: what is sent.
        way: to whom, and how.
        receives: how often this message has been tried, this time included.
        waited: for how long it has been on its way.

    Raises:
        Throttled, Unreachable: the records were not readable or writable; the message is to be tried again.
    """
    name, records, now = way.destination.name, way.records, way.now()
    record = records.read_record(name, notification.key)
    step = next_step(record, notification, way.destination, now, waited)
    retry = retry_seconds(receives)
    if isinstance(step, Wait):
        if step.record is not None:
            records.write_record(name, notification.key, step.record, now)
        return Outcome(f"waits: {step.reason}", retry)
    if isinstance(step, Skip):
        kept = step.record is None or records.write_record(name, notification.key, step.record, now)
        return Outcome(f"skipped: {step.reason}", None if kept else retry)
    claimed = records.write_record(name, notification.key, step.record, now)
    if claimed is None:
        return Outcome("waits: another message of its key was faster", retry)
    return _conclude(notification, way, claimed, way.send(), receives)


def _conclude(notification: Notification, way: Way, claimed: DeliveryRecord, answer: Answer, receives: int) -> Outcome:
    """Note what the receiver answered."""
    text = answer.text
    if answer.result is Result.DELIVERED:
        _note(notification, way, claimed, lambda record: after_delivery(record, notification, text))
        return Outcome(f"delivered: {text}", result=answer.result)
    if answer.result is Result.REFUSED:
        way.put_aside()
        _note(notification, way, claimed, lambda record: after_refusal(record, notification, text))
        return Outcome(f"refused: {text}", result=answer.result)
    retry = retry_seconds(receives, answer.retry_after_seconds)
    due = way.now() + timedelta(seconds=retry)
    _note(notification, way, claimed, lambda record: after_failure(record, notification, due, text))
    return Outcome(f"failed: {text}", retry, answer.result)


def _note(
    notification: Notification, way: Way, claimed: DeliveryRecord, change: Callable[[DeliveryRecord], DeliveryRecord]
) -> None:
    """Write a result into the record. Other messages of the key may have written meanwhile that they wait.

    Raises:
        Throttled: other writers were always faster. The message is delivered again, and may be sent again.
    """
    name, record = way.destination.name, claimed
    for _ in range(NOTES):
        if way.records.write_record(name, notification.key, change(record), way.now()) is not None:
            return
        record = way.records.read_record(name, notification.key)
    raise Throttled(f"the result for {name} could not be noted in {NOTES} attempts")
