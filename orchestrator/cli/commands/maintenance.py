"""``orchestrator maintenance``: plan, list, start, end and cancel maintenance windows."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, RequestedBy, report_errors
from orchestrator.cli.program import CommandLine

app = CommandLine(no_args_is_help=True, help="Plan, list, start, end and cancel maintenance windows.")

Window = Annotated[str, typer.Argument(metavar="MAINTENANCE", help="Id of a window; `list` lists them.")]


@app.command()
def plan(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What is done, in one line, for clients.")],
    text: Annotated[str, typer.Option(help="What clients notice and have to do.")],
    starts: Annotated[str, typer.Option(help="Start with zone, such as 2026-12-24T20:00Z.")],
    ends: Annotated[str, typer.Option(help="End with zone, such as 2026-12-24T22:00Z.")],
    component: Annotated[list[str], typer.Option(help="What is affected, such as token; repeatable.")],
    allow: Annotated[
        list[str] | None, typer.Option(help="Idempotency key of a deployment that may start; repeatable.")
    ] = None,
    silence: Annotated[
        list[str] | None, typer.Option(help="Section of the alarm runbook that does not page; repeatable.")
    ] = None,
    urgent: Annotated[str, typer.Option(metavar="REASON", help="Why it cannot wait for the required notice.")] = "",
    env: Env = "local",
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Plan a window, which is announced to clients."""
    from orchestrator.cli.actions.maintenance import windows
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name
    from orchestrator.domain.maintenance.schedule import WindowRequest, read_moment

    with report_errors(json):
        starts_at, ends_at = read_moment("--starts", starts), read_moment("--ends", ends)
        context = context_of(env)
        request = WindowRequest(
            title=title,
            text=text,
            components=component,
            starts_at=starts_at,
            ends_at=ends_at,
            by=operator_name(requested_by, context),
            allowed=allow or (),
            silenced=silence or (),
            urgent=urgent,
        )
        windows.plan(context, request, json=json)


@app.command("list")
def list_windows(
    env: Env = "local",
    only_open: Annotated[bool, typer.Option("--open", help="List only those planned or under way.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Number of windows, latest first.")] = 20,
    json: AsJson = False,
) -> None:
    """List the windows with the latest starts."""
    from orchestrator.cli.actions.maintenance import windows
    from orchestrator.cli.context import context_of

    with report_errors(json):
        windows.list_windows(context_of(env), limit, only_open=only_open, json=json)


@app.command()
def show(maintenance: Window, env: Env = "local", json: AsJson = False) -> None:
    """Show a window with its history."""
    from orchestrator.cli.actions.maintenance import windows
    from orchestrator.cli.context import context_of

    with report_errors(json):
        windows.show_window(context_of(env), maintenance, json=json)


@app.command()
def start(
    maintenance: Window,
    reason: Annotated[str, typer.Option(help="Why it begins before its time.")],
    env: Env = "local",
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Start a planned window before its time."""
    from orchestrator.cli.actions.maintenance import windows
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_of(env)
        windows.start(context, maintenance, reason, operator_name(requested_by, context), json=json)


@app.command()
def end(
    maintenance: Window,
    reason: Annotated[str, typer.Option(help="What was done, for other operators.")] = "",
    env: Env = "local",
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """End a window before its time."""
    from orchestrator.cli.actions.maintenance import windows
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_of(env)
        windows.end(context, maintenance, reason, operator_name(requested_by, context), json=json)


@app.command()
def cancel(
    maintenance: Window,
    reason: Annotated[str, typer.Option(help="Why it does not take place.")],
    env: Env = "local",
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Cancel a planned window."""
    from orchestrator.cli.actions.maintenance import windows
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_of(env)
        windows.cancel(context, maintenance, reason, operator_name(requested_by, context), json=json)
