"""Run cases on a Step Functions Local, and compare the path of each with the definition's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from state_machines import definitions
from tests.workflow.sfn_local.cases import MACHINES, Case, inside_map
from tests.workflow.sfn_local.mocks import state_machine_name
from tests.workflow.sfn_local.paths import STOPPED, Path, Step, Walked, seen

IN_FLIGHT = 250
"""Executions at a time. Most of them wait for their next attempt."""

STARTED_AT_ONCE = 8
"""Executions started between two looks, so that none waits long for a processor."""

LOOK_SECONDS = 1.0

SLACK_SECONDS = 300.0


@dataclass(frozen=True)
class Result:
    """A case's path by the definition, and the path that it took."""

    case: Case
    expected: Path
    seen: Path
    seconds: float

    @property
    def agrees(self) -> bool:
        """Whether both are the same."""
        return self.expected == self.seen


@dataclass(frozen=True)
class _Running:
    case: Case
    walked: Walked
    execution: str
    since: float

    @property
    def laps(self) -> bool:
        return self.walked.path.end == STOPPED

    def seconds(self) -> float:
        return time.monotonic() - self.since


def connect(url: str) -> Any:
    """A client of the Step Functions Local at an address."""
    return boto3.client(
        "stepfunctions",
        endpoint_url=url,
        region_name="us-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(read_timeout=120, retries={"mode": "standard", "max_attempts": 5}),
    )


def run(
    client: Any,
    cases: Iterable[Case],
    progress: Callable[[int, int], None],
    look_seconds: float = LOOK_SECONDS,
    slack_seconds: float = SLACK_SECONDS,
) -> list[Result]:
    """Execute cases on a Step Functions Local that has their mock file.

    Args:
        client: as `connect` returns it.
        cases: the cases; those that take longest are started first.
        progress: gets the number of cases that are complete, and of all.
        look_seconds: between two looks at the executions.
        slack_seconds: how much longer than its delays and waits a case may take before it is stopped.
    """
    return list(_Runner(client, look_seconds, slack_seconds).results(tuple(cases), progress))


class _Runner:
    def __init__(self, client: Any, look_seconds: float, slack_seconds: float) -> None:
        self._client, self._look_seconds, self._slack_seconds = client, look_seconds, slack_seconds
        self._arns: dict[str, str] = {}

    def results(self, cases: tuple[Case, ...], progress: Callable[[int, int], None]) -> Iterator[Result]:
        walks = {case: case.walked() for case in cases}
        waiting = sorted(cases, key=lambda case: walks[case].seconds)
        running: list[_Running] = []
        complete = 0
        while waiting or running:
            for _ in range(min(STARTED_AT_ONCE, len(waiting), IN_FLIGHT - len(running))):
                case = waiting.pop()
                running.append(_Running(case, walks[case], self._start(case), time.monotonic()))
            time.sleep(self._look_seconds)
            not_ended = self._not_ended()
            for one in list(running):
                if path := self._path_if_complete(one, ended=one.execution not in not_ended):
                    running.remove(one)
                    complete += 1
                    yield Result(one.case, one.walked.path, path, one.seconds())
            progress(complete, len(cases))

    def _path_if_complete(self, one: _Running, *, ended: bool) -> Path | None:
        """The path of an execution that has ended, has run its lap, or takes too long."""
        late = one.seconds() > one.walked.seconds + self._slack_seconds
        if ended or late:
            path = self._path(one)
        elif one.laps and one.seconds() >= one.walked.seconds:
            path = self._path(one)
            if len(path.steps) < len(one.walked.path.steps):
                return None
        else:
            return None
        if not ended:
            self._client.stop_execution(executionArn=one.execution)
        return first_lap(path, len(one.walked.path.steps)) if one.laps else path

    def _start(self, case: Case) -> str:
        if case.machine not in self._arns:
            self._arns[case.machine] = self._create(case.machine)
        started = self._client.start_execution(
            stateMachineArn=f"{self._arns[case.machine]}#{case.name}",
            name=f"{case.name}-{time.time_ns()}"[-80:],
            input='{"deployment": "d-case"}',
        )
        return str(started["executionArn"])

    def _create(self, machine: str) -> str:
        loaded = definitions.load(machine)
        arns = {name: f"arn:aws:lambda:us-west-1:123456789012:function:{name}:1" for name in loaded.placeholders}
        created = self._client.create_state_machine(
            name=state_machine_name(machine),
            definition=definitions.bind(loaded, arns),
            roleArn="arn:aws:iam::123456789012:role/any",
        )
        return str(created["stateMachineArn"])

    def _not_ended(self) -> frozenset[str]:
        pages = self._client.get_paginator("list_executions")
        return frozenset(
            execution["executionArn"]
            for arn in self._arns.values()
            for page in pages.paginate(stateMachineArn=arn, statusFilter="RUNNING")
            for execution in page["executions"]
        )

    def _path(self, one: _Running) -> Path:
        pages = self._client.get_paginator("get_execution_history")
        events: Iterator[Any] = (
            event
            for page in pages.paginate(executionArn=one.execution, maxResults=1000, includeExecutionData=False)
            for event in page["events"]
        )
        return seen(events, inside_map(one.case.machine))


def first_lap(path: Path, steps: int) -> Path:
    """Cut a path after so many steps, without what happened in the last one."""
    if len(path.steps) < steps:
        return path
    kept = path.steps[:steps]
    return Path((*kept[:-1], Step(kept[-1].state)), STOPPED)


def report(results: Iterable[Result]) -> list[str]:
    """The cases that differ, with both paths, and the counts by definition."""
    found = list(results)
    lines = []
    for result in found:
        if not result.agrees:
            lines += [
                f"{result.case.id} ({result.case.story}) differs at {result.expected.first_difference(result.seen)}",
                f"  expected: {result.expected}",
                f"  seen:     {result.seen}",
            ]
    for machine in MACHINES:
        own = [result for result in found if result.case.machine == machine]
        if own:
            agreed = sum(result.agrees for result in own)
            states = sum(len(result.seen.steps) for result in own)
            failures = sum(len(step.errors) for result in own for step in result.seen.steps)
            lines.append(
                f"{machine}: {agreed} of {len(own)} paths as the definition says; {states} states entered, {failures} failed attempts"
            )
    agreed = sum(result.agrees for result in found)
    return [*lines, f"{agreed} passed, {len(found) - agreed} failed"]
