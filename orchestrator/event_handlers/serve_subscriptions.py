"""A request to the endpoint of subscriptions: the form of the status page, or a link of a message."""

from __future__ import annotations

from orchestrator.application.subscribers.endpoint import respond
from orchestrator.event_handlers.runtime import http_handler

handler = http_handler(respond)
