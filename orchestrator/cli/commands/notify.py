"""``orchestrator notify``: the destinations of notifications, and a test of them."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, RequestedBy, report_errors
from orchestrator.cli.program import CommandLine

app = CommandLine(no_args_is_help=True, help="List and test the destinations of notifications.")


@app.command("list")
def list_destinations(env: Env = "local", json: AsJson = False) -> None:
    """List the destinations and what each of them gets."""
    from orchestrator.cli.actions.notifications import destinations

    with report_errors(json):
        destinations.list_destinations(env, json=json)


@app.command("test")
def send_test(
    destination: Annotated[
        str | None, typer.Argument(metavar="DESTINATION", help="Name of a destination; default: all.")
    ] = None,
    env: Env = "local",
    wait: Annotated[int, typer.Option(min=1, max=600, help="Seconds to wait for the answers.")] = 60,
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Send a test message, and report each provider's answer."""
    from orchestrator.cli.actions.notifications import destinations
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_of(env)
        by = operator_name(requested_by, context)
        code = destinations.send_test(context, destination, by, wait_seconds=wait, json=json)
    raise typer.Exit(code)
