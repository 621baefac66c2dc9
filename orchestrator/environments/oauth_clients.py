"""Settings of OAuth clients and of upstream identity providers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.schema import EnvironmentRefused, SettingsReader
from orchestrator.domain.setting_rules import Text

_SHA256_HEX = re.compile(r"[0-9a-f]{64}")
_CLIENT_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
HTTPS_HOST = re.compile(r"https://[a-z0-9-]+(\.[a-z0-9-]+)+")
_LOOPBACK = re.compile(r"http://127\.0\.0\.1:[0-9]{1,5}")


@dataclass(frozen=True)
class ClientSettings:
    """A client, as in the service's CLIENTS variable.

    Attributes:
        secret_sha256: hex SHA-256 of the client secret; None for a public client.
        audience: the audience of its access tokens if it requests no resource; None is the issuer.
        resources: resources that it may request access tokens for (RFC 8707).
        identifies_as: the resources that it serves, as a resource server that may introspect tokens (RFC 7662).
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
    """An upstream identity provider at which users log in.

    Attributes:
        shows_login_context: whether its login page shows the client and the code that the service sends with a login.
    """

    url: str
    title: str
    shows_login_context: bool = False


def read_clients(table: SettingsReader) -> tuple[ClientSettings, ...]:
    """Read the clients, of which exactly one is the synthetic client.

    Raises:
        EnvironmentRefused: a client is invalid, an id occurs twice, or there is not exactly one synthetic client.
    """
    clients = tuple(_client(own) for own in table.tables("clients"))
    client_ids = [client.client_id for client in clients]
    if len(set(client_ids)) != len(client_ids):
        raise EnvironmentRefused(table.field("clients"), client_ids, "give each client_id once")
    if [client.synthetic for client in clients].count(True) != 1:
        raise EnvironmentRefused(table.field("clients"), client_ids, "give exactly one client with synthetic = true")
    return clients


def _client(own: SettingsReader) -> ClientSettings:
    client = ClientSettings(
        client_id=own.text(
            "client_id",
            matching=_CLIENT_ID,
            remedy="give an identifier; a URL is the id of a client ID metadata document client",
        ),
        name=own.text("name"),
        # A resource server without logins has no redirect URI.
        redirect_uris=own.texts("redirect_uris", at_least=0 if "identifies_as" in own else 1),
        scopes=read_scopes(own, "scopes"),
        secret_sha256=read_sha256(own, "secret_sha256"),
        audience=own.text("audience") if "audience" in own else None,
        synthetic=own.flag("synthetic", default=False),
        resources=own.texts("resources"),
        identifies_as=own.texts("identifies_as"),
    )
    own.refuse_unknown_keys()
    return client


def read_platforms(table: SettingsReader, *, local: bool) -> Mapping[str, PlatformSettings]:
    """Read the identity providers: https URLs, or loopback addresses on the local cloud."""
    platforms = {}
    for name, own in table.children().items():
        url = own.text("url", matching=_LOOPBACK if local else HTTPS_HOST, remedy=f"give {_url_form(local=local)}")
        platforms[name] = PlatformSettings(
            url, own.text("title"), shows_login_context=own.flag("shows_login_context", default=False)
        )
        own.refuse_unknown_keys()
    if not platforms:
        raise EnvironmentRefused(table.path, {}, "give at least one identity provider")
    return platforms


def read_sha256(table: SettingsReader, key: str) -> str | None:
    """Read an optional SHA-256 in hexadecimal."""
    remedy = "give 64 lower-case hexadecimal digits"
    return table.text(key, matching=_SHA256_HEX, remedy=remedy) if key in table else None


def read_scopes(table: SettingsReader, key: str) -> tuple[str, ...]:
    """Read a list of scopes (RFC 6749 section 3.3)."""
    scopes = table.texts(key, described_by=Text(matching=_SCOPE))
    for scope in scopes:
        if not _SCOPE.fullmatch(scope):
            raise EnvironmentRefused(
                table.field(key), scope, "give each scope as one token without spaces (RFC 6749 section 3.3)"
            )
    return scopes


def _url_form(*, local: bool) -> str:
    return "a loopback address such as http://127.0.0.1:8000" if local else "an https address without a path"
