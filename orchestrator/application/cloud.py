"""Everything that a task can reach, composed once per process from the function's environment variables.

`Adapters` is the table of adapters. Each is imported and created with its first use: a task uses a handful of them,
and importing all of them took a third of its start-up time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import import_module
from time import sleep
from typing import TYPE_CHECKING, Any, TypeVar

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from orchestrator.aws.clients import brief_client_in, client, client_in, sdk_versions, translate_errors
from orchestrator.aws.dynamodb.raw_client import RawClient, raw_client
from orchestrator.aws.rate_limiter import RateLimiter
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import OrchestratorError

if TYPE_CHECKING:
    from orchestrator.application.probe_adapters import ProbeClients
    from orchestrator.aws.backup.copy_jobs import CopyJobs
    from orchestrator.aws.backup.restore_jobs import RestoreJobs
    from orchestrator.aws.backup.vault import VaultBackups
    from orchestrator.aws.cloudwatch.alarms import Alarms
    from orchestrator.aws.cloudwatch.embedded_metrics import EmbeddedMetrics
    from orchestrator.aws.dynamodb.access_block import TableAccess
    from orchestrator.aws.dynamodb.attachments import TableAttachments
    from orchestrator.aws.dynamodb.backups import OnDemandBackups, PointInTimeRecovery
    from orchestrator.aws.dynamodb.exports import Exports
    from orchestrator.aws.dynamodb.late_writes import LateWrites
    from orchestrator.aws.dynamodb.read_pace import ReadPace
    from orchestrator.aws.dynamodb.restores import TableRestores
    from orchestrator.aws.dynamodb.streams import StreamChanges
    from orchestrator.aws.dynamodb.table_inventory import TableInventory
    from orchestrator.aws.dynamodb.table_reader import Hashing, TableReader
    from orchestrator.aws.dynamodb.table_settings import TableSettingsStore
    from orchestrator.aws.dynamodb.table_sync import TableSync
    from orchestrator.aws.dynamodb.write_closing import WriteClosing
    from orchestrator.aws.hooks import Hooks
    from orchestrator.aws.http_client import HttpClient
    from orchestrator.aws.lambda_.aliases import Aliases
    from orchestrator.aws.lambda_.environment_variables import FunctionEnvironment
    from orchestrator.aws.lambda_.isolated_functions import IsolatedFunctions
    from orchestrator.aws.lambda_.provisioned_concurrency import ProvisionedConcurrency
    from orchestrator.aws.lambda_.report_recorder import ReportRecorder
    from orchestrator.aws.lambda_.versions import Versions
    from orchestrator.aws.ledger.artifacts import ArtifactStore
    from orchestrator.aws.ledger.clients import ClientRecords
    from orchestrator.aws.ledger.deliveries import DeliveryStore
    from orchestrator.aws.ledger.deployments import Ledger
    from orchestrator.aws.ledger.evidence import EvidenceChain
    from orchestrator.aws.ledger.evidence_heads import EvidenceHeads
    from orchestrator.aws.ledger.evidence_keys import EvidenceKeys
    from orchestrator.aws.ledger.failovers import FailoverStore
    from orchestrator.aws.ledger.findings import FindingStore
    from orchestrator.aws.ledger.freeze import FreezeStore
    from orchestrator.aws.ledger.heartbeats import HeartbeatStore
    from orchestrator.aws.ledger.incidents import IncidentStore
    from orchestrator.aws.ledger.maintenance import MaintenanceStore
    from orchestrator.aws.ledger.records import Recoveries
    from orchestrator.aws.ledger.seeded_grants import SeededGrantStore
    from orchestrator.aws.ledger.segment_digests import SegmentDigestStore
    from orchestrator.aws.ledger.standing_grants import StandingGrantIndex
    from orchestrator.aws.ledger.status_page import StatusPageStore
    from orchestrator.aws.mail import Mailer
    from orchestrator.aws.notification_queue import NotificationQueue
    from orchestrator.aws.notifications import Bus, Topics
    from orchestrator.aws.oauth_tables.grant_items import GrantItems
    from orchestrator.aws.oauth_tables.issuing_lease import IssuingLeaseStore
    from orchestrator.aws.oauth_tables.managed_clients import ClientItems
    from orchestrator.aws.oauth_tables.restored_tokens import RestoredTokens
    from orchestrator.aws.oauth_tables.signing_keys import KeyRing
    from orchestrator.aws.otlp_exporter import OtlpExporter
    from orchestrator.aws.provider_client import ProviderClient
    from orchestrator.aws.secrets_manager import LinkKeys
    from orchestrator.aws.site_bucket import SiteBucket
    from orchestrator.aws.step_functions import Executions
    from orchestrator.aws.subscribers.table import SubscriberStore
    from orchestrator.aws.subscribers.webhooks import SubscriberWebhooks
    from orchestrator.domain.configuration.snapshot import ConfigurationSnapshot

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")
Lazy = cached_property
LIVE, LOCAL = "live", "local"
FUNCTION_NAME = "AWS_LAMBDA_FUNCTION_NAME"
"""The variable that Lambda sets in every function."""
PARALLEL_CALLS = 8
"""Lambda's control plane accepts 15 requests a second: more threads would only be throttled."""

