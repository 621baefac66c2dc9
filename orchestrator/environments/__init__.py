"""The settings of the environments (local, dev, staging, prod), typed and validated.

`environments.toml` is the source. Each environment's tables are merged over those of ``[defaults]``. The tables
`delivery`, `strategies`, `recovery` and `usage` are validated as the orchestrator validates them when it plans a
deployment, a drill or an estimate, and are then passed on as they are.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.domain.cost.estimate import Usage
from orchestrator.domain.deployment.plan import Plan
from orchestrator.domain.deployment.policy import DeliveryPolicy, encode_policy
from orchestrator.domain.deployment.strategy import read_strategy
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.read_pace import refuse_excessive_share
from orchestrator.domain.regions import REGION, REGION_REMEDY
from orchestrator.domain.schema import EnvironmentRefused, SettingsReader
from orchestrator.environments.api import (
    ApiSettings,
    DomainSettings,
    FirewallSettings,
    ThrottleSettings,
    UsagePlanSettings,
    read_api,
)
from orchestrator.environments.evidence import EvidenceSettings, read_evidence
from orchestrator.environments.monitoring import MonitoringSettings, SecuritySettings, read_monitoring, read_security
from orchestrator.environments.network import NetworkSettings, read_network
from orchestrator.environments.oauth_clients import ClientSettings, PlatformSettings
from orchestrator.environments.ownership import (
    BudgetSettings,
    read_account,
    read_budget,
    read_contacts,
    read_principals,
)
from orchestrator.environments.pipeline import PipelineSettings, read_pipeline
from orchestrator.environments.project import settings_file
from orchestrator.environments.service import FUNCTIONS, AlarmSettings, FunctionSettings, ServiceSettings, read_service
from orchestrator.environments.tables_and_backups import (
    BackupSettings,
    StoreSettings,
    UnitsSettings,
    read_backups,
    read_stores,
)

__all__ = [
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
    "settings_file",
]

LOCAL = "local"
LARGEST_POLICY_BYTES = 2400
"""Lambda allows 4 KB for all variables of a function. The delivery policy is one of those of `plan_deployment`."""

CLOUDS = ("aws", LOCAL)
DEPENDENCIES = ("bundled", "provided")

# The retention periods in days that CloudWatch Logs accepts (PutRetentionPolicy).
RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
# A rotation takes about an hour, so at least a day; at most a year, so that every key is rotated.
KEY_ROTATION_DAYS = (1, 365)

# A subset of the characters that AWS allows in tag values.
OWNER = re.compile(r"[A-Za-z0-9 _.:/=+@-]{1,128}")

_NAME = re.compile(r"[a-z][a-z0-9-]{0,15}")


@dataclass(frozen=True)
class Environment:
    """One environment.

    Attributes:
        account: the only account that its stacks may be deployed to; None if the credentials decide.
        lost_region: the home region, after a failover to another region; None without a failover.
        cloud: `aws`, or `local` for the embedded local cloud.
        dependencies: `bundled` into the Lambda assets, or `provided` by the runtime.
        customer_managed_keys: whether our own KMS keys encrypt tables and logs, instead of AWS's.
        key_rotation_days: how long a key signs access tokens before its successor does.
        announcers: ARNs of the principals that may put a `ReleaseReady` event on the bus.
        evidence: retention and lock of evidence and configuration snapshots.
        promoters: ARNs of the principals, usually in another account, that may assume the role that announces releases.
        pipeline: the GitHub jobs that may deploy here; None without.
        network: the VPC of the service's functions; None without a VPC.
        contacts: e-mail and https addresses by audience.
        owner: the value of the cost allocation tag `owner`.
        service: the settings of the OAuth service.
        usage: assumptions of cost estimates, as `Usage.parse` reads them.
        delivery: the delivery policy with the named strategies under `strategies`, as `DeliveryPolicy.parse` reads it.
        recovery: the recovery policy of drills and restores, as `RecoveryPolicy.parse` reads it.
        endpoint_url: the address of the local cloud; None elsewhere, and while nothing is deployed.
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
        """Whether the environment is on the embedded local cloud."""
        return self.cloud == LOCAL

    def with_addresses(self, *, endpoint_url: str | None = None, platform_url: str | None = None) -> Environment:
        """Return the local environment with the current addresses of its processes.

        Raises:
            EnvironmentRefused: the environment is not local, so its addresses are settings.
        """
        if not self.local and (endpoint_url or platform_url):
            raise EnvironmentRefused(f"{self.name}.cloud", self.cloud, "use addresses with the local environment only")
        platforms = self.service.platforms
        if platform_url:
            platforms = {name: replace(platform, url=platform_url) for name, platform in platforms.items()}
        return replace(self, endpoint_url=endpoint_url, service=replace(self.service, platforms=platforms))


def names(file: Path | None = None) -> tuple[str, ...]:
    """Return the names of all environments, in the file's order; without a file, of the project's."""
    return tuple(name for name in _read(file or settings_file()) if name != "defaults")


def load(name: str, file: Path | None = None) -> Environment:
    """Read one environment from a settings file; without a file, from the project's.

    Raises:
        EnvironmentRefused: there is no such environment, or a setting is missing, unknown or out of range.
    """
    document = _read(file or settings_file())
    environment_names = [table for table in document if table != "defaults"]
    if name not in environment_names:
        raise EnvironmentRefused("environment", name, f"name one of {', '.join(environment_names)}")
    defaults, own = document.get("defaults", {}), document[name]
    return _environment(name, SettingsReader(name, _merge(defaults, own)))


