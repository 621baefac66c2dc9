"""Settings of the OAuth service: issuer, functions, alarms, clients, identity providers and tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from orchestrator.domain.names import resource_name
from orchestrator.domain.schema import EnvironmentRefused, SettingsReader
from orchestrator.domain.setting_rules import Choice, Text
from orchestrator.environments.api import DomainSettings
from orchestrator.environments.oauth_clients import (
    HTTPS_HOST,
    ClientSettings,
    PlatformSettings,
    read_clients,
    read_platforms,
    read_scopes,
    read_sha256,
)

FUNCTIONS = ("authorize", "token", "public")
"""The service's functions, by their short names."""

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
# The periods of alarms on high-resolution metrics, and the shortest one of standard metrics (PutMetricAlarm).
ALARM_PERIODS_SECONDS = (10, 20, 30, 60)
# A longer delay would keep an alarm in ALARM for so long that it says nothing of the next deployment.
METRIC_DELAY_SECONDS = (0, 600)
MEMORY_MB = (128, 10_240)
# API Gateway's integration timeout is 29 s; a longer function timeout has no effect for clients.
TIMEOUT_SECONDS = (1, 29)
# 0 would disable the function. The default quota of an account is 1,000.
CONCURRENCY = (1, 10_000)
# Longer would give a thief of a token that was just exchanged more time than any retry needs.
REFRESH_GRACE = (0, 60)
REFRESH_GRACE_SECONDS = 10
HIGHEST_EPOCH = 1_000_000_000
STAGE = "stage"
"""The issuer setting for the address of the API's own stage."""

_TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")


@dataclass(frozen=True)
class FunctionSettings:
    """Size and concurrency of one Lambda function.

    Attributes:
        reserved_concurrency: the maximum of concurrent executions, reserved in the account; None uses the unreserved
            pool.
        provisioned_concurrency: execution environments to provision for a version: for the live version, for the
            canary before its first request, and for the previous version during its rollback window.
    """

    memory_mb: int
    timeout_seconds: int
    reserved_concurrency: int | None = None
    provisioned_concurrency: int = 0


@dataclass(frozen=True)
class AlarmSettings:
    """Thresholds of the service's alarms, which fire if `datapoints` of the latest periods breach.

    CloudWatch evaluates an alarm once a period, over a fixed number of periods. Data that arrive later than that are
    never evaluated, so the number covers `metric_delay_seconds`.

    Attributes:
        metric_delay_seconds: the longest delay of a metric that an alarm still evaluates.
        minimum_requests: the number of requests a period below which a rate is not evaluated.
        refused_grants_percent: the percentage of known grants (a client's own code or refresh token) that are refused.
    """

    period_seconds: int
    minimum_requests: int
    server_error_percent: float
    refused_grants_percent: float
    p99_latency_ms: int
    datapoints: int
    metric_delay_seconds: int

    def late_periods(self, period_seconds: int) -> int:
        """Return how many of the latest periods may lack data that are still to come."""
        return ceil(self.metric_delay_seconds / period_seconds)

    def evaluation_periods(self, period_seconds: int, datapoints: int | None = None) -> int:
        """Return over how many periods an alarm is evaluated: as many as have to breach, and the late ones."""
        return (self.datapoints if datapoints is None else datapoints) + self.late_periods(period_seconds)


