"""Step Functions: the first failure in a Map or Parallel stops the rest, and the history contains every iteration.

AWS:

- If an iteration of a Map or a branch of a Parallel fails, all others are stopped and the state fails with its error.
  https://docs.aws.amazon.com/step-functions/latest/dg/state-parallel.html
- A Distributed Map runs its items as child executions. It fails with States.ExceedToleratedFailureThreshold as soon as
  more children have failed than ``ToleratedFailureCount`` or ``ToleratedFailurePercentage`` allow (none if neither is
  set), and stops the children that still run.
  https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
- A child is its own execution with status, output and history.
  https://docs.aws.amazon.com/step-functions/latest/dg/concepts-examine-map-run.html
- The history contains the start and end of every iteration of an inline Map, and the states inside.
  https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html

Stock MiniStack runs all iterations to their end, whatever has failed, and records nothing of them in the history. Still
missing here: Succeed and Fail inside a branch, and the events of a Map Run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap
from orchestrator.local.emulator.stepfunctions.execution import (
    CHANGED,
    RUNNING,
    ExecutionEnded,
    current_executions,
    execution_ended,
    notify,
)

PINNED = {
    "ministack.services.stepfunctions._run_sub_machine": "f8d844168b1459f8",
    "ministack.services.stepfunctions._run_map_items": "5df19a8074ce768c",
    "ministack.services.stepfunctions._run_distributed_map": "2b77d3ec0e04f8f1",
    "ministack.services.stepfunctions._run_parallel_branches": "b8c7f69152976e05",
    "ministack.services.stepfunctions._run_execution": "996dff84e0e0605a",
    "ministack.services.stepfunctions._execute_pass": "b1dff47048bcf8e1",
    "ministack.services.stepfunctions._execute_task": "53c818d247dba62c",
    "ministack.services.stepfunctions._execute_choice": "468955fcd4a438d2",
    "ministack.services.stepfunctions._execute_wait": "a1012679c72d1b08",
    "ministack.services.stepfunctions._execute_parallel": "2166e1f53e5fd48d",
    "ministack.services.stepfunctions._execute_map": "18ad3965291213ad",
    "ministack.services.stepfunctions._add_event": "b1db143ccd21809d",
}

_STATES: Final = ("pass", "task", "choice", "wait", "parallel", "map")
Json = dict[str, Any]


@dataclass
class _Siblings:
    """The iterations or branches of one attempt at a state.

    Attributes:
        kind: "Map", "MapRun" or "Parallel".
        state: the state's definition.
        life: its status is RUNNING until too many have failed. Siblings check it like the status of their execution.
        failed: the number of failures.
    """

    kind: str
    state: Mapping[str, Any]
    life: Json = field(default_factory=lambda: {"status": RUNNING})
    failed: int = 0

    def fail(self, total: int) -> None:
        """Record a failure; `total` is the number of siblings."""
        with CHANGED:
            self.failed += 1
            if self.kind != "MapRun" or _exceeded(self.state, self.failed, total):
                self.life["status"] = "FAILED"
        notify()


_siblings: ContextVar[_Siblings | None] = ContextVar("siblings", default=None)
_recording_execution: ContextVar[Json | None] = ContextVar("recording_execution", default=None)
"""The execution in whose history the states of a branch are recorded."""


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    from ministack.services import stepfunctions  # noqa: PLC0415 - only in the server process

    patches = _Maps(stepfunctions)
    wrap(stepfunctions, "_run_sub_machine", patches.branching)
    wrap(stepfunctions, "_run_map_items", patches.mapping)
    wrap(stepfunctions, "_run_distributed_map", patches.distributing)
    wrap(stepfunctions, "_run_parallel_branches", patches.paralleling)
    wrap(stepfunctions, "_run_execution", _resetting_branch)
    for state in _STATES:
        wrap(stepfunctions, f"_execute_{state}", patches.recording)


def _resetting_branch(original: Callable[[str], None]) -> Callable[[str], None]:
    """An execution that a branch has started records its own history."""

    def run_execution(arn: str) -> None:
        before = _recording_execution.set(None)
        try:
            original(arn)
        finally:
            _recording_execution.reset(before)

    return run_execution


def _exceeded(state: Mapping[str, Any], failed: int, total: int) -> bool:
    count, percentage = state.get("ToleratedFailureCount"), state.get("ToleratedFailurePercentage")
    if count is None and percentage is None:
        return True
    return (count is not None and failed > count) or (percentage is not None and failed * 100 > percentage * total)


class _Maps:
    """Replacements of MiniStack's functions."""

    def __init__(self, stepfunctions: Any) -> None:
        self.stepfunctions = stepfunctions

    def mapping(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run_map_items(state: Json, state_input: Any, execution: Json, ctx: Json) -> Any:
            processor = state.get("Iterator") or state.get("ItemProcessor", {})
            if (processor.get("ProcessorConfig") or {}).get("Mode") == "DISTRIBUTED":
                return original(state, state_input, execution, ctx)
            return self._run_siblings("Map", original, state, state_input, execution, ctx)

        return run_map_items

    def distributing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run_distributed_map(
            state: Json, state_input: Any, effective: Any, iterator: Json, execution: Json, ctx: Json
        ) -> Any:
            def run(*_: Any) -> Any:
                return original(state, state_input, effective, iterator, execution, ctx)

            return self._run_siblings("MapRun", run, state, state_input, execution, ctx)

        return run_distributed_map

    def paralleling(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run_parallel_branches(state: Json, state_input: Any, execution: Json, ctx: Json) -> Any:
            return self._run_siblings("Parallel", original, state, state_input, execution, ctx)

        return run_parallel_branches

    def _run_siblings(
        self, kind: str, run: Callable[..., Any], state: Json, state_input: Any, execution: Json, ctx: Json
    ) -> Any:
        siblings = _Siblings(kind, state)
        state_type = "Parallel" if kind == "Parallel" else "Map"
        self._add_event(execution, f"{state_type}StateStarted")
        life = current_executions.set((siblings.life, *current_executions.get()))
        before = _siblings.set(siblings)
        try:
            output = run(state, state_input, execution, ctx)
        except self.stepfunctions._ExecutionError:
            current_executions.reset(life)
            self._add_event(execution, f"{state_type}StateFailed")
            raise
        except BaseException:
            current_executions.reset(life)
            raise
        finally:
            _siblings.reset(before)
        current_executions.reset(life)
        self._add_event(execution, f"{state_type}StateSucceeded")
        return output

    def branching(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run_sub_machine(states: Json, start: str, state_input: Any, execution: Json, ctx: Json) -> Any:
            siblings = _siblings.get()
            if siblings is None:
                return original(states, start, state_input, execution, ctx)
            run = self._child if siblings.kind == "MapRun" else self._iteration
            branch = _recording_execution.set(execution)
            before = _siblings.set(None)
            try:
                return run(siblings, lambda: original(states, start, state_input, execution, ctx), execution, ctx)
            finally:
                _siblings.reset(before)
                _recording_execution.reset(branch)

        return run_sub_machine

    def _iteration(self, siblings: _Siblings, run: Callable[[], Any], execution: Json, ctx: Json) -> Any:
        """Run a branch of a Parallel or an iteration of a Map. The history identifies an iteration by its index."""
        details: Json = {}
        if siblings.kind == "Map":
            details = {"name": ctx["State"]["Name"], "index": ctx["Map"]["Item"]["Index"]}
        if execution_ended():
            raise ExecutionEnded
        self._add_iteration_event(execution, "Started", details)
        try:
            output = run()
        except ExecutionEnded:
            alone = current_executions.set(
                tuple(record for record in current_executions.get() if record is not siblings.life)
            )
            try:
                self._add_iteration_event(execution, "Aborted", details)
            finally:
                current_executions.reset(alone)
            raise
        except Exception:
            self._add_iteration_event(execution, "Failed", details)
            siblings.fail(1)
            raise
        self._add_iteration_event(execution, "Succeeded", details)
        return output

    def _child(self, siblings: _Siblings, run: Callable[[], Any], execution: Json, ctx: Json) -> Any:
        """Run the child execution of an item. MiniStack itself does not make the result of a child readable."""
        del ctx
        record = self.stepfunctions._executions[execution["executionArn"]]
        counts = self.stepfunctions._map_runs[execution["mapRunArn"]]["executionCounts"]
        own = current_executions.set((*current_executions.get(), record))
        try:
            output = run()
        except ExecutionEnded:
            with CHANGED:
                counts["running"] -= 1
                counts["aborted"] += 1
            self._end(record, "ABORTED", {})
            raise
        except Exception as error:
            name = getattr(error, "error", "States.TaskFailed")
            self._end(record, "FAILED", {"error": name, "cause": getattr(error, "cause", str(error))})
            siblings.fail(counts["total"])
            raise
        finally:
            current_executions.reset(own)
        self._end(record, "SUCCEEDED", {"output": json.dumps(output)})
        return output

    def _end(self, record: Json, status: str, outcome: Json) -> None:
        with CHANGED:
            if record["status"] != RUNNING:
                return
            record.update(outcome, stopDate=self.stepfunctions.now_iso())
            record["status"] = status

    def recording(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def execute(state: Json, state_input: Any, *args: Any) -> Any:
            execution, ctx = _recording_execution.get(), args[-1] if args else None
            if execution is None or not isinstance(ctx, dict):
                return original(state, state_input, *args)
            kind, name = state["Type"], ctx["State"]["Name"]
            entered = {"stateEnteredEventDetails": {"name": name, "input": json.dumps(state_input)}}
            self.stepfunctions._add_event(execution, f"{kind}StateEntered", entered)
            output, following = original(state, state_input, *args)
            exited = {"stateExitedEventDetails": {"name": name, "output": json.dumps(output)}}
            self.stepfunctions._add_event(execution, f"{kind}StateExited", exited)
            return output, following

        return execute

    def _add_iteration_event(self, execution: Json, event: str, details: Json) -> None:
        if details:
            event_details = {f"mapIteration{event}EventDetails": details}
            self.stepfunctions._add_event(execution, f"MapIteration{event}", event_details)

    def _add_event(self, execution: Json, event_type: str) -> None:
        self.stepfunctions._add_event(execution, event_type)
