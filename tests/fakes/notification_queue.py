"""SQS as the notifications use it: messages that become visible again, receive counts, and a dead-letter queue.

Messages are worked on at the time at which they are visible, each for itself, as Lambda works on them in parallel: what one
message waits for delays no other.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from orchestrator.domain.notifications.delivery import RECEIVES
from tests.fakes.clock import START

Handler = Callable[[Mapping[str, Any], object], Mapping[str, Any]]
QUEUE, DEAD_LETTERS = "https://sqs.test/notifications", "https://sqs.test/notification-dead-letters"
VISIBILITY = timedelta(seconds=180)


class MovableClock:
    """A clock that is set to the time of each message."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Message:
    body: str
    sent_at: datetime
    visible_at: datetime
    id: str
    receives: int = 0
    receipt: str = ""


@dataclass
class SimulatedQueue:
    """An SQS client over one queue and its dead-letter queue."""

    clock: MovableClock
    random: random.Random = field(default_factory=lambda: random.Random(1))
    messages: list[Message] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    refusals: int = 0
    numbers: int = 0
    bodies: list[str] = field(default_factory=list)

    def put(self, body: str, at: datetime) -> None:
        """Put a message that arrives at a time."""
        self.numbers += 1
        self.bodies.append(body)
        self.messages.append(Message(body, at, at, f"m-{self.numbers}"))

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Mapping[str, str]]) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl == QUEUE
        assert 1 <= len(Entries) <= 10
        assert len({entry["Id"] for entry in Entries}) == len(Entries)
        refused = Entries[: self.refusals]
        self.refusals = 0
        for entry in Entries[len(refused) :]:
            self.put(entry["MessageBody"], self.clock.now())
        return {"Failed": [{"Id": entry["Id"], "Code": "InternalError"} for entry in refused]} if refused else {}

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl == DEAD_LETTERS
        self.dead.append(MessageBody)
        return {}

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl == QUEUE
        assert 0 <= VisibilityTimeout <= 43_200
        (message,) = [one for one in self.messages if one.receipt == ReceiptHandle]
        message.visible_at = self.clock.now() + timedelta(seconds=VisibilityTimeout)
        return {}

    def work(self, handler: Handler, until: datetime | None = None) -> None:
        """Have the handler work on all messages, each at its time, until none is left or the time has come."""
        while self.messages:
            earliest = min(message.visible_at for message in self.messages)
            if until is not None and earliest > until:
                return
            # Which of those that are visible comes first is not known.
            due = [message for message in self.messages if message.visible_at <= earliest]
            message = self.random.choice(due)
            if message.receives >= RECEIVES:
                self.messages.remove(message)
                self.dead.append(message.body)
                continue
            self.clock.at = message.visible_at
            message.receives += 1
            message.receipt = f"{message.id}-{message.receives}"
            message.visible_at += VISIBILITY
            if not self._handle(handler, message):
                continue
            self.messages.remove(message)

    def _handle(self, handler: Handler, message: Message) -> bool:
        record = {
            "messageId": message.id,
            "receiptHandle": message.receipt,
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": str(message.receives),
                "SentTimestamp": str(round(message.sent_at.timestamp() * 1000)),
            },
        }
        answer = handler({"Records": [record]}, None)
        return answer["batchItemFailures"] != [{"itemIdentifier": message.id}]
