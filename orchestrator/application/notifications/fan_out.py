"""The first step of notifications: an event becomes one message of the queue for each destination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from orchestrator.application.cloud import Cloud
from orchestrator.domain.notifications.alarms import alarm_notifications
from orchestrator.domain.notifications.bus_event import Objectives
from orchestrator.domain.notifications.bus_events import TEST_EVENT, bus_notifications
from orchestrator.domain.notifications.destinations import Destination, decode_destinations, destinations_of
from orchestrator.domain.notifications.notification import Notification
from orchestrator.domain.recovery.policy import RecoveryPolicy

ALARM_EVENT = "CloudWatch Alarm State Change"


@dataclass(frozen=True)
class Delivery:
    """One message of the queue: a notification, and the name of the destination that it is for."""

    destination: str
    notification: Notification


def configured_destinations(cloud: Cloud) -> tuple[Destination, ...]:
    """Return the environment's destinations."""
    return decode_destinations(cloud.settings["NOTIFICATIONS"])


def fan_out(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Put a message for each destination of an event into the queue.

    Raises:
        Throttled, Unreachable: the queue did not take all of them; the event is delivered again.
    """
    deliveries = deliveries_of(event, cloud)
    cloud.notification_queue.send([msgspec.json.encode(delivery).decode() for delivery in deliveries])
    return f"{event['detail-type']}: {len(deliveries)} messages"


def deliveries_of(event: Mapping[str, Any], cloud: Cloud) -> Sequence[Delivery]:
    """Return the messages of an event."""
    destinations = configured_destinations(cloud)
    only = str(event["detail"].get("destination", "")) if event["detail-type"] == TEST_EVENT else ""
    return [
        Delivery(destination.name, notification)
        for notification in notifications_of(event, cloud)
        for destination in destinations_of(notification, destinations, only)
    ]


def notifications_of(event: Mapping[str, Any], cloud: Cloud) -> tuple[Notification, ...]:
    """Return the notifications of an event of the bus, or of an alarm."""
    if event["detail-type"] == ALARM_EVENT:
        return alarm_notifications(event, cloud.environment)
    objectives = RecoveryPolicy.parse(msgspec.json.decode(cloud.settings["RECOVERY_POLICY"])).objectives
    thresholds = Objectives(objectives.recovery_time.total_seconds(), objectives.data_loss.total_seconds())
    return bus_notifications(event["detail-type"], event["detail"], cloud.environment, thresholds)
