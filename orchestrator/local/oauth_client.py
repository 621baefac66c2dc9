"""An OAuth client application over HTTP with kept-alive connections; the traffic generator uses it.

Every response of the service is an observation. Only a failure of the upstream identity provider, which belongs to the
local cloud, raises an exception.
"""

from __future__ import annotations

import http.client
import json
import re
import time
from dataclasses import dataclass
from html import unescape
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from orchestrator.domain.analysis.observations import VERSION_HEADER
from orchestrator.domain.base64url import encode_base64url
from orchestrator.domain.sign_in.pkce import code_challenge
from orchestrator.local.traffic_observations import NO_RESPONSE, ObservedResponse

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

TIMEOUT_SECONDS: Final = 15.0
IDLE_SECONDS: Final = 2.0
"""A connection that was idle for longer is not reused: the server may be closing it."""
MAX_POLLS: Final = 5

_FUNCTIONS: Final = {"/authorize": "authorize", "/login": "authorize", "/login/poll": "authorize", "/token": "token"}
_TRANSACTION = re.compile(r'name="transaction" value="([^"]+)"')
_LOGIN_URL = re.compile(r'data-login-url="([^"]+)"')


@dataclass(frozen=True)
class TrafficClient:
    """A client application of the generated traffic.

    secret: None for a public client.
    share: weight of this client among the logins.
    """

    client_id: str
    redirect_uri: str
    scope: str = "profile email"
    secret: str | None = None
    share: int = 1


LOCAL_CLIENTS: Final = (
    TrafficClient("demo-client", "http://127.0.0.1:49152/callback", share=2),
    TrafficClient(
        "demo-server",
        "https://demo-server.example/callback",
        secret="local-demo-server-secret-not-for-accounts",  # noqa: S106 - of the local environment alone
    ),
)
"""The clients of the local environment; its configuration has the hash of the secret."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of a login or a refresh. expires_at is epoch seconds."""

    client: TrafficClient
    access_token: str
    refresh_token: str
    expires_at: float