def _read(file: Path) -> dict[str, dict[str, object]]:
    try:
        with file.open("rb") as stream:
            document = tomllib.load(stream)
    except FileNotFoundError as error:
        raise EnvironmentRefused("environments", str(file), "name an existing file") from error
    except ValueError as error:
        raise EnvironmentRefused("environments", str(file), f"correct the TOML syntax: {error}") from error
    for name, table in document.items():
        if not isinstance(table, dict) or not _NAME.fullmatch(name):
            raise EnvironmentRefused(name, table, "give a table whose name is a short lower-case word")
    return document


def _merge(defaults: Mapping[str, object], overrides: Mapping[str, object]) -> dict[str, object]:
    merged = dict(defaults)
    for key, value in overrides.items():
        default = merged.get(key)
        merged[key] = _merge(default, value) if isinstance(default, Mapping) and isinstance(value, Mapping) else value
    return merged


def _environment(name: str, table: SettingsReader) -> Environment:
    cloud, region = _cloud(name, table), table.text("region", matching=REGION, remedy=REGION_REMEDY)
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
        log_retention_days=table.whole_number_of("log_retention_days", RETENTION_DAYS),
        key_rotation_days=table.whole_number("key_rotation_days", *KEY_ROTATION_DAYS),
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
        owner=table.text("owner", matching=OWNER, remedy="give a valid tag value, such as a team's name"),
        monitoring=read_monitoring(table.table("monitoring")),
        security=read_security(table.table("security"), local=local),
        service=read_service(name, table.table("service"), api.domain, local=local),
        usage=_passed_through(table, "usage"),
        delivery=_delivery(table),
        recovery=_passed_through(table, "recovery"),
    )
    table.refuse_unknown_keys()
    _check_policies(environment)
    return environment


def _check_policies(environment: Environment) -> None:
    """Refuse a policy that every deployment, drill or estimate would refuse."""
    try:
        policy = DeliveryPolicy.parse(environment.delivery)
        _refuse_alarms_without_late_data(environment, policy)
        _refuse_checks_of_other_places(environment, policy)
        _refuse_hooks_of_other_places(environment, policy)
        for strategy in policy.strategies:
            plan = Plan.from_strategy(read_strategy(strategy, policy), policy)
            _refuse_approvers_by_name(environment, plan, strategy)
        _refuse_large_policy(environment)
        recovery = RecoveryPolicy.parse(environment.recovery)
        if environment.stores.provisioned:
            refuse_excessive_share(recovery.read_share_percent, environment.stores.target_utilisation_percent)
        Usage.parse(environment.usage, "usage")
    except Refused as error:
        raise EnvironmentRefused(f"{environment.name}.{error.field}", error.value, error.remedy) from error


def _refuse_alarms_without_late_data(environment: Environment, policy: DeliveryPolicy) -> None:
    delay, assumed = environment.service.alarms.metric_delay_seconds, policy.limits.metric_delay.total_seconds()
    if delay < assumed:
        remedy = f"give at least the {assumed:g} of delivery.metric_delay_seconds: alarms would miss what arrives late"
        raise Refused("service.alarms.metric_delay_seconds", delay, remedy)


def _refuse_large_policy(environment: Environment) -> None:
    size = len(encode_policy(environment.delivery))
    if size > LARGEST_POLICY_BYTES:
        remedy = (
            f"give fewer checks, hooks or strategies: as a variable of a function they may have {LARGEST_POLICY_BYTES}"
        )
        raise Refused("delivery", f"{size} bytes", remedy)


def _refuse_checks_of_other_places(environment: Environment, policy: DeliveryPolicy) -> None:
    for number, check in enumerate(policy.checks):
        field = f"delivery.checks[{number}]"
        if check.function and check.function not in FUNCTIONS:
            raise Refused(f"{field}.function", check.function, f"give one of {', '.join(FUNCTIONS)}")
        if check.url.startswith("http:") and not environment.local:
            # In a function's own environment, loopback is Lambda's runtime interface.
            raise Refused(f"{field}.url", check.url, "give an https address; http is for the local cloud only")


def _refuse_hooks_of_other_places(environment: Environment, policy: DeliveryPolicy) -> None:
    for number, hook in enumerate(policy.hooks):
        if hook.url.startswith("http:") and not environment.local:
            remedy = "give an https address; http is for the local cloud only"
            raise Refused(f"delivery.hooks[{number}].url", hook.url, remedy)


def _refuse_approvers_by_name(environment: Environment, plan: Plan, name: str) -> None:
    """Refuse approvers without an ARN: in an account a caller chooses the name of a session."""
    names = [approver for gate in plan.gates for approver in gate.approvers if not approver.startswith("arn:")]
    if names and not environment.local:
        raise Refused(f"strategies.{name}", names[0], "give the ARN of a role or user as an approver")


def _lost_region(table: SettingsReader, region: str) -> str | None:
    lost = table.optional_text("lost_region", matching=REGION, remedy=REGION_REMEDY)
    if lost == region:
        raise EnvironmentRefused(table.field("lost_region"), lost, "give the lost region, not the current region")
    return lost


def _cloud(name: str, table: SettingsReader) -> str:
    cloud = table.choice("cloud", CLOUDS)
    if (cloud == LOCAL) != (name == LOCAL):
        raise EnvironmentRefused(table.field("cloud"), cloud, 'use cloud = "local" for the environment `local` only')
    return cloud


def _delivery(table: SettingsReader) -> Mapping[str, object]:
    return {**_passed_through(table, "delivery"), "strategies": _passed_through(table, "strategies")}


def _passed_through(table: SettingsReader, key: str) -> Mapping[str, object]:
    value = table.take(key, {})
    if not isinstance(value, Mapping):
        raise EnvironmentRefused(table.field(key), value, "give a table")
    return value
