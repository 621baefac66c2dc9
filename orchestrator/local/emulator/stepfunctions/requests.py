"""Step Functions: requests that are rejected, and the answers that describe an execution.

AWS:

- CreateStateMachine checks the definition's schema: its states are required, and a Wait's ``Timestamp`` is RFC 3339
  (InvalidDefinition). https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
- An ARN that is none is InvalidArn. Deleting a state machine that does not exist is no error. Listing its executions
  is. https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
- DescribeExecution says whether an execution can be redriven. An execution that failed has no output; one whose Fail
  state names neither error nor cause has neither. A missed heartbeat that nothing catches ends an execution with
  States.Timeout. https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
  https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html

The answers were recorded on AWS (`tests/contract/parity/cases/stepfunctions.py` names the recordings).

Stock MiniStack accepts any definition, reports an ARN that is none as a missing resource, and gives a failed execution
an output and the error ``States.Fail``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.stepfunctions._create_state_machine": "4bc1231dda6925d2",
    "ministack.services.stepfunctions._delete_state_machine": "bcbc7c7e5bea52d5",
    "ministack.services.stepfunctions._describe_state_machine": "12f03d98a47ad0cc",
    "ministack.services.stepfunctions._start_execution": "9923282fc76c57b9",
    "ministack.services.stepfunctions._stop_execution": "44d2d84ccd5c9702",
    "ministack.services.stepfunctions._describe_execution": "c3ad294ad8b5070a",
    "ministack.services.stepfunctions._list_executions": "741208b3007744b3",
    "ministack.services.stepfunctions._get_execution_history": "e865bdd85d5d89cd",
    "ministack.services.stepfunctions._fail_execution": "e6da895fa0b74cdd",
    "ministack.services.stepfunctions._fail_state_field": "0bfc6a7a3f4b0b18",
}

Request = Mapping[str, Any]
Operation = Callable[..., Any]

_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_NO_PATH: Final = re.compile(r"The path '([^']+)' could not be found in: ")
"""The cause that the patch `stepfunctions.paths_and_choice` gives."""
_ARNS: Final = {
    "_describe_state_machine": "stateMachineArn",
    "_start_execution": "stateMachineArn",
    "_list_executions": "stateMachineArn",
    "_stop_execution": "executionArn",
    "_describe_execution": "executionArn",
    "_get_execution_history": "executionArn",
}
"""The operations that take an ARN, with the parameter's name."""


def schema_error(definition: str) -> str:
    """Return why AWS rejects a definition's schema; empty if it is none of the reasons that this patch knows."""
    try:
        machine = json.loads(definition)
    except ValueError:
        return "INVALID_JSON_DESCRIPTION: the definition is not valid JSON"
    if not isinstance(machine, dict):
        return "INVALID_JSON_DESCRIPTION: the definition is not a JSON object"
    missing = [name for name in ("StartAt", "States") if name not in machine]
    if missing:
        return f"SCHEMA_VALIDATION_FAILED: These fields are required: [{', '.join(missing)}] at /"
    for name, state in machine["States"].items():
        timestamp = state.get("Timestamp") if state.get("Type") == "Wait" else None
        if isinstance(timestamp, str) and not timestamp.startswith("{%") and not _RFC_3339.fullmatch(timestamp):
            return f"SCHEMA_VALIDATION_FAILED: String does not match RFC3339 timestamp at /States/{name}/Timestamp"
    return ""


def redrive(status: str) -> dict[str, Any]:
    """Return what DescribeExecution says about redriving an execution with a status."""
    facts: dict[str, Any] = {"redriveCount": 0}
    if status in {"FAILED", "TIMED_OUT", "ABORTED"}:
        return facts | {"redriveStatus": "REDRIVABLE"}
    reason = f"Execution is {status} and cannot be redriven"
    return facts | {"redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": reason}


