"""Step Functions: quotas that end executions, and the names of executions.

AWS (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html):

- Input and output of an execution, a state and a task: 256 KiB of UTF-8. More is States.DataLimitExceeded, which
  States.ALL does not match.
- 25,000 events in a history. The next event fails the execution with States.Runtime, uncaught, as event 25,000.
- StartExecution with the name and input of a running execution returns the same response again. With another input, or
  after that execution has ended, it fails with ExecutionAlreadyExists (for 90 days). A name has 1 to 80 characters
  without white space, brackets, wildcards or special characters. An input is JSON.
  https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html

Stock MiniStack has no such quotas, accepts any name and any input, and always rejects the second start.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap
from orchestrator.local.emulator.stepfunctions.execution import RUNNING, ExecutionEnded, current_executions

PINNED = {
    "ministack.services.stepfunctions._start_execution": "9923282fc76c57b9",
    "ministack.services.stepfunctions._start_sync_execution": "8600470a0208036c",
    "ministack.services.stepfunctions._resolve_state_machine_arn": "e054a309ee54fa0f",
    "ministack.services.stepfunctions._invoke_resource": "a85d2be9a8584ce0",
    "ministack.services.stepfunctions._invoke_with_callback": "bbb38423156a0d3d",
    "ministack.services.stepfunctions._execute_pass": "b1dff47048bcf8e1",
    "ministack.services.stepfunctions._execute_task": "53c818d247dba62c",
    "ministack.services.stepfunctions._execute_choice": "468955fcd4a438d2",
    "ministack.services.stepfunctions._execute_wait": "a1012679c72d1b08",
    "ministack.services.stepfunctions._execute_parallel": "2166e1f53e5fd48d",
    "ministack.services.stepfunctions._execute_map": "18ad3965291213ad",
    "ministack.services.stepfunctions._run_execution": "996dff84e0e0605a",
    "ministack.services.stepfunctions._fail_execution": "e6da895fa0b74cdd",
    "ministack.services.stepfunctions._add_event": "b1db143ccd21809d",
}

DATA_BYTES: Final = 256 * 1024
HISTORY_EVENTS: Final = 25_000
_STATES: Final = ("pass", "task", "choice", "wait", "parallel", "map")
_NAME: Final = re.compile(r"""[^\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}""")


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    from ministack.services import stepfunctions  # noqa: PLC0415 - only in the server process

    patches = _Limits(stepfunctions)
    for state in _STATES:
        wrap(stepfunctions, f"_execute_{state}", patches.limiting_state)
    wrap(stepfunctions, "_invoke_resource", patches.limiting_task)
    wrap(stepfunctions, "_invoke_with_callback", patches.limiting_task)
    wrap(stepfunctions, "_add_event", patches.limiting_history)
    wrap(stepfunctions, "_start_execution", patches.starting)


class _Limits:
    """Replacements of MiniStack's functions."""

    def __init__(self, stepfunctions: Any) -> None:
        self.stepfunctions = stepfunctions

    def checked_size(self, data: Any, what: str) -> Any:
        if len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()) > DATA_BYTES:
            raise self.stepfunctions._ExecutionError(
                "States.DataLimitExceeded",
                f"The {what} has a size exceeding the maximum number of bytes service limit.",
            )
        return data

    def limiting_state(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def execute(*args: Any, **kwargs: Any) -> Any:
            output, following = original(*args, **kwargs)
            return self.checked_size(output, "output of the state"), following

        return execute

    def limiting_task(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def invoke(resource: str, parameters: Any, *args: Any) -> Any:
            self.checked_size(parameters, "input of the task")
            return self.checked_size(original(resource, parameters, *args), "result of the task")

        return invoke

    def limiting_history(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def add_event(execution: dict[str, Any], event_type: str, details: dict[str, Any] | None = None) -> Any:
            full = len(execution["events"]) >= HISTORY_EVENTS - 1
            if full and not event_type.startswith("Execution") and current_executions.get():
                cause = f"The execution reached the maximum number of history events ({HISTORY_EVENTS})."
                self.stepfunctions._fail_execution(execution, "States.Runtime", cause)
                raise ExecutionEnded
            return original(execution, event_type, details)

        return add_event

    def starting(self, original: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        def start_execution(request: dict[str, Any]) -> Any:
            if rejection := _rejection(request):
                return self.stepfunctions.error_response_json(*rejection, 400)
            execution = _execution_with_name(self.stepfunctions, request)
            if execution and execution["status"] == RUNNING and execution["input"] == request.get("input", "{}"):
                response = {"executionArn": execution["executionArn"], "startDate": execution["startDate"]}
                return self.stepfunctions.json_response(response)
            return original(request)

        return start_execution


def _rejection(request: dict[str, Any]) -> tuple[str, str] | None:
    """Return the error code and message if AWS rejects a start; None otherwise."""
    name, execution_input = request.get("name"), request.get("input", "{}")
    if name is not None and not _NAME.fullmatch(name):
        return "InvalidName", f"Invalid Name: '{name}'"
    if len(execution_input.encode()) > DATA_BYTES:
        return "ValidationException", f"Value at 'input' failed to satisfy constraint: length at most {DATA_BYTES}"
    try:
        json.loads(execution_input)
    except json.JSONDecodeError as error:
        return "InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'"
    return None


def _execution_with_name(stepfunctions: Any, request: dict[str, Any]) -> Any:
    """Return the execution with the requested name; None if there is none."""
    state_machine = stepfunctions._resolve_state_machine_arn(request.get("stateMachineArn", ""))
    if state_machine is None or "name" not in request:
        return None
    return stepfunctions._executions.get(f"{state_machine.replace(':stateMachine:', ':execution:')}:{request['name']}")
