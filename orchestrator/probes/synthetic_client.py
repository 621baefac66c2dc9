"""The synthetic identity as an OAuth client: each function sends one request of a flow and reads the response.

The caller's `send` decides where the requests go. Secrets are only in the returned values: never in a message, a
representation or evidence.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from orchestrator.domain.analysis.observations import HttpRequest, HttpResponse
from orchestrator.domain.base64url import encode_base64url
from orchestrator.domain.errors import Unreachable
from orchestrator.domain.sign_in.pkce import code_challenge
from orchestrator.domain.untrusted_json import decode_untrusted
from orchestrator.probes.checks import CLIENT_ID, REDIRECT_URI
from orchestrator.probes.ports import MacClient

BROWSER_COOKIE = "__Host-ib-oauth-browser"
SUBJECT = "synthetic"

_TRANSACTION = re.compile(r'name="transaction" value="([^"]+)"')


class FlowFailed(Exception):
    """A response does not allow the flow to continue. The message quotes only its status and its OAuth error code.

    Args:
        problem: what is wrong with it.
        error: its OAuth error code; empty without one.
    """

    def __init__(self, problem: str, error: str = "") -> None:
        super().__init__(problem)
        self.error = error


class SendRequest(Protocol):
    """Sends requests to the functions. Raises FlowFailed if the response has another status than expected."""

    def __call__(self, step: str, function: str, request: HttpRequest, expected: int, /) -> HttpResponse:
        """Send the request of a step to a function."""


@dataclass(frozen=True)
class SyntheticIdentity:
    """Authenticates the synthetic user: a KMS key that only the orchestrator may use, bound to one environment."""

    macs: MacClient
    key_id: str
    environment: str


@dataclass(frozen=True)
class Login:
    """A login that has begun: what its browser and its client store."""

    transaction: str = field(repr=False)
    cookie: str = field(repr=False)
    verifier: str = field(repr=False)
    state: str = field(repr=False)


@dataclass(frozen=True)
class Code:
    """An authorization code, with its PKCE verifier."""

    code: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True)
class Tokens:
    """The tokens of a redemption or a refresh."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)


def begin_login(send: SendRequest, parameters: Mapping[str, str] | None = None) -> Login:
    """Begin a login at the authorization endpoint.

    Args:
        send: sends the request.
        parameters: of the request, in addition to the usual ones or in place of them.

    Raises:
        FlowFailed: the response is no login page.
    """
    verifier = secrets.token_urlsafe(48)
    challenge = code_challenge(verifier)
    query = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT_URI,
        "scope": "profile",
        "state": secrets.token_urlsafe(16),
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **(parameters or {}),
    }
    response = send("authorize", "authorize", HttpRequest("GET", "/authorize", query=query), HTTPStatus.OK)
    transaction = _TRANSACTION.search(response.body)
    cookies = response.headers.get("set-cookie", ())
    cookie = next((value.partition(";")[0] for value in cookies if BROWSER_COOKIE in value), "")
    if transaction is None or not cookie:
        raise FlowFailed("returned a page without a transaction or a browser cookie")
    return Login(transaction.group(1), cookie, verifier, query["state"])


def complete_login(send: SendRequest, login: Login, identity: SyntheticIdentity) -> Code:
    """Complete a login and return its authorization code. Raises FlowFailed."""
    message = f"ib-oauth/synthetic/{identity.environment}/{login.transaction}".encode()
    mac = encode_base64url(identity.macs.generate_mac(identity.key_id, message))
    fields = {"transaction": login.transaction, "mac": mac}
    request = form_request("/login/synthetic", fields, {"Cookie": login.cookie})
    response = send("login", "authorize", request, HTTPStatus.SEE_OTHER)
    location = response.header("location")
    query = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    if not location.startswith(f"{REDIRECT_URI}?") or query.get("state") != login.state or "code" not in query:
        raise FlowFailed(f"did not redirect back with a code {oauth_error(response)}".rstrip())
    return Code(query["code"], login.verifier)


def redeem_code(send: SendRequest, code: Code) -> Tokens:
    """Redeem an authorization code. Raises FlowFailed."""
    return _tokens(send("redeem", "token", redeem_request(code), HTTPStatus.OK))


def redeem_request(code: Code) -> HttpRequest:
    """Return the token request that redeems a code (RFC 6749 §4.1.3, RFC 7636 §4.5)."""
    fields = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "code": code.code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": code.verifier,
    }
    return form_request("/token", fields)


def refresh_tokens(send: SendRequest, token: str) -> Tokens:
    """Use a refresh token. Raises FlowFailed."""
    return _tokens(send("refresh", "token", refresh_request(token), HTTPStatus.OK))


def refresh_request(token: str) -> HttpRequest:
    """Return the token request that uses a refresh token (RFC 6749 §6)."""
    fields = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": token}
    return form_request("/token", fields)


def revoke_token(send: SendRequest, token: str) -> None:
    """Revoke a token (RFC 7009). Raises FlowFailed."""
    send("revoke", "token", form_request("/revoke", {"client_id": CLIENT_ID, "token": token}), HTTPStatus.OK)


def check_userinfo(send: SendRequest, token: str, step: str = "userinfo") -> None:
    """Call userinfo with an access token. Raises FlowFailed if the subject is not the synthetic identity."""
    request = HttpRequest("GET", "/userinfo", headers={"Authorization": f"Bearer {token}"})
    response = send(step, "public", request, HTTPStatus.OK)
    if json_object(response).get("sub") != SUBJECT:
        raise FlowFailed("named another subject")


def form_request(path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> HttpRequest:
    """Return a POST request with form fields."""
    return HttpRequest("POST", path, headers=headers or {}, form=fields)


def json_object(response: HttpResponse) -> Mapping[str, object]:
    """Return the JSON object of a response; empty if it has none."""
    try:
        document = decode_untrusted(response.body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def oauth_error(response: HttpResponse) -> str:
    """Return the OAuth error code of a response, from its body or its redirect; empty if it has none."""
    query = parse_qs(urlsplit(response.header("location")).query)
    error = json_object(response).get("error") or query.get("error", [""])[0]
    return error if isinstance(error, str) and re.fullmatch(r"[a-z_]{1,40}", error) else ""


def refuse_unexpected(response: HttpResponse, expected: int) -> HttpResponse:
    """Return a response that has the expected status.

    Raises:
        FlowFailed: it has another status.
        Unreachable: it has another status, and the request was sent more than once. A step changes what the next one
            finds: if the first attempt succeeded and its response was lost, the second is rightly refused, which
            proves nothing about the version.
    """
    if not response.unhandled and response.status == expected:
        return response
    status = f"returned {response.status} {oauth_error(response)}".rstrip() + f" instead of {int(expected)}"
    problem = f"raised {response.unhandled}" if response.unhandled else status
    if response.attempts > 1:
        raise Unreachable(f"{problem}, but was sent {response.attempts} times: the first result is not known")
    raise FlowFailed(problem, oauth_error(response))


def _tokens(response: HttpResponse) -> Tokens:
    document = json_object(response)
    access, refresh = document.get("access_token"), document.get("refresh_token")
    if not isinstance(access, str) or not isinstance(refresh, str):
        raise FlowFailed("returned 200 without both tokens")
    return Tokens(access, refresh)
