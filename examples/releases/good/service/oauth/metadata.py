"""What the service says about itself (RFC 8414, OpenID Connect Discovery 1.0). The issuer is configured, never read from a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.oauth import pkce, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable


def authorization_server(issuer: str, scopes: Iterable[str]) -> dict[str, Any]:
    """Return the authorization server metadata (RFC 8414 §2)."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "scopes_supported": sorted(scopes),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": [pkce.METHOD],
        "authorization_response_iss_parameter_supported": True,
        "ui_locales_supported": ["en"],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }


def openid_configuration(issuer: str, scopes: Iterable[str]) -> dict[str, Any]:
    """Return the same with the fields that OpenID clients require (Discovery §3)."""
    return {
        **authorization_server(issuer, scopes),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [tokens.ALGORITHM],
        "claims_supported": ["sub", "given_name", "family_name", "email"],
    }
