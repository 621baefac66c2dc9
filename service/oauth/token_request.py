"""What clients send to the token endpoint and its neighbours, and how a client is known (RFC 6749 §2.3, §4.1.3 and §6).

A grant is for one resource, which was settled when the person agreed. A token request may repeat it (RFC 8707 §2.2), and cannot
turn to another.
"""

from __future__ import annotations

import binascii
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
    """grant_type=authorization_code. resource: the resource asked for, None where none was."""

    code: str
    redirect_uri: str
    verifier: str
    resource: str | None = None


@dataclass(frozen=True)
class RefreshGrant:
    """grant_type=refresh_token. scope and resource are what was asked for, None where nothing was."""

    token: str
    scope: str | None
    resource: str | None = None


Grant: TypeAlias = CodeGrant | RefreshGrant


def read(parameters: Parameters) -> Grant:
    """Return what is asked for. Raises InvalidRequest, UnsupportedGrantType."""
    parameters.refuse_repetition()
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


def shown_token(parameters: Parameters) -> str:
    """Return the token that a request asks about or gives up (RFC 7009 §2.1, RFC 7662 §2.1). Raises InvalidRequest.

    `token_type_hint` may say anything: our refresh tokens and access tokens cannot be taken for each other.
    """
    parameters.refuse_repetition()
    return parameters.required("token")


def hold_to_grant(resource: str | None, audience: str) -> None:
    """Raise InvalidTarget where a token request names another resource than the one granted (RFC 8707 §2.2)."""
    if resource is not None and resource != audience:
        raise InvalidTarget("resource is not the one that was granted")


def authenticated(parameters: Parameters, authorization: str | None, clients: Clients) -> Client:
    """Return the client that sent the request, by HTTP Basic or by its parameters, never by both.

    Raises InvalidRequest where it did both, InvalidClient where it is unknown or did not prove itself.
    """
    client_id, secret = parameters.optional("client_id"), parameters.optional("client_secret")
    if authorization is not None:
        if secret is not None:
            raise InvalidRequest("the client authenticated in two ways")
        basic_id, secret = _basic(authorization)
        if client_id not in {None, basic_id}:
            raise InvalidRequest("client_id contradicts the Authorization header")
        client_id = basic_id
    if client_id is None:
        raise InvalidClient("the client did not say who it is")
    client = clients.get(client_id)
    if client is None:
        raise InvalidClient("client authentication failed")
    client.authenticate(secret)
    return client


def _basic(authorization: str) -> tuple[str, str]:
    """Return id and secret; both were form-encoded before they were joined (RFC 6749 §2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient("the Authorization header must be of the Basic scheme")
    try:
        decoded = b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidClient("the Authorization header is malformed") from error
    client_id, colon, secret = decoded.partition(":")
    if not colon:
        raise InvalidClient("the Authorization header is malformed")
    return unquote_plus(client_id), unquote_plus(secret)
