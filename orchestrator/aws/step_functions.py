"""Step Functions executions: start by name, describe, read the history, stop, and complete a task token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from time import sleep
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, read_pages, translate_errors
from orchestrator.domain.errors import Refused
from orchestrator.domain.telemetry.spans import HistoryEvent

RUNNING, SUCCEEDED, FAILED, TIMED_OUT = "RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT"
ABSENT = "ABSENT"
"""The phase of an execution that Step Functions does not know, or no longer knows."""
READ_AGAIN_SECONDS = 1.0
"""The pause before a read is repeated: DescribeExecution is eventually consistent and may not see a start yet."""
HISTORY_PAGE = 1000
"""The most events that AWS returns at once."""

ENDED = frozenset({"ExecutionDoesNotExist", "ValidationException"})
"""The error codes of stopping an execution that has ended: AWS documents the first, MiniStack returns the second."""


@dataclass(frozen=True)
class Execution:
    """An execution as Step Functions describes it. `phase` is its status, or ABSENT; `input_json` is its input."""

    arn: str
    phase: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    input_json: str = ""

    @property
    def alive(self) -> bool:
        """Whether it is running."""
        return self.phase == RUNNING


class Executions:
    """Executions of the environment's state machines.

    Args:
        client: botocore's Step Functions client.
        sleep: waits for some seconds.
    """

    def __init__(self, client: Any, sleep: Callable[[float], None] = sleep) -> None:
        self._client, self._sleep = client, sleep

    def start_execution(self, machine: str, name: str, execution_input: object) -> bool:
        """Start an execution with a name; return False if that name was used before.

        A second start with the same name and input, while the first is running, is the same start and returns True.

        Args:
            machine: the state machine's ARN.
            name: 1 to 80 characters; cannot be used again for 90 days once the execution has ended.
            execution_input: anything that msgspec encodes.
        """
        try:
            with translate_errors():
                self._client.start_execution(
                    stateMachineArn=machine, name=name, input=msgspec.json.encode(execution_input).decode()
                )
        except ClientError as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise
            return False
        return True

    def describe_execution(self, arn: str, *, may_be_absent: bool = False) -> Execution:
        """Describe an execution; its phase is ABSENT if there is none.

        Args:
            arn: the execution's ARN.
            may_be_absent: it need not have been started. Otherwise its absence is believed only after a second read.
        """
        execution = self._describe(arn)
        if execution.phase != ABSENT or may_be_absent:
            return execution
        self._sleep(READ_AGAIN_SECONDS)
        return self._describe(arn)

    def _describe(self, arn: str) -> Execution:
        try:
            with translate_errors():
                response = self._client.describe_execution(executionArn=arn)
        except ClientError as error:
            if error_code(error) in {"ExecutionDoesNotExist", "InvalidArn"}:
                return Execution(arn, ABSENT)
            raise
        return Execution(
            arn, response["status"], response.get("startDate"), response.get("stopDate"), response.get("input", "")
        )

    def read_history(self, arn: str) -> tuple[HistoryEvent, ...]:
        """Return the events of an execution in their order; none if Step Functions no longer has it."""
        params = {"executionArn": arn, "maxResults": HISTORY_PAGE, "includeExecutionData": False}
        try:
            pages = read_pages(self._client, "get_execution_history", **params)
            return tuple(_decode_event(event) for page in pages for event in page["events"])
        except ClientError as error:
            if error_code(error) == "ExecutionDoesNotExist":
                return ()
            raise

    def stop_execution(self, arn: str, reason: str) -> None:
        """Stop an execution; one that has ended stays as it is."""
        try:
            with translate_errors():
                self._client.stop_execution(executionArn=arn, error="Stopped", cause=reason)
        except ClientError as error:
            if error_code(error) not in ENDED:
                raise

    def send_task_success(self, token: str, output: object) -> None:
        """Complete a task token, so that its execution continues.

        Args:
            token: the task token.
            output: the task's output, anything that msgspec encodes.

        Raises:
            Refused: no execution waits for this token any more.
        """
        try:
            with translate_errors():
                self._client.send_task_success(taskToken=token, output=msgspec.json.encode(output).decode())
        except ClientError as error:
            if error_code(error) in {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}:
                raise Refused("deployment", "paused", "it is no longer paused: check `orchestrator status`") from error
            raise


def _decode_event(event: Mapping[str, Any]) -> HistoryEvent:
    details: Mapping[str, Any] = next((value for key, value in event.items() if key.endswith("EventDetails")), {})
    changes_state = event["type"].endswith(("StateEntered", "StateExited"))
    return HistoryEvent(
        event["id"],
        event.get("previousEventId", 0),
        event["timestamp"],
        event["type"],
        details.get("name", "") if changes_state else "",
        details.get("error", ""),
        details.get("cause", ""),
    )


def execution_arn(machine: str, name: str) -> str:
    """Return the ARN of a state machine's execution with a name."""
    return f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
