"""A request to the endpoint of acknowledgements: the page of a link, its button, or the webhook of a pager."""

from __future__ import annotations

from orchestrator.application.incidents.acknowledgement import respond
from orchestrator.event_handlers.runtime import http_handler

handler = http_handler(respond)
