"""A managed client and the changes that operators make to it. Every change is a new value with the next revision.

The ledger has the whole client, and is the truth. The item in the tokens table is what the service needs of it, and
has the same revision. A restore brings back an older item, which the revision shows (docs/adr/0063).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.domain.clients.redirects import URI_REMEDY, is_registrable
from orchestrator.domain.errors import Refused
from orchestrator.domain.notifications.destinations import SECRET_ARN

MAX_ID_CHARACTERS, MAX_NAME_CHARACTERS = 64, 64
MAX_REDIRECT_URIS, MAX_URI_CHARACTERS = 10, 512
MAX_CONTACTS = 5
MAX_OVERLAP = timedelta(days=30)
SETTLED_AFTER = timedelta(seconds=60)
"""After which no request is in progress that read a client before it was disabled: a function has 15 s at most."""

CLIENT_ID = re.compile(r"app(-[a-z0-9]+)+")
_CONTACT = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+")
_DURATION = re.compile(r"(?P<count>[0-9]{1,5})(?P<unit>[mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_CONTROL_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_VISIBLE_CATEGORIES = frozenset("LNPS")


class Action(StrEnum):
    """What an operator did to a client."""

    ADD = "add"
    ROTATE_SECRET = "rotate-secret"  # noqa: S105 - a command, not a secret
    DISABLE = "disable"
    ENABLE = "enable"
    CONTACTS = "contacts"
    REMOVE = "remove"


class Status(StrEnum):
    """Whether the service knows the client."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    REMOVED = "removed"


@dataclass(frozen=True)
class Change:
    """Who makes a change, when, and why. `at` is aware, in UTC."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class ManagedClient:
    """A managed client.

    Attributes:
        resources: that it may request access tokens for (RFC 8707), in addition to the issuer's.
        contacts: e-mail addresses of its developers.
        webhook_secret: ARN of the secret with the address of their webhook and its signing secret; empty for none.
        revision: counts the changes, from 1.
        action, changed: the newest change.
        secret_sha256: hex SHA-256 of its secret; None for a public client.
        secret_since: when that secret was issued.
        earlier_secret_sha256: of the secret before it, which the service accepts until `earlier_secret_until`.
        disabled_at: None while it is enabled.
        removed: it is unknown for ever; its id is not used again.
    """

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    contacts: tuple[str, ...]
    created_at: datetime
    revision: int
    action: Action
    changed: Change
    secret_sha256: str | None = None
    secret_since: datetime | None = None
    earlier_secret_sha256: str | None = None
    earlier_secret_until: datetime | None = None
    disabled_at: datetime | None = None
    removed: bool = False
    webhook_secret: str = ""

    @property
    def status(self) -> Status:
        """Whether the service knows it."""
        if self.removed:
            return Status.REMOVED
        return Status.ENABLED if self.disabled_at is None else Status.DISABLED

    @property
    def is_public(self) -> bool:
        """Whether it has no secret."""
        return self.secret_sha256 is None

    def overlaps(self, now: datetime) -> bool:
        """Return whether two secrets are accepted."""
        return self.earlier_secret_until is not None and now < self.earlier_secret_until


@dataclass(frozen=True)
class EndedGrants:
    """Numbers of a client's grants that were ended: open codes, and refresh token families."""

    codes: int = 0
    families: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there were none."""
        return self.codes == self.families == 0

    def __add__(self, other: EndedGrants) -> EndedGrants:
        """Add up both."""
        return EndedGrants(self.codes + other.codes, self.families + other.families)


@dataclass(frozen=True)
class Limits:
    """What the environment's configuration allows managed clients: the scopes and resources of configured clients.

    Attributes:
        configured: the ids of the configured clients, which no managed client may have.
    """

    configured: frozenset[str]
    scopes: frozenset[str]
    resources: frozenset[str]


@dataclass(frozen=True)
class Wanted:
    """A client that an operator wants to add, as given on the command line."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    contacts: tuple[str, ...]


