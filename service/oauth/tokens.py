"""Access tokens: JWTs as in RFC 9068, signed with ES256, and the keys that verify them (RFC 7517, RFC 7638)."""

from __future__ import annotations

import binascii
import json
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from service.oauth import scopes, signatures
from service.oauth.credentials import base64url, decode_base64url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.oauth.scopes import Scope

ALGORITHM = "ES256"
TYPE = "at+jwt"
MAX_CHARACTERS = 4096

to_json: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
"""Return a value as ASCII JSON text without spaces. `json.dumps` with separators creates an encoder for each call."""

# SubjectPublicKeyInfo of a P-256 key (RFC 5480): a fixed preamble, then the point, uncompressed.
_SPKI_PREAMBLE = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")


class TokenInvalid(Exception):
    """An access token is not valid. The message is for a log, not for the client."""


@dataclass(frozen=True)
class AccessToken:
    """The content of an access token. Times are epoch seconds.

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
        """The key's id, derived from the key (RFC 7638 §3.2)."""
        members = to_json({"crv": "P-256", "kty": "EC", "x": self.x, "y": self.y})
        return base64url(sha256(members.encode()).digest())

    def to_json_object(self) -> dict[str, str]:
        """Return the key as it appears in the key set."""
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
    """The parts of a token. Nothing in it is trustworthy before its signature is verified with the key `kid` names."""

    kid: str
    signing_input: bytes
    signature: bytes
    claims: Mapping[str, Any]


def parse_public_key(spki: bytes) -> Jwk:
    """Return the key in a DER SubjectPublicKeyInfo, as KMS returns it. Raises ValueError for any other kind of key."""
    size = len(_SPKI_PREAMBLE)
    if not spki.startswith(_SPKI_PREAMBLE) or len(spki) != size + signatures.SIGNATURE_BYTES:
        raise ValueError("not a P-256 public key")
    middle = size + signatures.COORDINATE_BYTES
    return Jwk(base64url(spki[size:middle]), base64url(spki[middle:]))


def signing_input(token: AccessToken, kid: str) -> bytes:
    """Return the octets to sign: header and claims."""
    claims = {
        "iss": token.issuer,
        "aud": token.audience,
        "sub": token.subject,
        "client_id": token.client_id,
        "scope": scopes.format_scope(token.scope),
        "jti": token.token_id,
        "family": token.family,
        "epoch": token.epoch,
        "iat": token.issued_at,
        "exp": token.expires_at,
    }
    return encode(claims, kid, TYPE)


def encode(claims: Mapping[str, Any], kid: str, token_type: str) -> bytes:
    """Return the octets to sign of a JWT: header and claims. token_type: the header's `typ`."""
    return f"{_header(kid, token_type)}.{_encoded(claims)}".encode("ascii")


def assemble(signed: bytes, signature: bytes) -> str:
    """Return the token made of its signing input and its JOSE signature."""
    return f"{signed.decode('ascii')}.{base64url(signature)}"


def parse_unverified(text: str) -> Signed:
    """Return the parts of a token. Raises TokenInvalid for text that this service cannot have issued.

    The algorithm is compared and never chosen by the token, so a token cannot select `none`.
    """
    if len(text) > MAX_CHARACTERS:
        raise TokenInvalid("too long")
    try:
        encoded_header, encoded_claims, encoded_signature = text.split(".")
        header, claims = json.loads(decode_base64url(encoded_header)), json.loads(decode_base64url(encoded_claims))
        signature = decode_base64url(encoded_signature)
    except (ValueError, binascii.Error, RecursionError) as error:
        raise TokenInvalid("malformed") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenInvalid("malformed")
    kid = header.get("kid")
    if header.get("alg") != ALGORITHM or header.get("typ") != TYPE or "crit" in header or not isinstance(kid, str):
        raise TokenInvalid("not an access token of this service")
    return Signed(kid, f"{encoded_header}.{encoded_claims}".encode("ascii"), signature, claims)


def parse_claims(claims: Mapping[str, Any], issuer: str, now: int) -> AccessToken:
    """Return the content of a token with a verified signature. Raises TokenInvalid.

    The caller, a protected resource, has to check `audience`.
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
        raise TokenInvalid("issued by another issuer")
    if token.expires_at <= now:
        raise TokenInvalid("expired")
    return token


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims[name]
    if not isinstance(value, str):
        raise TokenInvalid(f"{name} is not a string")
    return value


def _number(claims: Mapping[str, Any], name: str) -> int:
    value = claims[name]
    if not isinstance(value, int):
        raise TokenInvalid(f"{name} is not a number")
    return value


@lru_cache(maxsize=8)  # the keys of a ring, of which one signs two types of token
def _header(kid: str, token_type: str) -> str:
    return _encoded({"alg": ALGORITHM, "typ": token_type, "kid": kid})


def _encoded(member: Mapping[str, Any]) -> str:
    return base64url(to_json(member).encode())
