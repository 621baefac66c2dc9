"""``orchestrator upkeep``: what an environment needs before it fails, and what it could save."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, report_errors
from orchestrator.cli.files import output_file
from orchestrator.cli.program import CommandLine

app = CommandLine()


@app.command()
def upkeep(
    env: Env = "local",
    advisories: Annotated[
        list[Path] | None,
        typer.Option(help="File of pip-audit or OSV; repeatable."),
    ] = None,
    record: Annotated[bool, typer.Option("--record", help="Keep the report in the evidence chain.")] = False,
    output: Annotated[Path | None, typer.Option(callback=output_file, help="File to write as an HTML page.")] = None,
    json: AsJson = False,
) -> None:
    """List what is due and what saves money; 1 if urgent."""
    from orchestrator.cli.actions.upkeep import run
    from orchestrator.cli.context import context_of

    with report_errors(json):
        code = run.run(context_of(env), advisories or [], output, record=record, json=json)
    raise typer.Exit(code)
