"""What the functions are told, from environment variables and nothing else.

A value that is missing or wrong raises SettingInvalid when the function loads, naming the variable: a release that is configured
wrongly fails before it answers anybody.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from service.addresses import AddressRefused, Platform, platform
from service.oauth import client_secrets, scopes
from service.oauth.clients import Client
from service.oauth.errors import InvalidScope
from service.oauth.tokens import Jwk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.oauth.scopes import Scope

_ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,15}")
_LOCAL = "local"
NO_PLATFORMS = "none"
"""In PLATFORMS: nobody logs in at a platform, and no request leaves for one. For a drill, to which no person comes."""
_LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")


class SettingInvalid(ValueError):
    """An environment variable is missing or wrong."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable} {problem}")
        self.variable = variable


@dataclass(frozen=True)
class Release:
    """What is running: the commit and build it comes from, the digest of its configuration."""

    commit: str
    build: str
    configuration: str


@dataclass(frozen=True)
class SelfDescribed:
    """Clients that nobody configured. documents, registration: whether there are any of that kind; scopes: what they may ask."""

    documents: bool = False
    registration: bool = False
    scopes: Scope = ()


@dataclass(frozen=True)
class PublishedKeys:
    """Another issuer and the keys that it publishes: its tokens are known here, and nothing here can make any."""

    issuer: str
    keys: tuple[Jwk, ...]


@dataclass(frozen=True)
class Settings:
    """The settings that all three functions share.

    least_epoch: the revocation epoch below which the tables are not served: they are a restored copy that nobody made safe.
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

    @property
    def local(self) -> bool:
        """Whether this is the local cloud, where alone a loopback address may be used without TLS."""
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
    )


def required(variables: Mapping[str, str], variable: str) -> str:
    """Return a variable's value. Raises SettingInvalid when it is missing or empty."""
    value = variables.get(variable, "")
    if not value:
        raise SettingInvalid(variable, "is required")
    return value


def platforms(variables: Mapping[str, str], *, local: bool) -> Mapping[str, Platform]:
    """Read PLATFORMS: the upstream platforms by name. Raises SettingInvalid."""
    if variables.get("PLATFORMS") == NO_PLATFORMS:
        return {}
    entries = _json(variables, "PLATFORMS", dict)
    if not entries:
        raise SettingInvalid("PLATFORMS", "must name at least one platform")
    try:
        return {
            name: platform(name, entry["url"], entry["title"], loopback_allowed=local)
            for name, entry in entries.items()
        }
    except (AddressRefused, KeyError, TypeError) as error:
        raise SettingInvalid("PLATFORMS", f"is wrong: {error}") from error


def published_keys(variables: Mapping[str, str]) -> PublishedKeys | None:
    """Read PUBLISHED_KEYS, which a drill has; None where there are none. Raises SettingInvalid."""
    if "PUBLISHED_KEYS" not in variables:
        return None
    entry = _json(variables, "PUBLISHED_KEYS", dict)
    try:
        return PublishedKeys(str(entry["issuer"]), tuple(Jwk(str(key["x"]), str(key["y"])) for key in entry["keys"]))
    except (KeyError, TypeError) as error:
        raise SettingInvalid("PUBLISHED_KEYS", f"is wrong: {error}") from error


def _least_epoch(variables: Mapping[str, str]) -> int:
    text = variables.get("LEAST_EPOCH", "0")
    if not text.isascii() or not text.isdigit():
        raise SettingInvalid("LEAST_EPOCH", f"must be a whole number, not {text}")
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
        # The path of the API's own stage, where there is no domain. RFC 8414 puts the well-known segment before an issuer's
        # path, where a stage does not answer: who looks for the metadata has to look after it.
        raise SettingInvalid("ISSUER", "must not have a path but that of the API's stage")
    return issuer


def _clients(entries: list[Any], issuer: str) -> Mapping[str, Client]:
    clients: dict[str, Client] = {}
    for entry in entries:
        try:
            client = Client(
                client_id=entry["client_id"],
                name=entry["name"],
                redirect_uris=tuple(entry.get("redirect_uris", ())),
                scopes=tuple(entry["scopes"]),
                audience=entry.get("audience", issuer),
                secret_sha256=entry.get("secret_sha256"),
                synthetic=entry.get("synthetic", False),
                resources=tuple(entry.get("resources", ())),
                identifies_as=tuple(entry.get("identifies_as", ())),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise SettingInvalid("CLIENTS", f"has a wrong entry: {error}") from error
        if "://" in client.client_id:
            raise SettingInvalid(
                "CLIENTS", f"has {client.client_id}: an address is the id of a client that nobody configures"
            )
        if client.client_id in clients:
            raise SettingInvalid("CLIENTS", f"names {client.client_id} twice")
        clients[client.client_id] = client
    return clients


def registration_token(variables: Mapping[str, str]) -> str:
    """Read REGISTRATION_TOKEN_SHA256: the hash of the token with which clients may register. Raises SettingInvalid."""
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
    """Read a switch; one that is not there is off, as for whatever a release before this one did not know."""
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