logger = Logger()


def now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)


def _adapter(path: str, make: str | Callable[[type[T], Cloud], T], *settings: str) -> Lazy[T]:
    """Return a property that imports a class with its first use, creates one instance, and keeps that.

    Args:
        path: ``module:Class`` below `orchestrator`.
        make: creates the instance of the class; or the service name of the one client that the class takes.
        settings: names of the settings that the class takes after its client.
    """
    module, _, name = path.partition(":")

    def create(cloud: Cloud) -> T:
        adapter: Any = getattr(import_module(f"orchestrator.{module}"), name)
        if callable(make):
            return make(adapter, cloud)
        instance: T = adapter(cloud.clients(make), *(cloud.settings[setting] for setting in settings))
        return instance

    return cached_property(create)


def _hooks(new: type[Hooks], cloud: Cloud) -> Hooks:
    from orchestrator.aws.public_http import PublicHttp

    return new(cloud.clients("lambda"), cloud.clients("secretsmanager"), PublicHttp(), cloud.now, cloud.sleep)


def _providers(new: type[ProviderClient], cloud: Cloud) -> ProviderClient:
    from orchestrator.aws.public_http import PublicHttp

    local = cloud.environment == LOCAL
    mailer = cloud.mailer if cloud.settings.get("MAIL") else None
    return new(cloud.clients("secretsmanager"), PublicHttp(), cloud.now, local=local, mailer=mailer)


def _subscriber_webhooks(new: type[SubscriberWebhooks], _cloud: Cloud) -> SubscriberWebhooks:
    from orchestrator.aws.public_http import PublicHttp

    return new(PublicHttp())


def _mailer(new: type[Mailer], cloud: Cloud) -> Mailer:
    from orchestrator.domain.mail.settings import decode_mail

    settings = decode_mail(cloud.settings["MAIL"])
    assert settings is not None, "who sends e-mail has checked that there is a sender"
    return new(lambda region: _client_in(cloud, "sesv2", region), settings)


def _otlp_exporter(new: type[OtlpExporter], cloud: Cloud) -> OtlpExporter:
    from orchestrator.aws.public_http import PublicHttp

    return new(lambda: cloud.clients("secretsmanager"), PublicHttp())


def _client_in(cloud: Cloud, service: str, region: str) -> Any:
    return cloud.clients(service) if region == cloud.settings["AWS_REGION"] else cloud.client_in(service, region)


