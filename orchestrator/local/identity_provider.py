"""The upstream identity provider of the local cloud, for users with a browser and for programs with HTTP.

    POST /v1/auth/app/token             opens a login: {"sid", "content", "logintimeoutperiod"}; its form may say for
                                        whom: client_name=…&client_host=…&user_code=…
    GET  /auth/?login=0&token=…         the login page: for whom, with the code; choose an account
    POST /auth/login                    the page's form: token=…&account=…
    GET  /v1/auth/app/info?token=…      404 until a user has logged in, then session and profile

It listens on 127.0.0.1 only, keeps all data in memory and has no passwords: only processes of this machine reach it.

    python -m orchestrator.local.identity_provider --port 0

prints {"url": "http://127.0.0.1:PORT"} and serves until it is terminated or its parent ends.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import NAMESPACE_DNS, uuid5

if TYPE_CHECKING:
    from collections.abc import Iterator

SESSION_HOURS: Final = 24
LOGIN_SECONDS: Final = 900
MAX_LOGINS: Final = 20_000
MAX_FORM_BYTES: Final = 4096
PARENT_CHECK_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Account:
    """A user account."""

    name: str
    given_name: str
    family_name: str

    @property
    def user_uuid(self) -> str:
        """The identity provider's id of this account: the same in every run."""
        return str(uuid5(NAMESPACE_DNS, f"{self.name}.platform.invalid"))


ACCOUNTS: Final = {
    account.name: account
    for account in (
        Account("ada", "Ada", "Lovelace"),
        Account("grace", "Grace", "Hopper"),
        Account("katherine", "Katherine", "Johnson"),
        Account("alan", "Alan", "Turing"),
    )
}


@dataclass(frozen=True)
class LoginContext:
    """For whom a login was opened, and its short code, which the page of the browser that began it shows, too."""

    client_name: str
    client_host: str
    user_code: str


@dataclass
class _Login:
    """A login that an application opened; account is None until a user has logged in."""

    sid: str
    opened_at: float
    context: LoginContext | None = None
    account: Account | None = None


