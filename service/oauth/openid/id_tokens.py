"""ID tokens: JWTs that report to a client who logged in, and when (OpenID Connect Core 1.0 §2).

An ID token is no access token: its `typ` and `aud` differ, so this service and resource servers reject it as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from service.oauth import tokens
from service.oauth.credentials import base64url

TYPE: Final = "JWT"


@dataclass(frozen=True)
class IdToken:
    """The content of an ID token. Times are epoch seconds.

    client_id: the only audience, so that `azp` is not needed (§2). auth_time: when the identity provider reported the
    login. nonce: the authorization request's; None if it had none, and after a refresh (§12.2). access_token: the token
    that is issued with it, in its compact form.
    """

    issuer: str
    subject: str
    client_id: str
    auth_time: int
    nonce: str | None
    access_token: str
    issued_at: int
    expires_at: int


def access_token_hash(access_token: str) -> str:
    """Return `at_hash`: the left half of the hash that the signing algorithm, ES256, uses (§3.1.3.6)."""
    digest = sha256(access_token.encode("ascii")).digest()
    return base64url(digest[: len(digest) // 2])


def signing_input(token: IdToken, kid: str) -> bytes:
    """Return the octets to sign: header and claims."""
    claims: dict[str, Any] = {
        "iss": token.issuer,
        "sub": token.subject,
        "aud": token.client_id,
        "exp": token.expires_at,
        "iat": token.issued_at,
        "auth_time": token.auth_time,
        "at_hash": access_token_hash(token.access_token),
    }
    if token.nonce is not None:
        claims["nonce"] = token.nonce
    return tokens.encode(claims, kid, TYPE)