def new_client(wanted: Wanted, limits: Limits, secret_sha256: str | None, change: Change) -> ManagedClient:
    """Return a new client.

    Args:
        wanted: as given.
        limits: of the environment.
        secret_sha256: of its new secret; None for a public client.
        change: who adds it, and why.

    Raises:
        Refused: a field is invalid, or outside the limits. The error names the option, the value and the remedy.
    """
    _check_id(wanted.client_id, limits)
    if not 1 <= len(wanted.name) <= MAX_NAME_CHARACTERS or not is_display_name(wanted.name):
        remedy = f"give 1 to {MAX_NAME_CHARACTERS} visible characters on one line: users see it on the consent page"
        raise Refused("--name", wanted.name, remedy)
    _check_redirects(wanted.redirect_uris)
    _check_listed("--scope", wanted.scopes, limits.scopes, "a scope of a configured client")
    if not wanted.scopes:
        raise Refused("--scope", "none", "give at least one scope")
    _check_listed("--resource", wanted.resources, limits.resources, "an audience or resource of a configured client")
    check_contacts(wanted.contacts)
    return ManagedClient(
        client_id=wanted.client_id,
        name=wanted.name,
        redirect_uris=tuple(dict.fromkeys(wanted.redirect_uris)),
        scopes=tuple(dict.fromkeys(wanted.scopes)),
        resources=tuple(dict.fromkeys(wanted.resources)),
        contacts=wanted.contacts,
        created_at=change.at,
        revision=1,
        action=Action.ADD,
        changed=change,
        secret_sha256=secret_sha256,
        secret_since=None if secret_sha256 is None else change.at,
    )


def rotate_secret(
    client: ManagedClient, secret_sha256: str, overlap: timedelta, change: Change, *, discard_new: bool = False
) -> ManagedClient:
    """Return the client with a new secret, next to which the present one is accepted for the overlap.

    Args:
        client: a confidential client.
        secret_sha256: of the new secret.
        overlap: how long the present secret is accepted; zero ends every other secret at once.
        change: who rotates, and why.
        discard_new: an overlap is running, and the newer of the two secrets was lost: replace it, and keep the earlier.

    Raises:
        Refused: the client is public or removed, or an overlap is running: a third secret would end the one that the
            client still uses.
    """
    _refuse_removed(client)
    if client.is_public:
        raise Refused("CLIENT", client.client_id, "name a client with a secret: this one is public")
    running = client.overlaps(change.at)
    if discard_new and not running:
        raise Refused("--discard-new", client.client_id, "leave it out: no overlap is running, so one secret is valid")
    if running and overlap and not discard_new:
        assert client.earlier_secret_until is not None
        raise Refused(
            "CLIENT",
            f"{client.client_id}: two secrets until {client.earlier_secret_until:%Y-%m-%d %H:%M} UTC",
            "wait until then; --discard-new if the new secret was lost; --overlap 0h if both are known to others",
        )
    earlier = client.earlier_secret_sha256 if discard_new else client.secret_sha256
    return _changed(
        replace(
            client,
            secret_sha256=secret_sha256,
            secret_since=change.at,
            earlier_secret_sha256=earlier if overlap else None,
            earlier_secret_until=change.at + overlap if overlap else None,
        ),
        Action.ROTATE_SECRET,
        change,
    )


def disable(client: ManagedClient, change: Change) -> ManagedClient:
    """Return the client disabled. One that is disabled stays as it is, so that its grants can be ended again.

    Raises:
        Refused: it was removed.
    """
    _refuse_removed(client)
    if client.disabled_at is not None:
        return client
    return _changed(replace(client, disabled_at=change.at), Action.DISABLE, change)


def enable(client: ManagedClient, change: Change) -> ManagedClient:
    """Return the client enabled.

    Raises:
        Refused: it is not disabled, or so recently that a request may be in progress.
    """
    refuse_unsettled(client, change.at)
    return _changed(replace(client, disabled_at=None), Action.ENABLE, change)


def remove(client: ManagedClient, change: Change) -> ManagedClient:
    """Return the client removed, without its contacts and secrets: what is left keeps its id from being used again.

    Raises:
        Refused: it is not disabled, or so recently that a request may be in progress.
    """
    refuse_unsettled(client, change.at)
    bare = replace(
        client,
        contacts=(),
        webhook_secret="",
        secret_sha256=None,
        secret_since=None,
        earlier_secret_sha256=None,
        earlier_secret_until=None,
        removed=True,
    )
    return _changed(bare, Action.REMOVE, change)


