"""How a table's resource policy reaches DynamoDB's hosts: writers over new connections see it one after the other."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from orchestrator.aws.dynamodb.raw_client import DynamoDBError, RawClient
from orchestrator.domain.errors import Throttled, Unreachable

DENIED, ACCEPTED = "AccessDeniedException", "ConditionalCheckFailedException"
PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Attempt:
    """One write: when it was answered (epoch seconds), and whether the policy denied it."""

    at: float
    denied: bool


@dataclass(frozen=True)
class Spread:
    """How a change of a policy was seen, in seconds after the change; None if no writer saw it.

    Attributes:
        first: when the first writer saw the new policy.
        last_before: when the last writer still saw the previous policy.
        attempts: number of writes after the change.
    """

    first: float | None
    last_before: float | None
    attempts: int


def spread_of(attempts: Sequence[Attempt], changed_at: float, *, denies: bool) -> Spread:
    """Return how the attempts saw a change of a policy.

    Args:
        attempts: of all writers.
        changed_at: when the change was requested, in epoch seconds.
        denies: whether the new policy denies writes.
    """
    after = [attempt for attempt in attempts if attempt.at >= changed_at]
    new = [attempt.at - changed_at for attempt in after if attempt.denied is denies]
    old = [attempt.at - changed_at for attempt in after if attempt.denied is not denies]
    return Spread(
        first=round(min(new), 2) if new else None, last_before=round(max(old), 2) if old else None, attempts=len(after)
    )


class Writers:
    """Writers to one table, each write over a new connection, from `with` to its end.

    A write has a condition that never holds, so it changes nothing; it is accepted if the condition is what fails.

    Args:
        table: the table's name.
        connect: opens a connection to DynamoDB.
        number: how many writers.
    """

    def __init__(self, table: str, connect: Callable[[], RawClient], number: int) -> None:
        self._parameters = {
            "TableName": table,
            "Key": {"pk": {"S": "smoke-probe"}},
            "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(pk)",
        }
        self._connect, self._stopping, self._lock = connect, threading.Event(), threading.Lock()
        self._attempts: list[Attempt] = []
        self._threads = [threading.Thread(target=self._write_all, daemon=True) for _ in range(number)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    @property
    def attempts(self) -> list[Attempt]:
        """All writes that DynamoDB answered."""
        with self._lock:
            return list(self._attempts)

    def _write_all(self) -> None:
        while not self._stopping.wait(PAUSE_SECONDS):
            connection = self._connect()
            try:
                connection.call("DeleteItem", self._parameters, bytes)
            except DynamoDBError as error:
                if error.code in {DENIED, ACCEPTED}:
                    with self._lock:
                        self._attempts.append(Attempt(time.time(), error.code == DENIED))
            except (Throttled, Unreachable):
                pass  # says nothing about the policy
            finally:
                connection.close()


def denial(table_arn: str) -> str:
    """Return the JSON of a resource policy that denies deletions to every principal."""
    statement: dict[str, Any] = {
        "Sid": "SmokeDenial",
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["dynamodb:DeleteItem"],
        "Resource": table_arn,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, allow_nan=False)
