"""Step Functions: the event of an execution's end on the default bus.

AWS sends "Step Functions Execution Status Change" with each status of a Standard execution. Its detail has the fields
of DescribeExecution: error and cause of an aborted execution are those passed to StopExecution, and an execution that
failed, timed out or was aborted is redrivable. If input and output together exceed 248 KiB, the input is left out; if
the output alone does, the output is.
https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html

Stock MiniStack includes error and cause of failed executions only, reports timed out and aborted executions as not
redrivable, and checks the sizes of input and output separately.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.stepfunctions._emit_execution_status_event": "9c89e45693e353eb",
    "ministack.services.stepfunctions._iso_to_epoch_ms": "7feda6fbce176e78",
    "ministack.services.eventbridge._put_events": "ebcda0f38061fc62",
}

PAYLOAD_BYTES: Final = 248 * 1024
REDRIVABLE: Final = frozenset({"FAILED", "TIMED_OUT", "ABORTED"})


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    from ministack.services import eventbridge, stepfunctions  # noqa: PLC0415 - only in the server process

    def emitting(_: Any) -> Callable[[Mapping[str, Any]], None]:
        def emit(execution: Mapping[str, Any]) -> None:
            if execution.get("sync"):  # an Express workflow sends no events
                return
            entry = {
                "Source": "aws.states",
                "DetailType": "Step Functions Execution Status Change",
                "Detail": json.dumps(event_detail(execution, stepfunctions._iso_to_epoch_ms)),
                "Resources": [execution["executionArn"]],
            }
            eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)

        return emit

    wrap(stepfunctions, "_emit_execution_status_event", emitting)


def event_detail(execution: Mapping[str, Any], milliseconds: Callable[[str | None], int | None]) -> dict[str, Any]:
    """Return the event's detail.

    Args:
        execution: MiniStack's record of the execution.
        milliseconds: converts a time of the record to epoch milliseconds.
    """
    status = execution["status"]
    succeeded = status == "SUCCEEDED"
    execution_input, output = execution.get("input"), execution.get("output") if succeeded else None
    output_included = _escaped_bytes(output) <= PAYLOAD_BYTES
    output_bytes = _escaped_bytes(output) if output_included else 0
    input_included = _escaped_bytes(execution_input) + output_bytes <= PAYLOAD_BYTES
    return {
        **{key: execution[key] for key in ("executionArn", "stateMachineArn", "name", "status")},
        "startDate": milliseconds(execution.get("startDate")),
        "stopDate": milliseconds(execution.get("stopDate")),
        "input": execution_input if input_included else None,
        "inputDetails": {"included": input_included},
        "output": output if output_included else None,
        "outputDetails": {"included": output_included} if succeeded else None,
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        "redriveCount": 0,
        "redriveDate": None,
        "redriveStatus": "REDRIVABLE" if status in REDRIVABLE else "NOT_REDRIVABLE",
        "redriveStatusReason": None if status in REDRIVABLE else f"Execution is {status} and cannot be redriven",
        "error": execution.get("error"),
        "cause": execution.get("cause"),
    }


def _escaped_bytes(text: str | None) -> int:
    return len(json.dumps(text).encode()) if text else 0
