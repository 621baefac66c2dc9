"""What a subscriber gets: e-mail with one-click unsubscribe (RFC 8058), or a document signed by Standard Webhooks.

Every link is a token of its own purpose (`orchestrator/domain/signed_links.py`). A GET of a link changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from orchestrator.domain.mail.message import Mail, unsubscribe_headers
from orchestrator.domain.notifications.providers.requests import ProviderRequest, json_request, stable_id
from orchestrator.domain.notifications.providers.webhook import (
    ID_HEADER,
    PREFIX,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    sign,
)
from orchestrator.domain.printable import printable
from orchestrator.domain.signed_links import SignedLink, issue_token, read_token
from orchestrator.domain.subscribers.announcements import Announcement
from orchestrator.domain.subscribers.subscriber import Pending

CONFIRM, UNSUBSCRIBE = "confirm-subscription", "end-subscription"
"""The purposes of links."""

UNSUBSCRIBE_WITHIN = timedelta(days=400)
"""How long the link of a message ends the subscription. Every message has a new one."""

REQUEST_PATH, CONFIRM_PATH, UNSUBSCRIBE_PATH = (
    "/subscriptions/request",
    "/subscriptions/confirm",
    "/subscriptions/unsubscribe",
)


@dataclass(frozen=True)
class Site:
    """The site that messages are of.

    Attributes:
        title: of the page.
        address: where it is read, without a trailing slash.
        key: of links and of webhooks' secrets.
    """

    title: str
    address: str
    key: bytes


def confirm_link(pending: Pending, site: Site) -> str:
    """Return the address that confirms a request."""
    stamp = str(int(pending.requested_at.timestamp()))
    token = issue_token(SignedLink(CONFIRM, (pending.id, stamp), pending.expires_at), site.key)
    return f"{site.address}{CONFIRM_PATH}?token={quote(token)}"


def read_confirmation(token: str, keys: Sequence[bytes], now: datetime) -> tuple[str, datetime]:
    """Return the subscriber's id, and the time of the request that a link confirms.

    Raises:
        LinkRefused: the token is not ours, is of another purpose, or has expired.
    """
    subscriber, stamp = read_token(token, CONFIRM, keys, now).subject
    return subscriber, datetime.fromtimestamp(int(stamp), UTC)


def unsubscribe_link(subscriber: str, site: Site, now: datetime) -> str:
    """Return the address that ends a subscription.

    Args:
        subscriber: its id.
        site: the site.
        now: the current time.
    """
    token = issue_token(SignedLink(UNSUBSCRIBE, (subscriber,), now + UNSUBSCRIBE_WITHIN), site.key)
    return f"{site.address}{UNSUBSCRIBE_PATH}?token={quote(token)}"


def read_unsubscription(token: str, keys: Sequence[bytes], now: datetime) -> str:
    """Return the subscriber's id of a link that ends a subscription.

    Raises:
        LinkRefused: as for `read_confirmation`.
    """
    (subscriber,) = read_token(token, UNSUBSCRIBE, keys, now).subject
    return subscriber


def signing_secret(subscriber: str, key: bytes) -> str:
    """Return the secret with which a webhook verifies messages (Standard Webhooks). It is derived, and nowhere stored.

    Args:
        subscriber: its id.
        key: of the site.
    """
    return f"{PREFIX}{base64.b64encode(_signing_key(subscriber, key)).decode()}"


def confirmation_mail(pending: Pending, site: Site, now: datetime) -> Mail:
    """Return the e-mail that asks to confirm a request. A person who did not ask has nothing to do."""
    text = (
        f"You, or someone who gave your address, asked for e-mail about {site.title}.\n\n"
        f"To confirm, open this address within 24 hours:\n{confirm_link(pending, site)}\n\n"
        "If it was not you, ignore this message: nothing is sent, and the address is deleted after 24 hours.\n"
    )
    return Mail((pending.address,), f"[{site.title}] Confirm your subscription", text, now)


def confirmation_request(pending: Pending, site: Site, now: datetime) -> ProviderRequest:
    """Return the request that asks a webhook's owner to confirm: who opens the address gets the signing secret."""
    document = {
        "type": "subscription.confirm",
        "timestamp": pending.requested_at.isoformat(),
        "data": {"page": site.address, "confirm_url": confirm_link(pending, site)},
    }
    return _signed(pending.address, pending.id, f"confirm-{pending.requested_at.isoformat()}", document, site, now)


def announcement_mail(announcement: Announcement, subscriber: str, address: str, site: Site, now: datetime) -> Mail:
    """Return an announcement as an e-mail.

    Args:
        announcement: what is announced.
        subscriber: the reader's id.
        address: the reader's address.
        site: the site.
        now: the time of this attempt.
    """
    unsubscribe = unsubscribe_link(subscriber, site, now)
    text = (
        f"{announcement.title}\n\n{announcement.text}\n\n"
        f"Components: {announcement.names}\n"
        f"Time: {announcement.at:%d %B %Y, %H:%M} UTC\n"
        f"Details: {site.address}/{announcement.path}\n\n"
        f"-- \nYou subscribed to {site.title}. Unsubscribe: {unsubscribe}\n"
    )
    label = announcement.step.replace("-", " ").replace("_", " ").capitalize()
    return Mail(
        to=(address,),
        subject=f"[{site.title}] {label}: {announcement.title}",
        text=text,
        at=now,
        headers=unsubscribe_headers(unsubscribe),
    )


def announcement_request(
    announcement: Announcement, subscriber: str, address: str, site: Site, now: datetime
) -> ProviderRequest:
    """Return an announcement as a signed document. The parameters are those of `announcement_mail`."""
    document = {
        "type": f"{announcement.kind}.{announcement.step.replace('-', '_')}",
        "timestamp": announcement.at.isoformat(),
        "data": {
            "id": announcement.id,
            "key": announcement.key,
            "title": printable(announcement.title),
            "text": printable(announcement.text),
            "components": list(announcement.components),
            "url": f"{site.address}/{announcement.path}",
            "unsubscribe_url": unsubscribe_link(subscriber, site, now),
        },
    }
    return _signed(address, subscriber, announcement.id, document, site, now)


def _signed(
    address: str, subscriber: str, message: str, document: Mapping[str, object], site: Site, now: datetime
) -> ProviderRequest:
    request = json_request(address, document)
    message_id, timestamp = f"msg_{stable_id(subscriber, message)}", f"{now.timestamp():.0f}"
    signature = sign(_signing_key(subscriber, site.key), message_id, timestamp, request.body)
    headers = {ID_HEADER: message_id, TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: signature}
    return ProviderRequest(address, request.body, {**request.headers, **headers})


def _signing_key(subscriber: str, key: bytes) -> bytes:
    return hmac.new(key, f"webhook\n{subscriber}".encode(), hashlib.sha256).digest()
