"""The authorization request (RFC 6749 §4.1.1, RFC 7636, RFC 8707) and the response at the redirect URI (RFC 9207)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from service.oauth import pkce
from service.oauth.errors import (
    InvalidRequest,
    OAuthError,
    RedirectMismatch,
    RequestNotSupported,
    RequestUriNotSupported,
    UnknownClient,
    UnsupportedResponseType,
    UntrustedRequest,
)
from service.oauth.openid import requests as openid_requests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.oauth.clients import Client, Clients
    from service.oauth.parameters import Parameters
    from service.oauth.scopes import Scope


@dataclass(frozen=True)
class ReturnAddress:
    """Where a response may go: a known client, at a registered redirect URI, with the state it sent."""

    client: Client
    redirect_uri: str
    state: str | None

    @property
    def host(self) -> str:
        """The host to show to the user; the scheme, if a private-use scheme has no host."""
        parts = urlsplit(self.redirect_uri)
        return parts.hostname or parts.scheme

    @property
    def on_this_computer(self) -> bool:
        """Whether the response goes to an application on the user's computer (a loopback host or private-use scheme)."""
        return urlsplit(self.redirect_uri).scheme != "https"

    def success(self, code: str, issuer: str) -> str:
        """Return the URL that delivers the code."""
        return self._with({"code": code, "iss": issuer})

    def failure(self, error: OAuthError, issuer: str) -> str:
        """Return the URL that reports the error to the client."""
        return self._with({"error": error.code, "error_description": error.description, "iss": issuer})

    def _with(self, parameters: Mapping[str, str]) -> str:
        fields = dict(parameters) if self.state is None else {**parameters, "state": self.state}
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())
        return f"{self.redirect_uri}{'&' if '?' in self.redirect_uri else '?'}{query}"


@dataclass(frozen=True)
class AuthorizationRequest:
    """A valid request, for which a login may begin. openid_nonce: `nonce` of an OpenID request."""

    back: ReturnAddress
    scope: Scope
    audience: str
    code_challenge: str
    openid_nonce: str | None = None


def parse_return_address(parameters: Parameters, clients: Clients) -> ReturnAddress:
    """Return the client and the redirect URI of a request. Raises UntrustedRequest, which must never become a redirect.

    A repeated state is left out of the response, because it is ambiguous.
    """
    try:
        client_id = parameters.required("client_id")
        redirect_uri = parameters.required("redirect_uri")
    except InvalidRequest as error:
        raise UntrustedRequest(error.description) from error
    client = clients.get(client_id)
    if client is None:
        raise UnknownClient("client_id is unknown")
    if not client.allows_redirect(redirect_uri):
        raise RedirectMismatch("redirect_uri is not registered for this client")
    try:
        state = parameters.optional("state")
    except InvalidRequest:
        state = None
    return ReturnAddress(client, redirect_uri, state)


def parse_request(parameters: Parameters, back: ReturnAddress) -> AuthorizationRequest:
    """Return the authorization request. Raises an OAuthError, which is reported at `back`."""
    parameters.reject_repeated()
    if parameters.optional("request") is not None:
        raise RequestNotSupported("request objects are not supported")
    if parameters.optional("request_uri") is not None:
        raise RequestUriNotSupported("request objects are not supported")
    if parameters.required("response_type") != "code":
        raise UnsupportedResponseType("response_type must be code")
    if parameters.optional("response_mode") not in {None, "query"}:
        raise InvalidRequest("response_mode must be query")
    if parameters.optional("code_challenge_method") != pkce.METHOD:
        raise InvalidRequest("code_challenge_method must be S256")
    challenge = parameters.required("code_challenge")
    if not pkce.is_challenge(challenge):
        raise InvalidRequest("code_challenge is malformed")
    scope = openid_requests.narrow_scope(parameters.optional("scope"), back.client.scopes)
    return AuthorizationRequest(
        back=back,
        scope=scope,
        audience=back.client.audience_for(parameters.optional("resource")),
        code_challenge=challenge,
        openid_nonce=openid_requests.parse_nonce(parameters, scope),
    )
