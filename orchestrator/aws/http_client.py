"""Send requests to the API as its clients do. Standard library only, with limits for every wait and response size."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from select import POLLIN, poll
from threading import local
from time import perf_counter
from urllib.parse import SplitResult, urlencode, urlsplit

from orchestrator.aws.public_http import USER_AGENT, tls_context, within
from orchestrator.domain.analysis.observations import VERSION_HEADER, Certificate, HttpRequest, HttpResponse
from orchestrator.domain.errors import Unreachable

FORM = "application/x-www-form-urlencoded"
TIMEOUT_SECONDS = 5.0
BODY_LIMIT_BYTES = 1_000_000


class HttpClient:
    """An HTTP(S) client that keeps one connection per thread and host."""

    def __init__(self) -> None:
        self._local = local()

    def send(self, base_url: str, request: HttpRequest) -> HttpResponse:
        """Send a request, without following redirects.

        Args:
            base_url: the API's address with its stage, without a trailing slash.
            request: its path is appended to that address.

        Raises:
            Unreachable: no response within 5 s, a response above 1 MB, or an untrusted connection. `sent` is False if
                there was no connection: then the request has had no effect.
        """
        split = urlsplit(f"{base_url}{request.path}")
        query = urlencode(request.query) or split.query
        target = f"{split.path}?{query}" if query else split.path
        body = request.body if request.form is None else urlencode(request.form)
        content_type = {} if request.form is None else {"Content-Type": FORM}
        headers = {"User-Agent": USER_AGENT, **request.headers, **content_type}
        started = perf_counter()
        where = f"{request.method} {split.netloc}{split.path}"
        connection = self._connection(split)
        try:
            if connection.sock is None:
                connection.connect()
        except OSError as error:
            connection.close()
            raise Unreachable(f"{where}: {error or type(error).__name__}", sent=False) from error
        try:
            status, header_list, text = _exchange(connection, request.method, target, body, headers)
        except (OSError, HTTPException) as error:
            raise Unreachable(f"{where}: {error or type(error).__name__}") from error
        elapsed_ms = (perf_counter() - started) * 1000
        grouped: dict[str, tuple[str, ...]] = {}
        for name, value in header_list:
            grouped[name.lower()] = (*grouped.get(name.lower(), ()), value)
        return HttpResponse(status, grouped, text, elapsed_ms, next(iter(grouped.get(VERSION_HEADER, ())), ""))

    def certificate(self, url: str) -> Certificate:
        """Open a TLS connection (1.2 or later, the system's trust store) and return its protocol and certificate.

        Raises:
            Unreachable: no response, or a certificate that is not valid for the host.
        """
        split = urlsplit(url)
        connection = HTTPSConnection(split.netloc, timeout=TIMEOUT_SECONDS, context=tls_context())
        try:
            connection.connect()
            secured: ssl.SSLSocket = connection.sock
            certificate = secured.getpeercert() or {}
            protocol = secured.version() or ""
        except OSError as error:
            raise Unreachable(f"{split.netloc}: {error}") from error
        finally:
            connection.close()
        expires = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
        return Certificate(protocol, datetime.fromtimestamp(expires, UTC))

    def _connection(self, split: SplitResult) -> HTTPConnection:
        connections: dict[str, HTTPConnection] = self._local.__dict__.setdefault("connections", {})
        name = f"{split.scheme}://{split.netloc}"
        if name not in connections:
            if split.scheme == "https":
                connections[name] = HTTPSConnection(split.netloc, timeout=TIMEOUT_SECONDS, context=tls_context())
            else:
                connections[name] = HTTPConnection(split.netloc, timeout=TIMEOUT_SECONDS)
        if _was_closed(connections[name].sock):
            connections[name].close()  # the request opens it again
        return connections[name]


def _exchange(
    connection: HTTPConnection, method: str, target: str, body: str | None, headers: dict[str, str]
) -> tuple[int, list[tuple[str, str]], str]:
    try:
        with within(TIMEOUT_SECONDS, connection.sock):
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            content = response.read(BODY_LIMIT_BYTES + 1)
    except (OSError, HTTPException):
        connection.close()  # the next request opens it again
        raise
    if len(content) > BODY_LIMIT_BYTES or _asks_to_close(headers):
        connection.close()
    if len(content) > BODY_LIMIT_BYTES:
        raise HTTPException(f"a response above {BODY_LIMIT_BYTES} bytes")
    return response.status, response.getheaders(), content.decode("utf-8", "replace")


def _asks_to_close(headers: Mapping[str, str]) -> bool:
    """Return whether no request may follow on the connection (RFC 9112 §9.6), whether or not the response repeats it."""
    return any(name.lower() == "connection" and value.lower() == "close" for name, value in headers.items())


def _was_closed(idle: socket.socket | None) -> bool:
    """Return whether the server closed a connection that was kept: between two requests it has nothing else to send."""
    if idle is None:
        return False
    watched = poll()
    watched.register(idle, POLLIN)
    return bool(watched.poll(0))
