"""The environments: what differs between local, dev, staging and prod, typed and checked.

`environments.toml` is the source. Tables of ``[defaults]`` lie under those of each environment. The tables `delivery`
and `strategies` are carried through as they are: they belong to the orchestrator, which checks them when it plans.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from settings_tables import EnvironmentRefused, Table

__all__ = ["FILE", "FUNCTIONS", "Environment", "EnvironmentRefused", "load", "names"]

FILE = Path(__file__).with_name("environments.toml")
FUNCTIONS = ("authorize", "token", "public")
"""The service's functions, by their short names."""

CLOUDS = ("aws", "local")
DEPENDENCIES = ("bundled", "provided")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

# CloudWatch Logs keeps logs for these numbers of days and refuses every other (PutRetentionPolicy).
RETENTION_DAYS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)
# Periods of an alarm on a high-resolution metric, and the shortest of an ordinary one (PutMetricAlarm).
ALARM_PERIODS_SECONDS = (10, 20, 30, 60)
MEMORY_MB = (128, 10_240)
# A rotation takes an hour and a day is worth one; a key that signs for longer than a year is one that nobody rotates.
KEY_ROTATION_DAYS = (1, 365)
# API Gateway gives up on an integration after 29 s: a function that may run longer answers nobody.
TIMEOUT_SECONDS = (1, 29)

_NAME = re.compile(r"[a-z][a-z0-9-]{0,15}")
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")
_CLIENT_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z]+::?[a-z0-9-]*:?[0-9]{12}:.+")


@dataclass(frozen=True)
class FunctionSettings:
    """Size of one Lambda function."""

    memory_mb: int
    timeout_seconds: int


@dataclass(frozen=True)
class AlarmSettings:
    """When the service's alarms ring: `datapoints` of the last `evaluation_periods` breach.

    Attributes:
        minimum_requests: requests within a period below which a rate is not judged.
        refused_grants_percent: share of token requests answered with `invalid_grant`.
    """

    period_seconds: int
    minimum_requests: int
    server_error_percent: float
    refused_grants_percent: float
    p99_latency_ms: int
    datapoints: int
    evaluation_periods: int


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


@dataclass(frozen=True)
class ServiceSettings:
    """The OAuth service in one environment.

    Attributes:
        issuer: https address without a path; None is the API's own address, which `local` alone may use.
        state_table, tokens_table: the tables that the functions use. Settings, because a restore makes a new table and a
            cut-over to it has to survive the next deployment of the stack.
        client_documents: whether clients may describe themselves in a document at their client id.
        registration_token_sha256: hex SHA-256 of the token with which clients may register; without it none may.
        self_described_client_scopes: what clients of these two kinds may ask for.
    """

    issuer: str | None
    log_level: str
    throttle_requests_per_second: int
    throttle_burst_requests: int
    source_requests_per_second: int
    source_burst_requests: int
    functions: Mapping[str, FunctionSettings]
    alarms: AlarmSettings
    clients: tuple[ClientSettings, ...]
    platforms: Mapping[str, PlatformSettings]
    client_documents: bool
    registration_token_sha256: str | None
    self_described_client_scopes: tuple[str, ...]
    state_table: str
    tokens_table: str


@dataclass(frozen=True)
class Environment:
    """One environment.

    Attributes:
        cloud: `aws`, or `local` for the embedded local cloud.
        dependencies: `bundled` into the Lambda assets, or `provided` by whatever runs them.
        customer_managed_keys: tables under KMS keys of our own, rather than AWS's.
        key_rotation_days: how long a key signs access tokens before another one does.
        announcers: ARNs of the principals that may put a `ReleaseReady` event on the bus.
        service: the OAuth service.
        delivery: the orchestrator's rules, unread, with its named strategies under `strategies`.
        endpoint_url: where the local cloud listens; None elsewhere, and where nothing is deployed.
    """

    name: str
    region: str
    cloud: str
    dependencies: str
    customer_managed_keys: bool
    deletion_protection: bool
    log_retention_days: int
    key_rotation_days: int
    announcers: tuple[str, ...]
    service: ServiceSettings
    delivery: Mapping[str, object]
    endpoint_url: str | None = None

    @property
    def local(self) -> bool:
        """Whether it lives on the embedded local cloud."""
        return self.cloud == "local"

    def at(self, *, endpoint_url: str | None = None, platform_url: str | None = None) -> Environment:
        """Return the local environment with the addresses that its processes got this time.

        Raises:
            EnvironmentRefused: the environment is not a local one: its addresses are settings.
        """
        if not self.local and (endpoint_url or platform_url):
            raise EnvironmentRefused(f"{self.name}.cloud", self.cloud, "only a local environment is given addresses")
        platforms = self.service.platforms
        if platform_url:
            platforms = {name: replace(platform, url=platform_url) for name, platform in platforms.items()}
        return replace(self, endpoint_url=endpoint_url, service=replace(self.service, platforms=platforms))


