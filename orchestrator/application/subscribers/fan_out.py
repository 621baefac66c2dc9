"""The first step of an announcement: one message of the queue for each subscriber who gets it.

The page's file of announcements is read as it is now, so a late, repeated or reordered event of S3 does no harm. An
announcement is noted after its messages are in the queue: a step that dies in between is repeated, and the records of
the second step recognize the messages.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from orchestrator.application.cloud import Cloud, logger
from orchestrator.domain.subscribers.announcements import Announcement, is_for


@dataclass(frozen=True)
class ToSubscriber:
    """A message of the queue: an announcement for a subscriber."""

    subscriber: str
    announcement: Announcement


def fan_out(content: bytes, cloud: Cloud) -> str:
    """Put a message for each subscriber of what is new into the queue; return how many.

    Args:
        content: the page's file of announcements; empty if there is none.
        cloud: the page's cloud.

    Raises:
        Throttled, Unreachable: AWS did not answer. The event is delivered again.
    """
    listed = msgspec.json.decode(content, type=list[Announcement]) if content else []
    known = cloud.subscribers.announced() if listed else set()
    new = [one for one in listed if one.id not in known]
    subscribers = cloud.subscribers.list_subscribers() if new else []
    sent = 0
    for announcement in new:
        now = cloud.now()
        messages = [ToSubscriber(one.id, announcement) for one in subscribers if is_for(announcement, one, now)]
        cloud.notification_queue.send([msgspec.json.encode(message).decode() for message in messages])
        cloud.subscribers.mark_announced(announcement.id, now)
        sent += len(messages)
    if new:
        # The file is also read when nothing of it is new: on the local cloud every two seconds.
        logger.info("announcements", extra={"listed": len(listed), "new": len(new), "messages": sent})
    return f"{len(new)} announcements, {sent} messages"
