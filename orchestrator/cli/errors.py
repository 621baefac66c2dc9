"""Options, exit codes and error messages that all commands share."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
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
Watch = Annotated[bool, typer.Option("--watch", help="Follow it until its end.")]


@contextmanager
def report_errors(as_json: bool) -> Iterator[None]:
    """Print every expected error as one sentence, and exit with its code."""
    from orchestrator.cli.rendering.follow import RefusedByPlan
    from orchestrator.local.cloud import LocalCloudError, LocalCloudNotRunning
    from orchestrator.packaging.assets import PackagingFailed

    try:
        yield
    except (Refused, EnvironmentRefused) as error:
        value = shortened(error.value) if isinstance(error.value, str) else error.value
        details = {"field": shortened(error.field), "value": value, "remedy": error.remedy}
        if isinstance(error, EnvironmentRefused) and error.file:
            details |= {"file": error.file, "line": error.line, "column": error.column}
        _fail(as_json, str(error), REFUSED, details)
    except typer.Abort:
        # The operator said no, or there is no terminal to ask.
        _fail(as_json, "not confirmed, nothing was changed: agree, or give --yes", REFUSED)
    except RefusedByPlan as error:
        _fail(as_json, f"{error}; nothing was changed", REFUSED)
    except LocalCloudNotRunning as error:
        _fail(as_json, str(error), UNREACHABLE)
    except (Unreachable, BotoCoreError) as error:
        _fail(as_json, f"the cloud could not be reached: {error}", UNREACHABLE)
    except ClientError as error:
        _fail(as_json, f"AWS rejected the request: {error}", UNREACHABLE)
    except (OrchestratorError, LocalCloudError, PackagingFailed) as error:
        _fail(as_json, str(error), FAILED)


def exit_code(outcome: DeploymentOutcome | None, expected: Collection[DeploymentOutcome] = STABLE_OUTCOMES) -> int:
    """Return the exit code of a deployment: a refusal is REFUSED wherever it was found out; one in progress is DONE."""
    if outcome is DeploymentOutcome.REFUSED:
        return REFUSED
    return DONE if outcome is None or outcome in expected else FAILED


def _fail(as_json: bool, message: str, code: int, details: dict[str, Any] | None = None) -> None:
    if as_json:
        from orchestrator.cli.rendering.output import print_json

        print_json({"error": {"message": message, **(details or {})}})
    else:
        sys.stderr.write(f"{printable(message)}\n")
    raise typer.Exit(code)
