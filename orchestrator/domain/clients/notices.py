"""Notices to the developers of clients: what is written, to whom, and under which request key.

A request key names one message. A recipient gets each key once, however often the command is repeated. Without a key of its own a
message has the digest of its contents, so the same message is the same request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from orchestrator.domain.clients.client import ManagedClient, Status
from orchestrator.domain.errors import Refused
from orchestrator.domain.mail.message import MAX_SUBJECT, Mail
from orchestrator.domain.notifications.destinations import Destination, DestinationKind
from orchestrator.domain.notifications.notification import (
    Audience,
    EventKind,
    Figure,
    Notification,
    Severity,
    Transition,
)
from orchestrator.domain.notifications.providers.requests import stable_id
from orchestrator.domain.printable import is_encodable, one_line

MAX_TEXT = 20_000
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Channel(StrEnum):
    """How a contact is reached."""

    EMAIL = "email"
    WEBHOOK = "webhook"


@dataclass(frozen=True)
class Notice:
    """A message to clients.

    Attributes:
        key: the request key.
        deprecation: the day on which something ends; None for other messages.
    """

    key: str
    subject: str
    text: str
    deprecation: date | None = None


@dataclass(frozen=True)
class Recipient:
    """A contact of a client. `address`: its e-mail address, or the ARN of the secret with its webhook."""

    client_id: str
    channel: Channel
    address: str

    @property
    def name(self) -> str:
        """The name under which the ledger keeps what was sent; it contains no address."""
        return f"client-{self.client_id}-{stable_id(self.channel, self.address)[:12]}"


def new_notice(subject: str, text: str, deprecation: str | None, key: str | None, now: datetime) -> Notice:
    """Return a message as it is given on the command line.

    Args:
        subject: on one line.
        text: the text.
        deprecation: the day on which something ends, such as ``2027-06-30``; None for other messages.
        key: the request key; None for the digest of the message.
        now: the current time.

    Raises:
        Refused: a part is empty, too long or not valid. The error names the option, the value and the remedy.
    """
    if not subject.strip() or len(subject) > MAX_SUBJECT or one_line(subject) != subject:
        raise Refused("--subject", subject, f"give 1 to {MAX_SUBJECT} visible characters on one line")
    if not text.strip() or len(text) > MAX_TEXT or not is_encodable(text):
        raise Refused("--text", f"{len(text)} characters", f"give 1 to {MAX_TEXT} characters of text")
    if key is not None and not _KEY.fullmatch(key):
        raise Refused("--key", key, "give at most 64 letters, digits, dots, hyphens and underscores")
    ends = None if deprecation is None else _read_day(deprecation, now)
    digest = stable_id(subject, text, deprecation or "")
    return Notice(key or digest, subject, text, ends)


def recipients_of(client: ManagedClient) -> tuple[Recipient, ...]:
    """Return the contacts of a client."""
    mails = [Recipient(client.client_id, Channel.EMAIL, address) for address in dict.fromkeys(client.contacts)]
    if client.webhook_secret:
        mails.append(Recipient(client.client_id, Channel.WEBHOOK, client.webhook_secret))
    return tuple(mails)


def all_recipients(
    clients: Iterable[ManagedClient], configured: Sequence[str], *, reachable_only: bool
) -> tuple[Recipient, ...]:
    """Return the contacts of every enabled client.

    Args:
        clients: the managed clients.
        configured: ids of the clients of the settings, which have no contacts.
        reachable_only: leave out clients without a contact.

    Raises:
        Refused: a client has no contact, and is not to be left out; or none has one.
    """
    enabled = [client for client in clients if client.status is Status.ENABLED]
    found = {client.client_id: recipients_of(client) for client in enabled}
    silent = [*configured, *(client_id for client_id, contacts in found.items() if not contacts)]
    if silent and not reachable_only:
        remedy = "give each one with `orchestrator clients contacts`, or leave them out with --reachable-only"
        raise Refused("--all", f"without a contact: {', '.join(silent)}", remedy)
    every = tuple(one for contacts in found.values() for one in contacts)
    if not every:
        raise Refused("--all", "no client has a contact", "give contacts with `orchestrator clients contacts`")
    return every


def recipients_of_one(client: ManagedClient) -> tuple[Recipient, ...]:
    """Return the contacts of a client that is to be notified.

    Raises:
        Refused: it was removed, or has no contact.
    """
    if client.removed:
        raise Refused("CLIENT", client.client_id, "name a client that exists: this one was removed")
    found = recipients_of(client)
    if not found:
        remedy = f"give one with `orchestrator clients contacts {client.client_id} --contact ADDRESS`"
        raise Refused("CLIENT", f"{client.client_id} has no contact", remedy)
    return found


def notification_of(notice: Notice, environment: str, at: datetime) -> Notification:
    """Return a message as a notification, which is recorded and sent as such.

    Args:
        notice: the message.
        environment: the environment's name.
        at: when it is sent.
    """
    figures = () if notice.deprecation is None else (Figure("deprecation", notice.deprecation.isoformat()),)
    return Notification(
        key=f"client-notice#{notice.key}",
        id=notice.key,
        transition=Transition.TRIGGER,
        kind=EventKind.NOTICE,
        severity=Severity.INFO,
        audience=Audience.CLIENTS,
        environment=environment,
        title=notice.subject,
        at=at,
        reason=notice.text,
        figures=figures,
    )


def destination_of(recipient: Recipient) -> Destination:
    """Return a recipient as a destination of notifications."""
    mails = recipient.channel is Channel.EMAIL
    return Destination(
        name=recipient.name,
        kind=DestinationKind.EMAIL if mails else DestinationKind.WEBHOOK,
        secret="" if mails else recipient.address,
        minimum_severity=Severity.INFO,
        audiences=(Audience.CLIENTS,),
        events=(EventKind.NOTICE,),
        to=(recipient.address,) if mails else (),
    )


def mail_of(notice: Notice, recipient: Recipient, at: datetime) -> Mail:
    """Return the e-mail of a message, which says why its reader gets it.

    Args:
        notice: the message.
        recipient: who gets it.
        at: when it is sent.
    """
    ends = f"\n\nThis ends on {notice.deprecation:%d %B %Y}." if notice.deprecation else ""
    why = f"You get this message because you are a contact of the client {recipient.client_id}."
    return Mail(
        to=(recipient.address,),
        subject=notice.subject,
        text=f"{notice.text.rstrip()}{ends}\n\n-- \n{why}\n",
        at=at,
    )


def _read_day(text: str, now: datetime) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise Refused("--deprecation", text, "give a day, such as 2027-06-30") from error
    if day <= now.astimezone(UTC).date():
        raise Refused("--deprecation", text, "give a day in the future: clients need time to act")
    return day
