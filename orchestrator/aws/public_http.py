"""Send requests to servers that settings or secrets name: sources of checks, webhooks, providers of notifications.

Standard library only.

The functions of the orchestrator run outside a VPC, so such a server has a public address. Its name is resolved once and
the connection goes to the checked address, so that a name in another zone cannot lead to an internal address (DNS
rebinding). Redirects are not followed. Loopback addresses are for the local cloud alone; environments.toml refuses them
elsewhere.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import Thread, Timer
from time import monotonic
from urllib.parse import SplitResult, urlsplit

from orchestrator.domain.errors import CheckNotReadable

USER_AGENT = "ib-oauth-orchestrator"
BODY_LIMIT_BYTES = 100_000
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}[ \t]*")
_CHUNK_LINE_BYTES = 4096

Resolve = Callable[[str, int], list[str]]


def resolve(host: str, port: int) -> list[str]:
    """Return the IPv4 addresses of a host. Raises OSError."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)]


class NotPublic(CheckNotReadable):
    """The host's name resolves to an address that is not public, or the address is not https."""


@dataclass(frozen=True)
class PublicResponse:
    """A response: its status, its headers by lower-case name, and its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class PublicHttp:
    """An HTTP(S) client for the servers of checks, webhooks and notifications.

    Args:
        resolver: returns a host's IPv4 addresses.
        context: the TLS settings; without them, TLS 1.2 or later with the system's trust store.
    """

    def __init__(self, resolver: Resolve = resolve, context: ssl.SSLContext | None = None) -> None:
        self._resolve, self._context = resolver, context

    def send(
        self, method: str, url: str, timeout_seconds: float, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> tuple[int, bytes]:
        """Send a request; return the status and the body. The parameters and errors are those of `exchange`."""
        response = self.exchange(method, url, timeout_seconds, body, headers)
        return response.status, response.body

    def exchange(
        self, method: str, url: str, timeout_seconds: float, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> PublicResponse:
        """Send a request; return the response.

        Args:
            method: GET or POST.
            url: an https address, or http at a loopback address.
            timeout_seconds: for the whole exchange.
            body: of a POST.
            headers: in addition to the user agent.

        Raises:
            NotPublic: the host's address is not public.
            CheckNotReadable: no complete response in time, a response above 100 kB, or an untrusted connection. The
                message names the host and nothing else of the address.
        """
        split, deadline = urlsplit(url), monotonic() + timeout_seconds
        target = f"{split.path or '/'}?{split.query}" if split.query else split.path or "/"
        host, port, secure = _server_of(split)
        try:
            address = self._address(host, port, timeout_seconds) if secure else host
            connection = HTTPConnection(host, port)
            connection.response_class = _Response
            connection.sock = plain = socket.create_connection((address, port), max(deadline - monotonic(), 0.001))
            with closing(connection), within(deadline - monotonic(), plain):
                if secure:
                    connection.default_port = HTTPSConnection.default_port  # so that Host has no port
                    connection.sock = (self._context or tls_context()).wrap_socket(plain, server_hostname=host)
                connection.request(method, target, body, {"User-Agent": USER_AGENT, **headers})
                response = connection.getresponse()
                content = response.read(BODY_LIMIT_BYTES + 1)
        except (OSError, HTTPException, ValueError) as error:
            raise CheckNotReadable(f"{split.hostname}: {error or type(error).__name__}") from error
        if response.length and len(content) <= BODY_LIMIT_BYTES:  # http.client accepts a body that ends early
            raise CheckNotReadable(f"{split.hostname}: the response ended early")
        if len(content) > BODY_LIMIT_BYTES:
            raise CheckNotReadable(f"{split.hostname}: a response above {BODY_LIMIT_BYTES} bytes")
        return PublicResponse(response.status, {name.lower(): value for name, value in response.getheaders()}, content)

    def _address(self, host: str, port: int, timeout_seconds: float) -> str:
        addresses = _in_time(lambda: self._resolve(host, port), timeout_seconds)
        if not addresses or not all(is_public(address) for address in addresses):
            raise NotPublic(f"{host}: its name resolves to an address that is not public")
        return addresses[0]


class _Response(HTTPResponse):
    """A response whose chunk sizes are hexadecimal digits only (RFC 9112 §7.1).

    http.client reads them with int(), which accepts a sign. A negative size makes it read all that the server sends.
    """

    def _read_next_chunk_size(self) -> int:
        line = self.fp.readline(_CHUNK_LINE_BYTES)
        size, _, _ = line.rstrip(b"\r\n").partition(b";")
        if not line.endswith(b"\n") or not _CHUNK_SIZE.fullmatch(size):
            raise HTTPException("the size of a chunk is malformed")
        return int(size, 16)


def _in_time(call: Callable[[], list[str]], seconds: float) -> list[str]:
    """Return what a call returns. It has its own thread: a resolver cannot be interrupted, only abandoned.

    Raises:
        TimeoutError: it did not return in time. OSError: as the call raises.
    """
    outcome: list[list[str] | OSError] = []

    def run() -> None:
        try:
            outcome.append(call())
        except (OSError, UnicodeError) as error:
            outcome.append(error if isinstance(error, OSError) else OSError(str(error)))

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError("timed out")
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]


def _server_of(split: SplitResult) -> tuple[str, int, bool]:
    """Return the host, the port and whether it is https. Raises NotPublic."""
    host = split.hostname or ""
    if split.scheme == "http":
        if host not in {"127.0.0.1", "localhost"}:
            raise NotPublic(f"{host}: http is for loopback addresses only")
        return host, split.port or 80, False
    return host, split.port or 443, True


@contextmanager
def within(seconds: float, connected: socket.socket) -> Iterator[None]:
    """End whatever the block does on a socket after some seconds.

    A socket's own timeout begins again with every byte that is received, so a server that sends one byte at a time would
    hold it for ever.

    Raises:
        TimeoutError: the time is over, whatever the block made of that: a response that was cut off may look complete.
    """
    deadline = monotonic() + seconds
    # The duplicate stays usable when the original is closed, or becomes part of a TLS connection.
    duplicate = socket.socket(fileno=os.dup(connected.fileno()))
    guard = Timer(seconds, _abort, (duplicate,))
    guard.daemon = True
    guard.start()
    late = TimeoutError("timed out")
    try:
        yield
    except (OSError, HTTPException, ValueError) as error:
        raise (late if monotonic() >= deadline else error) from error
    finally:
        guard.cancel()
        duplicate.close()
    if monotonic() >= deadline:
        raise late


def _abort(connected: socket.socket) -> None:
    with suppress(OSError):  # it is closed already
        connected.shutdown(socket.SHUT_RDWR)


def is_public(address: str) -> bool:
    """Return whether an IPv4 address is public."""
    parsed = ipaddress.IPv4Address(address)
    return parsed.is_global and not parsed.is_multicast


def tls_context() -> ssl.SSLContext:
    """Return the TLS settings of our requests: TLS 1.2 or later, with the system's trust store."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
