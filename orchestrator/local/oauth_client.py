"""A client application's half of the OAuth service, over HTTP with kept-alive connections: what traffic is made of.

Whatever the service answers is an observation. Only the platform, which is ours, may fail with an exception.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import time
from dataclasses import dataclass
from html import unescape
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from orchestrator.local.observations import NO_ANSWER, Response

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

TIMEOUT_SECONDS: Final = 15.0
IDLE_SECONDS: Final = 2.0
"""A connection idle for longer is not used again: the server may be closing it at this very moment."""
VERSION_HEADER: Final = "x-ib-oauth-version"
MAX_POLLS: Final = 5

_FUNCTIONS: Final = {"/authorize": "authorize", "/login": "authorize", "/login/poll": "authorize", "/token": "token"}
_TRANSACTION = re.compile(r'name="transaction" value="([^"]+)"')
_LOGIN_URL = re.compile(r'data-login-url="([^"]+)"')


@dataclass(frozen=True)
class TrafficClient:
    """A client application that traffic plays.

    secret None makes it a public one; share says how many of the logins are its, beside the others' shares.
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
"""The clients of the local environment; its configuration holds the hash of the secret."""


@dataclass(frozen=True)
class Tokens:
    """What a login or a refresh gave. expires_at is epoch seconds."""

    client: TrafficClient
    access_token: str
    refresh_token: str
    expires_at: float


@dataclass(frozen=True)
class Answer:
    """A response with its body and headers, for what comes next."""

    seen: Response
    headers: http.client.HTTPMessage | None
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the object in the body; empty where there is none."""
        return _object(self.body)


class Connection:
    """One kept-alive connection to the service or the platform, opened anew when it was idle or broke."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or parts.hostname is None:
            raise ValueError(f"{base_url} is no address of a service")
        secure = parts.scheme == "https"
        self._connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._host, self._port, self._prefix = parts.hostname, parts.port, parts.path.rstrip("/")
        self._open: http.client.HTTPConnection | None = None
        self._used_at = 0.0

    def send(
        self, method: str, path: str, *, form: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Return status, headers and body. Raises OSError, HTTPException."""
        if self._open is None or time.monotonic() - self._used_at > IDLE_SECONDS:
            self.close()
            self._open = self._connect(self._host, self._port, timeout=TIMEOUT_SECONDS)
        sent = dict(headers or {})
        body = None
        if form is not None:
            body = urlencode(form)
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            self._open.request(method, f"{self._prefix}{path}", body=body, headers=sent)
            answer = self._open.getresponse()
            received = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        self._used_at = time.monotonic()
        return answer.status, answer.headers, received

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._open is not None:
            self._open.close()
            self._open = None


@dataclass(frozen=True)
class OAuthClient:
    """Plays clients, and the browsers and people of their logins. One thread uses it at a time."""

    service: Connection
    platform: Connection
    observe: Callable[[Response], None]
    random: Random

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        """Ask for what needs no form."""
        return self._ask("GET", path, path, headers=headers)

    def userinfo(self, tokens: Tokens) -> Answer:
        """Ask who the tokens stand for."""
        return self.get("/userinfo", {"Authorization": f"Bearer {tokens.access_token}"})

    def log_in(self, client: TrafficClient) -> Tokens | None:
        """Go the whole way from the authorization request to tokens; None where some answer was not what it should be."""
        verifier = base64.urlsafe_b64encode(self.random.randbytes(32)).rstrip(b"=").decode()
        page, cookie, transaction = self._begin(client, verifier)
        if transaction is None or not self._at_platform(page, cookie, transaction):
            return None
        code = self._poll(cookie, transaction)
        if code is None:
            return None
        answer = self._token(
            client,
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": client.redirect_uri,
                "code_verifier": verifier,
            },
        )
        return _tokens(client, answer)

    def refresh(self, tokens: Tokens) -> tuple[Tokens | None, Answer]:
        """Change the refresh token for new tokens; None where the answer was not what it should be."""
        answer = self._token(tokens.client, {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token})
        return _tokens(tokens.client, answer), answer

    def _begin(self, client: TrafficClient, verifier: str) -> tuple[Answer, str, str | None]:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
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
        page = self._ask("GET", "/authorize", f"/authorize?{query}")
        set_cookie = page.headers.get("Set-Cookie", "") if page.headers is not None else ""
        cookie = set_cookie.partition(";")[0]
        found = _TRANSACTION.search(page.body.decode("utf-8", "replace"))
        return page, cookie, found[1] if found is not None and not page.seen.bad else None

    def _at_platform(self, page: Answer, cookie: str, transaction: str) -> bool:
        """Choose the platform and log somebody in there. Return whether that went well."""
        platform = re.search(r'name="platform" value="([^"]+)"', page.body.decode("utf-8", "replace"))
        form = {
            "transaction": transaction,
            "platform": platform[1] if platform is not None else "",
            "decision": "allow",
        }
        waiting = self._ask("POST", "/login", "/login", form=form, headers={"Cookie": cookie})
        address = _LOGIN_URL.search(waiting.body.decode("utf-8", "replace"))
        if waiting.seen.bad or address is None:
            return False
        token = parse_qs(urlsplit(unescape(address[1])).query)["token"][0]
        account = self.random.choice(("ada", "grace", "katherine", "alan"))
        status, _, _ = self.platform.send("POST", "/auth/login", form={"token": token, "account": account})
        return status == HTTPStatus.OK

    def _poll(self, cookie: str, transaction: str) -> str | None:
        for _ in range(MAX_POLLS):
            polled = self._ask(
                "GET", "/login/poll", f"/login/poll?transaction={transaction}", headers={"Cookie": cookie}
            )
            answer = polled.json()
            if polled.seen.bad or answer.get("phase") == "complete":
                return _code_in(answer.get("redirect"))
            time.sleep(1.0)  # the service asks the platform once a second at most
        return None

    def _token(self, client: TrafficClient, form: dict[str, str]) -> Answer:
        form = {"client_id": client.client_id, **form}
        if client.secret is not None:
            form["client_secret"] = client.secret
        return self._ask("POST", "/token", "/token", form=form)

    def _ask(
        self,
        method: str,
        route: str,
        path: str,
        *,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        function = _FUNCTIONS.get(route, "public")
        started = time.perf_counter()
        received: http.client.HTTPMessage | None = None
        body = b""
        version = error = None
        try:
            status, received, body = self.service.send(method, path, form=form, headers=headers)
            version = received.get(VERSION_HEADER)
            if status >= HTTPStatus.BAD_REQUEST:
                told = _object(body).get("error")
                error = told if isinstance(told, str) else None
        except (OSError, http.client.HTTPException) as failure:
            status, error = NO_ANSWER, type(failure).__name__
        latency_ms = (time.perf_counter() - started) * 1000
        seen = Response(time.time(), f"{method} {route}", function, version, status, error, round(latency_ms, 3))
        self.observe(seen)
        return Answer(seen, received, body)


def _tokens(client: TrafficClient, answer: Answer) -> Tokens | None:
    body = answer.json()
    access, refresh, expires_in = body.get("access_token"), body.get("refresh_token"), body.get("expires_in")
    if (
        answer.seen.bad
        or not isinstance(access, str)
        or not isinstance(refresh, str)
        or not isinstance(expires_in, int)
    ):
        return None
    return Tokens(client, access, refresh, time.time() + expires_in)


def _code_in(redirect: object) -> str | None:
    """Return the code in the address that a login ended with, None where it ended with none."""
    if not isinstance(redirect, str):
        return None
    codes = parse_qs(urlsplit(redirect).query).get("code")
    return codes[0] if codes else None


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
