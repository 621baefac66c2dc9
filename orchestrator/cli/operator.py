"""The name of the operator, which records, incidents and locks show: resolved here for every command."""

from __future__ import annotations

import os
import pwd

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.aws.clients import translate_errors
from orchestrator.cli.context import Context
from orchestrator.domain.schema import refuse_long_text
from orchestrator.domain.texts import MAX_NAME, shortened

VARIABLES = ("ORCHESTRATOR_REQUESTED_BY", "LOGNAME", "USER", "LNAME", "USERNAME")
"""Variables with the operator's name: our own, for pipelines, and those that a login sets (`getpass.getuser`)."""


def operator_name(requested_by: str | None, context: Context) -> str:
    """Return the operator's name: the first that is known.

    1. the option ``--requested-by``;
    2. a variable of `VARIABLES`;
    3. the caller's ARN by STS, if the environment is in an account;
    4. the user's name on this machine, or ``uid 12345`` if there is none, as in many containers.

    Args:
        requested_by: the option; None if it was not given.
        context: the environment.

    Raises:
        Refused: the name is too long for a record, or no UTF-8.
    """
    name = requested_by or _of_variables() or _of_credentials(context) or _of_machine()
    refuse_long_text("--requested-by", name, MAX_NAME)
    return name


def caller(context: Context) -> str:
    """Return who calls, so that the person cannot choose it: the ARN by STS, or the operator's name on the local cloud.

    Raises:
        Unreachable: STS did not answer, or there are no credentials.
    """
    if context.environment.local:
        return operator_name(None, context)
    with translate_errors():
        return str(context.clients("sts").get_caller_identity()["Arn"])


def credentials_of(context: Context) -> dict[str, object]:
    """Return the field of a deployment's request with the caller's ARN by STS; none on the local cloud.

    A requester chooses `operator_name`. This ARN shows at an approval that the requester and the approver are one person.

    Raises:
        Unreachable: STS did not answer, or there are no credentials.
        ClientError: STS rejected the credentials.
    """
    return {} if context.environment.local else {"requested_as": caller(context)}


def _of_variables() -> str:
    return next((name for name in (os.environ.get(key, "").strip() for key in VARIABLES) if name), "")


def _of_credentials(context: Context) -> str:
    if context.environment.local:
        return ""  # The local cloud's credentials are the same for all operators.
    try:
        return shortened(str(context.clients("sts").get_caller_identity()["Arn"]), MAX_NAME)
    except (BotoCoreError, ClientError):
        return ""  # The command itself reports what it cannot reach.


def _of_machine() -> str:
    user = os.getuid()
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"uid {user}"