class Adapters:
    """The adapters of an environment, by name."""

    # the ledger: the orchestrator's own records
    ledger: Lazy[Ledger] = _adapter("aws.ledger.deployments:Ledger", "dynamodb", "LEDGER_TABLE")
    freezes: Lazy[FreezeStore] = _adapter("aws.ledger.freeze:FreezeStore", "dynamodb", "LEDGER_TABLE")
    incidents: Lazy[IncidentStore] = _adapter("aws.ledger.incidents:IncidentStore", "dynamodb", "LEDGER_TABLE")
    findings: Lazy[FindingStore] = _adapter("aws.ledger.findings:FindingStore", "dynamodb", "LEDGER_TABLE")
    maintenance: Lazy[MaintenanceStore] = _adapter(
        "aws.ledger.maintenance:MaintenanceStore", "dynamodb", "LEDGER_TABLE"
    )
    client_records: Lazy[ClientRecords] = _adapter("aws.ledger.clients:ClientRecords", "dynamodb", "LEDGER_TABLE")
    status_pages: Lazy[StatusPageStore] = _adapter("aws.ledger.status_page:StatusPageStore", "dynamodb", "LEDGER_TABLE")
    failovers: Lazy[FailoverStore] = _adapter("aws.ledger.failovers:FailoverStore", "dynamodb", "LEDGER_TABLE")
    segment_digests: Lazy[SegmentDigestStore] = _adapter(
        "aws.ledger.segment_digests:SegmentDigestStore", "dynamodb", "LEDGER_TABLE"
    )
    drills: Lazy[Recoveries] = _adapter(
        "aws.ledger.records:Recoveries",
        lambda new, cloud: new(cloud.clients("dynamodb"), cloud.settings["LEDGER_TABLE"], Kind.DRILL),
    )
    restores: Lazy[Recoveries] = _adapter(
        "aws.ledger.records:Recoveries",
        lambda new, cloud: new(cloud.clients("dynamodb"), cloud.settings["LEDGER_TABLE"], Kind.RESTORE),
    )
    heartbeats: Lazy[HeartbeatStore] = _adapter(
        "aws.ledger.heartbeats:HeartbeatStore",
        lambda new, cloud: new(cloud.clients("dynamodb"), cloud.settings["HEARTBEATS_TABLE"], sleep=cloud.sleep),
    )
    seeded_grants: Lazy[SeededGrantStore] = _adapter(
        "aws.ledger.seeded_grants:SeededGrantStore",
        lambda new, cloud: new(
            cloud.clients("dynamodb"),
            cloud.clients("kms"),
            ledger=cloud.settings["LEDGER_TABLE"],
            key_id=cloud.settings["SEED_GRANTS_KEY"],
            environment=cloud.environment,
        ),
    )
    grant_items: Lazy[GrantItems] = _adapter("aws.oauth_tables.grant_items:GrantItems", "dynamodb")
    standing_grants: Lazy[StandingGrantIndex] = _adapter(
        "aws.ledger.standing_grants:StandingGrantIndex", "dynamodb", "LEDGER_TABLE"
    )
    artifacts: Lazy[ArtifactStore] = _adapter(
        "aws.ledger.artifacts:ArtifactStore",
        lambda new, cloud: new(cloud.clients, cloud.settings["LEDGER_TABLE"], cloud.settings["EVIDENCE_BUCKET"]),
    )
    evidence: Lazy[EvidenceChain] = _adapter(
        "aws.ledger.evidence:EvidenceChain",
        lambda new, cloud: new(
            cloud.clients,
            cloud.settings["LEDGER_TABLE"],
            cloud.artifacts,
            lambda: cloud.evidence_keys,
            lambda: cloud.evidence_heads if cloud.settings["EVIDENCE_HEADS_BUCKET"] else None,
        ),
    )
    evidence_heads: Lazy[EvidenceHeads] = _adapter(
        "aws.ledger.evidence_heads:EvidenceHeads",
        lambda new, cloud: new(
            cloud.client_in("s3", cloud.settings["EVIDENCE_HEADS_REGION"]), cloud.settings["EVIDENCE_HEADS_BUCKET"]
        ),
    )
    evidence_keys: Lazy[EvidenceKeys] = _adapter(
        "aws.ledger.evidence_keys:EvidenceKeys",
        lambda new, cloud: new(cloud.clients("kms"), cloud.settings["EVIDENCE_KEYS"].split(","), cloud.environment),
    )

    report_recorder: Lazy[ReportRecorder] = _adapter(
        "aws.lambda_.report_recorder:ReportRecorder", "lambda", "REPORT_RECORDER"
    )

    # Lambda
    aliases: Lazy[Aliases] = _adapter(
        "aws.lambda_.aliases:Aliases",
        lambda new, cloud: new(cloud.clients("lambda"), LIVE, RateLimiter().wait, cloud.sleep),
    )
    versions: Lazy[Versions] = _adapter(
        "aws.lambda_.versions:Versions", lambda new, cloud: new(cloud.clients("lambda"), cloud.sleep)
    )
    provisioned: Lazy[ProvisionedConcurrency] = _adapter(
        "aws.lambda_.provisioned_concurrency:ProvisionedConcurrency", "lambda"
    )
    isolated_functions: Lazy[IsolatedFunctions] = _adapter("aws.lambda_.isolated_functions:IsolatedFunctions", "lambda")
    function_environment: Lazy[FunctionEnvironment] = _adapter(
        "aws.lambda_.environment_variables:FunctionEnvironment", "lambda"
    )

    # DynamoDB
    point_in_time_recovery: Lazy[PointInTimeRecovery] = _adapter("aws.dynamodb.backups:PointInTimeRecovery", "dynamodb")
    backups: Lazy[OnDemandBackups] = _adapter("aws.dynamodb.backups:OnDemandBackups", "dynamodb")
    vault_backups: Lazy[VaultBackups] = _adapter("aws.backup.vault:VaultBackups", "backup", "BACKUP_VAULT")
    restore_jobs: Lazy[RestoreJobs] = _adapter("aws.backup.restore_jobs:RestoreJobs", "backup")
    copied_backups: Lazy[VaultBackups] = _adapter(
        "aws.backup.vault:VaultBackups",
        lambda new, cloud: new(cloud.client_in("backup", cloud.settings["COPY_REGION"]), cloud.settings["COPY_VAULT"]),
    )
    copy_jobs: Lazy[CopyJobs] = _adapter(
        "aws.backup.copy_jobs:CopyJobs",
        lambda new, cloud: new(
            cloud.client_in("backup", cloud.settings["COPY_REGION"]),
            cloud.settings["COPY_VAULT"],
            cloud.settings["DRILL_VAULT"],
        ),
    )
    table_restores: Lazy[TableRestores] = _adapter("aws.dynamodb.restores:TableRestores", "dynamodb")
    table_inventory: Lazy[TableInventory] = _adapter(
        "aws.dynamodb.table_inventory:TableInventory",
        lambda new, cloud: new(cloud.clients("dynamodb"), lambda: cloud.clients("application-autoscaling")),
    )
    table_access: Lazy[TableAccess] = _adapter(
        "aws.dynamodb.access_block:TableAccess",
        lambda new, cloud: new(
            cloud.clients("dynamodb"), lambda: cloud.wires("dynamodb"), cloud.now, sleep=cloud.sleep
        ),
    )
    late_writes: Lazy[LateWrites] = _adapter(
        "aws.dynamodb.late_writes:LateWrites",
        lambda new, cloud: new(cloud.table_reader, cloud.stream_changes, cloud.wires, sleep=cloud.sleep),
    )
    write_closing: Lazy[WriteClosing] = _adapter(
        "aws.dynamodb.write_closing:WriteClosing", lambda new, cloud: new(cloud.wires)
    )
    table_settings: Lazy[TableSettingsStore] = _adapter(
        "aws.dynamodb.table_settings:TableSettingsStore",
        lambda new, cloud: new(cloud.clients("dynamodb"), cloud.clients("application-autoscaling")),
    )
    table_attachments: Lazy[TableAttachments] = _adapter(
        "aws.dynamodb.attachments:TableAttachments",
        lambda new, cloud: new(cloud.clients("dynamodb"), cloud.clients("lambda"), cloud.clients("cloudwatch")),
    )
    table_reader: Lazy[TableReader] = _adapter(
        "aws.dynamodb.table_reader:TableReader",
        lambda new, cloud: new(cloud.clients("dynamodb"), cloud.wires, sleep=cloud.sleep),
    )
    stream_changes: Lazy[StreamChanges] = _adapter(
        "aws.dynamodb.streams:StreamChanges",
        lambda new, cloud: new(cloud.clients("dynamodbstreams"), cloud.wires, cloud.now, sleep=cloud.sleep),
    )
    exports: Lazy[Exports] = _adapter(
        "aws.dynamodb.exports:Exports", lambda new, cloud: new(cloud.clients, cloud.settings["EXPORTS_BUCKET"])
    )

    # everything else
    executions: Lazy[Executions] = _adapter(
        "aws.step_functions:Executions", lambda new, cloud: new(cloud.clients("stepfunctions"), cloud.sleep)
    )
    hooks: Lazy[Hooks] = _adapter("aws.hooks:Hooks", _hooks)
    key_ring: Lazy[KeyRing] = _adapter(
        "aws.oauth_tables.signing_keys:KeyRing",
        lambda new, cloud: new(
            cloud.clients("dynamodb"),
            cloud.clients("kms"),
            cloud.clients("resourcegroupstaggingapi"),
            table=cloud.settings["KEYS_TABLE"],
            stack_key=cloud.settings["SIGNING_KEY_ID"],
            environment=cloud.environment,
            now=cloud.now,
        ),
    )
    issuing_lease: Lazy[IssuingLeaseStore] = _adapter(
        "aws.oauth_tables.issuing_lease:IssuingLeaseStore", "dynamodb", "KEYS_TABLE"
    )
    alarms: Lazy[Alarms] = _adapter("aws.cloudwatch.alarms:Alarms", "cloudwatch")
    embedded_metrics: Lazy[EmbeddedMetrics] = _adapter(
        "aws.cloudwatch.embedded_metrics:EmbeddedMetrics", lambda new, cloud: new(cloud.environment, cloud.now)
    )
    topics: Lazy[Topics] = _adapter("aws.notifications:Topics", "sns")
    bus: Lazy[Bus] = _adapter("aws.notifications:Bus", "events", "EVENT_BUS")
    notification_queue: Lazy[NotificationQueue] = _adapter(
        "aws.notification_queue:NotificationQueue", "sqs", "NOTIFICATION_QUEUE", "NOTIFICATION_DEAD_LETTERS"
    )
    link_keys: Lazy[LinkKeys] = _adapter("aws.secrets_manager:LinkKeys", "secretsmanager", "LINK_KEY")
    providers: Lazy[ProviderClient] = _adapter("aws.provider_client:ProviderClient", _providers)
    subscribers: Lazy[SubscriberStore] = _adapter(
        "aws.subscribers.table:SubscriberStore", "dynamodb", "SUBSCRIBERS_TABLE"
    )
    subscriber_webhooks: Lazy[SubscriberWebhooks] = _adapter(
        "aws.subscribers.webhooks:SubscriberWebhooks", _subscriber_webhooks
    )
    mailer: Lazy[Mailer] = _adapter("aws.mail:Mailer", _mailer)
    otlp_exporter: Lazy[OtlpExporter] = _adapter("aws.otlp_exporter:OtlpExporter", _otlp_exporter)
    deliveries: Lazy[DeliveryStore] = _adapter("aws.ledger.deliveries:DeliveryStore", "dynamodb", "LEDGER_TABLE")
    http: Lazy[HttpClient] = _adapter("aws.http_client:HttpClient", lambda new, _cloud: new())
    site_bucket: Lazy[SiteBucket] = _adapter(
        "aws.site_bucket:SiteBucket",
        lambda new, cloud: new(
            _client_in(cloud, "s3", cloud.settings["STATUS_REGION"]), cloud.settings["STATUS_BUCKET"]
        ),
    )


