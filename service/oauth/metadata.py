"""The service's metadata (RFC 8414, OpenID Connect Discovery 1.0, RFC 9728).

The issuer is configured, never read from a request. Unsupported features are left out: RFC 8414 §2 forbids empty lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from service.oauth import pkce
from service.oauth.openid import client_members
from service.oauth.openid.requests import OPENID, PROMPTS
from service.oauth.resources import own

if TYPE_CHECKING:
    from collections.abc import Iterable

PROTECTED_RESOURCE_PATH: Final = "/.well-known/oauth-protected-resource"
_CONFIDENTIAL_METHODS: Final = ("client_secret_basic", "client_secret_post")
_ALL_METHODS: Final = ("none", *_CONFIDENTIAL_METHODS)
_ID_TOKEN_CLAIMS: Final = ("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash")


def authorization_server(issuer: str, scopes: Iterable[str]) -> dict[str, Any]:
    """Return the authorization server metadata (RFC 8414 §2, RFC 9207 §3, RFC 9728 §4)."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "revocation_endpoint": f"{issuer}/revoke",
        "introspection_endpoint": f"{issuer}/introspect",
        "jwks_uri": _keys_url(issuer),
        "userinfo_endpoint": f"{issuer}{own.USERINFO_PATH}",
        "scopes_supported": _with_openid(scopes),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": list(_ALL_METHODS),
        "revocation_endpoint_auth_methods_supported": list(_ALL_METHODS),
        "introspection_endpoint_auth_methods_supported": list(_CONFIDENTIAL_METHODS),
        "code_challenge_methods_supported": [pkce.METHOD],
        "authorization_response_iss_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "protected_resources": list(own.identifiers(issuer)),
    }


def openid_configuration(issuer: str, scopes: Iterable[str]) -> dict[str, Any]:
    """Return the same metadata with the fields of OpenID Connect (Discovery §3, prompt_values_supported).

    Discovery requires RS256 among the algorithms. It is left out because the service does not sign with it (ADR 30).
    """
    return {
        **authorization_server(issuer, scopes),
        "subject_types_supported": [client_members.CLIENT_FIELDS["subject_type"]],
        "id_token_signing_alg_values_supported": [client_members.CLIENT_FIELDS["id_token_signed_response_alg"]],
        "claims_supported": [*_ID_TOKEN_CLAIMS, "given_name", "family_name", "email"],
        "claims_parameter_supported": False,
        "prompt_values_supported": list(PROMPTS),
    }


def protected_resource(issuer: str, scopes: Iterable[str], path: str = "") -> dict[str, Any]:
    """Return the metadata of the service's protected resource at a path of `own.PATHS` (RFC 9728 §2)."""
    return {
        "resource": f"{issuer}{path}",
        "authorization_servers": [issuer],
        "jwks_uri": _keys_url(issuer),
        "scopes_supported": _with_openid(scopes),
        "bearer_methods_supported": ["header"],
    }


def protected_resource_address(issuer: str, path: str = "") -> str:
    """Return the URL of the metadata of the protected resource at a path.

    RFC 9728 §3.1 puts the well-known segment after the host. For an issuer without a path this is that URL; before the
    path of a stage nothing answers.
    """
    return f"{issuer}{PROTECTED_RESOURCE_PATH}{path}"


def _keys_url(issuer: str) -> str:
    return f"{issuer}/.well-known/jwks.json"


def _with_openid(scopes: Iterable[str]) -> list[str]:
    """Return the scopes of the clients, and the one that every client may request."""
    return sorted({OPENID, *scopes})
