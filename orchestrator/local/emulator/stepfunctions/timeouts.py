"""Step Functions: ``TimeoutSeconds``, StopExecution and the last state end an execution immediately and for good.

AWS:

- ``TimeoutSeconds`` at the top of a definition ends the execution as TIMED_OUT after that time, in any state. No
  ``Catch`` applies. https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html
- StopExecution ends it as ABORTED immediately: in a Wait, while a function runs (which continues, but its result is
  discarded), or while it waits for a token. Nothing more of it is executed or caught. Stopping an execution that has
  ended is no error and changes nothing.
  https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html

Stock MiniStack ignores the top-level ``TimeoutSeconds``. After StopExecution the current state still writes history; if
it fails, ABORTED becomes FAILED. A Wait keeps its thread to the end.
"""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable
from typing import Any

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap
from orchestrator.local.emulator.stepfunctions.execution import (
    CHANGED,
    RUNNING,
    ExecutionEnded,
    ExecutionRecord,
    current_executions,
    execution_ended,
    sleep_while_running,
)

PINNED = {
    "ministack.services.stepfunctions._start_execution": "9923282fc76c57b9",
    "ministack.services.stepfunctions._start_sync_execution": "8600470a0208036c",
    "ministack.services.stepfunctions._stop_execution": "44d2d84ccd5c9702",
    "ministack.services.stepfunctions._run_execution": "996dff84e0e0605a",
    "ministack.services.stepfunctions._fail_execution": "e6da895fa0b74cdd",
    "ministack.services.stepfunctions._add_event": "b1db143ccd21809d",
    "ministack.services.stepfunctions._scaled_sleep": "5ed19df2efa98412",
    "ministack.services.stepfunctions._sleep_until": "2738e0a4030c2d42",
    "ministack.services.stepfunctions._run_sub_machine": "f8d844168b1459f8",
    "ministack.services.stepfunctions._emit_execution_status_event": "9c89e45693e353eb",
    "ministack.core.responses.AccountRegionScopedDict": "62c53f1c556e2158",
}


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    from ministack.core.responses import AccountRegionScopedDict  # noqa: PLC0415 - only in the server process
    from ministack.services import stepfunctions  # noqa: PLC0415

    class Executions(AccountRegionScopedDict):  # type: ignore[misc] # MiniStack is untyped
        """MiniStack's executions, each of which ends once."""

        def __setitem__(self, key: str, value: dict[str, Any]) -> None:
            super().__setitem__(key, ExecutionRecord(value))

    executions = Executions()
    executions.update(stepfunctions._executions)
    patches = _Endings(stepfunctions)
    wrap(stepfunctions, "_executions", lambda _: executions)
    wrap(stepfunctions, "_run_execution", patches.running)
    wrap(stepfunctions, "_stop_execution", patches.stopping)
    wrap(stepfunctions, "_add_event", patches.adding)
    wrap(stepfunctions, "_run_sub_machine", patches.branching)
    wrap(stepfunctions, "_scaled_sleep", patches.sleeping)


class _Endings:
    """Replacements of MiniStack's functions."""

    def __init__(self, stepfunctions: Any) -> None:
        self.stepfunctions = stepfunctions

    def running(self, original: Callable[[str], None]) -> Callable[[str], None]:
        def run(arn: str) -> None:
            record = self.stepfunctions._executions.get(arn)
            if record is None:
                return
            timer = _timer(_timeout_seconds(self.stepfunctions, record), self._time_out, record)
            token = current_executions.set((*current_executions.get(), record))
            try:
                original(arn)
            except ExecutionEnded:
                pass
            finally:
                current_executions.reset(token)
                timer.cancel()
            if execution_ended():  # an execution that waited for this one
                if record["status"] == RUNNING:
                    self.stepfunctions._stop_execution({"executionArn": arn})
                raise ExecutionEnded

        return run

    def stopping(self, original: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        def stop(request: dict[str, Any]) -> Any:
            record = self.stepfunctions._executions.get(request.get("executionArn"))
            if record is None:
                return original(request)
            if record["status"] == RUNNING:
                try:
                    return original(request)
                except ExecutionEnded:
                    pass  # its last state ended it concurrently
            return self.stepfunctions.json_response({"stopDate": record["stopDate"] or self.stepfunctions.now_iso()})

        return stop

    def adding(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def add_event(execution: dict[str, Any], event_type: str, details: dict[str, Any] | None = None) -> Any:
            with CHANGED:  # no event may follow the event of the end
                if execution_ended() and not event_type.startswith("Execution"):
                    raise ExecutionEnded
                return original(execution, event_type, details)

        return add_event

    def branching(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run_sub_machine(*args: Any) -> Any:
            if execution_ended():
                raise ExecutionEnded
            return original(*args)

        return run_sub_machine

    def sleeping(self, original: Callable[[float], None]) -> Callable[[float], None]:
        del original  # does not wake up when the execution ends

        def scaled_sleep(seconds: float) -> None:
            sleep_while_running(seconds * self.stepfunctions._SFN_WAIT_SCALE)

        return scaled_sleep

    def _time_out(self, record: ExecutionRecord) -> None:
        try:
            record["status"] = "TIMED_OUT"
        except ExecutionEnded:
            return
        record["stopDate"] = self.stepfunctions.now_iso()
        self.stepfunctions._add_event(record, "ExecutionTimedOut", {"executionTimedOutEventDetails": {}})
        self.stepfunctions._emit_execution_status_event(record)


def _timeout_seconds(stepfunctions: Any, record: ExecutionRecord) -> float | None:
    state_machine = stepfunctions._state_machines.get(record["stateMachineArn"])
    try:
        seconds = json.loads(state_machine["definition"]).get("TimeoutSeconds") if state_machine else None
    except json.JSONDecodeError:
        return None  # the execution itself fails as InvalidDefinition
    return seconds if isinstance(seconds, int | float) else None


def _timer(
    seconds: float | None, action: Callable[[ExecutionRecord], None], record: ExecutionRecord
) -> threading.Timer:
    """Start a timer that acts in the current account and region; without seconds, return one that never fires."""
    timer = threading.Timer(seconds or 0, contextvars.copy_context().run, (action, record))
    timer.daemon = True
    if seconds is not None:
        timer.start()
    return timer
