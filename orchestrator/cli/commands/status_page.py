"""``orchestrator status-page``: build, show, publish and serve the status page, and override its states."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, RequestedBy, report_errors
from orchestrator.cli.files import output_folder
from orchestrator.cli.program import CommandLine

app = CommandLine(no_args_is_help=True, help="Build, publish and override the public status page.")

subscribers = CommandLine(no_args_is_help=True, help="List, remove and erase subscribers of the status page.")
app.add_typer(subscribers, name="subscribers")

Reason = Annotated[str, typer.Option(help="Reason, recorded in the ledger.")]
Component = Annotated[str, typer.Argument(metavar="COMPONENT", help="Id of a component; `show` lists them.")]


@app.command()
def build(
    out: Annotated[Path, typer.Option(callback=output_folder, help="Folder to write the site into.")],
    url: Annotated[str | None, typer.Option(help="Address of the page; default: from the settings.")] = None,
    env: Env = "local",
    json: AsJson = False,
) -> None:
    """Build the site into a folder."""
    from orchestrator.cli.actions.status_page import commands
    from orchestrator.cli.context import context_of

    with report_errors(json):
        commands.build(context_of(env), out, url, json=json)


@app.command()
def show(env: Env = "local", json: AsJson = False) -> None:
    """Show the state of each component, and why."""
    from orchestrator.cli.actions.status_page import commands
    from orchestrator.cli.context import context_of

    with report_errors(json):
        commands.show(context_of(env), json=json)


@app.command()
def publish(
    env: Env = "local",
    without_ledger: Annotated[
        str | None, typer.Option(metavar="REASON", help="Publish an outage without reading the ledger.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Publish the page to its bucket."""
    from orchestrator.cli.actions.status_page import commands
    from orchestrator.cli.context import context_of

    with report_errors(json):
        if without_ledger is None:
            commands.publish(context_of(env), json=json)
        else:
            commands.publish_without_ledger(env, without_ledger, json=json)


@app.command()
def override(
    component: Component,
    state: Annotated[str, typer.Argument(metavar="STATE", help="State in Statuspage's words, as major_outage.")],
    reason: Annotated[str, typer.Option(help="Reason; clients read it on the page.")],
    until: Annotated[str, typer.Option(help="When it ends: 90m, 2h, 1d or a time with its zone.")],
    env: Env = "local",
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Set the state of a component until a time."""
    from orchestrator.cli.actions.status_page import commands
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_of(env)
        by = operator_name(requested_by, context)
        commands.override(context, component, state, reason=reason, until=until, by=by, json=json)


@app.command()
def clear(component: Component, env: Env = "local", requested_by: RequestedBy = None, json: AsJson = False) -> None:
    """End the override of a component."""
    from orchestrator.cli.actions.status_page import commands
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_of(env)
        commands.clear(context, component, operator_name(requested_by, context), json=json)


@app.command()
def serve(
    env: Env = "local",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; default: a free one.")] = 0,
    json: AsJson = False,
) -> None:
    """Serve the page on this machine until Ctrl-C."""
    from orchestrator.cli.actions.status_page import serve as action
    from orchestrator.cli.context import context_of

    with report_errors(json):
        action.serve(context_of(env), port, json=json)


@subscribers.command("list")
def list_subscribers(
    env: Env = "local",
    show_addresses: Annotated[bool, typer.Option("--show-addresses", help="Print whole addresses.")] = False,
    json: AsJson = False,
) -> None:
    """List subscribers, their components and open requests."""
    from orchestrator.cli.actions.status_page import subscribers as action
    from orchestrator.cli.context import context_of

    with report_errors(json):
        action.list_subscribers(context_of(env), show_addresses=show_addresses, json=json)


@subscribers.command()
def remove(
    subscriber: Annotated[str, typer.Argument(metavar="SUBSCRIBER", help="Id of a subscriber; `list` lists them.")],
    reason: Reason,
    env: Env = "local",
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """End a subscription, and delete its address."""
    from orchestrator.cli.actions.status_page import subscribers as action
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_of(env)
        action.remove(context, subscriber, reason, operator_name(requested_by, context), json=json)


@subscribers.command()
def erase(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="E-mail or webhook address; - for standard input.")],
    reason: Reason,
    env: Env = "local",
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Erase everything that is stored of an address."""
    from orchestrator.cli.actions.status_page import subscribers as action
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_of(env)
        action.erase(context, address, reason, operator_name(requested_by, context), json=json)
