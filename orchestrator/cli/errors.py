"""Options, exit codes and error messages that all commands share."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.domain.deployment.release import STABLE_OUTCOMES
from orchestrator.domain.errors import OrchestratorError, Refused, Unreachable
from orchestrator.domain.printable import printable
from orchestrator.domain.schema import EnvironmentRefused
from orchestrator.domain.texts import shortened

DONE, FAILED, REFUSED, UNREACHABLE = 0, 1, 2, 3

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
    from orchestrator.cli.live.operator_keys import StoppedWatching
    from orchestrator.cli.rendering.follow import RefusedByPlan
    from orchestrator.local.cloud import LocalCloudError, LocalCloudNotRunning
    from orchestrator.packaging.assets import PackagingFailed

    fail = partial(_fail, as_json, lines)
    try:
        yield
    except StoppedWatching as stopped:
        raise typer.Exit(DONE) from stopped
    except (Refused, EnvironmentRefused) as error:
        value = shortened(error.value) if isinstance(error.value, str) else error.value
        details = {"field": shortened(error.field), "value": value, "remedy": error.remedy}
        if isinstance(error, EnvironmentRefused) and error.file:
            details |= {"file": error.file, "line": error.line, "column": error.column}
        fail(str(error), REFUSED, details)
    except typer.Abort:
        # The operator said no, or there is no terminal to ask.
        fail("not confirmed, nothing was changed: agree, or give --yes", REFUSED)
    except RefusedByPlan as error:
        fail(f"{error}; nothing was changed", REFUSED)
    except LocalCloudNotRunning as error:
        fail(str(error), UNREACHABLE)
    except (Unreachable, BotoCoreError) as error:
        fail(f"the cloud could not be reached: {error}", UNREACHABLE)
    except ClientError as error:
        fail(f"AWS rejected the request: {error}", UNREACHABLE)
    except (OrchestratorError, LocalCloudError, PackagingFailed) as error:
        fail(str(error), FAILED)


def exit_code(outcome: DeploymentOutcome | None, expected: Collection[DeploymentOutcome] = STABLE_OUTCOMES) -> int:
    """Return the exit code of a deployment: a refusal is REFUSED wherever it was found out; one in progress is DONE."""
    if outcome is DeploymentOutcome.REFUSED:
        return REFUSED
    return DONE if outcome is None or outcome in expected else FAILED


def _fail(as_json: bool, lines: bool, message: str, code: int, details: dict[str, Any] | None = None) -> None:
    from orchestrator.cli.rendering.output import print_json, print_json_line

    error = {"error": {"message": message, **(details or {})}}
    if as_json and lines:
        print_json_line({"time": datetime.now(UTC), "type": "result", **error})
    elif as_json:
        print_json(error)
    else:
        sys.stderr.write(f"{printable(message)}\n")
    raise typer.Exit(code)
