"""What all providers' messages are made of: requests, secrets, limits of length, and the reading of answers."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from orchestrator.domain.deployment.custom_checks import URL
from orchestrator.domain.notifications.notification import Notification
from orchestrator.domain.printable import one_line
from orchestrator.domain.texts import shortened

MAX_FIGURES = 3
"""The most figures that a message shows. The complete evidence is where the message says to look."""

TEXT_LIMITS = (2000, 800, 300, 100)
"""Characters of a text, of which the first is tried that keeps a message within its size."""

SHORTEST_REDACTED = 8
"""Parts of a secret that are shorter are words, such as ``services``."""

_KEY = re.compile(r"[!-~]{8,500}")
_TRANSIENT = frozenset({408, 425, 429})
_SERVER_ERROR, _SUCCESS = 500, range(200, 300)


class SecretMalformed(ValueError):
    """A destination's secret is not what its provider needs. The message quotes nothing of it."""


@dataclass(frozen=True)
class ProviderRequest:
    """One HTTP request. It contains the secret, so it is never logged."""

    url: str = field(repr=False)
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "POST"


class Result(StrEnum):
    """What an answer means."""

    DELIVERED = "delivered"
    FAILED = "failed"  # a later attempt may succeed
    REFUSED = "refused"  # no later attempt will, unless a person changes something


@dataclass(frozen=True)
class Answer:
    """What a provider answered. `retry_after_seconds`: what it asks for; 0 if it does not."""

    result: Result
    text: str
    retry_after_seconds: int = 0


def json_request(url: str, body: object, headers: Mapping[str, str] | None = None) -> ProviderRequest:
    """Return a POST of a JSON document."""
    content = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return ProviderRequest(url, content, {"Content-Type": "application/json", **(headers or {})})


def within_bytes(limit: int, build: Callable[[int], ProviderRequest]) -> ProviderRequest:
    """Return a request whose body has at most so many bytes, by shortening its texts.

    Args:
        limit: in bytes.
        build: returns the request with texts of at most so many characters.
    """
    built = [build(characters) for characters in TEXT_LIMITS]
    return next((request for request in built if len(request.body) <= limit), built[-1])


def read_address(secret: str, *, local: bool) -> str:
    """Return the address that a secret is.

    Args:
        secret: the secret's text.
        local: whether the environment is the local cloud, where addresses on this machine are allowed.

    Raises:
        SecretMalformed: it is no https address.
    """
    address = secret.strip()
    if not URL.fullmatch(address) or not (local or address.startswith("https:")):
        raise SecretMalformed("the secret is no https address with a host name: store the address as it is")
    return address


def read_key(secret: str) -> str:
    """Return the key that a secret is.

    Raises:
        SecretMalformed: it has blanks or line breaks, or is too short.
    """
    key = secret.strip()
    if not _KEY.fullmatch(key):
        raise SecretMalformed("the secret is no key of 8 to 500 visible ASCII characters: store the key as it is")
    return key


def fitted(text: str, limit: int, escape: Callable[[str], str] = str) -> str:
    """Return a text, escaped, with at most so many characters; a longer one ends with an ellipsis."""
    plain = one_line(text)
    whole = escape(plain)
    if len(whole) <= limit:
        return whole
    kept = plain[:limit]
    while len(cut := f"{escape(kept)}…") > limit:
        kept = kept[: -max(1, (len(cut) - limit) // 8)]
    return cut


def shown_facts(notification: Notification) -> tuple[tuple[str, str], ...]:
    """Return what a message says in addition to its title, with at most `MAX_FIGURES` figures."""
    extra = {figure.name for figure in notification.figures[MAX_FIGURES:]}
    return tuple((name, text) for name, text in notification.facts if name not in extra)


def stable_id(*parts: str) -> str:
    """Return an id of 32 hexadecimal digits that is the same for the same parts, such as in every attempt."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def read_answer(status: int, headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> Answer:
    """Return what an answer means. The text has the status and the beginning of the body, without the secret.

    Args:
        status: the HTTP status.
        headers: by lower-case name.
        body: the beginning of the body.
        secret: of the destination.
        now: the current time, for a Retry-After with a date.
    """
    text = f"HTTP {status} {redacted(body.decode('utf-8', 'replace'), secret)}".strip()
    if status in _SUCCESS:
        return Answer(Result.DELIVERED, text)
    if status in _TRANSIENT or status >= _SERVER_ERROR:
        return Answer(Result.FAILED, text, _retry_after(headers.get("retry-after", ""), now))
    return Answer(Result.REFUSED, text)


def redacted(text: str, secret: str) -> str:
    """Return a text on one line, shortened, in which no part of a secret is left."""
    found = one_line(text)
    parts = {secret, secret.strip(), *re.split(r"[^A-Za-z0-9_+-]+", secret)}
    for part in sorted((part for part in parts if len(part) >= SHORTEST_REDACTED), key=len, reverse=True):
        found = found.replace(part, "…")
    return shortened(found.strip())


def _retry_after(text: str, now: datetime) -> int:
    """Return the seconds of a Retry-After header (RFC 9110 §10.2.3); 0 if it has none that can be read."""
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter for numbers that are no year or offset
        return 0
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0, round((aware - now).total_seconds()))
