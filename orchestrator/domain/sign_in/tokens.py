"""What the console verifies of the tokens of a sign-in (OpenID Connect Core 1.0 §3.1.3.7, RFC 9068 §4).

The signatures are verified by the caller, with the service's published keys. Time is an argument.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from orchestrator.domain.base64url import encode_base64url
from orchestrator.domain.sign_in.jwt import Jwt, parse_jwt

ALGORITHM = "ES256"
"""The only one that the service signs with. A token does not choose its algorithm."""
ID_TOKEN, ACCESS_TOKEN = "JWT", "at+jwt"
LEEWAY_SECONDS = 30
"""By which the clocks of the console and the service may differ."""
OLDEST_SECONDS = 600
"""Of a token that was just issued: the service answers at once, so an older one is not the answer."""


class TokenRefused(Exception):
    """A token does not prove what it has to. The message has nothing of the token's secrets."""


@dataclass(frozen=True)
class Expected:
    """What the tokens of a sign-in must name.

    Attributes:
        nonce: of the authorization request; None after a refresh, which has none (§12.2).
        subject: of the session that is refreshed; None at a sign-in.
        now: epoch seconds.
    """

    issuer: str
    client_id: str
    nonce: str | None
    subject: str | None
    now: float


@dataclass(frozen=True)
class SignedIn:
    """What verified tokens prove: who signed in, for which scopes, until when (epoch seconds)."""

    subject: str
    scopes: tuple[str, ...]
    expires_at: int
    access_token: str = field(repr=False)


def parse_token(text: object, kind: str) -> Jwt:
    """Return a token's parts, with the algorithm and the type that it must have; its signature is not verified.

    Args:
        text: of the token endpoint's answer.
        kind: `ID_TOKEN` or `ACCESS_TOKEN`.

    Raises:
        TokenRefused: it is no JWT, or not of this kind.
    """
    token = parse_jwt(text) if isinstance(text, str) and text.isascii() else None
    if token is None:
        raise TokenRefused("a token of the answer is no JWT")
    header = token.header
    if header.get("alg") != ALGORITHM or not isinstance(header.get("kid"), str) or "crit" in header:
        raise TokenRefused(f"a token is not signed with {ALGORITHM} by a named key")
    # `typ` of an ID token may be left out; that of an access token keeps the two apart (RFC 9068 §4).
    if header.get("typ", ID_TOKEN) != kind:
        raise TokenRefused(f"a token is not of the type {kind}")
    return token


def read_tokens(identity: Jwt, access: Jwt, access_text: str, expected: Expected) -> SignedIn:
    """Return what the two tokens of one answer prove, whose signatures have been verified.

    Args:
        identity: the ID token.
        access: the access token.
        access_text: its compact form, whose hash the ID token has.
        expected: what they must name.

    Raises:
        TokenRefused: a claim is missing or names something else, a token has expired, or the two are not of one answer.
    """
    subject = _read_id_token(identity.claims, access_text, expected)
    claims = access.claims
    for name, wanted in (
        ("iss", expected.issuer),
        ("aud", expected.issuer),
        ("client_id", expected.client_id),
        ("sub", subject),
    ):
        if claims.get(name) != wanted:
            raise TokenRefused(f"the access token's {name} is another one")
    expires_at = _seconds(claims, "exp")
    if expires_at <= expected.now:
        raise TokenRefused("the access token has expired")
    scope = claims.get("scope")
    if not isinstance(scope, str):
        raise TokenRefused("the access token has no scope")
    return SignedIn(subject, tuple(scope.split()), expires_at, access_text)


def _read_id_token(claims: Mapping[str, Any], access_text: str, expected: Expected) -> str:
    """Return the subject of an ID token."""
    if claims.get("iss") != expected.issuer:
        raise TokenRefused("the ID token is of another issuer")
    # With a second audience another client could have got it.
    if claims.get("aud") not in (expected.client_id, [expected.client_id]):
        raise TokenRefused("the ID token is for another client")
    if claims.get("azp", expected.client_id) != expected.client_id:
        raise TokenRefused("the ID token was issued to another client")
    if _seconds(claims, "exp") <= expected.now - LEEWAY_SECONDS:
        raise TokenRefused("the ID token has expired")
    age = expected.now - _seconds(claims, "iat")
    if not -LEEWAY_SECONDS <= age <= OLDEST_SECONDS:
        raise TokenRefused("the ID token was not issued now: compare the clocks")
    if expected.nonce is not None and not _equal(claims.get("nonce"), expected.nonce):
        raise TokenRefused("the ID token is of another sign-in")
    if not _equal(claims.get("at_hash"), access_token_hash(access_text)):
        raise TokenRefused("the ID token is of another access token")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise TokenRefused("the ID token has no subject")
    if expected.subject is not None and subject != expected.subject:
        raise TokenRefused("the ID token is of another person")
    return subject


def access_token_hash(access_text: str) -> str:
    """Return `at_hash`: the left half of the access token's SHA-256 (§3.1.3.6)."""
    digest = sha256(access_text.encode()).digest()
    return encode_base64url(digest[: len(digest) // 2])


def _seconds(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int:  # a boolean is one, too
        raise TokenRefused(f"a token's {name} is not a whole number of seconds")
    return value


def _equal(claimed: object, wanted: str) -> bool:
    return isinstance(claimed, str) and hmac.compare_digest(claimed.encode(errors="replace"), wanted.encode())