@dataclass(frozen=True)
class OAuthResponse:
    """A response with its headers and body, and the observation of it."""

    observation: ObservedResponse
    headers: http.client.HTTPMessage | None
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the JSON object in the body; empty if there is none."""
        return _object(self.body)


class Connection:
    """A kept-alive connection to the service or the identity provider, reopened after idle time or a failure."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or parts.hostname is None:
            raise ValueError(f"{base_url} is not an http(s) URL")
        secure = parts.scheme == "https"
        self._connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._host, self._port, self._prefix = parts.hostname, parts.port, parts.path.rstrip("/")
        self._open: http.client.HTTPConnection | None = None
        self._used_at = 0.0

    def send(
        self, method: str, path: str, *, form: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Send a request. Return status, headers and body.

        Raises:
            OSError: the connection failed.
            HTTPException: the response is malformed.
        """
        if self._open is None or time.monotonic() - self._used_at > IDLE_SECONDS:
            self.close()
            self._open = self._connect(self._host, self._port, timeout=TIMEOUT_SECONDS)
        request_headers = dict(headers or {})
        body = None
        if form is not None:
            body = urlencode(form)
            request_headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            self._open.request(method, f"{self._prefix}{path}", body=body, headers=request_headers)
            response = self._open.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        self._used_at = time.monotonic()
        return response.status, response.headers, content

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._open is not None:
            self._open.close()
            self._open = None


@dataclass(frozen=True)
class OAuthClient:
    """Acts as client applications and as the browsers and users of their logins. Not safe for several threads."""

    service: Connection
    platform: Connection
    observe: Callable[[ObservedResponse], None]
    random: Random

    def get(self, path: str, headers: dict[str, str] | None = None) -> OAuthResponse:
        """Send a GET request."""
        return self._send("GET", path, path, headers=headers)

    def userinfo(self, tokens: Tokens) -> OAuthResponse:
        """Request the claims of the tokens' user."""
        return self.get("/userinfo", {"Authorization": f"Bearer {tokens.access_token}"})

    def log_in(self, client: TrafficClient) -> Tokens | None:
        """Run the whole flow from the authorization request to tokens; None if a response was not the expected one."""
        verifier = encode_base64url(self.random.randbytes(32))
        page, cookie, transaction = self._authorize(client, verifier)
        if transaction is None or not self._log_in_upstream(page, cookie, transaction):
            return None
        code = self._poll(cookie, transaction)
        if code is None:
            return None
        response = self._request_tokens(
            client,
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": client.redirect_uri,
                "code_verifier": verifier,
            },
        )
        return _tokens(client, response)

    def refresh(self, tokens: Tokens) -> tuple[Tokens | None, OAuthResponse]:
        """Exchange the refresh token for new tokens; None if the response was not the expected one."""
        response = self._request_tokens(
            tokens.client, {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
        )
        return _tokens(tokens.client, response), response

    def _authorize(self, client: TrafficClient, verifier: str) -> tuple[OAuthResponse, str, str | None]:
        challenge = code_challenge(verifier)
        query = urlencode(
            {
                "response_type": "code",
                "client_id": client.client_id,
                "redirect_uri": client.redirect_uri,
                "scope": client.scope,
                "state": self.random.randbytes(12).hex(),
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            }
        )
        page = self._send("GET", "/authorize", f"/authorize?{query}")
        set_cookie = page.headers.get("Set-Cookie", "") if page.headers is not None else ""
        cookie = set_cookie.partition(";")[0]
        match = _TRANSACTION.search(page.body.decode("utf-8", "replace"))
        return page, cookie, match[1] if match is not None and not page.observation.bad else None

    def _log_in_upstream(self, page: OAuthResponse, cookie: str, transaction: str) -> bool:
        """Choose the identity provider and log a user in there. Return whether both succeeded."""
        platform = re.search(r'name="platform" value="([^"]+)"', page.body.decode("utf-8", "replace"))
        form = {
            "transaction": transaction,
            "platform": platform[1] if platform is not None else "",
            "decision": "allow",
        }
        waiting = self._send("POST", "/login", "/login", form=form, headers={"Cookie": cookie})
        address = _LOGIN_URL.search(waiting.body.decode("utf-8", "replace"))
        if waiting.observation.bad or address is None:
            return False
        token = parse_qs(urlsplit(unescape(address[1])).query)["token"][0]
        account = self.random.choice(("ada", "grace", "katherine", "alan"))
        status, _, _ = self.platform.send("POST", "/auth/login", form={"token": token, "account": account})
        return status == HTTPStatus.OK

    def _poll(self, cookie: str, transaction: str) -> str | None:
        for _ in range(MAX_POLLS):
            polled = self._send(
                "GET", "/login/poll", f"/login/poll?transaction={transaction}", headers={"Cookie": cookie}
            )
            response = polled.json()
            if polled.observation.bad or response.get("phase") == "complete":
                return _authorization_code(response.get("redirect"))
            time.sleep(1.0)  # the service queries the identity provider at most once a second
        return None

    def _request_tokens(self, client: TrafficClient, form: dict[str, str]) -> OAuthResponse:
        form = {"client_id": client.client_id, **form}
        if client.secret is not None:
            form["client_secret"] = client.secret
        return self._send("POST", "/token", "/token", form=form)

    def _send(
        self,
        method: str,
        route: str,
        path: str,
        *,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> OAuthResponse:
        function = _FUNCTIONS.get(route, "public")
        started = time.perf_counter()
        response_headers: http.client.HTTPMessage | None = None
        body = b""
        version = error = None
        try:
            status, response_headers, body = self.service.send(method, path, form=form, headers=headers)
            version = response_headers.get(VERSION_HEADER)
            if status >= HTTPStatus.BAD_REQUEST:
                code = _object(body).get("error")
                error = code if isinstance(code, str) else None
        except (OSError, http.client.HTTPException) as failure:
            status, error = NO_RESPONSE, type(failure).__name__
        latency_ms = (time.perf_counter() - started) * 1000
        observation = ObservedResponse(
            time.time(), f"{method} {route}", function, version, status, error, round(latency_ms, 3)
        )
        self.observe(observation)
        return OAuthResponse(observation, response_headers, body)


def _tokens(client: TrafficClient, response: OAuthResponse) -> Tokens | None:
    body = response.json()
    access, refresh, expires_in = body.get("access_token"), body.get("refresh_token"), body.get("expires_in")
    if (
        response.observation.bad
        or not isinstance(access, str)
        or not isinstance(refresh, str)
        or not isinstance(expires_in, int)
    ):
        return None
    return Tokens(client, access, refresh, time.time() + expires_in)


def _authorization_code(redirect: object) -> str | None:
    """Return the code in the redirect that ended a login; None if it has none."""
    if not isinstance(redirect, str):
        return None
    codes = parse_qs(urlsplit(redirect).query).get("code")
    return codes[0] if codes else None


def _object(body: bytes) -> dict[str, Any]:
    try:
        response = json.loads(body)
    except ValueError:
        return {}
    return response if isinstance(response, dict) else {}
