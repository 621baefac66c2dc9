"""Send requests to servers that settings or secrets name: sources of checks, webhooks, providers of notifications.

Standard library only.

The functions of the orchestrator run outside a VPC, so such a server has a public address. Its name is resolved once and
the connection goes to the checked address, so that a name in another zone cannot lead to an internal address (DNS
rebinding). Redirects are not followed. Loopback addresses are for the local cloud alone; environments.toml refuses them
elsewhere.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from time import monotonic
from urllib.parse import SplitResult, urlsplit

from orchestrator.domain.errors import CheckNotReadable

USER_AGENT = "ib-oauth-orchestrator"
BODY_LIMIT_BYTES = 100_000
CHUNK_BYTES = 8192

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
        try:
            connection = self._connect(split, timeout_seconds)
            try:
                connection.request(method, target, body, {"User-Agent": USER_AGENT, **headers})
                response = connection.getresponse()
                content = b""
                while chunk := response.read(CHUNK_BYTES):
                    content += chunk
                    if len(content) > BODY_LIMIT_BYTES:
                        raise HTTPException(f"a response above {BODY_LIMIT_BYTES} bytes")
                    if monotonic() > deadline:
                        raise TimeoutError(f"no complete response within {timeout_seconds:g} s")
            finally:
                connection.close()
        except (OSError, HTTPException, ValueError) as error:
            raise CheckNotReadable(f"{split.hostname}: {error or type(error).__name__}") from error
        return PublicResponse(response.status, {name.lower(): value for name, value in response.getheaders()}, content)

    def _connect(self, split: SplitResult, timeout_seconds: float) -> HTTPConnection:
        host = split.hostname or ""
        if split.scheme == "http":
            if host not in {"127.0.0.1", "localhost"}:
                raise NotPublic(f"{host}: http is for loopback addresses only")
            return HTTPConnection(host, split.port or 80, timeout=timeout_seconds)
        port = split.port or 443
        addresses = self._resolve(host, port)
        if not addresses or not all(is_public(address) for address in addresses):
            raise NotPublic(f"{host}: its name resolves to an address that is not public")
        return _PinnedConnection(host, port, addresses[0], timeout_seconds, self._context or _context())


def is_public(address: str) -> bool:
    """Return whether an IPv4 address is public."""
    parsed = ipaddress.IPv4Address(address)
    return parsed.is_global and not parsed.is_multicast


class _PinnedConnection(HTTPSConnection):
    """A connection to one address, whose certificate must be valid for the host."""

    def __init__(self, host: str, port: int, address: str, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._address, self._tls = address, context

    def connect(self) -> None:
        """Connect to the checked address."""
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
