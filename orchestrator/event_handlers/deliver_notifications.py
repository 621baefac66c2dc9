"""A message of the notifications' queue: an event is divided among the destinations, a message of one is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from orchestrator.application.cloud import Cloud
from orchestrator.application.notifications.attempt import Outcome
from orchestrator.application.notifications.delivery import Received, deliver
from orchestrator.application.notifications.fan_out import Delivery, fan_out
from orchestrator.application.notifications.queue_messages import work_on_message
from orchestrator.event_handlers.runtime import queue_handler


def receive_message(message: Mapping[str, Any], cloud: Cloud) -> bool:
    """Work on one message of the queue; return whether it is done. If not, it is delivered again later."""
    return work_on_message(message, cloud, partial(_work, cloud))


def _work(cloud: Cloud, text: str, receives: int, sent_at: datetime) -> Outcome:
    body = msgspec.json.decode(text)
    if "detail-type" in body:
        return Outcome(fan_out(body, cloud))
    return deliver(Received(msgspec.convert(body, Delivery), receives, sent_at), cloud)


handler = queue_handler(receive_message)
