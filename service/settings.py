"""The functions' settings, read from environment variables only.

A missing or invalid value raises SettingInvalid when the function loads, and names the variable. A wrongly configured
release therefore fails before it handles a request.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from service.clients.address_guard import AddressRefused, Platform, parse_platform
from service.oauth import client_secrets, scopes
from service.oauth.clients import Client
from service.oauth.errors import InvalidScope
from service.oauth.resources import own
from service.oauth.resources.identifiers import find_equivalent
from service.oauth.tokens import Jwk
from service.storage.tables import read_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.oauth.scopes import Scope

_ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,15}")
_LOCAL = "local"
NO_PLATFORMS = "none"
"""Value of PLATFORMS for a drill: there is no upstream identity provider, and no request is sent to one."""
MOST_REFRESH_GRACE_SECONDS = 60
_LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")


class SettingInvalid(ValueError):
    """An environment variable is missing or invalid."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable} {problem}")
        self.variable = variable


@dataclass(frozen=True)
class Release:
    """The running release: its commit and build, and the digest of its configuration."""

    commit: str
    build: str
    configuration: str


@dataclass(frozen=True)
class SelfDescribed:
    """Clients that are not configured.

    documents, registration: whether each kind is enabled; scopes: the scopes that they may request.
    """

    documents: bool = False
    registration: bool = False
    scopes: Scope = ()


@dataclass(frozen=True)
class PublishedKeys:
    """Another issuer and its published keys. Its tokens are accepted here; none can be issued here."""

    issuer: str
    keys: tuple[Jwk, ...]


@dataclass(frozen=True)
class Settings:
    """The settings that all three functions share.

    least_epoch: the lowest revocation epoch that is served. Tables with a lower one are restored but not sanitized.
    tables: the names of all tables by their roles in TABLES; empty for a table that this function does not have.
    refresh_grace_seconds: for how long the preceding refresh token may be presented again; 0 is never.
    managed_clients: whether clients that operators add without a deployment are known.
    """

    environment: str
    function: str
    function_name: str
    version: str
    issuer: str
    state_table: str
    tokens_table: str
    clients: Mapping[str, Client]
    release: Release
    source_requests_per_second: float
    source_burst_requests: int
    self_described: SelfDescribed = field(default_factory=SelfDescribed)
    least_epoch: int = 0
    tables: Mapping[str, str] = field(default_factory=dict)
    refresh_grace_seconds: int = 0
    managed_clients: bool = False

    @property
    def local(self) -> bool:
        """Whether this is the local environment, which alone may use a loopback address without TLS."""
        return self.environment == _LOCAL


def load(variables: Mapping[str, str], function: str) -> Settings:
    """Read the shared settings; `function` is authorize, token or public. Raises SettingInvalid."""
    environment = required(variables, "ENVIRONMENT")
    if not _ENVIRONMENT.fullmatch(environment):
        raise SettingInvalid("ENVIRONMENT", f"must be a short lower-case word, not {environment}")
    issuer = _issuer(required(variables, "ISSUER"), environment)
    return Settings(
        environment=environment,
        function=function,
        function_name=variables.get("AWS_LAMBDA_FUNCTION_NAME", function),
        version=variables.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        issuer=issuer,
        state_table=required(variables, "STATE_TABLE"),
        tokens_table=required(variables, "TOKENS_TABLE"),
        clients=_clients(_json(variables, "CLIENTS", list), issuer),
        release=_release(_json(variables, "RELEASE", dict)),
        source_requests_per_second=_positive(variables, "SOURCE_REQUESTS_PER_SECOND"),
        source_burst_requests=int(_positive(variables, "SOURCE_BURST_REQUESTS")),
        self_described=_self_described(variables),
        least_epoch=_least_epoch(variables),
        tables=read_names(variables),
        refresh_grace_seconds=_refresh_grace_seconds(variables),
        managed_clients=_switch(variables, "MANAGED_CLIENTS"),
    )


def required(variables: Mapping[str, str], variable: str) -> str:
    """Return a variable's value. Raises SettingInvalid when it is missing or empty."""
    value = variables.get(variable, "")
    if not value:
        raise SettingInvalid(variable, "is required")
    return value


def read_platforms(variables: Mapping[str, str], *, local: bool) -> Mapping[str, Platform]:
    """Read PLATFORMS: the upstream identity providers by name. Raises SettingInvalid."""
    if variables.get("PLATFORMS") == NO_PLATFORMS:
        return {}
    entries = _json(variables, "PLATFORMS", dict)
    if not entries:
        raise SettingInvalid("PLATFORMS", "must name at least one upstream identity provider")
    try:
        return {
            name: parse_platform(
                name,
                entry["url"],
                entry["title"],
                loopback_allowed=local,
                shows_login_context=_flag(entry, "shows_login_context"),
            )
            for name, entry in entries.items()
        }
    except (AddressRefused, AttributeError, KeyError, TypeError) as error:
        raise SettingInvalid("PLATFORMS", f"is invalid: {error}") from error


def _flag(entry: Mapping[str, Any], name: str) -> bool:
    value = entry.get(name, False)
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be true or false")
    return value


def read_published_keys(variables: Mapping[str, str]) -> PublishedKeys | None:
    """Read PUBLISHED_KEYS, which only a drill has; None otherwise. Raises SettingInvalid."""
    if "PUBLISHED_KEYS" not in variables:
        return None
    entry = _json(variables, "PUBLISHED_KEYS", dict)
    try:
        return PublishedKeys(str(entry["issuer"]), tuple(Jwk(str(key["x"]), str(key["y"])) for key in entry["keys"]))
    except (KeyError, TypeError) as error:
        raise SettingInvalid("PUBLISHED_KEYS", f"is invalid: {error}") from error


