"""The queue of notifications: one message an event, and then one message a destination."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.aws.clients import translate_errors
from orchestrator.domain.errors import Throttled

BATCH = 10
"""SendMessageBatch takes so many entries."""


class NotificationQueue:
    """The queue, and the dead-letter queue of what a provider refused.

    Args:
        client: botocore's SQS client.
        url: of the queue.
        dead_letters: URL of the dead-letter queue.
    """

    def __init__(self, client: Any, url: str, dead_letters: str) -> None:
        self._sqs, self._url, self._dead_letters = client, url, dead_letters

    def send(self, bodies: Sequence[str]) -> None:
        """Put messages into the queue.

        Raises:
            Throttled: SQS did not take all of them. Those that it took may be sent again, which the ledger recognizes.
        """
        for start in range(0, len(bodies), BATCH):
            entries = [
                {"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies[start : start + BATCH])
            ]
            with translate_errors():
                response = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
            failed = response.get("Failed") or []
            if failed:
                raise Throttled(f"SQS did not take {len(failed)} of {len(entries)} messages: {failed[0].get('Code')}")

    def retry_in(self, receipt: str, seconds: int) -> None:
        """Have a received message delivered again after some seconds, instead of after the queue's own timeout."""
        with translate_errors():
            self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=seconds)

    def put_aside(self, body: str) -> None:
        """Put a message that no retry can deliver into the dead-letter queue, whose alarm notifies the operators."""
        with translate_errors():
            self._sqs.send_message(QueueUrl=self._dead_letters, MessageBody=body)
