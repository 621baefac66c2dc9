"""A message of an SQS queue whose work may have to be tried again.

A message that has to be tried again becomes visible after a time that grows with every attempt. SQS moves it to the
dead-letter queue after `RECEIVES` attempts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.application.cloud import Cloud, logger
from orchestrator.application.notifications.attempt import Outcome
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.notifications.delivery import retry_seconds


def work_on_message(message: Mapping[str, Any], cloud: Cloud, work: Callable[[str, int, datetime], Outcome]) -> bool:
    """Work on one message of the queue; return whether it is done. If not, it is delivered again later.

    Args:
        message: as Lambda passes it on.
        cloud: the environment.
        work: takes the body, how often the message has been tried, this time included, and when it was sent.
    """
    attributes = message["attributes"]
    receives = int(attributes["ApproximateReceiveCount"])
    sent_at = datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC)
    try:
        outcome = work(message["body"], receives, sent_at)
    except (Throttled, Unreachable) as error:
        outcome = Outcome(f"{type(error).__name__}: {error}", retry_seconds(receives))
        logger.warning("message is tried again", extra={"outcome": outcome.text})
    if outcome.retry_seconds is None:
        return True
    try:
        cloud.notification_queue.retry_in(message["receiptHandle"], outcome.retry_seconds)
    except (Throttled, Unreachable) as error:
        # It becomes visible again after the queue's own timeout.
        logger.warning("the next attempt keeps the queue's timeout", extra={"error": str(error)})
    return False
