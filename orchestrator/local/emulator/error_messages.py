"""Every service: the wording of errors that MiniStack words otherwise.

AWS: an error's message names the resource as recorded on AWS (`tests/contract/parity/cases` names the recordings).
People read it, and a state machine's execution keeps it as a cause.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html#API_DescribeExecution_Errors
https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeEventBus.html#API_DescribeEventBus_Errors
https://docs.aws.amazon.com/lambda/latest/api/API_GetPolicy.html#API_GetPolicy_Errors

Stock MiniStack has the same error codes with other words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.core.responses.error_response_json": "37b83f60219dea51",
}

WORDINGS: Final = (
    ("StateMachineDoesNotExist", r"State machine (\S+) not found", r"State Machine Does Not Exist: '\1'"),
    (
        "StateMachineAlreadyExists",
        r"State machine (\S+) already exists",
        r"State Machine Already Exists: 'arn:aws:states:{region}:{account}:stateMachine:\1'",
    ),
    ("ExecutionDoesNotExist", r"Execution (\S+) not found", r"Execution Does Not Exist: '\1'"),
    ("ExecutionAlreadyExists", r"Execution already exists: (.*)", r"Execution Already Exists: \1"),
    ("ResourceNotFoundException", r"Event bus (\S+) not found", r"Event bus \1 does not exist."),
    ("ResourceAlreadyExistsException", r"Event bus (\S+) already exists", r"Event bus \1 already exists."),
    ("ValidationException", r"Cannot delete the default event bus", "Cannot delete event bus default."),
    ("ResourceNotFoundException", r"Stream not found: (\S+)", r"Requested resource not found: Stream: \1 not found"),
    (
        "ProvisionedConcurrencyConfigNotFoundException",
        r"No Provisioned Concurrency Config found for function: \S+",
        "No Provisioned Concurrency Config found for this function",
    ),
)
"""Error code, MiniStack's whole message (a regular expression), AWS's."""


def reword(code: str, message: str, *, region: str, account: str) -> str:
    """Return AWS's wording of an error; the message itself if none is known."""
    for known, pattern, wording in WORDINGS:
        if known == code and (found := re.fullmatch(pattern, message)):
            return found.expand(wording).replace("{region}", region).replace("{account}", account)
    return message


def install(_options: Options) -> None:
    """Install the patch in this process."""
    from ministack.core import responses  # noqa: PLC0415 - only in the server process

    def rewording(original: Callable[..., Any]) -> Callable[..., Any]:
        def error_response_json(code: str, message: str, *arguments: Any, **settings: Any) -> Any:
            words = reword(code, str(message), region=responses.get_region(), account=responses.get_account_id())
            return original(code, words, *arguments, **settings)

        return error_response_json

    wrap(responses, "error_response_json", rewording)
