"""``orchestrator lint`` and ``doctor``: whether the settings and an environment are in order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, report_errors
from orchestrator.cli.program import CommandLine

app = CommandLine()


@app.command()
def lint(
    file: Annotated[Path | None, typer.Argument(help="Settings file; default: environments.toml.")] = None,
    json: AsJson = False,
) -> None:
    """List all errors in the settings file, with their lines."""
    from orchestrator import environments
    from orchestrator.cli.actions.checks import lint as action

    with report_errors(json):
        code = action.lint(file or environments.settings_file(), json=json)
    raise typer.Exit(code)


@app.command()
def doctor(env: Env = "local", json: AsJson = False) -> None:
    """Check an environment and its account; 1 if one fails."""
    from orchestrator.cli.actions.checks import doctor as action
    from orchestrator.cli.context import context_of

    with report_errors(json):
        code = action.doctor(context_of(env), json=json)
    raise typer.Exit(code)


@app.command("contacts")
def show_contacts(env: Env = "local", json: AsJson = False) -> None:
    """Print the emergency page: who to call now and next."""
    from orchestrator.cli.actions.incidents import contacts

    with report_errors(json):
        contacts.show_contacts(env, json=json)
