"""What a person reads of clients: the list, one client, and why it cannot log in. Nothing here prints a secret's hash."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.aws.cloudwatch.logs import Logs
from orchestrator.aws.oauth_tables.managed_clients import ClientItems
from orchestrator.cli.actions.clients.configuration import MANAGED, configurations, read_configuration
from orchestrator.cli.actions.clients.log_usage import read_usage
from orchestrator.cli.actions.reports.replay import parse_age
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.clients.client import ManagedClient, Status
from orchestrator.domain.clients.diagnosis import Configuration, Finding, InEffect, diagnose_client
from orchestrator.domain.clients.usage import ClientRequest, Usage
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.verdict import Window


def list_clients(context: Context, *, removed: bool, json: bool) -> None:
    """List the configured and the managed clients; with `removed`, also the removed ones."""
    now = context.cloud.now()
    shown = [one for one in configurations(context) if removed or one.managed is None or not one.managed.removed]
    if json:
        print_json({"environment": context.name, "clients": [_object(client, now) for client in shown]})
        return
    columns = ("client", "kind", "status", "name", "secret", "contacts")
    console().print(text_table(columns, [_row(client, now) for client in shown], ("client", "status")))


def show_client(context: Context, client_id: str, *, json: bool) -> None:
    """Show one client.

    Raises:
        Refused: operators do not know it.
    """
    client, now = read_configuration(context, client_id), context.cloud.now()
    effect = _read_effect(context, client)
    if json:
        print_json({"environment": context.name, "client": _object(client, now), "in_effect": effect})
        return
    for line in _lines(client, now):
        console().print(line, markup=False, soft_wrap=True)


def diagnose(context: Context, client_id: str, since: str, requested_redirect: str | None, *, json: bool) -> None:
    """Print the configuration of a client, its usage, its recent errors, and what is probably wrong.

    Args:
        context: the environment.
        client_id: a configured or managed client.
        since: how far back the log is read, such as ``24h``.
        requested_redirect: the redirect URI that the application sends, to compare; None without one.
        json: print one JSON object.

    Raises:
        Refused: operators do not know the client, or `since` is no age.
        Throttled, Unreachable: AWS did not answer.
    """
    now = context.cloud.now()
    window = Window(now - parse_age(since), now)
    client = read_configuration(context, client_id)
    functions = [context.function_name(name) for name in context.environment.service.functions]
    usage, complete = read_usage(Logs(context.clients("logs")), functions, client_id, window)
    findings = diagnose_client(client, _read_effect(context, client), usage, now, requested_redirect)
    if json:
        document = {"client": _object(client, now), "usage": usage, "complete": complete, "findings": findings}
        print_json({"environment": context.name, "since": window.start, "until": window.end, **document})
        return
    _print_diagnosis(client, usage, findings, window, now, complete=complete)


def _print_diagnosis(
    client: Configuration,
    usage: Usage,
    findings: tuple[Finding, ...],
    window: Window,
    now: datetime,
    *,
    complete: bool,
) -> None:
    screen = console()
    for line in (*_lines(client, now), *_usage_lines(usage, window, complete=complete)):
        screen.print(line, markup=False, soft_wrap=True)
    if usage.recent_errors:
        columns = ("time (UTC)", "request", "error", "verified", "request id")
        screen.print(text_table(columns, [_error_row(one) for one in usage.recent_errors], ("error",)))
    if not findings:
        screen.print("nothing is wrong with what the service knows of this client", style="bold")
    for number, finding in enumerate(findings, start=1):
        screen.print(f"{number}. {finding.problem}", style="bold", markup=False, soft_wrap=True)
        screen.print(f"   -> {finding.remedy}", markup=False, soft_wrap=True)


def public_record(client: ManagedClient, now: datetime) -> Mapping[str, Any]:
    """Return what may be shown of a managed client: everything except the hashes of its secrets."""
    return {
        "client_id": client.client_id,
        "status": client.status,
        "name": client.name,
        "redirect_uris": client.redirect_uris,
        "scopes": client.scopes,
        "resources": client.resources,
        "contacts": client.contacts,
        "webhook_secret": client.webhook_secret or None,
        "public": client.is_public,
        "secret_since": client.secret_since,
        "earlier_secret_until": client.earlier_secret_until if client.overlaps(now) else None,
        "created_at": client.created_at,
        "disabled_at": client.disabled_at,
        "revision": client.revision,
        "action": client.action,
        "changed": client.changed,
    }


def _object(client: Configuration, now: datetime) -> Mapping[str, Any]:
    if client.managed is not None:
        return {"kind": MANAGED, **public_record(client.managed, now)}
    return {
        "kind": client.kind,
        "client_id": client.client_id,
        "status": Status.ENABLED,
        "name": client.name,
        "redirect_uris": client.redirect_uris,
        "scopes": client.scopes,
        "resources": client.resources,
        "public": client.public,
    }


def _read_effect(context: Context, client: Configuration) -> InEffect:
    service = context.environment.service
    if client.managed is None:
        return InEffect(service.managed_clients, None)
    items = ClientItems(context.clients("dynamodb"), context.live_tables[Role.TOKENS])
    return InEffect(service.managed_clients, items.read_revision(client.client_id))


def _row(client: Configuration, now: datetime) -> tuple[str, ...]:
    managed = client.managed
    status = managed.status if managed else Status.ENABLED
    contacts = ", ".join(managed.contacts) if managed else ""
    return (client.client_id, client.kind, status, client.name, _secret_of(client, now), contacts)


def _secret_of(client: Configuration, now: datetime) -> str:
    managed = client.managed
    if client.public:
        return "none (public)" if managed is None or not managed.removed else ""
    if managed is None or managed.secret_since is None:
        return "configured"
    since = f"since {managed.secret_since:%Y-%m-%d}"
    if managed.overlaps(now):
        return f"{since}; the earlier until {managed.earlier_secret_until:%Y-%m-%d %H:%M}"
    return since


def _lines(client: Configuration, now: datetime) -> list[str]:
    managed = client.managed
    lines = [
        f"{client.client_id}: {client.name} ({client.kind}, {managed.status if managed else Status.ENABLED})",
        f"redirect URIs: {', '.join(client.redirect_uris) or 'none'}",
        f"scopes: {' '.join(client.scopes) or 'none'}; resources: {' '.join(client.resources) or 'the issuer only'}",
        f"secret: {_secret_of(client, now)}",
    ]
    if managed is not None:
        change = managed.changed
        lines += [
            f"contacts: {', '.join([*managed.contacts, managed.webhook_secret]).rstrip(', ') or 'none'}",
            f"revision {managed.revision}: {managed.action} by {change.by}, {change.at:%Y-%m-%d %H:%M} UTC: {change.reason}",
        ]
    return lines


def _usage_lines(usage: Usage, window: Window, *, complete: bool) -> list[str]:
    errors = ", ".join(f"{code} ({count})" for code, count in usage.errors.items()) or "none"
    last = f"{usage.last_used:%Y-%m-%d %H:%M:%S} UTC" if usage.last_used else "not in this time"
    lines = [
        f"since {window.start:%Y-%m-%d %H:%M} UTC: {usage.requests} requests, {usage.grants} grants, errors: {errors}",
        f"last used: {last}",
    ]
    if not complete:
        lines.append("the log was not read to its end: shorten the time with --since")
    return lines


def _error_row(request: ClientRequest) -> tuple[str, ...]:
    verified = "yes" if request.verified else "no"
    return (f"{request.at:%m-%d %H:%M:%S}", request.route, request.error, verified, request.request_id)
