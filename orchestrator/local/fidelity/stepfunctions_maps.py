"""Step Functions: what is left of a Map or Parallel ends with the first that fails, and the history tells of all of them.

AWS:

- When an iteration of a Map or a branch of a Parallel fails, all others are stopped, and the state fails with its error.
  https://docs.aws.amazon.com/step-functions/latest/dg/state-parallel.html
- A Distributed Map runs its items as child executions. It fails with States.ExceedToleratedFailureThreshold as soon as more have failed than
  ``ToleratedFailureCount`` or ``ToleratedFailurePercentage`` allow, which is none where neither is given, and stops those that still run.
  https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
- A child has an execution of its own, with status, output and history.
  https://docs.aws.amazon.com/step-functions/latest/dg/concepts-examine-map-run.html
- The history has the start and end of every iteration of an inline Map, and the states within.
  https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html

MiniStack runs everything to the end whatever has failed, and tells of nothing within. Left out still: Succeed and Fail within a branch, and the
events of a Map Run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.local.fidelity.executions import CHANGED, RUNNING, ExecutionEnded, ended, notify, under_way
from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

PINNED = {
    "ministack.services.stepfunctions._run_sub_machine": "f8d844168b1459f8d2f13b3fb93ee6cba425bbc57bd05e7cab3fe8f010853f29",
    "ministack.services.stepfunctions._run_map_items": "5df19a8074ce768cd03c8245c3da48736b96ba4d595422592f45b0a9b0866db8",
    "ministack.services.stepfunctions._run_distributed_map": "2b77d3ec0e04f8f19753678ebd461ff7bfc77d587daab309c523eaf3040167c7",
    "ministack.services.stepfunctions._run_parallel_branches": "b8c7f69152976e05aeea7823a4c9fd9a3c039fd117a94b38abb3f7bfd0b1bc4a",
    "ministack.services.stepfunctions._run_execution": "996dff84e0e0605ae3ffb450d0dfa0adc150caa811d0715fc2d4eb7cf28a1648",
    "ministack.services.stepfunctions._execute_pass": "b1dff47048bcf8e1033cb21b8a67d924994d21b9004d17634e017aca4eb9d32c",
    "ministack.services.stepfunctions._execute_task": "53c818d247dba62c49b82c78ad185f18083422f2bc30168836d7b4f2dae28d9a",
    "ministack.services.stepfunctions._execute_choice": "468955fcd4a438d261fe7d65fe1e6b15e57adf0cc45e67ebc774e4d6d1365b66",
    "ministack.services.stepfunctions._execute_wait": "a1012679c72d1b0862b8b6d48b3f9f1d5d21ac08d7e8670fd12f6ef8bad4bfed",
    "ministack.services.stepfunctions._execute_parallel": "2166e1f53e5fd48dbcfd4940826e5f421b725798fe2488174ebd11244c077c93",
    "ministack.services.stepfunctions._execute_map": "18ad3965291213ada6d870a080c18a942f9e21c9c73a534d6bc962b472ca471e",
    "ministack.services.stepfunctions._add_event": "b1db143ccd21809d3aa32e79439b7971c7af7b50dcee5533ed2cce923742ac6a",
}

_STATES: Final = ("pass", "task", "choice", "wait", "parallel", "map")
Json = dict[str, Any]


@dataclass
class _Siblings:
    """The iterations or branches of one attempt at a state.

    Attributes:
        kind: "Map", "MapRun" or "Parallel".
        state: the state's definition.
        life: RUNNING until too many have failed. Siblings look at it as they look at the status of their execution.
        failed: how many have.
    """

    kind: str
    state: Mapping[str, Any]
    life: Json = field(default_factory=lambda: {"status": RUNNING})
    failed: int = 0

    def fail(self, total: int) -> None:
        """One of so many has failed."""
        with CHANGED:
            self.failed += 1
            if self.kind != "MapRun" or _exceeded(self.state, self.failed, total):
                self.life["status"] = "FAILED"
        notify()


_siblings: ContextVar[_Siblings | None] = ContextVar("siblings", default=None)
_told_by: ContextVar[Json | None] = ContextVar("told_by", default=None)
"""The execution in whose history the states of a branch are told."""


def install(options: Options) -> None:
    """Put the mend in place, in this process."""
    del options
    from ministack.services import stepfunctions  # noqa: PLC0415 - only in the server process

    mended = _Maps(stepfunctions)
    wrap(stepfunctions, "_run_sub_machine", mended.branching)
    wrap(stepfunctions, "_run_map_items", mended.mapping)
    wrap(stepfunctions, "_run_distributed_map", mended.distributing)
    wrap(stepfunctions, "_run_parallel_branches", mended.paralleling)
    wrap(stepfunctions, "_run_execution", _outside_of_branches)
    for state in _STATES:
        wrap(stepfunctions, f"_execute_{state}", mended.telling)


def _outside_of_branches(original: Callable[[str], None]) -> Callable[[str], None]:
    """An execution that a branch has started tells its own history."""

    def run_execution(arn: str) -> None:
        before = _told_by.set(None)
        try:
            original(arn)
        finally:
            _told_by.reset(before)

    return run_execution


def _exceeded(state: Mapping[str, Any], failed: int, total: int) -> bool:
    count, percentage = state.get("ToleratedFailureCount"), state.get("ToleratedFailurePercentage")
    if count is None and percentage is None:
        return True
    return (count is not None and failed > count) or (percentage is not None and failed * 100 > percentage * total)


class _Maps:
    """What takes the place of MiniStack's functions."""

    def __init__(self, stepfunctions: Any) -> None:
        self.stepfunctions = stepfunctions

    def mapping(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run_map_items(state: Json, given: Any, execution: Json, ctx: Json) -> Any:
            processor = state.get("Iterator") or state.get("ItemProcessor", {})
            if (processor.get("ProcessorConfig") or {}).get("Mode") == "DISTRIBUTED":
                return original(state, given, execution, ctx)
            return self._together("Map", original, state, given, execution, ctx)

        return run_map_items

    def distributing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run_distributed_map(
            state: Json, given: Any, effective: Any, iterator: Json, execution: Json, ctx: Json
        ) -> Any:
            def run(*_: Any) -> Any:
                return original(state, given, effective, iterator, execution, ctx)

            return self._together("MapRun", run, state, given, execution, ctx)

        return run_distributed_map

    def paralleling(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run_parallel_branches(state: Json, given: Any, execution: Json, ctx: Json) -> Any:
            return self._together("Parallel", original, state, given, execution, ctx)

        return run_parallel_branches

    def _together(self, kind: str, run: Callable[..., Any], state: Json, given: Any, execution: Json, ctx: Json) -> Any:
        siblings = _Siblings(kind, state)
        told = "Parallel" if kind == "Parallel" else "Map"
        self._tell(execution, f"{told}StateStarted")
        life = under_way.set((siblings.life, *under_way.get()))
        before = _siblings.set(siblings)
        try:
            output = run(state, given, execution, ctx)
        except self.stepfunctions._ExecutionError:
            under_way.reset(life)
            self._tell(execution, f"{told}StateFailed")
            raise
        except BaseException:
            under_way.reset(life)
            raise
        finally:
            _siblings.reset(before)
        under_way.reset(life)
        self._tell(execution, f"{told}StateSucceeded")
        return output

    def branching(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run_sub_machine(states: Json, start: str, given: Any, execution: Json, ctx: Json) -> Any:
            siblings = _siblings.get()
            if siblings is None:
                return original(states, start, given, execution, ctx)
            run = self._child if siblings.kind == "MapRun" else self._iteration
            branch = _told_by.set(execution)
            before = _siblings.set(None)
            try:
                return run(siblings, lambda: original(states, start, given, execution, ctx), execution, ctx)
            finally:
                _siblings.reset(before)
                _told_by.reset(branch)

        return run_sub_machine

    def _iteration(self, siblings: _Siblings, run: Callable[[], Any], execution: Json, ctx: Json) -> Any:
        """Run a branch of a Parallel, or an iteration of a Map, of which the history tells by its number."""
        details: Json = {}
        if siblings.kind == "Map":
            details = {"name": ctx["State"]["Name"], "index": ctx["Map"]["Item"]["Index"]}
        if ended():
            raise ExecutionEnded
        self._tell_iteration(execution, "Started", details)
        try:
            output = run()
        except ExecutionEnded:
            alone = under_way.set(tuple(record for record in under_way.get() if record is not siblings.life))
            try:
                self._tell_iteration(execution, "Aborted", details)
            finally:
                under_way.reset(alone)
            raise
        except Exception:
            self._tell_iteration(execution, "Failed", details)
            siblings.fail(1)
            raise
        self._tell_iteration(execution, "Succeeded", details)
        return output

    def _child(self, siblings: _Siblings, run: Callable[[], Any], execution: Json, ctx: Json) -> Any:
        """Run the child execution of an item. MiniStack keeps its end in a record that nobody else can find."""
        del ctx
        record = self.stepfunctions._executions[execution["executionArn"]]
        counts = self.stepfunctions._map_runs[execution["mapRunArn"]]["executionCounts"]
        own = under_way.set((*under_way.get(), record))
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
            under_way.reset(own)
        self._end(record, "SUCCEEDED", {"output": json.dumps(output)})
        return output

    def _end(self, record: Json, status: str, outcome: Json) -> None:
        with CHANGED:
            if record["status"] != RUNNING:
                return
            record.update(outcome, stopDate=self.stepfunctions.now_iso())
            record["status"] = status

    def telling(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def execute(state: Json, given: Any, *more: Any) -> Any:
            execution, ctx = _told_by.get(), more[-1] if more else None
            if execution is None or not isinstance(ctx, dict):
                return original(state, given, *more)
            kind, name = state["Type"], ctx["State"]["Name"]
            entered = {"stateEnteredEventDetails": {"name": name, "input": json.dumps(given)}}
            self.stepfunctions._add_event(execution, f"{kind}StateEntered", entered)
            output, following = original(state, given, *more)
            exited = {"stateExitedEventDetails": {"name": name, "output": json.dumps(output)}}
            self.stepfunctions._add_event(execution, f"{kind}StateExited", exited)
            return output, following

        return execute

    def _tell_iteration(self, execution: Json, what: str, details: Json) -> None:
        if details:
            named = {f"mapIteration{what}EventDetails": details}
            self.stepfunctions._add_event(execution, f"MapIteration{what}", named)

    def _tell(self, execution: Json, event_type: str) -> None:
        self.stepfunctions._add_event(execution, event_type)
