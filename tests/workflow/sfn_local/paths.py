"""The path of an execution: which states it entered, which errors its tasks had there, and how it ended.

`walk` reads the path from a definition, `seen` from the history that an interpreter recorded. Both are compared whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

STOPPED = "still running"
"""The end of a case that repeats a lap of states for as long as it runs."""

FAILURE_EVENTS = frozenset({
    "ActivityFailed", "ActivityTimedOut", "LambdaFunctionFailed", "LambdaFunctionTimedOut", "TaskFailed",
    "TaskStartFailed", "TaskSubmitFailed", "TaskTimedOut",
})  # fmt: skip
"""https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html"""


@dataclass(frozen=True)
class Step:
    """A state that was entered, and the errors of the attempts that failed there, in their order."""

    state: str
    errors: tuple[str, ...] = ()

    def __str__(self) -> str:
        """For a reader, such as ``Promote[Unreachable x10]``."""
        runs = [f"{error} x{len(list(same))}" for error, same in itertools.groupby(self.errors)]
        return self.state + (f"[{', '.join(runs)}]" if runs else "")


@dataclass(frozen=True)
class Path:
    """The states that an execution entered, and its end: a status, and the error's name where it failed."""

    steps: tuple[Step, ...]
    end: str

    def __str__(self) -> str:
        """For a reader: the states in their order, and the end."""
        return " > ".join([*map(str, self.steps), self.end])

    def first_difference(self, other: Path) -> str:
        """Where another path leaves this one; empty where it does not."""
        pairs = itertools.zip_longest([*self.steps, self.end], [*other.steps, other.end])
        for number, (here, there) in enumerate(pairs):
            if here != there:
                return f"step {number}: expected {here}, seen {there}"
        return ""


@dataclass(frozen=True)
class Strike:
    """The errors that a state's task has: of each attempt in turn, from the first again where they last."""

    errors: tuple[str, ...]
    lasts: bool = True

    def error_of(self, attempt: int) -> str | None:
        """The error of an attempt, counted from 0; None where it succeeds."""
        if self.lasts:
            return self.errors[attempt % len(self.errors)]
        return self.errors[attempt] if attempt < len(self.errors) else None


@dataclass(frozen=True)
class Walked:
    """A path by the definition, and what it takes.

    Attributes:
        seconds: the delays before retries, and the waits, at most.
        entered: the states that it went through, those inside a Map included.
        transitions: the pairs of such a state and the next.
        struck: the states whose tasks had an error.
    """

    path: Path
    seconds: float
    entered: frozenset[str]
    transitions: frozenset[tuple[str, str]]
    struck: frozenset[str]


def walk(
    definition: Mapping[str, Any], actions: Mapping[str, str], strikes: Mapping[str, Strike], wait_seconds: float
) -> Walked:
    """Follow a definition to its end, or to the state that begins a second lap.

    Args:
        definition: Amazon States Language.
        actions: the decision that the task of each state returns.
        strikes: the errors that it has instead, by state.
        wait_seconds: how long each Wait state lasts.
    """
    walker = _Walker(actions, strikes, wait_seconds)
    end = walker.run(definition)
    return Walked(
        Path(tuple(walker.steps), end),
        walker.seconds,
        frozenset(walker.entered),
        frozenset(walker.transitions),
        frozenset(walker.struck),
    )


