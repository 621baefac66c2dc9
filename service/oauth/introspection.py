"""The content of introspection responses, and the clients that may see it (RFC 7662).

A client may introspect tokens that were issued to it; a resource server also access tokens for it. To other clients a
token is inactive, like an unknown, malformed, expired or revoked one; which of these is not disclosed (§2.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from service.oauth import scopes
from service.oauth.errors import InvalidClient
from service.oauth.resources.identifiers import find_equivalent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.oauth.clients import Client
    from service.oauth.families import Family
    from service.oauth.scopes import Scope
    from service.oauth.tokens import AccessToken

INACTIVE: Final[Mapping[str, Any]] = {"active": False}


def require_confidential_client(client: Client) -> None:
    """Raise InvalidClient for a public client: anyone who found a token could test it in its name (§2.1, §4)."""
    if client.secret_sha256 is None:
        raise InvalidClient("only confidential clients may introspect tokens")


def may_introspect(client: Client, token: AccessToken) -> bool:
    """Return whether a client may introspect an access token: because it was issued to the client, or is for it."""
    return token.client_id == client.client_id or find_equivalent(token.audience, client.identifies_as) is not None


def describe_access_token(token: AccessToken) -> dict[str, Any]:
    """Return the response for a live access token (§2.2)."""
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


def describe_refresh_token(family: Family, issuer: str) -> dict[str, Any]:
    """Return the response for a live refresh token: its grant.

    A refresh token is not presented like an access token, so it has no token_type. Its issue time is not stored.
    """
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
    return {"scope": scopes.format_scope(scope)} if scope else {}
