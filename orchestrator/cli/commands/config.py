"""``orchestrator config``: configuration snapshots of the environment; ``orchestrator rebuild``: back to one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, RequestedBy, report_errors
from orchestrator.cli.program import CommandLine
from orchestrator.cli.usage import refuse_options

app = CommandLine(
    no_args_is_help=True,
    help="Take, list, show and compare configuration snapshots.",
)
top = CommandLine()

Snapshot = Annotated[str, typer.Argument(metavar="[SNAPSHOT]", help="Id of a snapshot; `config list` lists them.")]

_PLANNING = ("--plan", "--assembly", "--snapshot", "--create-empty")
"""Options of `rebuild` that say how it is planned."""


@app.command()
def backup(env: Env = "local", requested_by: RequestedBy = None, json: AsJson = False) -> None:
    """Take a snapshot of the current configuration."""
    from orchestrator.cli.actions import config
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_of(env)
        config.take_snapshot(context, operator_name(requested_by, context), json=json)


@app.command("list")
def list_snapshots(
    env: Env = "local",
    limit: Annotated[int, typer.Option(min=1, max=200, help="Number of entries, newest first.")] = 20,
    json: AsJson = False,
) -> None:
    """List configuration snapshots."""
    from orchestrator.cli.actions import config
    from orchestrator.cli.context import context_of

    with report_errors(json):
        config.list_snapshots(context_of(env), limit, json=json)


@app.command()
def show(
    snapshot: Snapshot = "newest",
    env: Env = "local",
    part: Annotated[str, typer.Option(help="Show only this kind, or kind/name.")] = "",
    json: AsJson = False,
) -> None:
    """Show the content of a snapshot."""
    from orchestrator.cli.actions import config
    from orchestrator.cli.context import context_of

    with report_errors(json):
        config.show(context_of(env), snapshot, part, json=json)


@app.command()
def diff(
    snapshot: Snapshot = "newest",
    env: Env = "local",
    against: Annotated[str | None, typer.Option(help="Id of the other snapshot.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Compare with the live configuration (default).")] = False,
    json: AsJson = False,
) -> None:
    """Compare a snapshot; exit 0 if equal, 1 if different."""
    from orchestrator.cli.actions import config
    from orchestrator.cli.context import context_of

    with report_errors(json):
        code = config.diff(context_of(env), snapshot, against, live=live, json=json)
    raise typer.Exit(code)


@top.command()
def rebuild(
    command: typer.Context,
    env: Env = "local",
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan; change nothing.")] = False,
    assembly: Annotated[
        Path | None, typer.Option(help="Release's assembly; default: the deployed one in build/.")
    ] = None,
    snapshot: Annotated[str, typer.Option(help="Configuration snapshot; default: the newest.")] = "",
    create_empty: Annotated[
        list[str] | None, typer.Option(metavar="TABLE", help="Table to create without items; repeatable.")
    ] = None,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="End the rebuild under way; the next is planned anew.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Rebuild an environment whose stacks are deleted."""
    from orchestrator.cli.actions.rebuild import run as action
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        if abandon:
            refuse_options(command, "omit it: --abandon ends a rebuild and plans none", only=_PLANNING)
        context = context_of(env)
        operator = operator_name(requested_by, context)

        def agrees(question: str) -> bool:
            return yes or (not json and typer.confirm(question))

        if abandon:
            code = action.abandon(context, operator, agrees, json=json)
        else:
            code = action.rebuild(
                context, assembly, snapshot, create_empty or [], operator, agrees, plan_only=plan, json=json
            )
    raise typer.Exit(code)
