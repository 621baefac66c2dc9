"""The second step of notifications: one message is sent to its provider, or tried again later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

import msgspec

from orchestrator.application.cloud import Cloud, logger
from orchestrator.application.notifications.attempt import Outcome, Way, attempt
from orchestrator.application.notifications.fan_out import Delivery, configured_destinations
from orchestrator.application.notifications.links import with_address
from orchestrator.domain.maintenance.effects import silencing_window
from orchestrator.domain.notifications.destinations import Destination
from orchestrator.domain.notifications.notification import Notification, Transition

LONGEST_SILENCE_SECONDS = 3600
"""A page that maintenance silences is looked at again after an hour: a person may have ended the window."""


@dataclass(frozen=True)
class Received:
    """A message as the queue delivered it: how often it has been received, and when it was put into the queue."""

    delivery: Delivery
    receives: int
    sent_at: datetime


def deliver(received: Received, cloud: Cloud) -> Outcome:
    """Send a message to its destination, unless it has to wait or was sent before.

    Raises:
        Throttled, Unreachable: AWS did not answer; the message is delivered again.
    """
    notification = received.delivery.notification
    destination = _find_destination(received.delivery.destination, cloud)
    if destination is None:
        return _logged(received, Outcome("the destination is no longer configured"))
    silenced = _silenced_seconds(notification, destination, cloud)
    if silenced:
        # No record is written: an end that arrives meanwhile closes the key, and then nothing is paged.
        return _logged(received, Outcome("waits: maintenance silences it", silenced))
    body = msgspec.json.encode(received.delivery).decode()
    way = Way(
        destination,
        cloud.deliveries,
        lambda: cloud.providers.send(with_address(notification, cloud), destination),
        lambda: cloud.notification_queue.put_aside(body),
        cloud.now,
    )
    waited = max(cloud.now() - received.sent_at, timedelta())
    return _logged(received, attempt(notification, way, received.receives, waited))


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
