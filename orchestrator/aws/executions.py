"""Step Functions executions: start by name, look at, stop, and answer a task token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.errors import Refused

RUNNING, SUCCEEDED, FAILED = "RUNNING", "SUCCEEDED", "FAILED"
ABSENT = "ABSENT"
"""What is said of an execution that Step Functions does not know, or knows no more."""

ENDED = frozenset({"ExecutionDoesNotExist", "ValidationException"})
"""How a stop is refused of an execution that runs no longer; AWS documents the first, MiniStack answers the second."""


@dataclass(frozen=True)
class Execution:
    """An execution as it stands. `phase` is Step Functions' status, or ABSENT."""

    arn: str
    phase: str
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.phase == RUNNING


class Executions:
    """Executions of the environment's state machines.

    Args:
        client: botocore's Step Functions client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def start(self, machine: str, name: str, given: object) -> bool:
        """Start an execution under a name; False where that name was used before.

        A second start with the same name and input while it runs is the same start, and True.

        Args:
            machine: the state machine's ARN.
            name: 1 to 80 characters; burnt for 90 days once the execution has ended.
            given: the input, anything that msgspec encodes.
        """
        try:
            with narrowed():
                self._client.start_execution(
                    stateMachineArn=machine, name=name, input=msgspec.json.encode(given).decode()
                )
        except ClientError as error:
            if code_of(error) != "ExecutionAlreadyExists":
                raise
            return False
        return True

    def describe(self, arn: str) -> Execution:
        """Look at an execution."""
        try:
            with narrowed():
                found = self._client.describe_execution(executionArn=arn)
        except ClientError as error:
            if code_of(error) in {"ExecutionDoesNotExist", "InvalidArn"}:
                return Execution(arn, ABSENT)
            raise
        return Execution(arn, found["status"], found.get("startDate"), found.get("stopDate"))

    def stop(self, arn: str, reason: str) -> None:
        """Stop an execution; one that has ended already stays as it is."""
        try:
            with narrowed():
                self._client.stop_execution(executionArn=arn, error="Stopped", cause=reason)
        except ClientError as error:
            if code_of(error) not in ENDED:
                raise

    def answer(self, token: str, output: object) -> None:
        """Answer a task token.

        Raises:
            Refused: nobody waits for it any more.
        """
        try:
            with narrowed():
                self._client.send_task_success(taskToken=token, output=msgspec.json.encode(output).decode())
        except ClientError as error:
            if code_of(error) in {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}:
                raise Refused("deployment", "held", "it waits no longer; look at `orchestrator status`") from error
            raise


def execution_arn(machine: str, name: str) -> str:
    """The ARN that an execution of a machine has under a name."""
    return f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
