"""The requests of clients to the token endpoint and its neighbours, and client authentication.

See RFC 6749 §2.3, §4.1.3 and §6. A grant is for one resource, chosen when the user consented. A token request may
repeat the resource (RFC 8707 §2.2), but not change it.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote_plus

from service.oauth.errors import InvalidClient, InvalidRequest, InvalidTarget, UnsupportedGrantType

if TYPE_CHECKING:
    from service.oauth.clients import Client, Clients
    from service.oauth.parameters import Parameters


@dataclass(frozen=True)
class CodeGrant:
    """grant_type=authorization_code. resource: the requested resource, or None."""

    code: str
    redirect_uri: str
    verifier: str
    resource: str | None = None


@dataclass(frozen=True)
class RefreshGrant:
    """grant_type=refresh_token. scope and resource: as requested, or None."""

    token: str
    scope: str | None
    resource: str | None = None


Grant: TypeAlias = CodeGrant | RefreshGrant


def parse_grant(parameters: Parameters) -> Grant:
    """Return the requested grant. Raises InvalidRequest, UnsupportedGrantType."""
    parameters.reject_repeated()
    grant_type = parameters.required("grant_type")
    if grant_type == "authorization_code":
        return CodeGrant(
            code=parameters.required("code"),
            redirect_uri=parameters.required("redirect_uri"),
            verifier=parameters.required("code_verifier"),
            resource=parameters.optional("resource"),
        )
    if grant_type == "refresh_token":
        return RefreshGrant(
            token=parameters.required("refresh_token"),
            scope=parameters.optional("scope"),
            resource=parameters.optional("resource"),
        )
    raise UnsupportedGrantType("grant_type must be authorization_code or refresh_token")


def parse_token(parameters: Parameters) -> str:
    """Return the token of an introspection or revocation request (RFC 7009 §2.1, RFC 7662 §2.1). Raises InvalidRequest.

    `token_type_hint` is ignored: refresh tokens and access tokens of this service have different formats.
    """
    parameters.reject_repeated()
    return parameters.required("token")


def check_resource(resource: str | None, audience: str, client: Client) -> None:
    """Raise InvalidTarget if a token request names a resource other than the granted one (RFC 8707 §2.2)."""
    if resource is not None and not client.names_audience(resource, audience):
        raise InvalidTarget("resource is not the granted one")


def authenticate_client(parameters: Parameters, authorization: str | None, clients: Clients) -> Client:
    """Return the client that sent the request, authenticated by HTTP Basic or by its parameters, but not by both.

    Raises InvalidRequest if it used both, InvalidClient if it is unknown or its authentication failed.
    """
    client_id, secret = client_credentials(parameters, authorization)
    if client_id is None:
        raise InvalidClient("client_id is required")
    client = clients.get(client_id)
    if client is None:
        raise InvalidClient("client authentication failed")
    client.authenticate(secret)
    return client


def client_credentials(parameters: Parameters, authorization: str | None) -> tuple[str | None, str | None]:
    """Return the client id and the secret of a request, unverified; None for what it lacks.

    An empty secret is no secret, in either form: it may be left out (RFC 6749 §2.3.1). Libraries for public clients
    send HTTP Basic with an empty password.

    Raises InvalidRequest if it used two authentication methods, InvalidClient if the header is malformed.
    """
    client_id, secret = parameters.optional("client_id"), parameters.optional("client_secret")
    if authorization is not None:
        if secret is not None:
            raise InvalidRequest("the client used two authentication methods")
        basic_id, secret = _basic(authorization)
        if client_id not in {None, basic_id}:
            raise InvalidRequest("client_id contradicts the Authorization header")
        client_id = basic_id
    return client_id, secret


def _basic(authorization: str) -> tuple[str, str | None]:
    """Return id and secret; both were form-encoded before they were joined (RFC 6749 §2.3.1).

    Many libraries do not encode the id, and the URL of a metadata document contains colons. Such a client has no
    secret, so the last colon separates the id.
    """
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient("the Authorization header must use the Basic scheme")
    try:
        decoded = b64decode(encoded.strip(), validate=True).decode()
    except ValueError as error:  # also a value that is not ASCII
        raise InvalidClient("the Authorization header is malformed") from error
    client_id, colon, secret = decoded.partition(":")
    if not colon:
        raise InvalidClient("the Authorization header is malformed")
    if client_id in {"https", "http"} and secret.startswith("//") and secret.endswith(":"):
        return decoded.removesuffix(":"), None
    return unquote_plus(client_id), unquote_plus(secret) or None
