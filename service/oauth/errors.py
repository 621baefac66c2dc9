"""The errors of the service, as one tree.

    Refused                      a rejected request with a reason; no subclass is a bug
    ├── UntrustedRequest         shown as a page and never as a redirect: the client or the redirect URI is unknown
    │   ├── UnknownClient
    │   └── RedirectMismatch
    └── OAuthError               errors of RFC 6749 §4.1.2.1 and §5.2, RFC 7591 §3.2.2, RFC 8707 §2, OpenID Core §3.1.2.6
        ├── InvalidRequest, InvalidClient (401), InvalidGrant, InvalidScope, InvalidTarget
        ├── UnsupportedGrantType, UnsupportedResponseType
        ├── RequestNotSupported, RequestUriNotSupported, RegistrationNotSupported
        ├── InvalidClientMetadata, InvalidRedirectUri
        └── AccessDenied, LoginRequired

Descriptions are written in this code and not taken from the request: RFC 6749 allows few characters in them, and
client input does not belong in a log. The only exception is a word of a scope, which has no other characters, and no
description is logged.
"""

from __future__ import annotations

from typing import ClassVar


class Refused(Exception):
    """A request that is rejected with a reason."""


class UntrustedRequest(Refused):
    """An authorization request whose client or redirect URI cannot be trusted (RFC 6749 §4.1.2.1)."""


class UnknownClient(UntrustedRequest):
    """An authorization request of a client that is unknown, or disabled."""


class RedirectMismatch(UntrustedRequest):
    """An authorization request with a redirect URI that its client has not registered."""


class OAuthError(Refused):
    """A response of the form {"error": code, "error_description": description}."""

    code: ClassVar[str]
    http_status: ClassVar[int] = 400

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


class InvalidRequest(OAuthError):
    """A parameter is missing, repeated, malformed or too long."""

    code = "invalid_request"


class InvalidClient(OAuthError):
    """The client is unknown or its authentication failed."""

    code = "invalid_client"
    http_status = 401


class InvalidGrant(OAuthError):
    """A code or refresh token is unknown, expired, used, revoked, or another client's."""

    code = "invalid_grant"


class InvalidScope(OAuthError):
    """A scope is not allowed for the client or not part of the grant."""

    code = "invalid_scope"


class InvalidTarget(OAuthError):
    """A resource is not allowed for the client's tokens (RFC 8707 §2)."""

    code = "invalid_target"


class UnsupportedGrantType(OAuthError):
    """The grant type is neither authorization_code nor refresh_token."""

    code = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    """The response type is not code."""

    code = "unsupported_response_type"


class RequestNotSupported(OAuthError):
    """The request has a request object by value."""

    code = "request_not_supported"


class RequestUriNotSupported(OAuthError):
    """The request has a request object by reference."""

    code = "request_uri_not_supported"


class RegistrationNotSupported(OAuthError):
    """The request describes its client by the parameter `registration`."""

    code = "registration_not_supported"


class InvalidClientMetadata(OAuthError):
    """A client's metadata is invalid or not supported here."""

    code = "invalid_client_metadata"


class InvalidRedirectUri(OAuthError):
    """A client's metadata has a redirect URI that is not allowed."""

    code = "invalid_redirect_uri"


class AccessDenied(OAuthError):
    """The user denied the request."""

    code = "access_denied"


class LoginRequired(OAuthError):
    """The request forbids pages for the user, and the user is not logged in (OpenID Connect Core §3.1.2.6)."""

    code = "login_required"
