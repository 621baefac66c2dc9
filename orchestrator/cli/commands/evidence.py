"""``orchestrator evidence``: evidence reports of drills and restores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, report_errors
from orchestrator.cli.files import output_file, output_folder
from orchestrator.cli.program import CommandLine
from orchestrator.cli.usage import refuse_options

app = CommandLine(
    no_args_is_help=True,
    help="List, show, export and verify evidence reports.",
)

Recovery = Annotated[str, typer.Argument(metavar="ID", help="Id of a drill, a restore or a report.")]

Output = Annotated[
    Path | None, typer.Option("--output", callback=output_file, help="Write a file instead of printing it.")
]


@app.command("list")
def list_entries(
    env: Env = "local",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Number of entries, newest first.")] = 20,
    json: AsJson = False,
) -> None:
    """List the evidence reports."""
    from orchestrator.cli.actions.evidence import reports
    from orchestrator.cli.context import context_of

    with report_errors(json):
        reports.list_entries(context_of(env), limit, json=json)


@app.command()
def show(recovery: Recovery, env: Env = "local", json: AsJson = False) -> None:
    """Show an evidence report; --json prints the document."""
    from orchestrator.cli.actions.evidence import reports
    from orchestrator.cli.context import context_of

    with report_errors(json):
        reports.show(context_of(env), recovery, json=json)


@app.command()
def export(
    folder: Annotated[
        Path, typer.Argument(callback=output_folder, help="New folder for the chain entries and their files.")
    ],
    env: Env = "local",
    json: AsJson = False,
) -> None:
    """Export the whole evidence chain to a folder."""
    from orchestrator.cli.actions.evidence import folder as action
    from orchestrator.cli.context import context_of

    with report_errors(json):
        action.export(context_of(env), folder, json=json)


@app.command()
def verify(
    command: typer.Context,
    env: Env = "local",
    folder: Annotated[Path | None, typer.Option(help="Verify an exported folder, without a cloud.")] = None,
    head: Annotated[str, typer.Option(help="Head as number:hash or signed file; with --folder.")] = "",
    key: Annotated[Path | None, typer.Option(help="File of the published keys.")] = None,
    json: AsJson = False,
) -> None:
    """Verify reports, chain and signatures; exit 1 on a fault."""
    from orchestrator.cli.actions.evidence import verification
    from orchestrator.cli.context import context_of

    with report_errors(json):
        if folder is None:
            code = verification.verify(context_of(env), head, key, json=json)
        else:
            refuse_options(command, "omit it: --folder needs no environment", only=("--env",))
            code = verification.verify_folder(folder, head, key, json=json)
    raise typer.Exit(code)


@app.command()
def key(env: Env = "local", output: Output = None, json: AsJson = False) -> None:
    """Show the public keys that verify evidence."""
    from orchestrator.cli.actions.evidence import verification
    from orchestrator.cli.context import context_of

    with report_errors(json):
        verification.show_key(context_of(env), output, json=json)


@app.command()
def head(env: Env = "local", output: Output = None, json: AsJson = False) -> None:
    """Show the newest signed head of the second place."""
    from orchestrator.cli.actions.evidence import verification
    from orchestrator.cli.context import context_of

    with report_errors(json):
        verification.show_head(context_of(env), output, json=json)
