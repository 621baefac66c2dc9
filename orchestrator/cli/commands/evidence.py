"""``orchestrator evidence``: evidence reports of drills and restores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, report_errors
from orchestrator.cli.program import CommandLine

app = CommandLine(
    no_args_is_help=True,
    help="List, show, export and verify evidence reports.",
)

Recovery = Annotated[str, typer.Argument(metavar="ID", help="Id of a drill, a restore or a report.")]


@app.command("list")
def list_entries(
    env: Env = "local",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Number of entries, newest first.")] = 20,
    json: AsJson = False,
) -> None:
    """List the evidence reports."""
    from orchestrator.cli.actions import evidence
    from orchestrator.cli.context import context_of

    with report_errors(json):
        evidence.list_entries(context_of(env), limit, json=json)


@app.command()
def show(recovery: Recovery, env: Env = "local", json: AsJson = False) -> None:
    """Show an evidence report; --json prints the document."""
    from orchestrator.cli.actions import evidence
    from orchestrator.cli.context import context_of

    with report_errors(json):
        evidence.show(context_of(env), recovery, json=json)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="New folder for the chain entries and their files.")],
    env: Env = "local",
    json: AsJson = False,
) -> None:
    """Export the whole evidence chain to a folder."""
    from orchestrator.cli.actions import evidence
    from orchestrator.cli.context import context_of

    with report_errors(json):
        evidence.export(context_of(env), folder, json=json)


@app.command()
def verify(
    env: Env = "local",
    folder: Annotated[Path | None, typer.Option(help="Verify an exported folder, without a cloud.")] = None,
    head: Annotated[str, typer.Option(help="Expected chain head as number:hash; with --folder.")] = "",
    json: AsJson = False,
) -> None:
    """Verify all reports and the chain; exit 1 on a fault."""
    from orchestrator.cli.actions import evidence
    from orchestrator.cli.context import context_of

    with report_errors(json):
        if folder is None:
            code = evidence.verify(context_of(env), head, json=json)
        else:
            code = evidence.verify_folder(folder, head, json=json)
    raise typer.Exit(code)
