"""One module per event that starts something. Each decodes its event, lets the domain judge it, and starts or explains.

EventBridge cannot name an execution, and delivers at least once: an intake names what it starts after the thing it
is about, so that a second delivery is the same start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.aws.cloud import Cloud, logger

Intake = Callable[[Mapping[str, Any], object], Mapping[str, str]]
_cloud = Cloud.of_this_function()


def intake(take: Callable[[Mapping[str, Any], Cloud], str]) -> Intake:
    """Make a Lambda handler of an intake; what it answers is one sentence, logged and returned."""

    def handler(event: Mapping[str, Any], _context: object) -> Mapping[str, str]:
        answer = take(event, _cloud)
        logger.info("event taken in", extra={"event_id": event.get("id"), "answer": answer})
        return {"answer": answer}

    return handler
