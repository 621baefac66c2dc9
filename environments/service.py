"""The OAuth service in one environment: its address, the size of its functions, when it rings, who may use it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from environments.api import DomainSettings
from environments.clients import (
    HTTPS_HOST,
    ClientSettings,
    PlatformSettings,
    read_clients,
    read_platforms,
    read_scopes,
    read_sha256,
)
from environments.tables import EnvironmentRefused, Table

FUNCTIONS = ("authorize", "token", "public")
"""The service's functions, by their short names."""

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
# Periods of an alarm on a high-resolution metric, and the shortest of an ordinary one (PutMetricAlarm).
ALARM_PERIODS_SECONDS = (10, 20, 30, 60)
MEMORY_MB = (128, 10_240)
# API Gateway gives up on an integration after 29 s: a function that may run longer answers nobody.
TIMEOUT_SECONDS = (1, 29)
# None at all would be a switch that turns the function off; an account has a thousand unless it asked for more.
CONCURRENCY = (1, 10_000)
HIGHEST_EPOCH = 1_000_000_000
STAGE = "stage"
"""As an issuer: the address of the API's own stage."""

_TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")


@dataclass(frozen=True)
class FunctionSettings:
    """Size of one Lambda function.

    Attributes:
        reserved_concurrency: how many run at once, at most, out of what the account may; None out of all that is not reserved.
        provisioned_concurrency: how many environments of a version are kept warm: of the one that serves, of canary before its
            first request, and of the one before for as long as an alarm may bring it back.
    """

    memory_mb: int
    timeout_seconds: int
    reserved_concurrency: int | None = None
    provisioned_concurrency: int = 0


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
class ServiceSettings:
    """The OAuth service in one environment.

    Attributes:
        issuer: https address without a path; None is the address of the API's own stage.
        state_table, tokens_table: the tables that the functions use. Settings, because a restore makes a new table and a
            cut-over to it has to survive the next deployment of the stack.
        least_epoch: the lowest revocation epoch that these may be in, which a cut-over raises; 0 where there was none.
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
    least_epoch: int


def read_service(name: str, table: Table, domain: DomainSettings | None, *, local: bool) -> ServiceSettings:
    """Take what is said of the service in an environment of this name."""
    service = ServiceSettings(
        issuer=_issuer(table, domain, local=local),
        log_level=table.choice("log_level", LOG_LEVELS),
        throttle_requests_per_second=table.whole("throttle_requests_per_second", 1, 10_000),
        throttle_burst_requests=table.whole("throttle_burst_requests", 1, 10_000),
        source_requests_per_second=table.whole("source_requests_per_second", 1, 10_000),
        source_burst_requests=table.whole("source_burst_requests", 1, 10_000),
        functions=_functions(table.table("functions")),
        alarms=_alarms(table.table("alarms")),
        clients=read_clients(table),
        platforms=read_platforms(table.table("platforms"), local=local),
        client_documents=table.flag("client_documents"),
        registration_token_sha256=read_sha256(table, "registration_token_sha256"),
        self_described_client_scopes=read_scopes(table, "self_described_client_scopes"),
        **_tables(name, table.table("tables")),
    )
    table.end()
    return service


def _issuer(table: Table, domain: DomainSettings | None, *, local: bool) -> str | None:
    value = table.take("issuer")
    if local or domain is not None:
        if value is not None:
            address = f"its domain, https://{domain.name}" if domain else "its API's address"
            raise EnvironmentRefused(table.field("issuer"), value, f"remove it; the issuer is {address}")
        return f"https://{domain.name}" if domain else None
    if value == STAGE:
        return None
    # With another path its metadata would have to be elsewhere (RFC 8414 section 3.1), where no client looks.
    if not isinstance(value, str) or not HTTPS_HOST.fullmatch(value):
        remedy = f'give an https address without a path and without a slash, a domain of the API, or "{STAGE}" for its own address'
        raise EnvironmentRefused(table.field("issuer"), value, remedy)
    return value


def _functions(table: Table) -> Mapping[str, FunctionSettings]:
    functions = {}
    for name in FUNCTIONS:
        own = table.table(name)
        functions[name] = FunctionSettings(
            memory_mb=own.whole("memory_mb", *MEMORY_MB),
            timeout_seconds=own.whole("timeout_seconds", *TIMEOUT_SECONDS),
            reserved_concurrency=own.whole("reserved_concurrency", *CONCURRENCY)
            if "reserved_concurrency" in own
            else None,
            provisioned_concurrency=own.whole("provisioned_concurrency", 0, CONCURRENCY[1])
            if "provisioned_concurrency" in own
            else 0,
        )
        own.end()
        _refuse_more_than_is_reserved(own, functions[name])
    table.end()
    return functions


def _refuse_more_than_is_reserved(table: Table, settings: FunctionSettings) -> None:
    """Stable and canary are both kept warm while one of them may be needed, out of what is reserved for the function."""
    needed = 2 * settings.provisioned_concurrency
    if settings.reserved_concurrency is not None and needed > settings.reserved_concurrency:
        remedy = f"give at least {needed}: twice provisioned_concurrency, which stable and canary have each"
        raise EnvironmentRefused(table.field("reserved_concurrency"), settings.reserved_concurrency, remedy)


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


def _tables(name: str, table: Table) -> dict[str, Any]:
    tables: dict[str, Any] = {
        "least_epoch": table.whole("least_epoch", 0, HIGHEST_EPOCH) if "least_epoch" in table else 0
    }
    for key in ("state", "tokens"):
        given = table.take(key, f"ib-oauth-{key}-{name}")
        if not isinstance(given, str) or not _TABLE_NAME.fullmatch(given):
            raise EnvironmentRefused(table.field(key), given, "give the name of a DynamoDB table")
        tables[f"{key}_table"] = given
    table.end()
    return tables
