"""A message of the subscribers' queue: the page's announcements changed, or one message is for one subscriber."""

from __future__ import annotations

from orchestrator.application.subscribers.queue import receive_message
from orchestrator.event_handlers.runtime import queue_handler

handler = queue_handler(receive_message)
