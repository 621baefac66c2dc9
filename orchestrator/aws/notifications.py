"""Events on the event bus, and notifications to SNS topics."""

from __future__ import annotations

from typing import Any

import msgspec

from orchestrator.aws.clients import translate_errors
from orchestrator.domain.errors import Throttled
from orchestrator.domain.printable import one_line, printable

SOURCE = "ib-oauth.orchestrator"
SUBJECT_LIMIT = 100
"""SNS rejects a longer subject."""
ATTEMPTS = 3
"""EventBridge may accept a call and reject its entry. botocore counts that as success and does not retry."""


class Bus:
    """The environment's event bus.

    Args:
        client: botocore's EventBridge client.
        name: the bus.
    """

    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name = client, name

    def put_event(self, detail_type: str, detail: object) -> None:
        """Put one event.

        Raises:
            Throttled: EventBridge rejected the call, or rejected the entry `ATTEMPTS` times.
        """
        entry = {
            "Source": SOURCE,
            "DetailType": detail_type,
            "Detail": msgspec.json.encode(detail).decode(),
            "EventBusName": self._name,
        }
        rejected: dict[str, str] = {}
        for _ in range(ATTEMPTS):
            with translate_errors():
                response = self._client.put_events(Entries=[entry])
            if not response["FailedEntryCount"]:
                return
            rejected = response["Entries"][0]
        raise Throttled(f"{detail_type} was rejected by the bus {self._name}: {rejected.get('ErrorCode')}")


class Topics:
    """SNS topics.

    Args:
        client: botocore's SNS client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def publish(self, topic: str, subject: str, text: str) -> None:
        """Notify a topic's subscribers.

        Control characters are escaped. SNS rejects a subject that is longer than `SUBJECT_LIMIT` or not ASCII: a longer
        one is cut, and other characters become `?`.
        """
        ascii_subject = one_line(subject).encode("ascii", "replace").decode()
        with translate_errors():
            self._client.publish(TopicArn=topic, Subject=ascii_subject[:SUBJECT_LIMIT], Message=printable(text))