def install(_options: Options) -> None:
    """Install the patch in this process."""
    from ministack.services import stepfunctions  # noqa: PLC0415 - only in the server process

    answers = _Answers(stepfunctions)
    wrap(stepfunctions, "_create_state_machine", answers.checking_the_schema)
    wrap(stepfunctions, "_delete_state_machine", answers.accepting_absent_machines)
    wrap(stepfunctions, "_describe_execution", answers.describing)
    wrap(stepfunctions, "_start_execution", answers.requiring_an_input)
    wrap(stepfunctions, "_list_executions", answers.requiring_a_machine)
    wrap(stepfunctions, "_fail_execution", answers.failing)
    wrap(stepfunctions, "_fail_state_field", answers.leaving_out_the_error)
    for operation, parameter in _ARNS.items():
        wrap(stepfunctions, operation, answers.requiring_an_arn(parameter))


def _with_state(execution: Mapping[str, Any], cause: str) -> str:
    """Return the cause of a path that finds nothing as AWS words it: with the state and the event of its entry."""
    found = _NO_PATH.match(cause or "")
    entered = [event for event in execution.get("events", ()) if event["type"].endswith("StateEntered")]
    if not found or not entered:
        return cause
    name, event, path = entered[-1]["stateEnteredEventDetails"]["name"], entered[-1]["id"], found[1]
    steps = "".join(f"['{step}']" for step in path.removeprefix("$").strip(".").split("."))
    return (
        f"An error occurred while executing the state '{name}' (entered at the event id #{event}). "
        f"Invalid path '{path}' : No results for path: ${steps}"
    )


class _Answers:
    """Replacements of MiniStack's operations."""

    def __init__(self, stepfunctions: Any) -> None:
        self._stepfunctions = stepfunctions

    def _reject(self, code: str, message: str) -> Any:
        return self._stepfunctions.error_response_json(code, message, HTTPStatus.BAD_REQUEST)

    def checking_the_schema(self, original: Operation) -> Operation:
        def create_state_machine(data: Request) -> Any:
            reason = schema_error(data.get("definition") or "")
            if reason:
                return self._reject("InvalidDefinition", f"Invalid State Machine Definition: '{reason}'")
            return original(data)

        return create_state_machine

    def accepting_absent_machines(self, original: Operation) -> Operation:
        def delete_state_machine(data: Request) -> Any:
            absent = data.get("stateMachineArn") not in self._stepfunctions._state_machines
            return self._stepfunctions.json_response({}) if absent else original(data)

        return delete_state_machine

    def requiring_an_input(self, original: Operation) -> Operation:
        def start_execution(data: Request) -> Any:
            if data.get("input") == "":
                message = "Invalid State Machine Execution Input: 'Invalid execution input.'"
                return self._reject("InvalidExecutionInput", message)
            return original(data)

        return start_execution

    def requiring_a_machine(self, original: Operation) -> Operation:
        def list_executions(data: Request) -> Any:
            arn = data.get("stateMachineArn")
            if arn and self._stepfunctions._resolve_state_machine_arn(arn) is None:
                return self._reject("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
            return original(data)

        return list_executions

    def requiring_an_arn(self, parameter: str) -> Callable[[Operation], Operation]:
        def requiring(original: Operation) -> Operation:
            def operation(data: Request) -> Any:
                arn = data.get(parameter)
                if isinstance(arn, str) and not arn.startswith("arn:"):
                    return self._reject("InvalidArn", f"Invalid Arn: 'Invalid ARN prefix: {arn}'")
                return original(data)

            return operation

        return requiring

    def describing(self, original: Operation) -> Operation:
        def describe_execution(data: Request) -> Any:
            response = original(data)
            if response[0] != HTTPStatus.OK:
                return response
            found = json.loads(response[2])
            if found["status"] != "SUCCEEDED":
                found.pop("outputDetails", None)
            return self._stepfunctions.json_response(found | redrive(found["status"]))

        return describe_execution

    def failing(self, original: Operation) -> Operation:
        def fail_execution(execution: Any, error: str, cause: str) -> Any:
            uncaught = "States.Timeout" if error == "States.HeartbeatTimeout" else error
            return original(execution, uncaught, _with_state(execution, cause))

        return fail_execution

    def leaving_out_the_error(self, original: Operation) -> Operation:
        def fail_state_field(state: Request, field: str, default: str, *context: Any) -> Any:
            return original(state, field, "" if default == "States.Fail" else default, *context)

        return fail_state_field
