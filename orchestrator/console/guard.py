"""What every request has to pass: an address of this machine, the console's key, and for an action its page's token.

The console acts with the credentials of the person who started it, so being able to reach its port must not be enough:

- **Host**: only loopback names with our port. A page whose name was rebound to 127.0.0.1 has another one.
- **Key**: made when the process starts, and part of the address that it prints. The browser keeps it in a cookie that no
  script reads and no other site sends. Other users of the machine reach the port, but do not have the key.
- **Origin**: of a request that acts. Every browser sends it; another page has another one.
- **Token**: in every form, for its action, its subject and its session alone, of this process alone.

With sign-in (`orchestrator/console/sign_in`) a session takes the place of the key; the key only reads `/metrics`.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.domain.errors import Refused

LOOPBACK = "127.0.0.1"
NAMES = (LOOPBACK, "localhost")
KEY_VARIABLE = "ORCHESTRATOR_CONSOLE_KEY"
SHORTEST_KEY = 32
KEY_PARAMETER = "key"
METRICS_PATH = "/metrics"
SAFE_METHODS = frozenset({"GET", "HEAD"})
FORBIDDEN, MISDIRECTED, SEE_OTHER = 403, 421, 303

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # With `no-referrer` a browser would send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What every answer has."""


Admit = Callable[[Scope, Headers], Awaitable[Response | None]]
"""Returns the answer to a request of a person who is not signed in; None, and notes the person, for any other."""


def new_key(wanted: str | None) -> str:
    """Return the key of a console: the wanted one, or a new one.

    Raises:
        Refused: the wanted one is too short, or has characters that an address cannot have as they are.
    """
    if wanted is None:
        return secrets.token_urlsafe(SHORTEST_KEY)
    usable = wanted.isascii() and all(character.isalnum() or character in "-_" for character in wanted)
    if len(wanted) < SHORTEST_KEY or not usable:
        remedy = f"give at least {SHORTEST_KEY} letters, digits, - or _, or leave it unset"
        raise Refused(KEY_VARIABLE, "its value", remedy)
    return wanted


@dataclass(frozen=True)
class Guard:
    """The secrets of one console.

    Attributes:
        key: who has it may use the console.
        port: of the console.
        public_address: of the proxy before it that ends TLS, without a path; empty on loopback.
    """

    key: str
    port: int
    public_address: str = ""
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @property
    def address(self) -> str:
        """The address of the console, without the key."""
        return f"{self.public_address}/" if self.public_address else f"http://{LOOPBACK}:{self.port}/"

    @property
    def secure(self) -> bool:
        """Whether browsers reach the console by TLS."""
        return self.address.startswith("https:")

    @property
    def first_address(self) -> str:
        """The address that lets a browser in."""
        return f"{self.address}?{KEY_PARAMETER}={self.key}"

    @property
    def cookie(self) -> str:
        """The name of the cookie. Cookies have no port, so two consoles need two names."""
        # No other host of the domain can set a cookie with this prefix (RFC 6265bis §4.1.3).
        return "__Host-orchestrator-console" if self.secure else f"orchestrator-console-{self.port}"

    def token(self, action: str, subject: str, session: str = "") -> str:
        """Return the token of the form of an action. `session`: of the person who gets it, on a console with sign-in."""
        return hmac.new(self._secret, f"{action}\0{session}\0{subject}".encode(), sha256).hexdigest()

    def is_token(self, token: str, action: str, subject: str, session: str = "") -> bool:
        """Return whether a token is that of the action's form."""
        return hmac.compare_digest(token.encode(), self.token(action, subject, session).encode())

    def is_key(self, key: str) -> bool:
        """Return whether a key is the console's."""
        return hmac.compare_digest(key.encode(), self.key.encode())

    def is_ours(self, host: str) -> bool:
        """Return whether a Host header names this console."""
        if self.public_address:
            return host == urlsplit(self.public_address).netloc
        return host in {f"{name}:{self.port}" for name in NAMES}

    def is_same_origin(self, headers: Headers) -> bool:
        """Return whether a request that acts comes from one of our own pages."""
        return headers.get("origin") == f"{'https' if self.secure else 'http'}://{headers.get('host', '')}"


def cookie_of(headers: Headers, name: str) -> str:
    """Return the value of a cookie; empty if there is none.

    Other programs of the host may set any cookies (RFC 6265 §5.4). Therefore all others are skipped and not parsed: the
    standard library's parser stops at the first one that it cannot read.
    """
    pairs = (pair.partition("=") for header in headers.getlist("cookie") for pair in header.split(";"))
    value = next((value.strip(" \t") for key, _, value in pairs if key.strip(" \t") == name), "")
    # Our own values with `=` in them are set in quotes.
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


class GuardedApp:
    """An application behind a guard.

    Args:
        app: answers the requests that pass.
        guard: decides which do.
        admit: decides by who signed in; None for a console whose key lets in.
    """

    def __init__(self, app: ASGIApp, guard: Guard, admit: Admit | None = None) -> None:
        self._app, self._guard, self._admit = app, guard, admit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        answer = await self._refusal(scope, Headers(scope=scope))
        await (answer or self._app)(scope, receive, send_with_headers)

    async def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the answer to a request that does not pass; None for one that does."""
        guard = self._guard
        if len(headers.getlist("host")) != 1 or not guard.is_ours(headers["host"]):
            return PlainTextResponse(f"This console answers at {guard.address} only.\n", MISDIRECTED)
        if scope["method"] not in SAFE_METHODS and not guard.is_same_origin(headers):
            return PlainTextResponse("An action has to come from a page of this console.\n", FORBIDDEN)
        if self._admit is not None:
            scrapes = scope["path"] == METRICS_PATH and scope["method"] in SAFE_METHODS and self._has_bearer(headers)
            return None if scrapes else await self._admit(scope, headers)
        return self._refusal_without_key(scope, headers)

    def _refusal_without_key(self, scope: Scope, headers: Headers) -> Response | None:
        guard = self._guard
        parameters = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        key = dict(parameters).get(KEY_PARAMETER)
        if key is not None and scope["method"] in SAFE_METHODS and guard.is_key(key):
            return self._let_in(scope["path"], parameters)
        if not self._has_key(headers):
            words = "Open the address that `orchestrator console` printed: it has the key of this console.\n"
            return PlainTextResponse(words, FORBIDDEN)
        return None

    def _has_key(self, headers: Headers) -> bool:
        if headers.get("authorization", "").partition(" ")[0].lower() == "bearer":
            return self._has_bearer(headers)
        return self._guard.is_key(cookie_of(headers, self._guard.cookie))

    def _has_bearer(self, headers: Headers) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self._guard.is_key(bearer.strip())

    def _let_in(self, path: str, parameters: list[tuple[str, str]]) -> Response:
        """Return the redirection to the same page without the key, which then is in the cookie."""
        query = urlencode([(name, value) for name, value in parameters if name != KEY_PARAMETER])
        # A path with two slashes would lead to another host.
        answer = RedirectResponse(f"/{path.lstrip('/')}{f'?{query}' if query else ''}", SEE_OTHER)
        answer.set_cookie(self._guard.cookie, self._guard.key, httponly=True, samesite="strict", path="/")
        return answer
