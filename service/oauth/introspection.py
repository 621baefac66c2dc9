"""What introspection tells of tokens, and to whom (RFC 7662).

A client is told of tokens that were issued to it, a resource server besides of access tokens that are for it. To all others a
token is inactive, as one that is unknown, malformed, expired or revoked: which of these is not told (§2.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from service.oauth import scopes
from service.oauth.errors import InvalidClient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.oauth.clients import Client
    from service.oauth.families import Family
    from service.oauth.scopes import Scope
    from service.oauth.tokens import AccessToken

INACTIVE: Final[Mapping[str, Any]] = {"active": False}


def permit(asker: Client) -> None:
    """Raise InvalidClient for a client that proves nothing: whoever found a token could try it out in its name (§2.1, §4)."""
    if asker.secret_sha256 is None:
        raise InvalidClient("only clients that have a secret may ask")


def may_know(asker: Client, token: AccessToken) -> bool:
    """Whether this client is told of an access token: because it was issued to it, or because it is for it."""
    return token.client_id == asker.client_id or token.audience in asker.identifies_as


def of_access_token(token: AccessToken) -> dict[str, Any]:
    """Return what is told of an access token that lives (§2.2)."""
    return {
        "active": True,
        **_scope(token.scope),
        "client_id": token.client_id,
        "token_type": "Bearer",
        "exp": token.expires_at,
        "iat": token.issued_at,
        "sub": token.subject,
        "aud": token.audience,
        "iss": token.issuer,
        "jti": token.token_id,
    }


def of_refresh_token(family: Family, issuer: str) -> dict[str, Any]:
    """Return what is told of a refresh token that lives: the grant. It is presented to nobody as an access token is, so that it
    has no token_type; when it was issued is not kept.
    """  # noqa: D205 - one thought
    return {
        "active": True,
        **_scope(family.scope),
        "client_id": family.client_id,
        "exp": family.expires_at,
        "sub": family.subject,
        "aud": family.audience,
        "iss": issuer,
    }


def _scope(scope: Scope) -> dict[str, str]:
    return {"scope": scopes.text_of(scope)} if scope else {}
