"""What all commands have in common: options, exit codes, and errors told as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from environments.tables import EnvironmentRefused
from orchestrator.domain.errors import OrchestratorError, Refused, Unreachable

DONE, FAILED, REFUSED, UNREACHABLE = 0, 1, 2, 3

Env = Annotated[str, typer.Option("--env", help="An environment of environments.toml.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Watch = Annotated[bool, typer.Option("--watch", help="Follow it until the end.")]


@contextmanager
def answering(as_json: bool) -> Iterator[None]:
    """Turn every error that a user can meet into a sentence and an exit code."""
    from orchestrator.cli.follow import RefusedByPlan
    from orchestrator.local.cloud import LocalCloudError, LocalCloudNotRunning
    from orchestrator.packaging import PackagingFailed

    try:
        yield
    except (Refused, EnvironmentRefused) as error:
        facts = {"field": error.field, "value": error.value, "remedy": error.remedy}
        _fail(as_json, f"refused: {error}", REFUSED, facts)
    except RefusedByPlan as error:
        _fail(as_json, f"refused, nothing was touched: {error}", REFUSED)
    except LocalCloudNotRunning as error:
        _fail(as_json, str(error), UNREACHABLE)
    except (Unreachable, BotoCoreError) as error:
        _fail(as_json, f"the cloud could not be reached: {error}", UNREACHABLE)
    except ClientError as error:
        _fail(as_json, f"the cloud refused: {error}", UNREACHABLE)
    except (OrchestratorError, LocalCloudError, PackagingFailed) as error:
        _fail(as_json, str(error), FAILED)


def _fail(as_json: bool, message: str, code: int, facts: dict[str, Any] | None = None) -> None:
    if as_json:
        from orchestrator.cli.output import as_json as show

        show({"error": {"message": message, **(facts or {})}})
    else:
        typer.echo(message, err=True)
    raise typer.Exit(code)
