"""``orchestrator rehearse``: disasters on a local cloud of their own, under traffic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, report_errors
from orchestrator.cli.extras import require
from orchestrator.cli.files import output_file
from orchestrator.cli.program import CommandLine

app = CommandLine(invoke_without_command=True, help="Rehearse disasters on a local cloud, or list them.")


@app.callback()
def rehearse(
    command: typer.Context,
    scenario: Annotated[
        list[str] | None, typer.Option(help="Scenario to run, or `all`; repeatable; `list` shows them.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(callback=output_file, help="File of last runs to update, with its page.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Rehearse disasters on a local cloud, or list them."""
    if command.invoked_subcommand is not None:
        return
    with report_errors(json):
        require("local")
        from orchestrator.cli.actions.recovery import rehearse as action

        code = action.rehearse(scenario or [], record, json=json)
    raise typer.Exit(code)


@app.command("list")
def list_scenarios(json: AsJson = False) -> None:
    """List the scenarios with end, objectives and runbook."""
    from orchestrator.cli.actions.recovery import rehearse as action

    with report_errors(json):
        action.list_scenarios(json=json)
