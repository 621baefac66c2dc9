"""``orchestrator report``, ``replay`` and ``trace``: what was recorded, as a page, judged again, and as spans."""

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
def report(
    command: typer.Context,
    identifier: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Id of a deployment, drill or restore.")
    ] = None,
    env: Env = "local",
    dora: Annotated[bool, typer.Option("--dora", help="Print DORA's four keys instead.")] = False,
    since: Annotated[str | None, typer.Option(help="With --dora: an age, 90d by default.")] = None,
    objectives: Annotated[bool, typer.Option("--objectives", help="Report RTO and RPO by scenario instead.")] = False,
    rehearsals: Annotated[Path | None, typer.Option(help="With --objectives: a record of rehearsals.")] = None,
    form: Annotated[str, typer.Option("--format", help="Format: html, md or json.")] = "html",
    output: Annotated[
        Path | None, typer.Option(callback=output_file, help="File to write; default: build/reports/ID.FORMAT.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Write a report with plots of what the ledger recorded."""
    from orchestrator.cli.actions.reports import dora as dora_action
    from orchestrator.cli.actions.reports import objectives as objectives_action
    from orchestrator.cli.actions.reports import report as action
    from orchestrator.cli.context import context_of
    from orchestrator.domain.errors import Refused
    from orchestrator.environments.project import build_folder, root

    with report_errors(json):
        if dora:
            if identifier is not None or output is not None:
                refused = identifier if identifier is not None else str(output)
                raise Refused("--dora", refused, "give either --dora, which prints, or the id of one report")
            only = ("--objectives", "--rehearsals", "--format")
            refuse_options(command, "omit it: --dora prints the four keys alone", only=only)
            dora_action.report_dora(context_of(env), since, root(), json=json)
            return
        if rehearsals is not None and not objectives:
            raise Refused("--rehearsals", str(rehearsals), "give it with --objectives, which compares them")
        if since is not None:
            raise Refused("--since", since, "give it with --dora, which reports a period")
        if objectives:
            if identifier is not None:
                raise Refused("--objectives", identifier, "give either --objectives or the id of one report")
            folder = build_folder() / "reports"
            objectives_action.report_objectives(context_of(env), rehearsals, form, output, folder, json=json)
            return
        if identifier is None:
            raise Refused("id", "", "give the id of a deployment, drill or restore, --dora or --objectives")
        context = context_of(env).of_record(identifier)
        action.write_report(context, identifier, form, output, build_folder() / "reports", json=json)


@app.command()
def replay(
    deployment: Annotated[str | None, typer.Argument(help="Id of a deployment; or give --since.")] = None,
    env: Env = "local",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Other setting, as delivery.KEY=VALUE; repeatable.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Replay all of the last 90d, 12h or 30m.")] = None,
    output: Annotated[
        Path | None, typer.Option(callback=output_file, help="Also write a page with the table and a plot.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Judge the recorded evidence again, by any settings."""
    from orchestrator.cli.actions.reports import replay as action
    from orchestrator.cli.context import context_of

    with report_errors(json):
        code = action.replay(context_of(env), deployment, settings or [], since, output=output, json=json)
    raise typer.Exit(code)


@app.command()
def trace(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Id of a deployment, drill or restore.")],
    env: Env = "local",
    otlp: Annotated[str | None, typer.Option(help="Address of a collector; default: print.")] = None,
    headers: Annotated[
        list[str] | None, typer.Option("--header", help="Header for it, as NAME=VALUE; repeatable.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Print or send the OpenTelemetry trace of an execution."""
    from orchestrator.cli.actions.reports import traces as action
    from orchestrator.cli.context import context_of

    with report_errors(json):
        action.export_traces(context_of(env), identifier, otlp, headers or [], json=json)
