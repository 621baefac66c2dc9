"""A message of the subscribers' queue: the page's announcements changed, or one message is for one subscriber.

A message that has to be tried again becomes visible after a time that grows with every attempt. SQS moves it to the
dead-letter queue after `RECEIVES` attempts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from orchestrator.application.cloud import Cloud, logger
from orchestrator.application.notifications.attempt import Outcome
from orchestrator.application.subscribers.delivery import Arrival, ToConfirm, send_announcement, send_confirmation
from orchestrator.application.subscribers.fan_out import ToSubscriber, fan_out
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.notifications.delivery import retry_seconds
from orchestrator.domain.subscribers.announcements import ANNOUNCEMENTS


def receive_message(message: Mapping[str, Any], cloud: Cloud) -> bool:
    """Work on one message of the queue; return whether it is done. If not, it is delivered again later."""
    attributes = message["attributes"]
    receives = int(attributes["ApproximateReceiveCount"])
    sent_at = datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC)
    try:
        outcome = _work(Arrival(receives, sent_at, message["body"]), cloud)
    except (Throttled, Unreachable) as error:
        outcome = Outcome(f"{type(error).__name__}: {error}", retry_seconds(receives))
        logger.warning("a message to a subscriber is tried again", extra={"outcome": outcome.text})
    if outcome.retry_seconds is None:
        return True
    try:
        cloud.notification_queue.retry_in(message["receiptHandle"], outcome.retry_seconds)
    except (Throttled, Unreachable) as error:
        # It becomes visible again after the queue's own timeout.
        logger.warning("the next attempt keeps the queue's timeout", extra={"error": str(error)})
    return False


def _work(arrival: Arrival, cloud: Cloud) -> Outcome:
    body = msgspec.json.decode(arrival.body)
    if "announcement" in body:
        return send_announcement(msgspec.convert(body, ToSubscriber), arrival, cloud)
    if "pending" in body:
        return send_confirmation(msgspec.convert(body, ToConfirm), arrival, cloud)
    # An event of S3, or the test event that S3 sends when it is connected.
    return Outcome(fan_out(cloud.site_bucket.read_file(ANNOUNCEMENTS), cloud))
