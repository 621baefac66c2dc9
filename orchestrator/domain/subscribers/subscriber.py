"""A subscriber, and a request to become one that is not confirmed yet.

The id is a keyed hash of the address: the same address is the same subscriber, and an id in a link or a log names no
person.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import parse_qsl

from orchestrator.domain.deployment.custom_checks import URL, URL_REMEDY
from orchestrator.domain.errors import Refused
from orchestrator.domain.mail.settings import ADDRESS, ADDRESS_REMEDY
from orchestrator.domain.status_page.settings import Component

CONFIRMED_WITHIN = timedelta(hours=24)
"""How long a request can be confirmed. Then it is deleted: an address that no one confirmed is not kept."""

MAX_BODY_BYTES, MAX_URL, MAX_MAIL = 4096, 500, 254
_FORM = "application/x-www-form-urlencoded"


class Channel(StrEnum):
    """How a subscriber is reached."""

    EMAIL = "email"
    WEBHOOK = "webhook"


@dataclass(frozen=True)
class Wish:
    """A request of a form: who wants to subscribe, to which components; to all if they are empty."""

    channel: Channel
    address: str
    components: tuple[str, ...]


@dataclass(frozen=True)
class Pending:
    """A request that is not confirmed yet."""

    id: str
    channel: Channel
    address: str
    components: tuple[str, ...]
    requested_at: datetime

    @property
    def expires_at(self) -> datetime:
        """When it can no longer be confirmed."""
        return self.requested_at + CONFIRMED_WITHIN


@dataclass(frozen=True)
class Subscriber:
    """A confirmed subscriber."""

    id: str
    channel: Channel
    address: str
    components: tuple[str, ...]
    requested_at: datetime
    confirmed_at: datetime

    def wants(self, components: Sequence[str]) -> bool:
        """Return whether it wants what concerns these components. What concerns none concerns all."""
        return not self.components or not components or not set(self.components).isdisjoint(components)


def subscriber_id(channel: Channel, address: str, key: bytes) -> str:
    """Return the id of an address, of 32 hexadecimal digits. Without the key none can compute it.

    Args:
        channel: how the address is reached.
        address: as it is stored.
        key: of signed links.
    """
    return hmac.new(key, f"subscriber\n{channel}\n{address}".encode(), hashlib.sha256).hexdigest()[:32]


def read_form(content_type: str, body: bytes, components: Sequence[Component], *, local: bool) -> Wish:
    """Return what a form asks for. The answer to it does not depend on who is subscribed.

    Args:
        content_type: of the request.
        body: of the request.
        components: of the page.
        local: whether the page is served on this machine, where a webhook may have an address of it.

    Raises:
        Refused: it is no form, or the address or a component is not valid. The message quotes no address.
    """
    if content_type.partition(";")[0].strip().lower() != _FORM or len(body) > MAX_BODY_BYTES:
        raise Refused("form", content_type, f"send {_FORM} of at most {MAX_BODY_BYTES} bytes")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=50, strict_parsing=True)
    except (ValueError, UnicodeDecodeError) as error:
        raise Refused("form", "its body", f"send {_FORM}") from error
    fields = {name: value.strip() for name, value in pairs if name in {"email", "webhook"} and value.strip()}
    if len(fields) != 1:
        raise Refused("address", f"{len(fields)} addresses", "give an e-mail address, or the address of a webhook")
    ((name, entered),) = fields.items()
    channel = Channel(name)
    wanted = {value for field, value in pairs if field == "component"}
    known = tuple(one.id for one in components)
    if not wanted <= set(known):
        raise Refused("component", f"{len(wanted - set(known))} of them", f"choose out of {', '.join(known)}")
    chosen = tuple(one for one in known if one in wanted)
    return Wish(channel, _valid(channel, entered, local=local), () if chosen == known else chosen)


def requested(wish: Wish, key: bytes, now: datetime) -> Pending:
    """Return a request that waits for its confirmation."""
    # A second is what a link keeps of a time.
    at = now.replace(microsecond=0)
    return Pending(subscriber_id(wish.channel, wish.address, key), wish.channel, wish.address, wish.components, at)


def confirmed(pending: Pending, earlier: Subscriber | None, now: datetime) -> Subscriber:
    """Return the subscriber that a request becomes. One who is subscribed already gets the components of this request.

    Args:
        pending: the request.
        earlier: the subscriber of this address; None without one.
        now: the current time.
    """
    since = now if earlier is None else earlier.confirmed_at
    return Subscriber(pending.id, pending.channel, pending.address, pending.components, pending.requested_at, since)


def masked(address: str) -> str:
    """Return an address as operators see it: enough to recognize it, not enough to use it."""
    local, at, domain = address.rpartition("@")
    if at:
        return f"{local[0]}…@{domain}"
    scheme, _, host = address.split("/")[:3]
    return f"{scheme}//{host}/…"


def _valid(channel: Channel, entered: str, *, local: bool) -> str:
    if channel is Channel.EMAIL:
        user, _, domain = entered.rpartition("@")
        address = f"{user}@{domain.lower()}"
        if len(address) > MAX_MAIL or not ADDRESS.fullmatch(address):
            raise Refused("email", f"{len(entered)} characters", ADDRESS_REMEDY)
        return address
    if len(entered) > MAX_URL or not URL.fullmatch(entered) or not (local or entered.startswith("https:")):
        raise Refused("webhook", f"{len(entered)} characters", f"{URL_REMEDY}, at most {MAX_URL} characters")
    return entered