def names(file: Path = FILE) -> tuple[str, ...]:
    """Return the names of all environments, in the file's order."""
    return tuple(name for name in _read(file) if name != "defaults")


def load(name: str, file: Path = FILE) -> Environment:
    """Read one environment.

    Raises:
        EnvironmentRefused: there is none of that name, or a setting is missing, unknown or out of range.
    """
    document = _read(file)
    known = [table for table in document if table != "defaults"]
    if name not in known:
        raise EnvironmentRefused("environment", name, f"name one of {', '.join(known)}")
    defaults, own = document.get("defaults", {}), document[name]
    return _environment(name, Table(name, _merge(defaults, own)))


def _read(file: Path) -> dict[str, dict[str, object]]:
    with file.open("rb") as opened:
        document = tomllib.load(opened)
    for name, table in document.items():
        if not isinstance(table, dict) or not _NAME.fullmatch(name):
            raise EnvironmentRefused(name, table, "give a table whose name is a short lower-case word")
    return document


def _merge(under: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    merged = dict(under)
    for key, value in over.items():
        lower = merged.get(key)
        merged[key] = _merge(lower, value) if isinstance(lower, Mapping) and isinstance(value, Mapping) else value
    return merged


def _environment(name: str, table: Table) -> Environment:
    cloud = table.choice("cloud", CLOUDS)
    environment = Environment(
        name=name,
        region=table.text("region", matching=re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]"), remedy="give a region"),
        cloud=cloud,
        dependencies=table.choice("dependencies", DEPENDENCIES),
        customer_managed_keys=table.flag("customer_managed_keys"),
        deletion_protection=table.flag("deletion_protection"),
        log_retention_days=table.one_of("log_retention_days", RETENTION_DAYS),
        key_rotation_days=table.whole("key_rotation_days", *KEY_ROTATION_DAYS),
        announcers=_announcers(table),
        service=_service(name, table.table("service"), local=cloud == "local"),
        delivery=_delivery(table),
    )
    table.end()
    return environment


def _announcers(table: Table) -> tuple[str, ...]:
    arns = table.texts("announcers")
    for arn in arns:
        if not _ARN.fullmatch(arn) or "*" in arn:
            raise EnvironmentRefused(table.field("announcers"), arn, "give the whole ARN of one role or user")
    return arns


def _delivery(table: Table) -> Mapping[str, object]:
    delivery, strategies = table.take("delivery", {}), table.take("strategies", {})
    for key, value in (("delivery", delivery), ("strategies", strategies)):
        if not isinstance(value, Mapping):
            raise EnvironmentRefused(table.field(key), value, "give a table")
    assert isinstance(delivery, Mapping)
    return {**delivery, "strategies": strategies}


def _service(name: str, table: Table, *, local: bool) -> ServiceSettings:
    service = ServiceSettings(
        issuer=_issuer(table, local=local),
        log_level=table.choice("log_level", LOG_LEVELS),
        throttle_requests_per_second=table.whole("throttle_requests_per_second", 1, 10_000),
        throttle_burst_requests=table.whole("throttle_burst_requests", 1, 10_000),
        source_requests_per_second=table.whole("source_requests_per_second", 1, 10_000),
        source_burst_requests=table.whole("source_burst_requests", 1, 10_000),
        functions=_functions(table.table("functions")),
        alarms=_alarms(table.table("alarms")),
        clients=_clients(table),
        platforms=_platforms(table.table("platforms"), local=local),
        client_documents=table.flag("client_documents"),
        registration_token_sha256=_sha256(table, "registration_token_sha256"),
        self_described_client_scopes=_scopes(table, "self_described_client_scopes"),
        **_tables(name, table.table("tables")),
    )
    table.end()
    return service


def _issuer(table: Table, *, local: bool) -> str | None:
    if local:
        value = table.take("issuer")
        if value is not None:
            raise EnvironmentRefused(table.field("issuer"), value, "remove it; a local issuer is its API's address")
        return None
    https = re.compile(r"https://[a-z0-9-]+(\.[a-z0-9-]+)+")
    # With a path its metadata would have to be elsewhere (RFC 8414 section 3.1), where no client looks.
    return table.text("issuer", matching=https, remedy="give an https address without a path and without a slash")


def _functions(table: Table) -> Mapping[str, FunctionSettings]:
    functions = {}
    for name in FUNCTIONS:
        own = table.table(name)
        functions[name] = FunctionSettings(
            own.whole("memory_mb", *MEMORY_MB), own.whole("timeout_seconds", *TIMEOUT_SECONDS)
        )
        own.end()
    table.end()
    return functions


def _alarms(table: Table) -> AlarmSettings:
    alarms = AlarmSettings(
        period_seconds=table.one_of("period_seconds", ALARM_PERIODS_SECONDS),
        minimum_requests=table.whole("minimum_requests", 1, 1_000_000),
        server_error_percent=table.percent("server_error_percent"),
        refused_grants_percent=table.percent("refused_grants_percent"),
        p99_latency_ms=table.whole("p99_latency_ms", 1, 29_000),
        datapoints=table.whole("datapoints", 1, 100),
        evaluation_periods=table.whole("evaluation_periods", 1, 100),
    )
    table.end()
    if alarms.datapoints > alarms.evaluation_periods:
        remedy = f"give at most the {alarms.evaluation_periods} of evaluation_periods"
        raise EnvironmentRefused(table.field("datapoints"), alarms.datapoints, remedy)
    return alarms


def _clients(table: Table) -> tuple[ClientSettings, ...]:
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
        scopes=_scopes(own, "scopes"),
        secret_sha256=_sha256(own, "secret_sha256"),
        audience=own.text("audience") if "audience" in own else None,
        synthetic=own.flag("synthetic", default=False),
        resources=own.texts("resources"),
        identifies_as=own.texts("identifies_as"),
    )
    own.end()
    return client


