"""``orchestrator compliance`` and ``audit``: whether an environment meets its controls, and who did what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, report_errors
from orchestrator.cli.files import output_file
from orchestrator.cli.program import CommandLine
from orchestrator.cli.usage import refuse_options

app = CommandLine()


@app.command()
def compliance(
    env: Env = "local",
    framework: Annotated[
        list[str] | None,
        typer.Option(help="oauth, infrastructure, data-protection or practices."),
    ] = None,
    assembly: Annotated[Path | None, typer.Option(help="Folder of npx cdk synth; default: deployed templates.")] = None,
    record: Annotated[bool, typer.Option("--record", help="Keep the report in the evidence chain.")] = False,
    trend: Annotated[bool, typer.Option("--trend", help="Compare with the newest report kept.")] = False,
    output: Annotated[Path | None, typer.Option(callback=output_file, help="File to write as an HTML page.")] = None,
    json: AsJson = False,
) -> None:
    """Check an environment's controls; 1 if one fails."""
    from orchestrator.cli.actions.compliance import run
    from orchestrator.cli.context import context_of

    with report_errors(json):
        context = context_of(env)
        code = run.run(context, framework or [], assembly, output, record=record, trend=trend, json=json)
    raise typer.Exit(code)


@app.command()
def audit(
    command: typer.Context,
    env: Env = "local",
    since: Annotated[str, typer.Option(help="An age: 7d, 12h or 30m.")] = "7d",
    actor: Annotated[str, typer.Option(help="Part of the actor's name or ARN.")] = "",
    resource: Annotated[str, typer.Option(help="Part of a resource's name, or of a detail.")] = "",
    form: Annotated[str, typer.Option("--format", help="Format: text, csv or json.")] = "text",
    access: Annotated[bool, typer.Option("--access", help="Add the requests of clients.")] = False,
    json: AsJson = False,
) -> None:
    """List who did what: ledger, CloudTrail, access log."""
    from orchestrator.cli.actions.compliance import audit as action
    from orchestrator.cli.context import context_of

    with report_errors(json or form == "json"):
        if json and form != "json":
            refuse_options(command, "give --json or --format, not both", only=("--format",))
        action.audit(context_of(env), since, actor, resource, form, json=json, access=access)
