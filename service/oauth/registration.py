"""Dynamic client registration (RFC 7591): who may register, what is stored, what is answered.

Registering needs an initial access token, of which only the hash is configured. It is not open to everybody: whoever may write
items without showing anything may fill a table with them, and puts a name of their choice on the consent page of a service that
people trust. Whom nobody knows can describe themselves in a document at an address of their own, which costs nothing here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from service.oauth import bearer, client_secrets, credentials, scopes
from service.oauth.client_metadata import PUBLIC

if TYPE_CHECKING:
    from service.oauth.client_metadata import Description
    from service.oauth.scopes import Scope

LIFETIME_SECONDS: Final = 90 * 24 * 3600
"""A client that is still in use registers again; one that is forgotten goes."""
ID_BYTES: Final = 16
SECRET_BYTES: Final = 32

_ID_PREFIX: Final = "ibx_"
_SECRET_PREFIX: Final = "ibxs_"  # noqa: S105 - a secret scanner finds by it what leaked
_ID = re.compile(rf"{_ID_PREFIX}[A-Za-z0-9_-]{{22}}")


@dataclass(frozen=True)
class Registered:
    """A client that registered, as it is stored. Times are epoch seconds.

    secret_sha256: hex SHA-256 of its secret; None for a public client.
    """

    client_id: str
    description: Description
    secret_sha256: str | None
    registered_at: int
    expires_at: int


@dataclass(frozen=True)
class Registration:
    """A new client with its secret in clear, which is told once and stored nowhere."""

    registered: Registered
    secret: str | None = field(repr=False)

    def body(self, allowed: Scope) -> dict[str, Any]:
        """Return the answer (RFC 7591 §3.2.1): everything as it was registered, with the scopes that it may ask for."""
        registered, description = self.registered, self.registered.description
        wanted = allowed if description.scope is None else description.scope
        body: dict[str, Any] = {
            "client_id": registered.client_id,
            "client_id_issued_at": registered.registered_at,
            "redirect_uris": list(description.redirect_uris),
            "token_endpoint_auth_method": description.authentication,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "scope": scopes.text_of(tuple(scope for scope in allowed if scope in wanted)),
        }
        if description.name is not None:
            body["client_name"] = description.name
        if self.secret is not None:
            body |= {"client_secret": self.secret, "client_secret_expires_at": registered.expires_at}
        return body


def is_registered_id(client_id: str) -> bool:
    """Whether a client id has the form of those that registration gives."""
    return _ID.fullmatch(client_id) is not None


def permit(authorization: str | None, token_sha256: str) -> None:
    """Check the initial access token that came with a request, in constant time. Raises Challenge (RFC 6750 §3)."""
    if not client_secrets.matches(bearer.token_of(authorization, in_query=False), token_sha256):
        raise bearer.invalid_token()


def register(description: Description, id_entropy: bytes, secret_entropy: bytes, now: int) -> Registration:
    """Return a new client, with a secret where it wants one, from 16 and 32 random bytes."""
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
