"""Step Functions: the quotas that end executions, and the name of an execution.

AWS (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html):

- Input and output of an execution, a state and a task: 256 KiB of UTF-8. More is States.DataLimitExceeded, which States.ALL
  does not match.
- 25,000 events in a history. The next one fails the execution with States.Runtime, uncaught, as event 25,000.
- StartExecution with the name and input of a running execution is answered like the first time; with another input, or
  once that execution has ended, it is ExecutionAlreadyExists (for 90 days). A name has 1 to 80 characters, none of them
  white space, brackets, wildcards or special; an input is JSON.
  https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html

MiniStack has no such limits, takes any name and any input, and refuses the second start always.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from orchestrator.local.fidelity.executions import RUNNING, ExecutionEnded, under_way
from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

PINNED = {
    "ministack.services.stepfunctions._start_execution": "9923282fc76c57b9d2541cc83863bfb69f2472b29aec9a9fc3454f3d19d045b4",
    "ministack.services.stepfunctions._start_sync_execution": "8600470a0208036c033f7af10253c51fa62781d9ae04057bc98a964ff7f8650b",
    "ministack.services.stepfunctions._resolve_state_machine_arn": "e054a309ee54fa0f59e2eb0f05edc4424f3b65fc964fd342b86b74284f051ac1",
    "ministack.services.stepfunctions._invoke_resource": "a85d2be9a8584ce0f8660e27ccc9e1687a5f5d167a727613b8ee0c90bdd53d69",
    "ministack.services.stepfunctions._invoke_with_callback": "bbb38423156a0d3d46c6fe19292640055cfa72e929d2356153f3a8a6c2c023d9",
    "ministack.services.stepfunctions._execute_pass": "b1dff47048bcf8e1033cb21b8a67d924994d21b9004d17634e017aca4eb9d32c",
    "ministack.services.stepfunctions._execute_task": "53c818d247dba62c49b82c78ad185f18083422f2bc30168836d7b4f2dae28d9a",
    "ministack.services.stepfunctions._execute_choice": "468955fcd4a438d261fe7d65fe1e6b15e57adf0cc45e67ebc774e4d6d1365b66",
    "ministack.services.stepfunctions._execute_wait": "a1012679c72d1b0862b8b6d48b3f9f1d5d21ac08d7e8670fd12f6ef8bad4bfed",
    "ministack.services.stepfunctions._execute_parallel": "2166e1f53e5fd48dbcfd4940826e5f421b725798fe2488174ebd11244c077c93",
    "ministack.services.stepfunctions._execute_map": "18ad3965291213ada6d870a080c18a942f9e21c9c73a534d6bc962b472ca471e",
    "ministack.services.stepfunctions._run_execution": "996dff84e0e0605ae3ffb450d0dfa0adc150caa811d0715fc2d4eb7cf28a1648",
    "ministack.services.stepfunctions._fail_execution": "e6da895fa0b74cddd3335ba9ff53624510d2f5c8c98a44cfaa119b7ec65cd71f",
    "ministack.services.stepfunctions._add_event": "b1db143ccd21809d3aa32e79439b7971c7af7b50dcee5533ed2cce923742ac6a",
}

DATA_BYTES: Final = 256 * 1024
HISTORY_EVENTS: Final = 25_000
_STATES: Final = ("pass", "task", "choice", "wait", "parallel", "map")
_NAME: Final = re.compile(r"""[^\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}""")


def install(options: Options) -> None:
    """Put the mend in place, in this process."""
    del options
    from ministack.services import stepfunctions  # noqa: PLC0415 - only in the server process

    mended = _Limits(stepfunctions)
    for state in _STATES:
        wrap(stepfunctions, f"_execute_{state}", mended.limiting_state)
    wrap(stepfunctions, "_invoke_resource", mended.limiting_task)
    wrap(stepfunctions, "_invoke_with_callback", mended.limiting_task)
    wrap(stepfunctions, "_add_event", mended.limiting_history)
    wrap(stepfunctions, "_start_execution", mended.starting)


class _Limits:
    """What takes the place of MiniStack's functions."""

    def __init__(self, stepfunctions: Any) -> None:
        self.stepfunctions = stepfunctions

    def held(self, data: Any, what: str) -> Any:
        if len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()) > DATA_BYTES:
            raise self.stepfunctions._ExecutionError(
                "States.DataLimitExceeded",
                f"The {what} has a size exceeding the maximum number of bytes service limit.",
            )
        return data

    def limiting_state(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def execute(*given: Any, **named: Any) -> Any:
            output, following = original(*given, **named)
            return self.held(output, "output of the state"), following

        return execute

    def limiting_task(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def invoke(resource: str, given: Any, *more: Any) -> Any:
            self.held(given, "input of the task")
            return self.held(original(resource, given, *more), "result of the task")

        return invoke

    def limiting_history(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def add_event(execution: dict[str, Any], event_type: str, details: dict[str, Any] | None = None) -> Any:
            full = len(execution["events"]) >= HISTORY_EVENTS - 1
            if full and not event_type.startswith("Execution") and under_way.get():
                cause = f"The execution reached the maximum number of history events ({HISTORY_EVENTS})."
                self.stepfunctions._fail_execution(execution, "States.Runtime", cause)
                raise ExecutionEnded
            return original(execution, event_type, details)

        return add_event

    def starting(self, original: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        def start_execution(asked: dict[str, Any]) -> Any:
            if refusal := _refusal(asked):
                return self.stepfunctions.error_response_json(*refusal, 400)
            found = _under_the_name(self.stepfunctions, asked)
            if found and found["status"] == RUNNING and found["input"] == asked.get("input", "{}"):
                same = {"executionArn": found["executionArn"], "startDate": found["startDate"]}
                return self.stepfunctions.json_response(same)
            return original(asked)

        return start_execution


def _refusal(asked: dict[str, Any]) -> tuple[str, str] | None:
    """The error code and message with which AWS refuses a start, if it does."""
    name, given = asked.get("name"), asked.get("input", "{}")
    if name is not None and not _NAME.fullmatch(name):
        return "InvalidName", f"Invalid Name: '{name}'"
    if len(given.encode()) > DATA_BYTES:
        return "ValidationException", f"Value at 'input' failed to satisfy constraint: length at most {DATA_BYTES}"
    try:
        json.loads(given)
    except json.JSONDecodeError as error:
        return "InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'"
    return None


def _under_the_name(stepfunctions: Any, asked: dict[str, Any]) -> Any:
    """The execution that has the name already, if any."""
    machine = stepfunctions._resolve_state_machine_arn(asked.get("stateMachineArn", ""))
    if machine is None or "name" not in asked:
        return None
    return stepfunctions._executions.get(f"{machine.replace(':stateMachine:', ':execution:')}:{asked['name']}")
