"""Bearer tokens at a protected resource (RFC 6750): how one arrives, and how a refusal is told (with RFC 9728 §5.1)."""

from __future__ import annotations

import re
from typing import Final

from service.oauth.errors import Refused

_B64TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_REALM: Final = "ib-oauth"


class Challenge(Refused):
    """A refusal at a protected resource. code None is the answer to a request that carried no token at all (§3.1).

    resource_metadata: the address of the resource's metadata, from which a client learns where tokens come from.
    """

    resource_metadata: str = ""

    def __init__(self, http_status: int, code: str | None = None, description: str = "", scope: str = "") -> None:
        super().__init__(description or "a bearer token is required")
        self.http_status = http_status
        self.code = code
        self.description = description
        self.scope = scope

    @property
    def www_authenticate(self) -> str:
        """The value of the WWW-Authenticate header."""
        attributes = {
            "realm": _REALM,
            "error": self.code,
            "error_description": self.description,
            "scope": self.scope,
            "resource_metadata": self.resource_metadata,
        }
        return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in attributes.items() if value)

    def at(self, resource_metadata: str) -> Challenge:
        """Return the refusal as it is told at the resource with this metadata."""
        told = Challenge(self.http_status, self.code, self.description, self.scope)
        told.resource_metadata = resource_metadata
        return told


def token_of(authorization: str | None, *, in_query: bool) -> str:
    """Return the token of a request. Raises Challenge.

    A token in the query string is refused, even beside one in the header: it is in somebody's access log by now.
    """
    if in_query:
        raise Challenge(400, "invalid_request", "the token must be in the Authorization header")
    if authorization is None:
        raise Challenge(401)
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Challenge(401)
    if not _B64TOKEN.fullmatch(token):
        raise Challenge(400, "invalid_request", "the Authorization header is malformed")
    return token


def invalid_token() -> Challenge:
    """Return the refusal of a token that is malformed, expired, revoked, or another's; which of these is not told."""
    return Challenge(401, "invalid_token", "the access token is not valid")


def insufficient_scope(required: str) -> Challenge:
    """Return the refusal of a valid token that does not hold the scope."""
    return Challenge(403, "insufficient_scope", "the access token does not hold the scope", required)
