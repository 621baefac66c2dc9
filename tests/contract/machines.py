"""State machines for contract tests: create one, start it, wait until it has ended or shows something."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.contract.waiting import eventually


@dataclass(frozen=True)
class Ended:
    """An execution that has ended."""

    arn: str
    status: str
    output: Any
    error: str | None
    cause: str | None
    seconds: float


@dataclass(frozen=True)
class Machines:
    """The state machines of a cloud under test."""

    cloud: Any

    @property
    def client(self) -> Any:
        return self.cloud.client("stepfunctions")

    def create(self, states: dict[str, Any], **top: Any) -> str:
        """Create a machine that starts at the first of the states; returns its ARN."""
        definition = {"StartAt": next(iter(states)), "States": states} | top
        return self.client.create_state_machine(
            name=self.cloud.name("machine"),
            definition=json.dumps(definition),
            roleArn="arn:aws:iam::000000000000:role/contract-test",
        )["stateMachineArn"]

    def start(self, states: dict[str, Any], execution_input: Any = None, **top: Any) -> str:
        """Create a machine and start it; returns the execution's ARN."""
        machine = self.create(states, **top)
        text = json.dumps({} if execution_input is None else execution_input, ensure_ascii=False)
        return self.client.start_execution(stateMachineArn=machine, input=text)["executionArn"]

    def run(self, states: dict[str, Any], execution_input: Any = None, **top: Any) -> Ended:
        """Create a machine, start it and wait until it has ended."""
        return self.ended(self.start(states, execution_input, **top))

    def status(self, arn: str) -> str:
        return self.client.describe_execution(executionArn=arn)["status"]

    def ended(self, arn: str, within_seconds: float = 5) -> Ended:
        """Wait until an execution has ended; one that has not in time is stopped and fails the test."""
        try:
            eventually(lambda: self.status(arn) != "RUNNING", within_seconds)
        except AssertionError:
            self.client.stop_execution(executionArn=arn)
            raise
        found = self.client.describe_execution(executionArn=arn)
        output = json.loads(found["output"]) if found.get("output") else None
        seconds = (found["stopDate"] - found["startDate"]).total_seconds()
        return Ended(arn, found["status"], output, found.get("error"), found.get("cause"), seconds)

    def history(self, arn: str) -> list[dict[str, Any]]:
        pages = self.client.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def types(self, arn: str) -> list[str]:
        """The types of an execution's events, in order."""
        return [event["type"] for event in self.history(arn)]

    def entered(self, arn: str) -> list[str]:
        """The names of the states that an execution entered, in order."""
        return [
            event["stateEnteredEventDetails"]["name"]
            for event in self.history(arn)
            if event["type"].endswith("StateEntered")
        ]

    def wait_for(self, arn: str, event_type: str, within_seconds: float = 5) -> None:
        eventually(lambda: event_type in self.types(arn), within_seconds)


def elapsed(act: Callable[[], object]) -> float:
    """Seconds that something takes."""
    start = time.monotonic()
    act()
    return time.monotonic() - start
