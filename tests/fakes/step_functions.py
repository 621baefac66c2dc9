"""Step Functions as its callers see it: executions by name, which another object runs.

AWS: StartExecution under a name that runs with the same input answers with that execution; under a name that was used otherwise
within 90 days it fails with ExecutionAlreadyExists. StopExecution of an execution that has ended changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tests.fakes.errors import client_error
from tests.fakes.pages import Pages

RUNNING, ABORTED = "RUNNING", "ABORTED"


@dataclass(frozen=True)
class Started:
    """An execution. `phase` is Step Functions' status."""

    arn: str
    machine: str
    name: str
    execution_input: str
    started_at: datetime
    phase: str = RUNNING
    ended_at: datetime | None = None


class FakeStepFunctions:
    """A Step Functions client.

    Args:
        now: the clock.
        stop: notifies the runner of the executions that one was stopped.
        answer: notifies the runner of the executions that a task token was answered; returns whether a task waited for it.
    """

    def __init__(
        self, now: Callable[[], datetime], stop: Callable[[str], None], answer: Callable[[str, str], bool]
    ) -> None:
        self._now, self._stop, self._answer = now, stop, answer
        self.executions: dict[str, Started] = {}
        self.pending: list[str] = []
        """ARNs of executions that were started and do not run yet, first one first."""
        self.presumed_dead: set[str] = set()
        """Executions that DescribeExecution says have failed although they run: it is eventually consistent."""
        self.histories: dict[str, list[dict[str, Any]]] = {}
        """The events of executions, by ARN."""

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> dict[str, Any]:  # noqa: A002, N803 - botocore's
        arn = f"{stateMachineArn.replace(':stateMachine:', ':execution:')}:{name}"
        found = self.executions.get(arn)
        if found and (found.phase, found.execution_input) != (RUNNING, input):
            raise client_error("ExecutionAlreadyExists", f"Execution Already Exists: {arn}")
        if not found:
            self.executions[arn] = Started(arn, stateMachineArn, name, input, self._now())
            self.pending.append(arn)
        return {"executionArn": arn, "startDate": self.executions[arn].started_at}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803 - botocore's
        found = self._known(executionArn)
        phase = "FAILED" if executionArn in self.presumed_dead else found.phase
        return {
            "executionArn": executionArn,
            "status": phase,
            "input": found.execution_input,
            "startDate": found.started_at,
            "stopDate": found.ended_at,
        }

    def get_paginator(self, operation: str) -> Any:
        return Pages(getattr(self, operation))

    def get_execution_history(
        self,
        *,
        executionArn: str,  # noqa: N803 - botocore's
        maxResults: int,  # noqa: N803
        includeExecutionData: bool,  # noqa: N803
        nextToken: str = "0",  # noqa: N803
    ) -> dict[str, Any]:
        self._known(executionArn)
        assert 1 <= maxResults <= 1000, "AWS refuses other numbers"
        assert not includeExecutionData, "inputs and outputs may have personal data"
        first = int(nextToken)
        events = self.histories.get(executionArn, [])
        more = {"nextToken": str(first + maxResults)} if first + maxResults < len(events) else {}
        return {"events": events[first : first + maxResults], **more}

    def stop_execution(self, *, executionArn: str, error: str = "", cause: str = "") -> dict[str, Any]:  # noqa: N803
        assert len(error) <= 256, "AWS refuses a longer error"
        assert len(cause) <= 32_768, "AWS refuses a longer cause"
        if self._known(executionArn).phase == RUNNING:
            if executionArn in self.pending:
                self.pending.remove(executionArn)
            self.end(executionArn, ABORTED)
            self._stop(executionArn)
        return {"stopDate": self._now()}

    def send_task_success(self, *, taskToken: str, output: str) -> dict[str, Any]:  # noqa: N803 - botocore's
        if not self._answer(taskToken, output):
            raise client_error("TaskTimedOut", "Task Timed Out")
        return {}

    def end(self, arn: str, phase: str) -> None:
        """Write down how an execution ended, unless it was stopped before."""
        if self.executions[arn].phase == RUNNING:
            self.executions[arn] = replace(self.executions[arn], phase=phase, ended_at=self._now())

    def _known(self, arn: str) -> Started:
        if arn not in self.executions:
            raise client_error("ExecutionDoesNotExist", f"Execution Does Not Exist: {arn}")
        return self.executions[arn]
