"""Options, exit codes and error messages that all commands share."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.extras import ExtraMissing
from orchestrator.domain.errors import OrchestratorError, Refused, Unreachable
from orchestrator.domain.printable import printable
from orchestrator.domain.schema import EnvironmentRefused
from orchestrator.domain.texts import shortened

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

    from orchestrator.domain.deployment.record import DeploymentOutcome

DONE, FAILED, REFUSED, UNREACHABLE = 0, 1, 2, 3
"""The exit codes. A request that AWS rejected is UNREACHABLE, not REFUSED: an earlier one may have changed something, and
expired credentials are rejections as well."""
MISSING = "ResourceNotFoundException"

Env = Annotated[str, typer.Option("--env", help="Environment in environments.toml.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object only.")]
RequestedBy = Annotated[str | None, typer.Option(help="Requester; default: your user name, or AWS identity.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Print one JSON object; with --watch, one a line.")]
Watch = Annotated[bool, typer.Option("--watch", help="Follow it until its end.")]


@contextmanager
def report_errors(as_json: bool, *, lines: bool = False) -> Iterator[None]:
    """Print every expected error as one sentence, and exit with its code.

    Args:
        as_json: print it as a JSON object.
        lines: the object is a line, as the events before it.
    """
    try:
        yield
    except typer.Exit:
        raise
    except Exception as error:
        answer = answer_to(error)
        if answer is None:
            from orchestrator.cli.live.operator_keys import StoppedWatching

            if isinstance(error, StoppedWatching):
                raise typer.Exit(DONE) from error
            raise
        _fail(as_json, lines, *answer)


def answer_to(error: Exception) -> tuple[str, int, dict[str, Any]] | None:
    """Return the message, the exit code and the details of an expected error; None for any other."""
    if isinstance(error, Refused):
        value = shortened(error.value) if isinstance(error.value, str) else error.value
        details = {"field": shortened(error.field), "value": value, "remedy": error.remedy}
        if isinstance(error, EnvironmentRefused) and error.file:
            details |= {"file": error.file, "line": error.line, "column": error.column}
        return str(error), REFUSED, details
    if isinstance(error, ExtraMissing):
        return str(error), REFUSED, {"extra": error.extra, "remedy": error.remedy}
    if isinstance(error, typer.Abort):
        # The operator said no, or there is no terminal to ask.
        return "not confirmed, nothing was changed: agree, or give --yes", REFUSED, {}
    return _answer_to_a_failure(error)


def _answer_to_a_failure(error: Exception) -> tuple[str, int, dict[str, Any]] | None:
    # Imported here, because they take most of the time of a command that needs none of them.
    from botocore.exceptions import BotoCoreError, ClientError

    from orchestrator.cli.rendering.follow import RefusedByPlan
    from orchestrator.local.cloud import LocalCloudError, LocalCloudNotRunning
    from orchestrator.packaging.assets import PackagingFailed

    if isinstance(error, RefusedByPlan):
        return f"{error}; nothing was changed", REFUSED, {}
    if isinstance(error, LocalCloudNotRunning):
        return str(error), UNREACHABLE, {}
    if isinstance(error, Unreachable | BotoCoreError):
        return f"the cloud could not be reached: {error}", UNREACHABLE, {}
    if isinstance(error, ClientError):
        return f"AWS rejected the request: {error}{_remedy(error)}", UNREACHABLE, {}
    if isinstance(error, OrchestratorError | LocalCloudError | PackagingFailed):
        return str(error), FAILED, {}
    return None


def _remedy(error: ClientError) -> str:
    """Return what to do about a resource that does not exist; the error itself does not name it."""
    if error.response.get("Error", {}).get("Code") != MISSING:
        return ""
    return "; deploy the stacks, or, if they are deployed, the ledger may be lost: docs/runbooks/ledger-lost.md"


def exit_code(outcome: DeploymentOutcome | None, expected: Collection[DeploymentOutcome] | None = None) -> int:
    """Return the exit code of a deployment: a refusal is REFUSED wherever it was found out; one in progress is DONE.

    Args:
        outcome: of the deployment; None while it is in progress.
        expected: outcomes that are DONE; None for those after which the release is stable.
    """
    from orchestrator.domain.deployment.record import DeploymentOutcome
    from orchestrator.domain.deployment.release import STABLE_OUTCOMES

    if outcome is DeploymentOutcome.REFUSED:
        return REFUSED
    return DONE if outcome is None or outcome in (STABLE_OUTCOMES if expected is None else expected) else FAILED


def _fail(as_json: bool, lines: bool, message: str, code: int, details: dict[str, Any]) -> None:
    if as_json:
        from orchestrator.cli.rendering.output import print_json, print_json_line

        error = {"error": {"message": message, **details}}
        if lines:
            print_json_line({"time": datetime.now(UTC), "type": "result", **error})
        else:
            print_json(error)
    else:
        sys.stderr.write(f"{printable(message)}\n")
    raise typer.Exit(code)
