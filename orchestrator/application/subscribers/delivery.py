"""The second step: one message is sent to one subscriber, or tried again later. So a webhook that hangs delays no other.

A message names a subscriber by its id. The address is read when the message is sent: one who unsubscribed meanwhile gets
nothing, and no queue has an address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from orchestrator.application.cloud import Cloud, logger
from orchestrator.application.notifications.attempt import Outcome, Way, attempt
from orchestrator.application.subscribers.fan_out import ToSubscriber
from orchestrator.application.subscribers.site import is_local, site_of
from orchestrator.domain.mail.message import Mail
from orchestrator.domain.notifications.delivery import retry_seconds
from orchestrator.domain.notifications.destinations import Destination, DestinationKind
from orchestrator.domain.notifications.notification import Audience, EventKind, Notification, Severity, Transition
from orchestrator.domain.notifications.providers.requests import Answer, ProviderRequest
from orchestrator.domain.subscribers.announcements import SENT_WITHIN, notification_of, waits_for_earlier
from orchestrator.domain.subscribers.messages import (
    Site,
    announcement_mail,
    announcement_request,
    confirmation_mail,
    confirmation_request,
)
from orchestrator.domain.subscribers.subscriber import Channel, Pending

CONFIRMATIONS_A_DAY, CONFIRMATIONS_AN_HOUR = 3, 200
"""To one address, and to all: more are not sent. A form must not become a way to send e-mail to others."""


@dataclass(frozen=True)
class ToConfirm:
    """A message of the queue: a request that is to be confirmed."""

    pending: str
    requested_at: datetime


@dataclass(frozen=True)
class Arrival:
    """How a message arrived: how often it has been received, and when it was put into the queue."""

    receives: int
    sent_at: datetime
    body: str

    def waited(self, now: datetime) -> timedelta:
        """Return for how long it has been in the queue."""
        return max(now - self.sent_at, timedelta())


def send_announcement(message: ToSubscriber, arrival: Arrival, cloud: Cloud) -> Outcome:
    """Send an announcement to a subscriber, unless it has it.

    Raises:
        Throttled, Unreachable: AWS did not answer; the message is delivered again.
    """
    announcement, subscriber = message.announcement, cloud.subscribers.find_subscriber(message.subscriber)
    if subscriber is None:
        return _logged(message.subscriber, announcement.id, Outcome("no longer subscribed"))
    if cloud.now() - announcement.at > SENT_WITHIN:
        return _logged(message.subscriber, announcement.id, Outcome("out of date"))
    record = cloud.subscribers.deliveries.read_record(subscriber.id, announcement.key)
    if waits_for_earlier(announcement, subscriber, record, arrival.waited(cloud.now()), cloud.now()):
        waiting = Outcome("waits: a step before it is not delivered yet", retry_seconds(arrival.receives))
        return _logged(message.subscriber, announcement.id, waiting)
    site, address = site_of(cloud), subscriber.address
    if subscriber.channel is Channel.EMAIL:
        send = _by_mail(cloud, lambda now: announcement_mail(announcement, subscriber.id, address, site, now))
    else:
        send = _by_webhook(cloud, lambda now: announcement_request(announcement, subscriber.id, address, site, now))
    notification = notification_of(announcement, subscriber, cloud.environment)
    outcome = _attempt(notification, subscriber.id, subscriber.channel, send, arrival, cloud)
    return _logged(message.subscriber, announcement.id, outcome)


def send_confirmation(message: ToConfirm, arrival: Arrival, cloud: Cloud) -> Outcome:
    """Ask the owner of an address to confirm, unless a newer request replaced this one, or too many were sent.

    Raises:
        Throttled, Unreachable: AWS did not answer; the message is delivered again.
    """
    now, subject = cloud.now(), message.pending
    pending = cloud.subscribers.find_pending(subject, now)
    if pending is None or pending.requested_at != message.requested_at:
        return _logged(subject, "confirm", Outcome("replaced, confirmed or expired"))
    if arrival.receives == 1 and not _is_within_limits(subject, now, cloud):
        return _logged(subject, "confirm", Outcome("too many confirmations were sent"))
    site = site_of(cloud)
    send = _sender_of(pending, site, cloud)
    stamp = pending.requested_at.isoformat()
    notification = Notification(
        key=f"confirm:{stamp}",
        id=stamp,
        transition=Transition.TRIGGER,
        kind=EventKind.NOTICE,
        severity=Severity.INFO,
        audience=Audience.CLIENTS,
        environment=cloud.environment,
        title="confirm",
        at=pending.requested_at,
    )
    return _logged(subject, "confirm", _attempt(notification, subject, pending.channel, send, arrival, cloud))


def _sender_of(pending: Pending, site: Site, cloud: Cloud) -> Callable[[], Answer]:
    if pending.channel is Channel.EMAIL:
        return _by_mail(cloud, lambda now: confirmation_mail(pending, site, now))
    return _by_webhook(cloud, lambda now: confirmation_request(pending, site, now))


def _by_mail(cloud: Cloud, mail: Callable[[datetime], Mail]) -> Callable[[], Answer]:
    return lambda: cloud.mailer.send(mail(cloud.now()))


def _by_webhook(cloud: Cloud, request: Callable[[datetime], ProviderRequest]) -> Callable[[], Answer]:
    return lambda: cloud.subscriber_webhooks.send(request(cloud.now()), cloud.now(), local=is_local(cloud))


def _attempt(
    notification: Notification,
    subscriber: str,
    channel: Channel,
    send: Callable[[], Answer],
    arrival: Arrival,
    cloud: Cloud,
) -> Outcome:
    way = Way(
        destination=Destination(
            name=subscriber,
            kind=DestinationKind(channel),
            secret="",
            minimum_severity=Severity.INFO,
            audiences=(Audience.CLIENTS,),
            events=(notification.kind,),
        ),
        records=cloud.subscribers.deliveries,
        send=send,
        put_aside=lambda: cloud.notification_queue.put_aside(arrival.body),
        now=cloud.now,
    )
    return attempt(notification, way, arrival.receives, arrival.waited(cloud.now()))


def _is_within_limits(subscriber: str, now: datetime, cloud: Cloud) -> bool:
    day, hour = now + timedelta(days=1), now + timedelta(hours=1)
    store = cloud.subscribers
    return store.count_within(f"{subscriber}#{now:%Y-%m-%d}", CONFIRMATIONS_A_DAY, day) and store.count_within(
        f"all#{now:%Y-%m-%dT%H}", CONFIRMATIONS_AN_HOUR, hour
    )


def _logged(subscriber: str, message: str, outcome: Outcome) -> Outcome:
    fields = {
        "subscriber": subscriber,
        "message_id": message,
        "outcome": outcome.text,
        "retry_seconds": outcome.retry_seconds,
    }
    logger.info("message to a subscriber", extra=fields)
    return outcome


def encode(message: ToConfirm) -> str:
    """Return a message as the queue has it."""
    return msgspec.json.encode(message).decode()
