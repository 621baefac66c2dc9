"""Dynamic client registration (RFC 7591): who may register, what is stored, and the response.

Registration needs an initial access token, of which only the hash is configured. Open registration would allow anyone
to fill a table with items, and to put a name of their choice on the consent page of a service that users trust. An
unknown client can use a metadata document at its own URL instead, which costs this service nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from service.oauth import bearer, client_secrets, credentials, scopes
from service.oauth.client_metadata import PUBLIC
from service.oauth.openid.client_members import CLIENT_FIELDS

if TYPE_CHECKING:
    from service.oauth.client_metadata import ClientDescription
    from service.oauth.scopes import Scope

LIFETIME_SECONDS: Final = 90 * 24 * 3600
"""A client that is still in use registers again; an abandoned one expires."""
ID_BYTES: Final = 16
SECRET_BYTES: Final = 32

_ID_PREFIX: Final = "ibx_"
_SECRET_PREFIX: Final = "ibxs_"  # noqa: S105 - a prefix, by which a secret scanner finds leaked secrets
_ID = re.compile(rf"{_ID_PREFIX}[A-Za-z0-9_-]{{22}}")


@dataclass(frozen=True)
class Registered:
    """A registered client, as it is stored. Times are epoch seconds.

    secret_sha256: hex SHA-256 of its secret; None for a public client.
    """

    client_id: str
    description: ClientDescription
    secret_sha256: str | None
    registered_at: int
    expires_at: int


@dataclass(frozen=True)
class Registration:
    """A new client with its secret in clear text, which is returned once and never stored."""

    registered: Registered
    secret: str | None = field(repr=False)

    def response_body(self, allowed: Scope) -> dict[str, Any]:
        """Return the response (RFC 7591 §3.2.1): the metadata, with the scopes that the client may request.

        `client_id_expires_at` is this service's own: RFC 7591 has an end only for a secret, and a public client has
        none.
        """
        registered, description = self.registered, self.registered.description
        body: dict[str, Any] = {
            "client_id": registered.client_id,
            "client_id_issued_at": registered.registered_at,
            "client_id_expires_at": registered.expires_at,
            "redirect_uris": list(description.redirect_uris),
            "token_endpoint_auth_method": description.authentication,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "scope": scopes.format_scope(description.granted_scope(allowed)),
            **CLIENT_FIELDS,
        }
        if description.name is not None:
            body["client_name"] = description.name
        if self.secret is not None:
            body |= {"client_secret": self.secret, "client_secret_expires_at": registered.expires_at}
        return body


def is_registered_id(client_id: str) -> bool:
    """Return whether a client id has the form of registered ids."""
    return _ID.fullmatch(client_id) is not None


def check_initial_access_token(authorization: str | None, token_sha256: str) -> None:
    """Check the initial access token of a request, in constant time. Raises Challenge (RFC 6750 §3)."""
    if not client_secrets.matches(bearer.extract_token(authorization, in_query=False), token_sha256):
        raise bearer.invalid_token()


def register(description: ClientDescription, id_entropy: bytes, secret_entropy: bytes, now: int) -> Registration:
    """Return a new client made of 16 and 32 random bytes, with a secret unless it is public."""
    if len(id_entropy) != ID_BYTES or len(secret_entropy) != SECRET_BYTES:
        raise ValueError(f"an id takes {ID_BYTES} random bytes, and a secret {SECRET_BYTES}")
    public = description.authentication == PUBLIC
    secret = None if public else f"{_SECRET_PREFIX}{credentials.base64url(secret_entropy)}"
    registered = Registered(
        client_id=f"{_ID_PREFIX}{credentials.base64url(id_entropy)}",
        description=description,
        secret_sha256=None if secret is None else client_secrets.hash_of(secret),
        registered_at=now,
        expires_at=now + LIFETIME_SECONDS,
    )
    return Registration(registered, secret)