def _sha256(table: Table, key: str) -> str | None:
    remedy = "give 64 lower-case hexadecimal digits"
    return table.text(key, matching=_SHA256_HEX, remedy=remedy) if key in table else None


def _scopes(table: Table, key: str) -> tuple[str, ...]:
    scopes = table.texts(key)
    for scope in scopes:
        if not _SCOPE.fullmatch(scope):
            raise EnvironmentRefused(table.field(key), scope, "give each scope as one word (RFC 6749 section 3.3)")
    return scopes


def _platforms(table: Table, *, local: bool) -> Mapping[str, PlatformSettings]:
    https = re.compile(r"https://[a-z0-9-]+(\.[a-z0-9-]+)+")
    loopback = re.compile(r"http://127\.0\.0\.1:[0-9]{1,5}")
    platforms = {}
    for name, own in table.children().items():
        url = own.text("url", matching=loopback if local else https, remedy=f"give {_kind(local=local)}")
        platforms[name] = PlatformSettings(url, own.text("title"))
        own.end()
    if not platforms:
        raise EnvironmentRefused(table.path, {}, "give at least one platform at which people log in")
    return platforms


def _kind(*, local: bool) -> str:
    return "a loopback address such as http://127.0.0.1:8000" if local else "an https address without a path"


def _tables(name: str, table: Table) -> dict[str, str]:
    tables = {}
    for key in ("state", "tokens"):
        given = table.take(key, f"ib-oauth-{key}-{name}")
        if not isinstance(given, str) or not _TABLE_NAME.fullmatch(given):
            raise EnvironmentRefused(table.field(key), given, "give the name of a DynamoDB table")
        tables[f"{key}_table"] = given
    table.end()
    return tables
