"""What the service says about itself (RFC 8414, OpenID Connect Discovery 1.0, RFC 9728).

The issuer is configured, never read from a request. What the service does not do is left out: RFC 8414 §2 wants no empty lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from service.oauth import pkce, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

PROTECTED_RESOURCE_PATH: Final = "/.well-known/oauth-protected-resource"
_BY_SECRET: Final = ("client_secret_basic", "client_secret_post")
_BY_ID: Final = ("none", *_BY_SECRET)


def authorization_server(issuer: str, scopes: Iterable[str]) -> dict[str, Any]:
    """Return the authorization server metadata (RFC 8414 §2, RFC 9207 §3, RFC 9728 §4)."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "revocation_endpoint": f"{issuer}/revoke",
        "introspection_endpoint": f"{issuer}/introspect",
        "jwks_uri": _keys_address(issuer),
        "userinfo_endpoint": f"{issuer}/userinfo",
        **_supported(scopes),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": list(_BY_ID),
        "revocation_endpoint_auth_methods_supported": list(_BY_ID),
        "introspection_endpoint_auth_methods_supported": list(_BY_SECRET),
        "code_challenge_methods_supported": [pkce.METHOD],
        "authorization_response_iss_parameter_supported": True,
        "ui_locales_supported": ["en"],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "protected_resources": [issuer],
    }


def openid_configuration(issuer: str, scopes: Iterable[str]) -> dict[str, Any]:
    """Return the same with the fields that OpenID clients require (Discovery §3).

    There are no ID tokens, and `openid` is not among the scopes. Discovery requires `id_token_signing_alg_values_supported`
    nevertheless, and §4.2 forbids it to be empty: it names the one algorithm that anything here is signed with.
    """
    return {
        **authorization_server(issuer, scopes),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [tokens.ALGORITHM],
        "claims_supported": ["sub", "given_name", "family_name", "email"],
    }


def protected_resource(issuer: str, scopes: Iterable[str]) -> dict[str, Any]:
    """Return the metadata of the one resource that the service itself protects, `userinfo` (RFC 9728 §2).

    Its identifier is the issuer: that is the audience of the tokens that it takes.
    """
    return {
        "resource": issuer,
        "authorization_servers": [issuer],
        "jwks_uri": _keys_address(issuer),
        **_supported(scopes),
        "bearer_methods_supported": ["header"],
    }


def protected_resource_address(issuer: str) -> str:
    """Return where the metadata of the protected resource is."""
    return f"{issuer}{PROTECTED_RESOURCE_PATH}"


def _keys_address(issuer: str) -> str:
    return f"{issuer}/.well-known/jwks.json"


def _supported(scopes: Iterable[str]) -> dict[str, list[str]]:
    found = sorted(scopes)
    return {"scopes_supported": found} if found else {}