@dataclass
class Logins:
    """The open logins by their token. Safe to use from several threads."""

    _by_token: dict[str, _Login] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, context: LoginContext | None = None) -> tuple[str, str]:
        """Open a login and return its session id and token."""
        sid, token, now = secrets.token_urlsafe(16), secrets.token_urlsafe(24), time.monotonic()
        with self._lock:
            if len(self._by_token) >= MAX_LOGINS:
                open_logins = {
                    key: login for key, login in self._by_token.items() if now - login.opened_at < LOGIN_SECONDS
                }
                self._by_token = open_logins
            self._by_token[token] = _Login(sid, now, context)
        return sid, token

    def log_in(self, token: str, account: Account) -> bool:
        """Log an account in. Return whether the token belongs to an open login."""
        with self._lock:
            login = self._open_login(token)
            if login is None:
                return False
            login.account = account
            return True

    def is_open(self, token: str) -> bool:
        """Return whether the token belongs to an open login."""
        with self._lock:
            return self._open_login(token) is not None

    def context(self, token: str) -> LoginContext | None:
        """Return for whom an open login was opened; None if its application did not say."""
        with self._lock:
            login = self._open_login(token)
            return login.context if login is not None else None

    def info(self, token: str) -> dict[str, Any] | None:
        """Return session and profile of the logged-in account; None before the login."""
        with self._lock:
            login = self._open_login(token)
            account = login.account if login is not None else None
        if login is None or account is None:
            return None
        return {
            "session": {"userUuid": account.user_uuid, "sid": login.sid},
            "info": {
                "firstname": account.given_name,
                "lastname": account.family_name,
                "email": f"{account.name}@example.com",
                "clientid": "local",
                "apiV3url": "https://api.platform.invalid/v3",
            },
        }

    def _open_login(self, token: str) -> _Login | None:
        login = self._by_token.get(token)
        return login if login is not None and time.monotonic() - login.opened_at < LOGIN_SECONDS else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = 30

    def do_POST(self) -> None:
        """Handle the two POST requests of the protocol."""
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > MAX_FORM_BYTES:
            self.close_connection = True
            self._json(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": "too large"})
            return
        form = parse_qs(self.rfile.read(int(length)).decode("utf-8", "replace"))
        path = urlsplit(self.path).path
        if path == "/v1/auth/app/token":
            sid, token = self.server.logins.open(_context(form))
            self._json(HTTPStatus.OK, {"sid": sid, "content": token, "logintimeoutperiod": SESSION_HOURS})
        elif path == "/auth/login":
            account = ACCOUNTS.get(_first(form, "account"))
            if account is None or not self.server.logins.log_in(_first(form, "token"), account):
                self._page(HTTPStatus.BAD_REQUEST, "<h1>This login has ended</h1>")
            else:
                self._page(HTTPStatus.OK, f"<h1>Welcome, {escape(account.given_name)}</h1><p>You are logged in.</p>")
        else:
            self._json(HTTPStatus.NOT_FOUND, {"error": "not found"})

    def do_GET(self) -> None:
        """Handle the login page and the query for the logged-in account."""
        address = urlsplit(self.path)
        token = _first(parse_qs(address.query), "token")
        if address.path == "/v1/auth/app/info":
            info = self.server.logins.info(token)
            self._json(HTTPStatus.OK if info else HTTPStatus.NOT_FOUND, info or {"error": "no user has logged in"})
        elif address.path == "/auth/" and self.server.logins.is_open(token):
            self._page(HTTPStatus.OK, _account_page(token, self.server.logins.context(token)))
        elif address.path == "/auth/":
            self._page(HTTPStatus.NOT_FOUND, "<h1>This login has ended</h1>")
        else:
            self._json(HTTPStatus.NOT_FOUND, {"error": "not found"})

    def log_message(self, *_: object) -> None:
        """Log nothing: URLs contain tokens."""

    def _json(self, status: HTTPStatus, body: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(body, allow_nan=False))

    def _page(self, status: HTTPStatus, body: str) -> None:
        html = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Demo platform</title><body>{body}</body></html>'
        self._send(status, "text/html; charset=utf-8", html)

    def _send(self, status: HTTPStatus, content_type: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.logins = Logins()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


def _first(fields: dict[str, list[str]], name: str) -> str:
    return fields.get(name, [""])[0]


def _context(form: dict[str, list[str]]) -> LoginContext | None:
    names = ("client_name", "client_host", "user_code")
    return LoginContext(*(_first(form, name) for name in names)) if form.keys() >= set(names) else None


def _account_page(token: str, context: LoginContext | None) -> str:
    purpose = ""
    if context is not None:
        purpose = (
            f"<p>You are logging in to <strong>{escape(context.client_name)}</strong> at {escape(context.client_host)},"
            f" with the code <strong>{escape(context.user_code)}</strong>. The window in which you began shows the same"
            " code. If you did not begin there, close this page: you would log another person in.</p>"
        )
    buttons = "".join(
        f'<p><button name="account" value="{escape(account.name)}">'
        f"{escape(account.given_name)} {escape(account.family_name)}</button></p>"
        for account in ACCOUNTS.values()
    )
    return (
        f"<h1>Demo platform</h1>{purpose}<p>Choose an account.</p>"
        f'<form method="post" action="/auth/login"><input type="hidden" name="token" value="{escape(token)}">{buttons}</form>'
    )


@contextmanager
def serve(port: int = 0) -> Iterator[str]:
    """Serve in threads of this process. Yield the identity provider's URL."""
    server = _Server(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="platform", daemon=True)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _has_ended(parent: int, started_by: int) -> bool:
    """Return whether the process has ended.

    For the process that started this one, our own parent id decides, even if its id has been reused.
    """
    if parent == started_by:
        return os.getppid() != started_by
    try:
        os.kill(parent, 0)
    except ProcessLookupError:
        return True
    return False


def main(arguments: list[str] | None = None) -> None:
    """Serve until terminated, or until the parent ends."""
    started_by = os.getppid()
    parser = argparse.ArgumentParser(
        prog="python -m orchestrator.local.identity_provider", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--port", type=int, default=0, help="0 for any free port")
    parser.add_argument("--parent-pid", type=int, default=started_by, help="end when this process ends")
    options = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with serve(options.port) as url:
        sys.stdout.write(f"{json.dumps({'url': url}, allow_nan=False)}\n")
        sys.stdout.flush()
        while not stop.wait(PARENT_CHECK_SECONDS):
            if _has_ended(options.parent_pid, started_by):
                return


if __name__ == "__main__":
    main()
