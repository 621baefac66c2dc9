"""Bearer tokens at a protected resource (RFC 6750), and the challenges that reject them (with RFC 9728 §5.1)."""

from __future__ import annotations

import re
from typing import Final

from service.oauth.errors import Refused

_B64TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_REALM: Final = "ib-oauth"
INVALID_TOKEN: Final = "invalid_token"  # noqa: S105 - an error code


class Challenge(Refused):
    """The rejection of a request at a protected resource. code None: the request carried no token (§3.1).

    resource_metadata: the URL of the resource's metadata, from which a client learns where to get tokens.
    """

    resource_metadata: str = ""

    def __init__(self, http_status: int, code: str | None = None, description: str = "") -> None:
        super().__init__(description or "a bearer token is required")
        self.http_status = http_status
        self.code = code
        self.description = description

    @property
    def www_authenticate(self) -> str:
        """The value of the WWW-Authenticate header."""
        attributes = {
            "realm": _REALM,
            "error": self.code,
            "error_description": self.description,
            "resource_metadata": self.resource_metadata,
        }
        return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in attributes.items() if value)

    def with_resource_metadata(self, resource_metadata: str) -> Challenge:
        """Return the challenge with the URL of the resource's metadata."""
        challenge = Challenge(self.http_status, self.code, self.description)
        challenge.resource_metadata = resource_metadata
        return challenge


def extract_token(authorization: str | None, *, in_query: bool) -> str:
    """Return the token of a request. Raises Challenge.

    A token in the query string is rejected, even if the header has one too: it may be in an access log by now.
    """
    if in_query:
        raise Challenge(400, "invalid_request", "the token must be in the Authorization header")
    if authorization is None:
        raise Challenge(401)
    scheme, _, rest = authorization.partition(" ")
    token = rest.strip(" ")  # RFC 6750 §2.1: "Bearer" 1*SP b64token
    if scheme.lower() != "bearer":
        raise Challenge(401)
    if not _B64TOKEN.fullmatch(token):
        raise Challenge(400, "invalid_request", "the Authorization header is malformed")
    return token


def invalid_token() -> Challenge:
    """Return the rejection of a malformed, expired, revoked or foreign token, without disclosing which it is."""
    return Challenge(401, INVALID_TOKEN, "the access token is not valid")
