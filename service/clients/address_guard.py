"""The servers that the service may connect to.

A server is reached by https on port 443, by name, at a public address. The name is resolved once, and the connection
goes to the checked address, so DNS rebinding has no effect. Only the local environment may use loopback addresses.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

HTTPS_PORT = 443

_LABEL = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_NAME_MAX_CHARACTERS = 253
_GLOBAL_UNICAST = ipaddress.ip_network(
    "2000::/3"
)  # the rest of IPv6 is reserved, local, or IPv4 in disguise (RFC 4291 §2.4)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052


class AddressRefused(ValueError):
    """An address that the service must not connect to. The message quotes nothing of it."""


@dataclass(frozen=True)
class Server:
    """A server on the network. secure: whether it uses TLS, as all servers except the local environment's do."""

    host: str
    port: int = HTTPS_PORT
    secure: bool = True


@dataclass(frozen=True)
class Platform:
    """An upstream identity provider.

    host, port: its server; secure: whether it uses TLS, as all except the local environment's do.
    shows_login_context: whether its login page shows the client and the code of a login (login/identity_provider.py).
    """

    name: str
    title: str
    url: str
    host: str
    port: int
    secure: bool = True
    shows_login_context: bool = False

    @property
    def server(self) -> Server:
        """Its server."""
        return Server(self.host, self.port, self.secure)


def parse_platform(
    name: str, url: str, title: str, *, loopback_allowed: bool, shows_login_context: bool = False
) -> Platform:
    """Return the identity provider at url. Raises AddressRefused."""
    try:
        server = parse_server(url, loopback_allowed=loopback_allowed)
        parts = urlsplit(url)
    except AddressRefused as error:
        raise AddressRefused(f"{name}: url {error}") from error
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise AddressRefused(f"{name}: url must have only scheme and host")
    return Platform(name, title, url.rstrip("/"), server.host, server.port, server.secure, shows_login_context)


def parse_server(url: str, *, loopback_allowed: bool) -> Server:
    """Return the server of a URL. Raises AddressRefused."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise AddressRefused("is malformed") from error
    if not host or "@" in parts.netloc:
        raise AddressRefused("must have a host without user information")
    if loopback_allowed and parts.scheme == "http" and _is_loopback(host):
        return Server(host, port or 80, secure=False)
    if parts.scheme != "https" or port not in {None, HTTPS_PORT}:
        raise AddressRefused("must be https on port 443")
    if _is_address(host):
        raise AddressRefused("must have a host name, not an IP address")
    if len(host) > _NAME_MAX_CHARACTERS or not _NAME.fullmatch(host):
        raise AddressRefused("must have a host name of letters, digits, hyphens and dots")
    return Server(host)


def resolve(target: Server) -> str:
    """Return an address of the server to connect to. Raises AddressRefused, OSError.

    Every address of the name must be public: a name with any private address is rejected.
    """
    entries = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in entries]
    if target.secure and not all(is_public(address) for address in addresses):
        raise AddressRefused("its name resolves to an address that is not public")
    return addresses[0]


def is_public(address: str) -> bool:
    """Return whether an address is public, including IPv4 addresses embedded in IPv6."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo or (None, None))[1]
        if inner is None and parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if parsed not in _GLOBAL_UNICAST:
            return False
    return parsed.is_global and not parsed.is_multicast


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # A resolver accepts 0x7f000001, 2130706433 and 127.1 as addresses; this parser does not.
        return host.rsplit(".", maxsplit=1)[-1].isdigit() or host.startswith("0x")
    return True
