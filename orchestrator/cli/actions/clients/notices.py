"""``orchestrator clients notify``: a message to the contacts of clients, once each, with a record of every one.

The command sends by itself, with the operator's rights, so that the operator sees what each recipient's server answered.
The ledger has a record for each recipient and request key, as for every notification: repeating the command sends to
those alone who did not get the message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from orchestrator.application.cloud import now
from orchestrator.application.notifications.attempt import Outcome, Way, attempt
from orchestrator.cli.context import Context
from orchestrator.cli.errors import DONE, FAILED
from orchestrator.cli.recorded_actions import record_action
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.clients.notices import (
    Channel,
    Notice,
    Recipient,
    all_recipients,
    destination_of,
    mail_of,
    new_notice,
    notification_of,
    recipients_of_one,
)
from orchestrator.domain.errors import Refused, Throttled, Unreachable
from orchestrator.domain.notifications.providers.requests import Result

WOULD_SEND, NOT_SENT = "would be sent", "not sent; repeat the command"


@dataclass(frozen=True)
class Wanted:
    """Who is to be notified, as given on the command line."""

    client_id: str | None
    every: bool
    reachable_only: bool


def notice_of(subject: str, text: str, deprecation: str | None, key: str | None) -> Notice:
    """Return the message that is given on the command line. Its text may be in a file: ``@FILE``.

    Raises:
        Refused: a part is not valid, or the file cannot be read.
    """
    return new_notice(subject, _read_text(text), deprecation, key, now())


def _read_text(text: str) -> str:
    """Return a text, or the contents of its file.

    Raises:
        Refused: the file cannot be read.
    """
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused("--text", text, f"name a readable file in UTF-8: {type(error).__name__}") from error


def notify(context: Context, notice: Notice, wanted: Wanted, by: str, *, dry_run: bool, json: bool) -> int:
    """Send a message to the contacts of clients, and return the exit code.

    Args:
        context: the environment.
        notice: the message.
        wanted: to whom.
        by: the operator.
        dry_run: show the recipients, and send nothing.
        json: print one JSON object.

    Raises:
        Refused: no client or too much is named, a client is unknown or has no contact, or nothing sends e-mail.
    """
    recipients = _chosen(context, wanted)
    if dry_run:
        _show(context, notice, [(one, WOULD_SEND) for one in recipients], json=json, dry_run=True)
        return DONE
    if context.environment.mail is None and any(one.channel is Channel.EMAIL for one in recipients):
        remedy = "give it sender and identity_arn of a verified identity of Amazon SES (docs/guides/clients.md)"
        raise Refused(f"{context.name}.mail", "no sender", remedy)
    _record(context, notice, "requested", f"{len(recipients)} recipients", by)
    results = [(one, _send(context, notice, one)) for one in recipients]
    for number, (recipient, outcome) in enumerate(results):
        _record(
            context,
            notice,
            f"{recipient.client_id}-{number}",
            f"{recipient.client_id}, {recipient.channel}: {outcome.text}",
            by,
        )
    _show(context, notice, [(one, outcome.text) for one, outcome in results], json=json, dry_run=False)
    return DONE if all(_has_it(outcome) for _, outcome in results) else FAILED


def _chosen(context: Context, wanted: Wanted) -> Sequence[Recipient]:
    if wanted.every == (wanted.client_id is not None):
        raise Refused("CLIENT", wanted.client_id or "none", "name one client, or give --all")
    records = context.cloud.client_records
    if wanted.client_id is not None:
        return recipients_of_one(records.read_client(wanted.client_id))
    configured = [one.client_id for one in context.environment.service.clients if not one.synthetic]
    return all_recipients(records.list_clients(), configured, reachable_only=wanted.reachable_only)


def _send(context: Context, notice: Notice, recipient: Recipient) -> Outcome:
    cloud, destination = context.cloud, destination_of(recipient)
    notification = notification_of(notice, context.name, cloud.now())
    if recipient.channel is Channel.EMAIL:
        way = Way(
            destination,
            cloud.deliveries,
            lambda: cloud.mailer.send(mail_of(notice, recipient, cloud.now())),
            _nothing,
            cloud.now,
        )
    else:
        way = Way(
            destination,
            cloud.deliveries,
            lambda: cloud.providers.send(notification, destination),
            _nothing,
            cloud.now,
        )
    try:
        return attempt(notification, way, 1, timedelta())
    except (Throttled, Unreachable) as error:
        return Outcome(f"{NOT_SENT}: {type(error).__name__}", 1)


def _nothing() -> None:
    """Keep nothing aside: the command shows what was refused, and its repetition sends it."""


def _has_it(outcome: Outcome) -> bool:
    """Return whether the recipient has the message, from this command or from an earlier one."""
    return outcome.retry_seconds is None and outcome.result is not Result.REFUSED


def _record(context: Context, notice: Notice, part: str, why: str, by: str) -> None:
    # What follows "by" is the actor in the audit trail.
    name, why = f"clients notify by {by}", f"{notice.subject}: {why}"
    record_action(context, f"clients-notify-{notice.key}-{part}", name, why)


def _show(
    context: Context, notice: Notice, results: Sequence[tuple[Recipient, str]], *, json: bool, dry_run: bool
) -> None:
    if json:
        rows = [
            {"client": one.client_id, "channel": one.channel, "address": one.address, "result": result}
            for one, result in results
        ]
        print_json({"environment": context.name, "key": notice.key, "dry_run": dry_run, "recipients": rows})
        return
    screen = console()
    screen.print(f"request key: {notice.key}", markup=False)
    cells = [(one.client_id, one.channel, one.address, result) for one, result in results]
    screen.print(text_table(("client", "channel", "address", "result"), cells, ("client", "result")))
