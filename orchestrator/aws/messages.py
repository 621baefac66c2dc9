"""What we tell the world: events on the bus and notifications to topics."""

from __future__ import annotations

from typing import Any

import msgspec

from orchestrator.aws.clients import narrowed
from orchestrator.domain.errors import Throttled

SOURCE = "ib-oauth.orchestrator"
SUBJECT_LIMIT = 100
"""SNS refuses a longer subject."""
ATTEMPTS = 3
"""EventBridge accepts a call and refuses an entry of it, which botocore takes for a success and does not try again."""


class Bus:
    """The environment's event bus.

    Args:
        client: botocore's EventBridge client.
        name: the bus.
    """

    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name = client, name

    def put(self, detail_type: str, detail: object) -> None:
        """Put one event.

        Raises:
            Throttled: EventBridge refused the call or, again and again, the entry.
        """
        entry = {
            "Source": SOURCE,
            "DetailType": detail_type,
            "Detail": msgspec.json.encode(detail).decode(),
            "EventBusName": self._name,
        }
        refused: dict[str, str] = {}
        for _ in range(ATTEMPTS):
            with narrowed():
                answer = self._client.put_events(Entries=[entry])
            if not answer["FailedEntryCount"]:
                return
            refused = answer["Entries"][0]
        raise Throttled(f"{detail_type} was refused by the bus {self._name}: {refused.get('ErrorCode')}")


class Topics:
    """SNS topics.

    Args:
        client: botocore's SNS client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def publish(self, topic: str, subject: str, text: str) -> None:
        """Tell a topic's subscribers."""
        with narrowed():
            self._client.publish(TopicArn=topic, Subject=subject[:SUBJECT_LIMIT], Message=text)
