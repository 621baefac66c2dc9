"""The environments: what differs between local, dev, staging and prod, typed and checked.

`environments.toml` is the source. Tables of ``[defaults]`` lie under those of each environment. The tables `delivery`,
`strategies`, `recovery` and `usage` are carried through as they are: they belong to the orchestrator, which checks them when it plans.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from environments.api import (
    ApiSettings,
    DomainSettings,
    FirewallSettings,
    ThrottleSettings,
    UsagePlanSettings,
    read_api,
)
from environments.clients import ClientSettings, PlatformSettings
from environments.evidence import EvidenceSettings, read_evidence
from environments.network import NetworkSettings, read_network
from environments.operations import BudgetSettings, read_account, read_budget, read_contacts, read_principals
from environments.pipeline import PipelineSettings, read_pipeline
from environments.service import FUNCTIONS, AlarmSettings, FunctionSettings, ServiceSettings, read_service
from environments.stores import REGION, BackupSettings, StoreSettings, UnitsSettings, read_backups, read_stores
from environments.tables import EnvironmentRefused, Table
from environments.watching import MonitoringSettings, SecuritySettings, read_monitoring, read_security

__all__ = [
    "FILE",
    "FUNCTIONS",
    "AlarmSettings",
    "ApiSettings",
    "BackupSettings",
    "BudgetSettings",
    "ClientSettings",
    "DomainSettings",
    "Environment",
    "EnvironmentRefused",
    "EvidenceSettings",
    "FirewallSettings",
    "FunctionSettings",
    "MonitoringSettings",
    "NetworkSettings",
    "PlatformSettings",
    "SecuritySettings",
    "ServiceSettings",
    "StoreSettings",
    "ThrottleSettings",
    "UnitsSettings",
    "UsagePlanSettings",
    "load",
    "names",
]

FILE = Path(__file__).resolve().parents[1] / "environments.toml"
LOCAL = "local"
CLOUDS = ("aws", LOCAL)
DEPENDENCIES = ("bundled", "provided")

# CloudWatch Logs keeps logs for these numbers of days and refuses every other (PutRetentionPolicy).
RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
# A rotation takes an hour and a day is worth one; a key that signs for longer than a year is one that nobody rotates.
KEY_ROTATION_DAYS = (1, 365)

# What AWS lets stand in a tag, as far as anybody needs it.
OWNER = re.compile(r"[A-Za-z0-9 _.:/=+@-]{1,128}")

_NAME = re.compile(r"[a-z][a-z0-9-]{0,15}")


@dataclass(frozen=True)
class Environment:
    """One environment.

    Attributes:
        account: where alone its stacks may be deployed; None where the credentials decide.
        lost_region: where it was before that region was lost; None as long as it is at home.
        cloud: `aws`, or `local` for the embedded local cloud.
        dependencies: `bundled` into the Lambda assets, or `provided` by whatever runs them.
        customer_managed_keys: tables under KMS keys of our own, rather than AWS's.
        key_rotation_days: how long a key signs access tokens before another one does.
        announcers: ARNs of the principals that may put a `ReleaseReady` event on the bus.
        evidence: how long evidence and configuration bundles are kept, and who cannot change them.
        promoters: ARNs of the principals, of another account mostly, that may take on the role that announces releases here.
        pipeline: whose jobs may ship here from GitHub; None where nobody's.
        network: None where the functions are in no VPC.
        contacts: e-mail and https addresses by audience.
        owner: whom the bill is about, as a cost allocation tag says it.
        service: the OAuth service.
        usage: what an estimate of costs assumes, unread.
        delivery: the orchestrator's rules, unread, with its named strategies under `strategies`.
        recovery: the orchestrator's rules of drills and restores, unread.
        endpoint_url: where the local cloud listens; None elsewhere, and where nothing is deployed.
    """

    name: str
    account: str | None
    region: str
    lost_region: str | None
    cloud: str
    dependencies: str
    customer_managed_keys: bool
    deletion_protection: bool
    log_retention_days: int
    key_rotation_days: int
    announcers: tuple[str, ...]
    evidence: EvidenceSettings
    promoters: tuple[str, ...]
    api: ApiSettings
    stores: StoreSettings
    backups: BackupSettings
    network: NetworkSettings | None
    pipeline: PipelineSettings | None
    contacts: Mapping[str, tuple[str, ...]]
    budget: BudgetSettings
    monitoring: MonitoringSettings
    security: SecuritySettings
    owner: str
    service: ServiceSettings
    usage: Mapping[str, object]
    delivery: Mapping[str, object]
    recovery: Mapping[str, object]
    endpoint_url: str | None = None

    @property
    def local(self) -> bool:
        """Whether it lives on the embedded local cloud."""
        return self.cloud == LOCAL

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
    try:
        with file.open("rb") as opened:
            document = tomllib.load(opened)
    except FileNotFoundError as error:
        raise EnvironmentRefused("environments", str(file), "there is no such file") from error
    except ValueError as error:
        raise EnvironmentRefused("environments", str(file), f"it is no TOML: {error}") from error
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
    cloud, region = _cloud(name, table), table.text("region", matching=REGION, remedy="give a region")
    lost_region = _lost_region(table, region)
    local, api = cloud == LOCAL, read_api(table.table("api"))
    environment = Environment(
        name=name,
        account=read_account(table),
        region=region,
        lost_region=lost_region,
        cloud=cloud,
        dependencies=table.choice("dependencies", DEPENDENCIES),
        customer_managed_keys=table.flag("customer_managed_keys"),
        deletion_protection=table.flag("deletion_protection"),
        log_retention_days=table.one_of("log_retention_days", RETENTION_DAYS),
        key_rotation_days=table.whole("key_rotation_days", *KEY_ROTATION_DAYS),
        announcers=read_principals(table, "announcers"),
        evidence=read_evidence(table.table("evidence")),
        promoters=read_principals(table, "promoters"),
        api=api,
        stores=read_stores(table.table("stores"), region, lost_region),
        backups=read_backups(table.table("backups"), region, lost_region),
        network=read_network(table.table("network")) if "network" in table else None,
        pipeline=read_pipeline(table.table("pipeline")) if "pipeline" in table else None,
        contacts=read_contacts(table.table("contacts")),
        budget=read_budget(table.table("budget")),
        owner=table.text("owner", matching=OWNER, remedy="give a word or an address, as a tag's value"),
        monitoring=read_monitoring(table.table("monitoring")),
        security=read_security(table.table("security"), local=local),
        service=read_service(name, table.table("service"), api.domain, local=local),
        usage=_carried(table, "usage"),
        delivery=_delivery(table),
        recovery=_carried(table, "recovery"),
    )
    table.end()
    return environment


def _lost_region(table: Table, region: str) -> str | None:
    lost = table.optional_text("lost_region", matching=REGION, remedy="give a region")
    if lost == region:
        raise EnvironmentRefused(
            table.field("lost_region"), lost, "give the region that was lost, not the one it is in now"
        )
    return lost


def _cloud(name: str, table: Table) -> str:
    cloud = table.choice("cloud", CLOUDS)
    if (cloud == LOCAL) != (name == LOCAL):
        raise EnvironmentRefused(
            table.field("cloud"), cloud, "the local cloud has one environment, which is called local"
        )
    return cloud


def _delivery(table: Table) -> Mapping[str, object]:
    return {**_carried(table, "delivery"), "strategies": _carried(table, "strategies")}


def _carried(table: Table, key: str) -> Mapping[str, object]:
    value = table.take(key, {})
    if not isinstance(value, Mapping):
        raise EnvironmentRefused(table.field(key), value, "give a table")
    return value
