"""Access tokens: JWTs of RFC 9068, signed with ES256, and the keys that verify them (RFC 7517, RFC 7638)."""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from service.oauth import scopes, signatures
from service.oauth.compact import to_json
from service.oauth.credentials import base64url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.oauth.scopes import Scope

ALGORITHM = "ES256"
TYPE = "at+jwt"
MAX_CHARACTERS = 4096

# SubjectPublicKeyInfo of a P-256 key (RFC 5480): a fixed preamble, then the point, uncompressed.
_SPKI_PREAMBLE = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")


class TokenInvalid(Exception):
    """An access token that proves nothing. The message is for a log, not for whoever sent it."""


@dataclass(frozen=True)
class AccessToken:
    """What an access token says. Times are epoch seconds.

    family: the grant it comes from, so that revoking the grant ends it; epoch: the revocation epoch it was issued in.
    """

    issuer: str
    audience: str
    subject: str
    client_id: str
    scope: Scope
    token_id: str
    family: str
    epoch: int
    issued_at: int
    expires_at: int


@dataclass(frozen=True)
class Jwk:
    """A P-256 public key."""

    x: str
    y: str

    @property
    def thumbprint(self) -> str:
        """The key's id, from the key alone (RFC 7638 §3.2)."""
        members = to_json({"crv": "P-256", "kty": "EC", "x": self.x, "y": self.y})
        return base64url(sha256(members.encode()).digest())

    def published(self) -> dict[str, str]:
        """Return the key as it stands in the key set."""
        return {
            "kty": "EC",
            "crv": "P-256",
            "x": self.x,
            "y": self.y,
            "use": "sig",
            "alg": ALGORITHM,
            "kid": self.thumbprint,
        }


@dataclass(frozen=True)
class Signed:
    """A token taken apart: nothing in it is to be believed before its signature is verified by the key `kid` names."""

    kid: str
    signing_input: bytes
    signature: bytes
    claims: Mapping[str, Any]


def jwk_of(spki: bytes) -> Jwk:
    """Return the key in a DER SubjectPublicKeyInfo, as KMS gives it. Raises ValueError for any other kind of key."""
    size = len(_SPKI_PREAMBLE)
    if not spki.startswith(_SPKI_PREAMBLE) or len(spki) != size + signatures.SIGNATURE_BYTES:
        raise ValueError("not a P-256 public key")
    middle = size + signatures.COORDINATE_BYTES
    return Jwk(base64url(spki[size:middle]), base64url(spki[middle:]))


def signing_input(token: AccessToken, kid: str) -> bytes:
    """Return what is to be signed: header and claims."""
    claims = {
        "iss": token.issuer,
        "aud": token.audience,
        "sub": token.subject,
        "client_id": token.client_id,
        "scope": scopes.text_of(token.scope),
        "jti": token.token_id,
        "family": token.family,
        "epoch": token.epoch,
        "iat": token.issued_at,
        "exp": token.expires_at,
    }
    return f"{_header(kid)}.{_encoded(claims)}".encode("ascii")


def compact(signed: bytes, signature: bytes) -> str:
    """Return the token from its signing input and its JOSE signature."""
    return f"{signed.decode('ascii')}.{base64url(signature)}"


def take_apart(text: str) -> Signed:
    """Return the parts of a token. Raises TokenInvalid for what this service cannot have issued.

    The algorithm is compared, never chosen from: a token cannot talk its verifier into `none`.
    """
    if len(text) > MAX_CHARACTERS:
        raise TokenInvalid("too long")
    try:
        encoded_header, encoded_claims, encoded_signature = text.split(".")
        header, claims = json.loads(_decoded(encoded_header)), json.loads(_decoded(encoded_claims))
        signature = _decoded(encoded_signature)
    except (ValueError, binascii.Error, RecursionError) as error:
        raise TokenInvalid("malformed") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenInvalid("malformed")
    kid = header.get("kid")
    if header.get("alg") != ALGORITHM or header.get("typ") != TYPE or "crit" in header or not isinstance(kid, str):
        raise TokenInvalid("not an access token of this service")
    return Signed(kid, f"{encoded_header}.{encoded_claims}".encode("ascii"), signature, claims)


def read(claims: Mapping[str, Any], issuer: str, now: int) -> AccessToken:
    """Return what a token says whose signature was verified. Raises TokenInvalid when it is not ours, or not any more.

    Whoever it is for: a protected resource has to look at `audience` besides.
    """
    try:
        token = AccessToken(
            issuer=_text(claims, "iss"),
            audience=_text(claims, "aud"),
            subject=_text(claims, "sub"),
            client_id=_text(claims, "client_id"),
            scope=tuple(_text(claims, "scope").split()),
            token_id=_text(claims, "jti"),
            family=_text(claims, "family"),
            epoch=_number(claims, "epoch"),
            issued_at=_number(claims, "iat"),
            expires_at=_number(claims, "exp"),
        )
    except KeyError as error:
        raise TokenInvalid("a claim is missing") from error
    if token.issuer != issuer:
        raise TokenInvalid("of another issuer")
    if token.expires_at <= now:
        raise TokenInvalid("expired")
    return token


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims[name]
    if not isinstance(value, str):
        raise TokenInvalid(f"{name} is not a text")
    return value


def _number(claims: Mapping[str, Any], name: str) -> int:
    value = claims[name]
    if not isinstance(value, int):
        raise TokenInvalid(f"{name} is not a number")
    return value


@lru_cache(maxsize=8)  # a ring's keys, of which one signs
def _header(kid: str) -> str:
    return _encoded({"alg": ALGORITHM, "typ": TYPE, "kid": kid})


def _encoded(member: Mapping[str, Any]) -> str:
    return base64url(to_json(member).encode())


def _decoded(text: str) -> bytes:
    """Decode base64url strictly: what does not encode back to itself was not encoded by a signer."""
    octets = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if base64url(octets) != text:
        raise ValueError("not canonical base64url")
    return octets