@dataclass(frozen=True)
class Cloud(Adapters):
    """An environment: its adapters, and what they are created from.

    Attributes:
        settings: the function's environment variables, or the command line's equivalent.
        clients: botocore client by service name.
        now: the clock.
        wires: opens a connection that reads whole tables and streams, by service name.
        sleep: waits for some seconds.
        client_in: botocore client by service name and region.
        brief_client_in: the same, without waiting long for a region that may be lost.
    """

    settings: Mapping[str, str]
    clients: Callable[[str], Any] = client
    now: Callable[[], datetime] = now
    wires: Callable[[str], RawClient] = raw_client
    sleep: Callable[[float], None] = sleep
    client_in: Callable[[str, str], Any] = client_in
    brief_client_in: Callable[[str, str], Any] = brief_client_in

    @classmethod
    def of_this_function(cls) -> Cloud:
        """Return the cloud that this Lambda function is configured for. Its process logs its versions once."""
        if FUNCTION_NAME in os.environ:
            logger.info("function started", extra=sdk_versions())
        return cls(os.environ)

    @property
    def environment(self) -> str:
        """The environment's name, such as ``prod``."""
        return self.settings["ENVIRONMENT"]

    def recoveries(self, kind: Kind) -> Recoveries:
        """Return the ledger's recoveries, under the lock that a recovery of this kind acquires."""
        return self.restores if kind is Kind.RESTORE else self.drills

    @cached_property
    def probe_clients(self) -> ProbeClients:
        """The clients of the probes."""
        from orchestrator.application.probe_adapters import probe_clients

        return probe_clients(self.clients)

    def read_pace(
        self, read_units: int, share_percent: float, readers: int = 1, *, over_all_partitions: bool = False
    ) -> ReadPace:
        """Return the pace of one reader of a table that clients use.

        Args:
            read_units: the table's read units a second.
            share_percent: the share of them that all readers together may use.
            readers: how many read the table at the same time.
            over_all_partitions: whether a reader's keys are spread over all partitions.
        """
        from orchestrator.aws.dynamodb.read_pace import ReadPace
        from orchestrator.domain.recovery.read_pace import read_units_per_second

        rate = read_units_per_second(read_units, share_percent, readers, over_all_partitions=over_all_partitions)
        return ReadPace(rate, clock=lambda: self.now().timestamp(), sleep=self.sleep)

    def client_items(self, table: str) -> ClientItems:
        """Return the items of managed clients in a tokens table."""
        from orchestrator.aws.oauth_tables.managed_clients import ClientItems

        return ClientItems(self.clients("dynamodb"), table)

    def restored_tokens(self, table: str, source: str, log: str, source_pace: ReadPace | None = None) -> RestoredTokens:
        """Return a restored tokens table, with its source and the revocation log.

        source_pace: limits the reads of the source, which clients use.
        """
        from orchestrator.aws.dynamodb.batch import batch_client
        from orchestrator.aws.oauth_tables.restored_tokens import RestoredTokens

        return RestoredTokens(
            self.clients("dynamodb"),
            table,
            source,
            log,
            lambda: batch_client(self.wires("dynamodb")),
            source_pace=source_pace,
            sleep=self.sleep,
        )

    def table_sync(self, in_use: str, target: str, hashing: Hashing, pace: ReadPace) -> TableSync:
        """Return what brings the table `target` in sync with the one in use, which is read at a pace."""
        from orchestrator.aws.dynamodb.table_sync import TableSync

        return TableSync(in_use, target, hashing, self.wires, pace, sleep=self.sleep)

    def configuration(self, why: str) -> ConfigurationSnapshot:
        """Read the environment's configuration as it is now.

        Raises:
            Throttled, Unreachable: a part could not be read; there are no partial snapshots.
        """
        from orchestrator.aws.configuration.readers import Names
        from orchestrator.aws.configuration.snapshot import read_configuration

        return read_configuration(
            self.clients,
            Names(self.environment, self.settings["EVIDENCE_BUCKET"], self.settings["AWS_REGION"]),
            account=self._account(),
            region=self.settings["AWS_REGION"],
            now=self.now(),
            why=why,
        )

    def _account(self) -> str:
        with translate_errors():
            return str(self.clients("sts").get_caller_identity()["Account"])

    def announce(self, detail_type: str, deployment: str, **detail: object) -> bool:
        """Put an event of a deployment on the bus; return whether the bus has accepted it.

        A failure is logged and ignored: subscribers must not be able to stop a deployment.
        """
        return self._put_event(detail_type, {"deployment": deployment, **detail})

    def announce_recovery(self, what: str, kind: Kind, recovery: str, **detail: object) -> None:
        """Put an event of a recovery on the bus, such as ``DrillStarted``; a failure is handled as by `announce`."""
        self._put_event(f"{kind.title()}{what}", {"recovery": recovery, **detail})

    def _put_event(self, detail_type: str, detail: Mapping[str, object]) -> bool:
        body = {"environment": self.environment, "at": self.now(), **detail}
        try:
            self.bus.put_event(detail_type, body)
        except (OrchestratorError, ClientError) as error:
            logger.warning("event was not put on the bus", extra={"detail_type": detail_type, "error": str(error)})
            return False
        return True


def for_each(items: Iterable[A], call: Callable[[A], B]) -> list[B]:
    """Call once per item, in parallel, and return the results in order.

    The first failure is raised after all calls have ended.
    """
    listed = list(items)
    if len(listed) < 2:  # noqa: PLR2004 - one needs no thread
        return [call(item) for item in listed]
    with ThreadPoolExecutor(min(PARALLEL_CALLS, len(listed))) as threads:
        return list(threads.map(call, listed))
