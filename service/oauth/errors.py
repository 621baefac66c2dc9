"""What the service refuses, as one tree.

    Refused                      nothing below this class is a bug: the request was answered, with a reason
    ├── UntrustedRequest         shown as a page and never as a redirect: who asked, or where to answer, is unknown
    └── OAuthError               the errors of RFC 6749 §4.1.2.1 and §5.2, RFC 7591 §3.2.2, RFC 8707 §2, OpenID Core §3.1.2.6
        ├── InvalidRequest, InvalidClient (401), InvalidGrant, InvalidScope, InvalidTarget
        ├── UnsupportedGrantType, UnsupportedResponseType
        ├── RequestNotSupported, RequestUriNotSupported
        ├── InvalidClientMetadata, InvalidRedirectUri
        └── AccessDenied

Descriptions are written here and in the code that raises, never taken from the request: RFC 6749 allows few characters in
them, and what a client sent has no place in a log.
"""

from __future__ import annotations

from typing import ClassVar


class Refused(Exception):
    """A request that gets a reason instead of what it asked for."""


class UntrustedRequest(Refused):
    """An authorization request whose client or redirect URI cannot be believed (RFC 6749 §4.1.2.1)."""


class OAuthError(Refused):
    """An answer of the form {"error": code, "error_description": description}."""

    code: ClassVar[str]
    http_status: ClassVar[int] = 400

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


class InvalidRequest(OAuthError):
    """A parameter is missing, repeated, malformed or too long."""

    code = "invalid_request"


class InvalidClient(OAuthError):
    """The client is unknown or did not prove who it is."""

    code = "invalid_client"
    http_status = 401


class InvalidGrant(OAuthError):
    """A code or refresh token that is unknown, expired, used, revoked, or somebody else's."""

    code = "invalid_grant"


class InvalidScope(OAuthError):
    """A scope that the client may not ask for, or that the grant does not hold."""

    code = "invalid_scope"


class InvalidTarget(OAuthError):
    """A resource that the client's tokens are not meant for (RFC 8707 §2)."""

    code = "invalid_target"


class UnsupportedGrantType(OAuthError):
    """Neither authorization_code nor refresh_token."""

    code = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    """Anything but code."""

    code = "unsupported_response_type"


class RequestNotSupported(OAuthError):
    """A request object by value."""

    code = "request_not_supported"


class RequestUriNotSupported(OAuthError):
    """A request object by reference."""

    code = "request_uri_not_supported"


class InvalidClientMetadata(OAuthError):
    """What a client says about itself is wrong, or not to be had here."""

    code = "invalid_client_metadata"


class InvalidRedirectUri(OAuthError):
    """A client names an address to which no answer is sent."""

    code = "invalid_redirect_uri"


class AccessDenied(OAuthError):
    """The person said no."""

    code = "access_denied"
