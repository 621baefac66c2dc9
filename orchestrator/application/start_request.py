"""Start the execution of a request under the name that follows from its idempotency key."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from orchestrator.aws.step_functions import ABSENT, Executions, execution_arn
from orchestrator.domain.identifiers import refuse_other_request
from orchestrator.domain.untrusted_json import decode_untrusted


def start_request(executions: Executions, machine: str, name: str, request: Mapping[str, object]) -> bool:
    """Start the execution of a request; return False if the same request was started before.

    Args:
        executions: the environment's executions.
        machine: the state machine's ARN.
        name: the execution's name; it follows from the key.
        request: the input.

    Raises:
        Refused: the key belongs to another request; nothing was started.
    """
    if executions.start_execution(machine, name, request):
        return True
    refuse_used_key(executions, machine, name, request)
    return False


def refuse_used_key(executions: Executions, machine: str, name: str, request: Mapping[str, object]) -> None:
    """Refuse a request if its name belongs to another request.

    Raises:
        Refused: an execution of this name has another input.
    """
    execution = executions.describe_execution(execution_arn(machine, name))
    if execution.phase != ABSENT and execution.input_json:
        earlier = _decoded_input(execution.input_json)
        refuse_other_request(name, earlier, msgspec.to_builtins(request))


def _decoded_input(text: str) -> dict[str, object]:
    """Return the input of an execution; empty if it is no JSON object, as `StartExecution` allows."""
    try:
        decoded = decode_untrusted(text)
    except ValueError:
        return {}
    return decoded if isinstance(decoded, dict) else {}