def _least_epoch(variables: Mapping[str, str]) -> int:
    text = variables.get("LEAST_EPOCH", "0")
    if not text.isascii() or not text.isdigit():
        raise SettingInvalid("LEAST_EPOCH", f"must be a whole number, not {text}")
    return int(text)


def _refresh_grace_seconds(variables: Mapping[str, str]) -> int:
    """Read REFRESH_GRACE_SECONDS; without it there is no grace period, as in a configuration of before it existed."""
    text = variables.get("REFRESH_GRACE_SECONDS", "0")
    if not text.isascii() or not text.isdigit() or int(text) > MOST_REFRESH_GRACE_SECONDS:
        raise SettingInvalid(
            "REFRESH_GRACE_SECONDS", f"must be a whole number from 0 to {MOST_REFRESH_GRACE_SECONDS}, not {text}"
        )
    return int(text)


def _issuer(issuer: str, environment: str) -> str:
    local = environment == _LOCAL
    try:
        parts = urlsplit(issuer)
        host = parts.hostname
    except ValueError as error:
        raise SettingInvalid("ISSUER", "is not a URL") from error
    if issuer.endswith("/") or parts.query or parts.fragment or parts.username or not host:
        raise SettingInvalid("ISSUER", "must be scheme and host, without a trailing slash, query or fragment")
    if local and parts.scheme == "http" and host in _LOOPBACK_HOSTS:
        return issuer
    if parts.scheme != "https":
        raise SettingInvalid("ISSUER", "must be https")
    if parts.path and not local and parts.path != f"/{environment}":
        # Without a custom domain the issuer has the path of the API's stage. RFC 8414 puts the well-known segment
        # before an issuer's path, which a stage does not serve; clients have to request the metadata after the path.
        raise SettingInvalid("ISSUER", "must not have a path except that of the API's stage")
    return issuer


def _clients(entries: list[Any], issuer: str) -> Mapping[str, Client]:
    clients: dict[str, Client] = {}
    for entry in entries:
        try:
            audience = entry.get("audience", issuer)
            client = Client(
                client_id=entry["client_id"],
                name=entry["name"],
                redirect_uris=tuple(entry.get("redirect_uris", ())),
                scopes=tuple(entry["scopes"]),
                audience=audience,
                secret_sha256=entry.get("secret_sha256"),
                synthetic=entry.get("synthetic", False),
                resources=tuple(entry.get("resources", ())),
                identifies_as=tuple(entry.get("identifies_as", ())),
                audience_names=own.audience_names(issuer) if find_equivalent(issuer, (audience,)) else (),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise SettingInvalid("CLIENTS", f"has an invalid entry: {error}") from error
        if "://" in client.client_id:
            raise SettingInvalid(
                "CLIENTS", f"has {client.client_id}: a URL is reserved for client ID metadata documents"
            )
        if client.client_id in clients:
            raise SettingInvalid("CLIENTS", f"names {client.client_id} twice")
        clients[client.client_id] = client
    return clients


def read_registration_token_hash(variables: Mapping[str, str]) -> str:
    """Read REGISTRATION_TOKEN_SHA256, the hash of the initial access token for registrations. Raises SettingInvalid."""
    text = required(variables, "REGISTRATION_TOKEN_SHA256")
    if not client_secrets.is_hash(text):
        raise SettingInvalid("REGISTRATION_TOKEN_SHA256", "must be 64 lower-case hexadecimal digits")
    return text


def _self_described(variables: Mapping[str, str]) -> SelfDescribed:
    text = variables.get("SELF_DESCRIBED_CLIENT_SCOPES", "")
    try:
        allowed = scopes.parse(text) if text else ()
    except InvalidScope as error:
        raise SettingInvalid("SELF_DESCRIBED_CLIENT_SCOPES", "must be scopes with one space between them") from error
    return SelfDescribed(_switch(variables, "CLIENT_DOCUMENTS"), _switch(variables, "REGISTRATION"), allowed)


def _switch(variables: Mapping[str, str], variable: str) -> bool:
    """Read a switch; a missing variable is off, so that a new switch is off in an earlier configuration."""
    text = variables.get(variable, "off")
    if text not in {"on", "off"}:
        raise SettingInvalid(variable, f"must be on or off, not {text}")
    return text == "on"


def _release(entry: dict[str, Any]) -> Release:
    try:
        return Release(str(entry["commit"]), str(entry["build"]), str(entry["configuration"]))
    except KeyError as error:
        raise SettingInvalid("RELEASE", f"lacks {error}") from error


def _positive(variables: Mapping[str, str], variable: str) -> float:
    text = required(variables, variable)
    try:
        number = float(text)
    except ValueError as error:
        raise SettingInvalid(variable, f"must be a number, not {text}") from error
    if not 1 <= number < inf:
        raise SettingInvalid(variable, f"must be at least 1, not {text}")
    return number


def _json(variables: Mapping[str, str], variable: str, form: type) -> Any:
    try:
        value = json.loads(required(variables, variable))
    except json.JSONDecodeError as error:
        raise SettingInvalid(variable, f"is not JSON: {error}") from error
    if not isinstance(value, form):
        raise SettingInvalid(variable, f"must be a JSON {'object' if form is dict else 'array'}")
    return value
