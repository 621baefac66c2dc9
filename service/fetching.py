"""One call to a server that may be slow, broken or hostile.

It goes to an address that was checked (see addresses.py), follows no redirect, and has one deadline over everything, resolving
the name included, and a size limit. Whatever goes wrong is one error, which quotes nothing of what the server said.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from service import addresses
from service.addresses import AddressRefused

if TYPE_CHECKING:
    from service.addresses import Server


class FetchFailed(Exception):
    """The server did not answer in time, or not with HTTP, or with more than was wanted."""


@dataclass(frozen=True)
class Limits:
    """deadline_seconds: of the whole call; max_bytes: of the answer's body."""

    deadline_seconds: float
    max_bytes: int


@dataclass(frozen=True)
class Fetched:
    """What a server answered. content_type is the media type alone, in lower case; cache_control is the header as it came."""

    status: int
    content_type: str
    cache_control: str
    body: bytes


def fetch(server: Server, method: str, path: str, limits: Limits) -> Fetched:
    """Return the answer, whatever its status. path: with its query, percent-encoded. Raises FetchFailed."""
    ends_at = time.monotonic() + limits.deadline_seconds
    address = _resolved(server, limits.deadline_seconds)
    try:
        plain = socket.create_connection((address, server.port), timeout=_left(ends_at))
    except OSError as error:
        raise FetchFailed(type(error).__name__) from error
    # A socket's own timeout starts anew with every byte that trickles in. The copy stays ours, whoever closes the other.
    copy = plain.dup()
    guard = threading.Timer(_left(ends_at), _cut, (copy,))
    guard.daemon = True
    guard.start()
    try:
        answer = _exchanged(server, plain, method, path, limits.max_bytes)
    finally:
        guard.cancel()
        copy.close()
    if time.monotonic() > ends_at:  # what came before it was cut off looks like an answer that has ended
        raise FetchFailed("deadline")
    return answer


def _resolved(server: Server, deadline_seconds: float) -> str:
    """Resolve the name in a thread of its own: a resolver cannot be interrupted, only left behind."""
    outcome: list[str | Exception] = []

    def resolve() -> None:
        try:
            outcome.append(addresses.resolve(server))
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


def _exchanged(server: Server, plain: socket.socket, method: str, path: str, max_bytes: int) -> Fetched:
    """Send the request over a connection that stands, by TLS where that is wanted, and read the answer."""
    connection = http.client.HTTPConnection(server.host, server.port)
    connection.sock = plain
    try:
        if server.secure:
            connection.default_port = server.port  # so that Host carries no port
            connection.sock = _tls().wrap_socket(plain, server_hostname=server.host)
        headers = {"Accept": "application/json", "User-Agent": "ib-oauth", "Connection": "close"}
        connection.request(method, path, body=b"" if method == "POST" else None, headers=headers)
        answer = connection.getresponse()
        body = answer.read(max_bytes + 1)
    except (OSError, http.client.HTTPException) as error:
        raise FetchFailed(type(error).__name__) from error
    finally:
        connection.close()
        plain.close()
    if len(body) > max_bytes:
        raise FetchFailed(f"more than {max_bytes} bytes")
    if answer.length:  # http.client lets a body pass that ended before its Content-Length
        raise FetchFailed("ended early")
    media_type = (answer.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    return Fetched(answer.status, media_type, answer.getheader("Cache-Control") or "", body)


@cache
def _tls() -> ssl.SSLContext:
    """What verifies servers by name; made when first needed, because reading the certificates takes 20 ms."""
    return ssl.create_default_context()


def _left(ends_at: float) -> float:
    """Return the seconds until then, at least a millisecond: a timeout of 0 would mean something else."""
    return max(0.001, ends_at - time.monotonic())


def _cut(copy: socket.socket) -> None:
    """End a call that takes too long: whoever reads from the connection gets an error or an end."""
    try:
        copy.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it ended by itself in this very moment
