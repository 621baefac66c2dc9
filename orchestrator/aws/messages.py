"""What we tell the world: events on the bus and notifications to topics."""

from __future__ import annotations

from typing import Any

import msgspec

from orchestrator.aws.clients import narrowed

SOURCE = "ib-oauth.orchestrator"
SUBJECT_LIMIT = 100
"""SNS refuses a longer subject."""


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
            Throttled: EventBridge refused the entry for now.
        """
        entry = {
            "Source": SOURCE,
            "DetailType": detail_type,
            "Detail": msgspec.json.encode(detail).decode(),
            "EventBusName": self._name,
        }
        with narrowed():
            self._client.put_events(Entries=[entry])


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
