"""The second step of notifications: one message is sent to its provider, or tried again later.

1. Read the record of the dedup key, and decide (`orchestrator/domain/notifications/delivery.py`).
2. Claim the record for the time of an attempt, by a conditional write.
3. Send. Only the holder of the claim does.
4. Note the result. If the function dies between 3 and 4, the message is sent again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

import msgspec

from orchestrator.application.cloud import Cloud, logger
from orchestrator.application.notifications.fan_out import Delivery, configured_destinations
from orchestrator.domain.errors import Throttled
from orchestrator.domain.maintenance.effects import silencing_window
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
from orchestrator.domain.notifications.notification import Notification, Transition
from orchestrator.domain.notifications.providers.requests import Answer, Result

NOTES = 5
"""How often a result is noted until no other writer is faster."""

LONGEST_SILENCE_SECONDS = 3600
"""A page that maintenance silences is looked at again after an hour: a person may have ended the window."""


@dataclass(frozen=True)
class Received:
    """A message as the queue delivered it: how often it has been received, and when it was put into the queue."""

    delivery: Delivery
    receives: int
    sent_at: datetime


@dataclass(frozen=True)
class Outcome:
    """The result of an attempt. `retry_seconds`: after which the message is tried again; None if it is done."""

    text: str
    retry_seconds: int | None = None


def deliver(received: Received, cloud: Cloud) -> Outcome:
    """Send a message to its destination, unless it has to wait or was sent before.

    Raises:
        Throttled, Unreachable: AWS did not answer; the message is delivered again.
    """
    notification = received.delivery.notification
    destination = _find_destination(received.delivery.destination, cloud)
    if destination is None:
        return _logged(received, Outcome("the destination is no longer configured"))
    store, now = cloud.deliveries, cloud.now()
    record = store.read_record(destination.name, notification.key)
    silenced = _silenced_seconds(notification, destination, cloud)
    if silenced:
        # No record is written: an end that arrives meanwhile closes the key, and then nothing is paged.
        return _logged(received, Outcome("waits: maintenance silences it", silenced))
    step = next_step(record, notification, destination, now, max(now - received.sent_at, timedelta()))
    retry = retry_seconds(received.receives)
    if isinstance(step, Wait):
        if step.record is not None:
            store.write_record(destination.name, notification.key, step.record, now)
        return _logged(received, Outcome(f"waits: {step.reason}", retry))
    if isinstance(step, Skip):
        kept = step.record is None or store.write_record(destination.name, notification.key, step.record, now)
        return _logged(received, Outcome(f"skipped: {step.reason}", None if kept else retry))
    claimed = store.write_record(destination.name, notification.key, step.record, now)
    if claimed is None:
        return _logged(received, Outcome("waits: another message of its key was faster", retry))
    answer = cloud.providers.send(notification, destination)
    return _logged(received, _conclude(received, destination, claimed, answer, cloud))


def _silenced_seconds(notification: Notification, destination: Destination, cloud: Cloud) -> int:
    """Return for how long maintenance silences the page of an alarm, at most `LONGEST_SILENCE_SECONDS`; 0 if it does not."""
    if not notification.alarm or notification.transition is not Transition.TRIGGER or not destination.pages:
        return 0
    now = cloud.now()
    window = silencing_window(cloud.maintenance.read_schedule(), notification.alarm, now)
    # An alarm that began before the window is not the window's.
    if window is None or notification.at < window.start:
        return 0
    return min(ceil((window.ends_at - now).total_seconds()), LONGEST_SILENCE_SECONDS)


def _conclude(
    received: Received, destination: Destination, claimed: DeliveryRecord, answer: Answer, cloud: Cloud
) -> Outcome:
    """Note what the provider answered."""
    notification = received.delivery.notification
    if answer.result is Result.DELIVERED:
        _note(
            destination, notification, claimed, lambda record: after_delivery(record, notification, answer.text), cloud
        )
        return Outcome(f"delivered: {answer.text}")
    if answer.result is Result.REFUSED:
        cloud.notification_queue.put_aside(msgspec.json.encode(received.delivery).decode())
        _note(
            destination, notification, claimed, lambda record: after_refusal(record, notification, answer.text), cloud
        )
        return Outcome(f"refused: {answer.text}")
    retry = retry_seconds(received.receives, answer.retry_after_seconds)
    due = cloud.now() + timedelta(seconds=retry)
    _note(
        destination, notification, claimed, lambda record: after_failure(record, notification, due, answer.text), cloud
    )
    return Outcome(f"failed: {answer.text}", retry)


def _note(
    destination: Destination,
    notification: Notification,
    claimed: DeliveryRecord,
    change: Callable[[DeliveryRecord], DeliveryRecord],
    cloud: Cloud,
) -> None:
    """Write a result into the record. Other messages of the key may have written meanwhile that they wait.

    Raises:
        Throttled: other writers were always faster. The message is delivered again, and may be sent again.
    """
    record = claimed
    for _ in range(NOTES):
        if cloud.deliveries.write_record(destination.name, notification.key, change(record), cloud.now()) is not None:
            return
        record = cloud.deliveries.read_record(destination.name, notification.key)
    raise Throttled(f"the result for {destination.name} could not be noted in {NOTES} attempts")


def _find_destination(name: str, cloud: Cloud) -> Destination | None:
    return next((one for one in configured_destinations(cloud) if one.name == name), None)


def _logged(received: Received, outcome: Outcome) -> Outcome:
    notification = received.delivery.notification
    fields = {
        "destination": received.delivery.destination,
        "key": notification.key,
        "transition": notification.id,
        "receives": received.receives,
        "outcome": outcome.text,
        "retry_seconds": outcome.retry_seconds,
    }
    logger.info("notification", extra=fields)
    return outcome
