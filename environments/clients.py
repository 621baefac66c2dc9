"""Who logs people in, and where: client applications, and the platforms at which people log in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from environments.tables import EnvironmentRefused, Table

_SHA256_HEX = re.compile(r"[0-9a-f]{64}")
_CLIENT_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
HTTPS_HOST = re.compile(r"https://[a-z0-9-]+(\.[a-z0-9-]+)+")
_LOOPBACK = re.compile(r"http://127\.0\.0\.1:[0-9]{1,5}")


@dataclass(frozen=True)
class ClientSettings:
    """A client application, as the service's CLIENTS variable gives it.

    Attributes:
        secret_sha256: hex SHA-256 of a generated secret; without it the client is public.
        audience: of its access tokens where it asks for no resource; without it, the issuer.
        resources: what else it may ask its access tokens to be for (RFC 8707).
        identifies_as: the resources that it is: a resource server, which may ask whether tokens for it live (RFC 7662).
    """

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    secret_sha256: str | None = None
    audience: str | None = None
    synthetic: bool = False
    resources: tuple[str, ...] = ()
    identifies_as: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlatformSettings:
    """An external platform at which people log in."""

    url: str
    title: str


def read_clients(table: Table) -> tuple[ClientSettings, ...]:
    """Take the clients, of which exactly one is the synthetic identity."""
    clients = tuple(_client(own) for own in table.tables("clients"))
    identities = [client.client_id for client in clients]
    if len(set(identities)) != len(identities):
        raise EnvironmentRefused(table.field("clients"), identities, "give each client_id once")
    if [client.synthetic for client in clients].count(True) != 1:
        raise EnvironmentRefused(table.field("clients"), identities, "give exactly one client with synthetic = true")
    return clients


def _client(own: Table) -> ClientSettings:
    client = ClientSettings(
        client_id=own.text(
            "client_id", matching=_CLIENT_ID, remedy="give a word; an address is the id of a client's document"
        ),
        name=own.text("name"),
        # A resource server that people do not log in to has none.
        redirect_uris=own.texts("redirect_uris", at_least=0 if "identifies_as" in own else 1),
        scopes=read_scopes(own, "scopes"),
        secret_sha256=read_sha256(own, "secret_sha256"),
        audience=own.text("audience") if "audience" in own else None,
        synthetic=own.flag("synthetic", default=False),
        resources=own.texts("resources"),
        identifies_as=own.texts("identifies_as"),
    )
    own.end()
    return client


def read_platforms(table: Table, *, local: bool) -> Mapping[str, PlatformSettings]:
    """Take the platforms: by https, or at a loopback address on the local cloud."""
    platforms = {}
    for name, own in table.children().items():
        url = own.text("url", matching=_LOOPBACK if local else HTTPS_HOST, remedy=f"give {_kind(local=local)}")
        platforms[name] = PlatformSettings(url, own.text("title"))
        own.end()
    if not platforms:
        raise EnvironmentRefused(table.path, {}, "give at least one platform at which people log in")
    return platforms


def read_sha256(table: Table, key: str) -> str | None:
    """Take a SHA-256 in hexadecimal, or nothing."""
    remedy = "give 64 lower-case hexadecimal digits"
    return table.text(key, matching=_SHA256_HEX, remedy=remedy) if key in table else None


def read_scopes(table: Table, key: str) -> tuple[str, ...]:
    """Take a list of scopes."""
    scopes = table.texts(key)
    for scope in scopes:
        if not _SCOPE.fullmatch(scope):
            raise EnvironmentRefused(table.field(key), scope, "give each scope as one word (RFC 6749 section 3.3)")
    return scopes


def _kind(*, local: bool) -> str:
    return "a loopback address such as http://127.0.0.1:8000" if local else "an https address without a path"
