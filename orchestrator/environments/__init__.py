"""The settings of the environments (local, dev, staging, prod), typed and validated.

`environments.toml` is the source. Each environment's tables are merged over those of ``[defaults]``. The tables
`delivery`, `strategies`, `recovery` and `usage` are validated as the orchestrator validates them when it plans a
deployment, a drill or an estimate, and are then passed on as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.domain.failover.policy import FailoverPolicy
from orchestrator.domain.incidents.acknowledgement import AcknowledgementSettings, read_acknowledgement
from orchestrator.domain.incidents.policy import IncidentPolicy
from orchestrator.domain.mail.settings import MailSettings, read_mail
from orchestrator.domain.maintenance.policy import MaintenancePolicy
from orchestrator.domain.maintenance.policy import read_policy as read_maintenance
from orchestrator.domain.notifications.destinations import Destination
from orchestrator.domain.regions import REGION, REGION_REMEDY
from orchestrator.domain.schema import EnvironmentRefused, SettingsReader
from orchestrator.domain.sign_in.settings import ClientFacts, SignInSettings, read_sign_in, refuse_unusable_sign_in
from orchestrator.domain.status_page.settings import StatusPageSettings
from orchestrator.domain.telemetry.settings import TelemetrySettings, read_telemetry_settings
from orchestrator.environments.api import (
    ApiSettings,
    DomainSettings,
    FirewallSettings,
    ThrottleSettings,
    UsagePlanSettings,
    read_api,
)
from orchestrator.environments.evidence import EvidenceSettings, read_evidence
from orchestrator.environments.failover import read_standby, refuse_replicated_standby
from orchestrator.environments.incidents import read_incidents, refuse_unknown_destinations
from orchestrator.environments.monitoring import MonitoringSettings, SecuritySettings, read_monitoring, read_security
from orchestrator.environments.network import NetworkSettings, read_network
from orchestrator.environments.notifications import read_notifications, refuse_missing_sender
from orchestrator.environments.oauth_clients import ClientSettings, PlatformSettings
from orchestrator.environments.ownership import (
    BudgetSettings,
    read_account,
    read_budget,
    read_contacts,
    read_principals,
)
from orchestrator.environments.pipeline import PipelineSettings, read_pipeline
from orchestrator.environments.policies import Policies, check_policies
from orchestrator.environments.project import settings_file
from orchestrator.environments.service import FUNCTIONS, AlarmSettings, FunctionSettings, ServiceSettings, read_service
from orchestrator.environments.settings_document import SettingsFile
from orchestrator.environments.status_page import Home, read_page_settings, refuse_unreachable_page
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

T = TypeVar("T")


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
        failover: the standby region and who approves a failover to it; None without a standby region.
        contacts: e-mail addresses by audience.
        notifications: the destinations of notifications.
        mail: who sends e-mail by Amazon SES; None if no e-mail is sent so.
        incidents: what opens an incident, and who is on call.
        acknowledgement: whether incidents can be acknowledged by a link and in the pager.
        maintenance: how long a maintenance window may take, and the notice that it needs.
        status_page: the public status page.
        telemetry: where the traces of executions go.
        console: who may sign in to the console; None without a sign-in.
        owner: the value of the cost allocation tag `owner`.
        service: the settings of the OAuth service.
        usage: assumptions of cost estimates, as `Usage.parse` reads them.
        delivery: the delivery policy with the named strategies under `strategies`, as `DeliveryPolicy.parse` reads it.
        recovery: the recovery policy of drills and restores, as `RecoveryPolicy.parse` reads it.
        endpoint_url: the address of the local cloud; None elsewhere, and while nothing is deployed.
        standby: these are the environment's stacks in its standby region, which wait for a failover.
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
    failover: FailoverPolicy | None
    pipeline: PipelineSettings | None
    contacts: Mapping[str, tuple[str, ...]]
    notifications: tuple[Destination, ...]
    mail: MailSettings | None
    incidents: IncidentPolicy
    acknowledgement: AcknowledgementSettings
    maintenance: MaintenancePolicy
    status_page: StatusPageSettings
    telemetry: TelemetrySettings
    console: SignInSettings | None
    budget: BudgetSettings
    monitoring: MonitoringSettings
    security: SecuritySettings
    owner: str
    service: ServiceSettings
    usage: Mapping[str, object]
    delivery: Mapping[str, object]
    recovery: Mapping[str, object]
    endpoint_url: str | None = None
    standby: bool = False

    @property
    def local(self) -> bool:
        """Whether the environment is on the embedded local cloud."""
        return self.cloud == LOCAL

    @property
    def other_regions(self) -> tuple[str, ...]:
        """The regions in which it has a stack of copies: those of its backups and replicas, and its standby region.

        After a failover the standby region is its own, and has none.
        """
        backups = [self.backups.copy_region] if self.backups.copy_region else []
        standby = [self.standby_region] if self.standby_region else []
        return tuple(dict.fromkeys([*backups, *self.stores.replicas, *standby]))

    @property
    def standby_region(self) -> str | None:
        """The region to which it can fail over; None without one, and for the stacks that are there."""
        return self.failover.region if self.failover and self.failover.region != self.region else None

    @property
    def region_in_names(self) -> str | None:
        """The region in the names of roles and buckets; None without a failover.

        These names are unique across regions: the resources in the lost region still have the plain ones.
        """
        return self.region if self.lost_region else None

    def in_standby_region(self) -> Environment:
        """Return the environment as its stacks in the standby region are: with names as after a failover.

        Raises:
            EnvironmentRefused: the environment has no standby region, or runs there already.
        """
        if self.failover is None or self.failover.region == self.region:
            remedy = "name another region under [….failover], or deploy without standby"
            raise EnvironmentRefused(f"{self.name}.failover.region", self.failover and self.failover.region, remedy)
        domain = self.api.domain
        if domain is not None:
            # A certificate is of one region.
            domain = replace(domain, certificate_arn=self.failover.certificate_arn)
        return replace(
            self,
            region=self.failover.region,
            lost_region=self.region,
            backups=replace(self.backups, copy_region=None),
            stores=replace(self.stores, replicas=()),
            api=replace(self.api, domain=domain),
            status_page=StatusPageSettings(),
            standby=True,
        )

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
    return SettingsFile.read(file or settings_file()).names


def load(name: str, file: Path | None = None) -> Environment:
    """Read one environment from a settings file; without a file, from the project's.

    Raises:
        EnvironmentRefused: there is no such environment, or a setting is missing, unknown or out of range. The error
            has the line of the setting.
    """
    settings = SettingsFile.read(file or settings_file())
    tables = settings.merged(name)
    try:
        return read_environment(name, SettingsReader(name, tables))
    except EnvironmentRefused as error:
        raise settings.located(error) from error


class Attempts:
    """How the parts of an environment are read: the first refusal of a part ends the reading."""

    def part(self, name: str, read: Callable[[], T]) -> T | None:  # noqa: ARG002 - `lint` reads on
        """Return what `read` returns.

        Args:
            name: of the part: a section of the environment, or empty for its own values.
            read: reads the part.
        """
        return read()


@dataclass(frozen=True)
class _Place:
    """What the sections of an environment need to know of it."""

    name: str
    region: str
    lost_region: str | None
    local: bool
    domain: DomainSettings | None = None


_SECTIONS: Mapping[str, Callable[[SettingsReader, _Place], object]] = {
    # in the order in which they are read: the issuer of the service depends on the domain of the API
    "api": lambda table, _: read_api(table),
    "evidence": lambda table, _: read_evidence(table),
    "stores": lambda table, place: read_stores(table, place.region, place.lost_region),
    "backups": lambda table, place: read_backups(table, place.region, place.lost_region),
    "network": lambda table, _: read_network(table),
    "failover": lambda table, place: read_standby(table, place.region, place.lost_region, local=place.local),
    "pipeline": lambda table, _: read_pipeline(table),
    "contacts": lambda table, _: read_contacts(table),
    "budget": lambda table, _: read_budget(table),
    "monitoring": lambda table, _: read_monitoring(table),
    "security": lambda table, place: read_security(table, local=place.local),
    "service": lambda table, place: read_service(place.name, table, place.domain, local=place.local),
}
_ABSENT_BY_DEFAULT = ("failover", "network", "pipeline")


def read_environment(name: str, table: SettingsReader) -> Environment:
    """Read one environment from its merged tables.

    Args:
        name: of the environment.
        table: its tables, merged over the defaults.

    Raises:
        EnvironmentRefused: a setting is missing, unknown or out of range.
    """
    return Environment(name=name, **read_parts(name, table, Attempts()))


def read_parts(name: str, table: SettingsReader, attempts: Attempts) -> dict[str, Any]:
    """Return the values of an environment, by the names of its attributes.

    Args:
        name: of the environment.
        table: its tables, merged over the defaults.
        attempts: how its parts are read.

    Raises:
        EnvironmentRefused: a setting is missing, unknown or out of range.
    """
    own = attempts.part("", partial(_own_values, name, table)) or {}
    place = _Place(name, own.get("region", ""), own.get("lost_region"), own.get("cloud", name) == LOCAL)
    sections: dict[str, Any] = {}
    for section, read in _SECTIONS.items():
        if section in _ABSENT_BY_DEFAULT and section not in table:
            sections[section] = None
            continue
        sections[section] = attempts.part(section, partial(_section, section, table, read, place))
        if section == "api" and sections[section]:
            place = replace(place, domain=sections[section].domain)
    if sections["failover"] is not None and sections["stores"] is not None:
        replicas = sections["stores"].replicas
        attempts.part("failover", partial(refuse_replicated_standby, sections["failover"], replicas, name))
    sections["notifications"] = attempts.part("notifications", partial(read_notifications, table, local=place.local))
    sections["mail"] = attempts.part("mail", partial(read_mail, table))
    if sections["notifications"] is not None:
        sender = partial(refuse_missing_sender, sections["notifications"], sections["mail"], name)
        attempts.part("notifications", sender)
    sections["incidents"] = attempts.part("incidents", partial(read_incidents, table))
    sections["acknowledgement"] = attempts.part("acknowledgement", partial(read_acknowledgement, table))
    sections["maintenance"] = attempts.part("maintenance", partial(read_maintenance, table))
    if sections["incidents"] is not None and sections["notifications"] is not None:
        known = [destination.name for destination in sections["notifications"]]
        attempts.part("incidents", partial(refuse_unknown_destinations, sections["incidents"], known, name))
    sections["status_page"] = attempts.part("status_page", partial(read_page_settings, table))
    if sections["status_page"] is not None:
        moved = place.lost_region is not None
        home = Home(name, place.region, own.get("account"), local=place.local, moved=moved)
        attempts.part("status_page", partial(refuse_unreachable_page, sections["status_page"], home))
    sections["telemetry"] = attempts.part("telemetry", partial(read_telemetry_settings, table, local=place.local))
    sections["console"] = attempts.part("console", partial(read_sign_in, table))
    if sections["console"] is not None and sections["service"] is not None:
        attempts.part("console", partial(_refuse_unusable_sign_in, sections["console"], sections["service"], table))
    policies = Policies(name, *(_passed_through(table, key) for key in ("delivery", "strategies", "recovery", "usage")))
    table.refuse_unknown_keys()
    check_policies(policies, table.observer, attempts.part, sections["service"], sections["stores"], local=place.local)
    passed_on = {"usage": policies.usage, "delivery": policies.delivery, "recovery": policies.recovery}
    return {**own, **sections, **passed_on}


def _section(
    name: str, table: SettingsReader, read: Callable[[SettingsReader, _Place], object], place: _Place
) -> object:
    return read(table.table(name), place)


def _refuse_unusable_sign_in(sign_in: SignInSettings, service: ServiceSettings, table: SettingsReader) -> None:
    clients = {
        client.client_id: ClientFacts(
            client.redirect_uris,
            client.scopes,
            confidential=client.secret_sha256 is not None,
            own_audience=client.audience is not None,
            synthetic=client.synthetic,
        )
        for client in service.clients
    }
    refuse_unusable_sign_in(sign_in, clients, service.platforms, table)


def _own_values(name: str, table: SettingsReader) -> dict[str, Any]:
    cloud, region = table.choice("cloud", CLOUDS), table.text("region", matching=REGION, remedy=REGION_REMEDY)
    lost = table.optional_text("lost_region", matching=REGION, remedy=REGION_REMEDY)
    own = {
        "cloud": cloud,
        "region": region,
        "lost_region": lost,
        "account": read_account(table),
        "dependencies": table.choice("dependencies", DEPENDENCIES),
        "customer_managed_keys": table.flag("customer_managed_keys"),
        "deletion_protection": table.flag("deletion_protection"),
        "log_retention_days": table.whole_number_of("log_retention_days", RETENTION_DAYS),
        "key_rotation_days": table.whole_number("key_rotation_days", *KEY_ROTATION_DAYS),
        "owner": table.text("owner", matching=OWNER, remedy="give a valid tag value, such as a team's name"),
        **read_principals(table, "announcers", "promoters"),
    }
    # Contradictions last, when all keys are taken.
    if (cloud == LOCAL) != (name == LOCAL):
        raise EnvironmentRefused(table.field("cloud"), cloud, 'use cloud = "local" for the environment `local` only')
    if lost == region:
        raise EnvironmentRefused(table.field("lost_region"), lost, "give the lost region, not the current region")
    return own


def _passed_through(table: SettingsReader, key: str) -> Mapping[str, object] | None:
    """Take a table that is read as the orchestrator reads it, and is then passed on as it is; None if it is wrong."""
    value = table.take(key, {})
    if isinstance(value, Mapping):
        return value
    table.observer.refused(table.refused(key, value, "give a table"), None)
    return None
