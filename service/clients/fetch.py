"""One call to a server that may be slow, broken or hostile.

It connects to a checked address (see address_guard.py), follows no redirect, and has a size limit and one deadline that
includes name resolution. Every failure is the same error, which quotes nothing of the response.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from service.clients import address_guard
from service.clients.address_guard import AddressRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.clients.address_guard import Server


_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}[ \t]*")
_CHUNK_LINE_BYTES: Final = 4096


class _Response(http.client.HTTPResponse):
    """A response whose chunk sizes are hexadecimal digits only (RFC 9112 §7.1).

    http.client reads them with int(), which accepts a sign, a prefix and underscores. A negative size makes it read all
    that the server sends, whatever the limit.
    """

    def _read_next_chunk_size(self) -> int:
        line = self.fp.readline(_CHUNK_LINE_BYTES)
        size, _, _ = line.rstrip(b"\r\n").partition(b";")
        if not line.endswith(b"\n") or not _CHUNK_SIZE.fullmatch(size):
            raise http.client.HTTPException("the size of a chunk is malformed")
        return int(size, 16)


@dataclass
class _Waited:
    """How long this process has waited for servers that are not ours. It only grows, like a clock."""

    seconds: float = 0.0


_WAITED: Final = _Waited()


class FetchFailed(Exception):
    """The server did not respond in time, did not use HTTP, or sent too much."""


@dataclass(frozen=True)
class Limits:
    """deadline_seconds: of the whole call; max_bytes: of the response's body."""

    deadline_seconds: float
    max_bytes: int


@dataclass(frozen=True)
class Fetched:
    """A server's response. content_type: the media type only, in lower case; cache_control: the header as received."""

    status: int
    content_type: str
    cache_control: str
    body: bytes


def seconds_waited() -> float:
    """Return how long this process has waited for servers that are not ours, in seconds, like a clock."""
    return _WAITED.seconds


@contextmanager
def _counted() -> Iterator[None]:
    """Add the duration of the block to the time that this process has waited."""
    started = time.monotonic()
    try:
        yield
    finally:
        _WAITED.seconds += time.monotonic() - started


@_counted()
def fetch(server: Server, method: str, path: str, limits: Limits, form: str = "") -> Fetched:
    """Return the response, whatever its status. Raises FetchFailed.

    path: with its query, percent-encoded. form: the form-encoded body of a POST request.
    """
    ends_at = time.monotonic() + limits.deadline_seconds
    address = _resolve_within(server, limits.deadline_seconds)
    try:
        plain = socket.create_connection((address, server.port), timeout=_remaining(ends_at))
    except OSError as error:
        raise FetchFailed(type(error).__name__) from error
    # A socket's own timeout restarts with every received byte. The duplicate stays usable when the original is closed.
    duplicate = plain.dup()
    guard = threading.Timer(_remaining(ends_at), _abort, (duplicate,))
    guard.daemon = True
    guard.start()
    try:
        response = _exchange(server, plain, method, path, limits.max_bytes, form)
    finally:
        guard.cancel()
        duplicate.close()
    if time.monotonic() > ends_at:  # a response that was cut off looks like one that has ended
        raise FetchFailed("deadline")
    return response


def _resolve_within(server: Server, deadline_seconds: float) -> str:
    """Resolve the name in its own thread: a resolver cannot be interrupted, only abandoned."""
    outcome: list[str | Exception] = []

    def resolve() -> None:
        try:
            outcome.append(address_guard.resolve(server))
        except (AddressRefused, OSError, UnicodeError) as error:
            outcome.append(error)

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(deadline_seconds)
    if not outcome:
        raise FetchFailed("deadline")
    if isinstance(outcome[0], Exception):
        raise FetchFailed(type(outcome[0]).__name__) from outcome[0]
    return outcome[0]


def _exchange(server: Server, plain: socket.socket, method: str, path: str, max_bytes: int, form: str) -> Fetched:
    """Send the request over an open connection, with TLS if the server uses it, and read the response."""
    connection = http.client.HTTPConnection(server.host, server.port)
    connection.response_class = _Response
    connection.sock = plain
    try:
        if server.secure:
            connection.default_port = server.port  # so that Host carries no port
            connection.sock = _tls().wrap_socket(plain, server_hostname=server.host)
        headers = {"Accept": "application/json", "User-Agent": "ib-oauth", "Connection": "close"}
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body=form.encode() if method == "POST" else None, headers=headers)
        response = connection.getresponse()
        body = response.read(max_bytes + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchFailed(type(error).__name__) from error
    finally:
        connection.close()
        plain.close()
    if len(body) > max_bytes:
        raise FetchFailed(f"more than {max_bytes} bytes")
    if response.length:  # http.client accepts a body that ends before its Content-Length
        raise FetchFailed("ended early")
    media_type = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    return Fetched(response.status, media_type, response.getheader("Cache-Control") or "", body)


@cache
def _tls() -> ssl.SSLContext:
    """Return the TLS context, created when first needed because reading the certificates takes 20 ms."""
    return ssl.create_default_context()


def _remaining(ends_at: float) -> float:
    """Return the remaining seconds, at least a millisecond: a timeout of 0 would mean non-blocking."""
    return max(0.001, ends_at - time.monotonic())


def _abort(duplicate: socket.socket) -> None:
    """Abort a call that takes too long: its reader gets an error or an end of stream."""
    try:
        duplicate.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended concurrently
