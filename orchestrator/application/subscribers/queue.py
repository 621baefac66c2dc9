"""A message of the subscribers' queue: the page's announcements changed, or one message is for one subscriber."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from orchestrator.application.cloud import Cloud
from orchestrator.application.notifications.attempt import Outcome
from orchestrator.application.notifications.queue_messages import work_on_message
from orchestrator.application.subscribers.delivery import Arrival, ToConfirm, send_announcement, send_confirmation
from orchestrator.application.subscribers.fan_out import ToSubscriber, fan_out
from orchestrator.domain.subscribers.announcements import ANNOUNCEMENTS


def receive_message(message: Mapping[str, Any], cloud: Cloud) -> bool:
    """Work on one message of the queue; return whether it is done. If not, it is delivered again later."""
    return work_on_message(message, cloud, partial(_work, cloud))


def _work(cloud: Cloud, text: str, receives: int, sent_at: datetime) -> Outcome:
    arrival, body = Arrival(receives, sent_at, text), msgspec.json.decode(text)
    if "announcement" in body:
        return send_announcement(msgspec.convert(body, ToSubscriber), arrival, cloud)
    if "pending" in body:
        return send_confirmation(msgspec.convert(body, ToConfirm), arrival, cloud)
    # An event of S3, or the test event that S3 sends when it is connected.
    return Outcome(fan_out(cloud.site_bucket.read_file(ANNOUNCEMENTS), cloud))