class _Walker:
    def __init__(self, actions: Mapping[str, str], strikes: Mapping[str, Strike], wait_seconds: float) -> None:
        self.actions, self.strikes, self.wait_seconds = actions, strikes, wait_seconds
        self.steps: list[Step] = []
        self.entered: set[str] = set()
        self.transitions: set[tuple[str, str]] = set()
        self.struck: set[str] = set()
        self.seconds = 0.0
        self._action = ""

    def run(self, definition: Mapping[str, Any]) -> str:
        name = definition["StartAt"]
        while True:
            state = definition["States"][name]
            if end := self._end_at(name, state):
                self.steps.append(Step(name))
                return end
            self.entered.add(name)
            following = self._leave(name, state)
            if following is None:
                return "SUCCEEDED"
            self.transitions.add((name, following))
            name = following

    def _end_at(self, name: str, state: Mapping[str, Any]) -> str:
        """How the execution ends at a state; empty where it goes on. A Choice may come twice without a lap."""
        if state["Type"] == "Succeed":
            return "SUCCEEDED"
        if state["Type"] == "Fail":
            return f"FAILED {state['Error']}"
        return STOPPED if state["Type"] != "Choice" and name in self.entered else ""

    def _leave(self, name: str, state: Mapping[str, Any]) -> str | None:
        if state["Type"] == "Task":
            return self._task(name, state)
        self.steps.append(Step(name))
        if state["Type"] == "Choice":
            assert self._action, f"{name} chooses before any task has decided"
            chosen = (rule["Next"] for rule in state["Choices"] if rule["StringEquals"] == self._action)
            return str(next(chosen, state["Default"]))
        if state["Type"] == "Map":
            self._child(state["ItemProcessor"])
        elif state["Type"] == "Wait":
            self.seconds += self.wait_seconds
        return state.get("Next")

    def _child(self, processor: Mapping[str, Any]) -> None:
        """Follow an item of a Map. A distributed Map has a history of its own for every item."""
        child = _Walker(self.actions, self.strikes, self.wait_seconds)
        assert child.run(processor) == "SUCCEEDED", "an item of a Map fails"
        self.seconds += child.seconds
        self.entered |= child.entered
        self.transitions |= child.transitions
        self.struck |= child.struck

    def _task(self, name: str, state: Mapping[str, Any]) -> str | None:
        strike, retriers = self.strikes.get(name), state.get("Retry", ())
        used, errors = [0] * len(retriers), []
        for attempt in itertools.count():
            error = strike.error_of(attempt) if strike else None
            if error is None:
                self._action = self.actions.get(name, self._action)
                following = state.get("Next")
                break
            self.struck.add(name)
            errors.append(error)
            index = next((index for index, retrier in enumerate(retriers) if matches(retrier, error)), None)
            if index is None or used[index] == retriers[index]["MaxAttempts"]:
                following = next(catcher["Next"] for catcher in state["Catch"] if matches(catcher, error))
                break
            self.seconds += delay_seconds(retriers[index], used[index])
            used[index] += 1
        self.steps.append(Step(name, tuple(errors)))
        return following


def matches(block: Mapping[str, Any], error: str) -> bool:
    """Whether a Retry or Catch block is for an error.

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """
    names = block["ErrorEquals"]
    return error in names or "States.ALL" in names or ("States.TaskFailed" in names and error != "States.Timeout")


def delay_seconds(retrier: Mapping[str, Any], used: int) -> float:
    """The delay before the next attempt, without jitter, after a retrier was used so often."""
    return min(float(retrier["IntervalSeconds"] * retrier["BackoffRate"] ** used), float(retrier["MaxDelaySeconds"]))


def seen(events: Iterable[Mapping[str, Any]], inside_map: frozenset[str] = frozenset()) -> Path:
    """Read the path from the events of GetExecutionHistory.

    Args:
        events: in their order.
        inside_map: states of a Map's items, which are no part of the path.
    """
    steps: list[Step] = []
    end = STOPPED
    for event in events:
        kind = event["type"]
        details = next((value for key, value in event.items() if key.endswith("EventDetails")), {})
        if kind.endswith("StateEntered") and details["name"] not in inside_map:
            steps.append(Step(details["name"]))
        elif kind in FAILURE_EVENTS and steps:
            steps[-1] = Step(steps[-1].state, (*steps[-1].errors, details.get("error", "")))
        elif kind == "ExecutionSucceeded":
            end = "SUCCEEDED"
        elif kind in {"ExecutionFailed", "ExecutionTimedOut"}:
            end = f"{'FAILED' if kind == 'ExecutionFailed' else 'TIMED_OUT'} {details.get('error', '')}".strip()
    return Path(tuple(steps), end)
