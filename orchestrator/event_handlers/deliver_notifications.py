"""A message of the notifications' queue: an event is divided among the destinations, a message of one is sent.

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
from orchestrator.application.notifications.delivery import Received, deliver
from orchestrator.application.notifications.fan_out import Delivery, fan_out
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.notifications.delivery import retry_seconds
from orchestrator.event_handlers.runtime import queue_handler


def receive_message(message: Mapping[str, Any], cloud: Cloud) -> bool:
    """Work on one message of the queue; return whether it is done. If not, it is delivered again later."""
    attributes = message["attributes"]
    receives = int(attributes["ApproximateReceiveCount"])
    try:
        outcome = _work(msgspec.json.decode(message["body"]), receives, int(attributes["SentTimestamp"]), cloud)
    except (Throttled, Unreachable) as error:
        outcome = Outcome(f"{type(error).__name__}: {error}", retry_seconds(receives))
        logger.warning("notification is tried again", extra={"outcome": outcome.text})
    if outcome.retry_seconds is None:
        return True
    try:
        cloud.notification_queue.retry_in(message["receiptHandle"], outcome.retry_seconds)
    except (Throttled, Unreachable) as error:
        # It becomes visible again after the queue's own timeout.
        logger.warning("the next attempt keeps the queue's timeout", extra={"error": str(error)})
    return False


def _work(body: Mapping[str, Any], receives: int, sent_milliseconds: int, cloud: Cloud) -> Outcome:
    if "detail-type" in body:
        return Outcome(fan_out(body, cloud))
    sent_at = datetime.fromtimestamp(sent_milliseconds / 1000, UTC)
    return deliver(Received(msgspec.convert(body, Delivery), receives, sent_at), cloud)


handler = queue_handler(receive_message)
