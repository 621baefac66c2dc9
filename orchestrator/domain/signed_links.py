"""Signed links: who opens one may do one thing, to one subject, until a moment. No session and no account is needed.

A token has the subject and the expiry as text that anyone can read, and an HMAC-SHA-256 over the purpose, the subject and
the expiry. The purpose is not in the token: a token of one purpose is not valid for another.

A link is a bearer token. It is opened by scanners of mail as well as by people, so a GET must change nothing, and what a
link does must be harmless when it is done twice.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.domain.base64url import decode_base64url, encode_base64url
from orchestrator.domain.errors import Refused

SHORTEST_KEY, LONGEST_TOKEN = 32, 2000
"""Bytes of a key (RFC 2104 §3: not shorter than the hash), and characters of a token."""

_PURPOSE = re.compile(r"[a-z]+(?:-[a-z]+)*")
_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})")
_VERSION = "signed-link-1"


class LinkRefused(Refused):
    """A link is not valid. The message quotes nothing of the token. `expired`: it was valid before."""

    def __init__(self, value: str, remedy: str, *, expired: bool) -> None:
        self.expired = expired
        super().__init__("link", value, remedy)


@dataclass(frozen=True)
class SignedLink:
    """What a link allows.

    Attributes:
        purpose: what it does, in lower case with hyphens, such as ``acknowledge-incident``.
        subject: what it does it to, such as an incident's id and a person.
        expires_at: from when on it is refused, aware. Fractions of a second are not kept.
    """

    purpose: str
    subject: tuple[str, ...]
    expires_at: datetime


def issue_token(link: SignedLink, key: bytes) -> str:
    """Return the token of a link, of characters that need no escaping in a URL.

    Args:
        link: what it allows.
        key: at least `SHORTEST_KEY` bytes.

    Raises:
        ValueError: the purpose has another form, the key is too short, or the token would be too long.
    """
    if not _PURPOSE.fullmatch(link.purpose):
        raise ValueError(f"{link.purpose!r} is no purpose: lower-case words with hyphens are")
    values = [*link.subject, int(link.expires_at.timestamp())]
    body = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    payload = encode_base64url(body.encode())
    token = f"{payload}.{_signature(link.purpose, payload, key)}"
    if len(token) > LONGEST_TOKEN:
        raise ValueError(f"the subject of a link is too long: its token would have {len(token)} characters")
    return token


def read_token(token: str, purpose: str, keys: Sequence[bytes], now: datetime) -> SignedLink:
    """Return what a token allows.

    Args:
        token: from a request; anything.
        purpose: of what is requested.
        keys: the current key, and the one before it: a link outlives a rotation.
        now: the current time, aware.

    Raises:
        LinkRefused: the token is not signed with one of the keys for this purpose, or has expired.
    """
    found = _TOKEN.fullmatch(token) if len(token) <= LONGEST_TOKEN else None
    if found is None:
        raise _forged()
    payload, signature = found[1], found[2]
    if not any(hmac.compare_digest(signature, _signature(purpose, payload, key)) for key in keys):
        raise _forged()
    # Only what we signed is decoded.
    *subject, seconds = _decode(payload)
    expires_at = datetime.fromtimestamp(seconds, UTC)
    if now >= expires_at:
        moment = f"expired at {expires_at:%Y-%m-%d %H:%M} UTC"
        raise LinkRefused(moment, "open the link of a newer message", expired=True)
    return SignedLink(purpose, tuple(subject), expires_at)


def read_key(secret: str) -> bytes:
    """Return the key that a secret's text is.

    Raises:
        ValueError: it is shorter than `SHORTEST_KEY` bytes. The message quotes nothing of it.
    """
    key = secret.strip().encode()
    _refuse_short(key)
    return key


def _decode(payload: str) -> Any:
    return json.loads(decode_base64url(payload))


def _signature(purpose: str, payload: str, key: bytes) -> str:
    # Over the encoded text: no other text is a valid payload. No purpose has a line break, so no two pairs are one text.
    _refuse_short(key)
    return encode_base64url(hmac.new(key, f"{_VERSION}\n{purpose}\n{payload}".encode(), hashlib.sha256).digest())


def _refuse_short(key: bytes) -> None:
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"the key of signed links has {len(key)} bytes: at least {SHORTEST_KEY} are needed")


def _forged() -> LinkRefused:
    remedy = "open the whole link as the message has it; a part of it may be missing"
    return LinkRefused("not signed by this environment", remedy, expired=False)