@dataclass(frozen=True)
class ServiceSettings:
    """The OAuth service in one environment.

    Attributes:
        issuer: https URL without a path; None is the address of the API's own stage.
        state_table, tokens_table: the tables that the functions use. They are settings, because the next deployment of
            the stack must not revert a cutover to restored tables.
        refresh_grace_seconds: for how long a client may present the refresh token again that it just exchanged, while
            the new one is unused; 0 is never.
        least_epoch: the lowest valid revocation epoch, which a cutover raises; 0 without a cutover.
        client_metadata_documents: whether client ID metadata documents are enabled.
        registration_token_sha256: hex SHA-256 of the initial access token for dynamic registration; None disables it.
        managed_clients: whether operators may add clients without a deployment (`orchestrator clients`).
        metadata_document_client_scopes: the scopes that metadata document clients and registered clients may request.
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
    client_metadata_documents: bool
    registration_token_sha256: str | None
    metadata_document_client_scopes: tuple[str, ...]
    state_table: str
    tokens_table: str
    least_epoch: int
    refresh_grace_seconds: int = REFRESH_GRACE_SECONDS
    managed_clients: bool = False


def read_service(name: str, table: SettingsReader, domain: DomainSettings | None, *, local: bool) -> ServiceSettings:
    """Read the table ``[….service]`` of an environment with this name.

    Raises:
        EnvironmentRefused: a setting is missing, unknown or out of range.
    """
    service = ServiceSettings(
        log_level=table.choice("log_level", LOG_LEVELS),
        throttle_requests_per_second=table.whole_number("throttle_requests_per_second", 1, 10_000),
        throttle_burst_requests=table.whole_number("throttle_burst_requests", 1, 10_000),
        source_requests_per_second=table.whole_number("source_requests_per_second", 1, 10_000),
        source_burst_requests=table.whole_number("source_burst_requests", 1, 10_000),
        functions=_functions(table.table("functions")),
        alarms=_alarms(table.table("alarms")),
        clients=read_clients(table),
        platforms=read_platforms(table.table("platforms"), local=local),
        client_metadata_documents=table.flag("client_metadata_documents"),
        registration_token_sha256=read_sha256(table, "registration_token_sha256"),
        metadata_document_client_scopes=read_scopes(table, "metadata_document_client_scopes"),
        refresh_grace_seconds=table.whole_number("refresh_grace_seconds", *REFRESH_GRACE)
        if "refresh_grace_seconds" in table
        else REFRESH_GRACE_SECONDS,
        managed_clients=table.flag("managed_clients", default=False),
        **_tables(name, table.table("tables")),
        # The last one, because it contradicts another section if it is wrong.
        issuer=_issuer(table, domain, local=local),
    )
    table.refuse_unknown_keys()
    return service


def _issuer(table: SettingsReader, domain: DomainSettings | None, *, local: bool) -> str | None:
    value = table.take("issuer", described_by=(Choice((STAGE,)), Text(matching=HTTPS_HOST)))
    if local or domain is not None:
        if value is not None:
            address = f"its domain, https://{domain.name}" if domain else "its API's address"
            raise EnvironmentRefused(table.field("issuer"), value, f"remove it; the issuer is {address}")
        return f"https://{domain.name}" if domain else None
    if value == STAGE:
        return None
    # An issuer with a path has its metadata at another path (RFC 8414 section 3.1), which clients do not support.
    if not isinstance(value, str) or not HTTPS_HOST.fullmatch(value):
        remedy = f'give an https URL without a path and without a trailing slash, or "{STAGE}" for the stage\'s address'
        raise EnvironmentRefused(table.field("issuer"), value, remedy)
    return value


def _functions(table: SettingsReader) -> Mapping[str, FunctionSettings]:
    functions = {}
    for name in FUNCTIONS:
        own = table.table(name)
        functions[name] = FunctionSettings(
            memory_mb=own.whole_number("memory_mb", *MEMORY_MB),
            timeout_seconds=own.whole_number("timeout_seconds", *TIMEOUT_SECONDS),
            reserved_concurrency=own.whole_number("reserved_concurrency", *CONCURRENCY)
            if "reserved_concurrency" in own
            else None,
            provisioned_concurrency=own.whole_number("provisioned_concurrency", 0, CONCURRENCY[1])
            if "provisioned_concurrency" in own
            else 0,
        )
        own.refuse_unknown_keys()
        _check_reservation(own, functions[name])
    table.refuse_unknown_keys()
    return functions


def _check_reservation(table: SettingsReader, settings: FunctionSettings) -> None:
    """Check that the reservation covers the provisioned concurrency of stable and canary together."""
    needed = 2 * settings.provisioned_concurrency
    if settings.reserved_concurrency is not None and needed > settings.reserved_concurrency:
        remedy = f"give at least {needed}: provisioned_concurrency for stable and for canary"
        raise EnvironmentRefused(table.field("reserved_concurrency"), settings.reserved_concurrency, remedy)


def _alarms(table: SettingsReader) -> AlarmSettings:
    alarms = AlarmSettings(
        period_seconds=table.whole_number_of("period_seconds", ALARM_PERIODS_SECONDS),
        minimum_requests=table.whole_number("minimum_requests", 1, 1_000_000),
        server_error_percent=table.percent("server_error_percent"),
        refused_grants_percent=table.percent("refused_grants_percent"),
        p99_latency_ms=table.whole_number("p99_latency_ms", 1, 29_000),
        datapoints=table.whole_number("datapoints", 1, 100),
        metric_delay_seconds=table.whole_number("metric_delay_seconds", *METRIC_DELAY_SECONDS),
    )
    table.refuse_unknown_keys()
    return alarms


def _tables(name: str, table: SettingsReader) -> dict[str, Any]:
    tables: dict[str, Any] = {
        "least_epoch": table.whole_number("least_epoch", 0, HIGHEST_EPOCH) if "least_epoch" in table else 0
    }
    for key in ("state", "tokens"):
        value = table.take(key, resource_name(key, name), described_by=(Text(matching=_TABLE_NAME),))
        if not isinstance(value, str) or not _TABLE_NAME.fullmatch(value):
            raise EnvironmentRefused(table.field(key), value, "give the name of a DynamoDB table")
        tables[f"{key}_table"] = value
    table.refuse_unknown_keys()
    return tables
