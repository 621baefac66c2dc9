"""``orchestrator clients``: add, rotate, disable and diagnose OAuth clients."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, RequestedBy, report_errors
from orchestrator.cli.program import CommandLine
from orchestrator.cli.standby_option import Standby, context_in

app = CommandLine(no_args_is_help=True, help="Add, rotate, disable and diagnose OAuth clients.")

Client = Annotated[str, typer.Argument(metavar="CLIENT", help="Id of a client; `list` lists them.")]
Reason = Annotated[str, typer.Option(help="Reason, recorded in the ledger.")]
Contacts = Annotated[list[str] | None, typer.Option("--contact", help="E-mail address of its developers; repeatable.")]
Units = Annotated[float, typer.Option(min=1, max=40_000, help="Capacity to use, in units per second.")]


@app.command("list")
def list_clients(
    env: Env = "local",
    removed: Annotated[bool, typer.Option("--removed", help="Also list removed clients.")] = False,
    json: AsJson = False,
) -> None:
    """List configured and managed clients."""
    from orchestrator.cli.actions.clients import reading
    from orchestrator.cli.context import context_of

    with report_errors(json):
        reading.list_clients(context_of(env), removed=removed, json=json)


@app.command()
def show(client: Client, env: Env = "local", json: AsJson = False) -> None:
    """Show a client, without its secrets."""
    from orchestrator.cli.actions.clients import reading
    from orchestrator.cli.context import context_of

    with report_errors(json):
        reading.show_client(context_of(env), client, json=json)


@app.command()
def add(
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="New id, such as app-orders-web.")],
    name: Annotated[str, typer.Option(help="Name that users see on the consent page.")],
    redirect_uri: Annotated[list[str], typer.Option(help="Redirect URI; repeatable.")],
    scope: Annotated[list[str], typer.Option(help="Scope that it may request; repeatable.")],
    reason: Reason,
    resource: Annotated[list[str] | None, typer.Option(help="Resource (RFC 8707); repeatable.")] = None,
    contact: Contacts = None,
    public: Annotated[bool, typer.Option("--public", help="No secret: it runs on its users' devices.")] = False,
    env: Env = "local",
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Add a client, and print its secret once."""
    from orchestrator.cli.actions.clients import changes
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name
    from orchestrator.domain.clients.client import Wanted

    with report_errors(json):
        context = context_of(env)
        wanted = Wanted(client, name, tuple(redirect_uri), tuple(scope), tuple(resource or ()), tuple(contact or ()))
        changes.add(context, wanted, reason, operator_name(requested_by, context), public=public, json=json)


@app.command("rotate-secret")
def rotate_secret(
    client: Client,
    reason: Reason,
    overlap: Annotated[str, typer.Option(help="How long both secrets work, such as 24h; 0h ends all.")] = "24h",
    discard_new: Annotated[bool, typer.Option("--discard-new", help="Replace the new secret, which was lost.")] = False,
    env: Env = "local",
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Give a client a new secret, and print it once."""
    from orchestrator.cli.actions.clients import changes
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_of(env)
        by = operator_name(requested_by, context)
        changes.rotate_secret(context, client, overlap, reason, by, discard_new=discard_new, json=json)


@app.command()
def disable(
    client: Client,
    reason: Reason,
    units_per_second: Units = 200,
    env: Env = "local",
    standby: Standby = False,
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Disable a client at once, and end its grants."""
    from orchestrator.cli.actions.clients import changes
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_in(env, standby=standby)
        changes.disable(context, client, reason, operator_name(requested_by, context), units_per_second, json=json)


@app.command()
def enable(
    client: Client,
    reason: Reason,
    units_per_second: Units = 200,
    env: Env = "local",
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Enable a disabled client; its users log in again."""
    from orchestrator.cli.actions.clients import changes
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_of(env)
        changes.enable(context, client, reason, operator_name(requested_by, context), units_per_second, json=json)


@app.command()
def remove(
    client: Client,
    reason: Reason,
    units_per_second: Units = 200,
    env: Env = "local",
    standby: Standby = False,
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Remove a disabled client; its id is not used again."""
    from orchestrator.cli.actions.clients import changes
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_in(env, standby=standby)
        changes.remove(context, client, reason, operator_name(requested_by, context), units_per_second, json=json)


@app.command("contacts")
def set_contacts(
    client: Client,
    reason: Reason,
    contact: Contacts = None,
    webhook_secret: Annotated[
        str | None, typer.Option(metavar="ARN", help="Secret with url and signing_secret of a webhook.")
    ] = None,
    env: Env = "local",
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Replace the contacts of a client."""
    from orchestrator.cli.actions.clients import changes
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_of(env)
        by = operator_name(requested_by, context)
        contacts = tuple(contact or ())
        changes.set_contacts(context, client, contacts, reason, by, webhook_secret=webhook_secret, json=json)


@app.command()
def notify(
    subject: Annotated[str, typer.Option(help="Subject of the message, on one line.")],
    text: Annotated[str, typer.Option(help="Text of the message, or @FILE with it.")],
    client: Annotated[str | None, typer.Argument(metavar="CLIENT", help="Id of a client; see --all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Notify every enabled client.")] = False,
    reachable_only: Annotated[
        bool, typer.Option("--reachable-only", help="Leave out clients without a contact.")
    ] = False,
    deprecation: Annotated[str | None, typer.Option(metavar="DATE", help="Day on which something ends.")] = None,
    key: Annotated[str | None, typer.Option(help="Request key; default: from the message itself.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the recipients, and send nothing.")] = False,
    env: Env = "local",
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Write to the contacts of clients, each once."""
    from orchestrator.cli.actions.clients import notices
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name
    from orchestrator.domain.errors import Refused

    with report_errors(json):
        if reachable_only and not every:
            raise Refused("--reachable-only", reachable_only, "give it with --all")
        notice = notices.notice_of(subject, text, deprecation, key)
        context = context_of(env)
        by = operator_name(requested_by, context)
        wanted = notices.Wanted(client, every=every, reachable_only=reachable_only)
        code = notices.notify(context, notice, wanted, by, dry_run=dry_run, json=json)
    raise typer.Exit(code)


@app.command()
def reapply(reason: Reason, env: Env = "local", requested_by: RequestedBy = None, json: AsJson = False) -> None:
    """Write all clients again as the ledger has them."""
    from orchestrator.cli.actions.clients import changes
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_of(env)
        changes.reapply(context, reason, operator_name(requested_by, context), json=json)


@app.command()
def diagnose(
    client: Client,
    since: Annotated[str, typer.Option(help="How far back the log is read, such as 24h.")] = "24h",
    redirect_uri: Annotated[str | None, typer.Option(help="Redirect URI that the application sends.")] = None,
    env: Env = "local",
    json: AsJson = False,
) -> None:
    """Show why a client cannot log in, without secrets."""
    from orchestrator.cli.actions.clients import reading
    from orchestrator.cli.context import context_of

    with report_errors(json):
        reading.diagnose(context_of(env), client, since, redirect_uri, json=json)