def with_contacts(
    client: ManagedClient, contacts: tuple[str, ...], change: Change, *, webhook_secret: str = ""
) -> ManagedClient:
    """Return the client with other contacts.

    Args:
        client: as it is.
        contacts: e-mail addresses.
        change: who changes it, and why.
        webhook_secret: ARN of the secret with the webhook; empty for none.

    Raises:
        Refused: it was removed, an address is invalid, or the webhook is no ARN of a secret.
    """
    _refuse_removed(client)
    check_contacts(contacts)
    if webhook_secret and not SECRET_ARN.fullmatch(webhook_secret):
        remedy = "give the ARN of a secret in Secrets Manager that has url and signing_secret"
        raise Refused("--webhook-secret", webhook_secret, remedy)
    return _changed(replace(client, contacts=contacts, webhook_secret=webhook_secret), Action.CONTACTS, change)


def refuse_unsettled(client: ManagedClient, now: datetime) -> None:
    """Refuse to enable or remove a client whose grants cannot have ended yet.

    Raises:
        Refused: it is not disabled, or less than `SETTLED_AFTER` ago.
    """
    _refuse_removed(client)
    if client.disabled_at is None:
        raise Refused("CLIENT", f"{client.client_id} is enabled", "`orchestrator clients disable` comes first")
    if now < client.disabled_at + SETTLED_AFTER:
        seconds = int(SETTLED_AFTER.total_seconds())
        remedy = f"wait {seconds} s after `disable`: a request that began before it may still create a grant"
        raise Refused("CLIENT", f"{client.client_id} was disabled at {client.disabled_at:%H:%M:%S} UTC", remedy)


def check_contacts(contacts: Sequence[str]) -> None:
    """Check the e-mail addresses of a client's developers.

    Raises:
        Refused: one is invalid, or there are too many.
    """
    if len(contacts) > MAX_CONTACTS:
        raise Refused("--contact", f"{len(contacts)} addresses", f"give at most {MAX_CONTACTS}")
    for address in contacts:
        if not _CONTACT.fullmatch(address):
            raise Refused("--contact", address, "give an e-mail address, such as team@example.com")


def parse_overlap(text: str) -> timedelta:
    """Return the overlap of two secrets, such as ``24h``, ``30m`` or ``7d``; ``0h`` is none.

    Raises:
        Refused: it has another form, or is longer than `MAX_OVERLAP`.
    """
    found = _DURATION.fullmatch(text)
    overlap = int(found["count"]) * _UNITS[found["unit"]] if found else None
    if overlap is None or overlap > MAX_OVERLAP:
        raise Refused("--overlap", text, f"give minutes, hours or days, such as 24h, at most {MAX_OVERLAP.days}d")
    return overlap


def is_display_name(text: str) -> bool:
    """Return whether a text can be shown to users as a name, by the rule of the service (service/oauth/clients.py)."""
    categories = {unicodedata.category(character) for character in text}
    visible = any(category[0] in _VISIBLE_CATEGORIES for category in categories)
    return visible and _CONTROL_CATEGORIES.isdisjoint(categories) and _BIDI_CONTROLS.isdisjoint(text)


def _check_id(client_id: str, limits: Limits) -> None:
    if client_id in limits.configured:
        raise Refused("CLIENT", client_id, "give another id: a configured client has this one, and always wins")
    if len(client_id) > MAX_ID_CHARACTERS or not CLIENT_ID.fullmatch(client_id):
        remedy = f"give app- and words in lower case, such as app-orders-web, at most {MAX_ID_CHARACTERS} characters"
        raise Refused("CLIENT", client_id, remedy)


def _check_redirects(uris: Sequence[str]) -> None:
    if not 1 <= len(uris) <= MAX_REDIRECT_URIS:
        raise Refused("--redirect-uri", f"{len(uris)} URIs", f"give 1 to {MAX_REDIRECT_URIS}")
    for uri in uris:
        if len(uri) > MAX_URI_CHARACTERS or not is_registrable(uri):
            raise Refused("--redirect-uri", uri, f"{URI_REMEDY}, at most {MAX_URI_CHARACTERS} characters")


def _check_listed(option: str, values: Sequence[str], allowed: frozenset[str], what: str) -> None:
    for value in values:
        if value not in allowed:
            known = ", ".join(sorted(allowed)) or "there are none"
            raise Refused(option, value, f"give {what}: {known}")


def _refuse_removed(client: ManagedClient) -> None:
    if client.removed:
        raise Refused("CLIENT", client.client_id, "name a client that exists: this one was removed")


def _changed(client: ManagedClient, action: Action, change: Change) -> ManagedClient:
    return replace(client, revision=client.revision + 1, action=action, changed=change)
