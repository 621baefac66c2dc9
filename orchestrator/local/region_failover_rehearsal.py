"""Rehearsal of a regional failover: a local cloud with two regions loses one, and the failover plan runs to its end.

The plan's prerequisites are created before the outage: the tables' backups are copied to the other region. In an AWS
account AWS Backup copies them, once a day (`drill --from copy` restores such a copy). Here a table is restored across
regions from a backup in the home region, backed up there, and deleted. From the outage on every call to the home region
is answered with 503. The only data that this process keeps from before are those of clients and users: their tokens,
secrets and URLs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from orchestrator import environments
from orchestrator.application.cloud import Cloud
from orchestrator.aws.dynamodb.backups import CrossRegionBackups, backup_name_as_of
from orchestrator.domain.failover.manual_plan import (
    EXPIRES,
    FailoverInputs,
    FailoverPlan,
    RegionProbe,
    StepKind,
    plan_failover,
)
from orchestrator.domain.names import resource_name
from orchestrator.domain.recovery.record import Role
from orchestrator.environments import project
from orchestrator.environments.toml_editor import with_value
from orchestrator.local import cdk_deploy
from orchestrator.local.cloud import ACCOUNT, LocalCloud
from orchestrator.local.deployed_environment import (
    ENVIRONMENT,
    EVIDENCE_BUCKET,
    LocalEnvironment,
    client_factory,
    cloud_for,
    local_environment,
    original_settings,
    stack_output,
)
from orchestrator.local.emulator.options import Options
from orchestrator.local.oauth_client import LOCAL_CLIENTS
from orchestrator.local.rehearsal_clients import (
    RehearsalClients,
    RehearsalFailed,
    connect,
    register,
    require,
    require_equal,
    wait_until_true,
)

HOME: Final = "us-west-1"
_PROBES: Final[tuple[tuple[str, str], ...]] = (
    ("dynamodb", "list_tables"),
    ("lambda", "list_functions"),
    ("stepfunctions", "list_state_machines"),
    ("cloudformation", "list_stacks"),
    ("s3", "list_buckets"),
)
"""Services of a region and the operation that probes each."""


@dataclass(frozen=True)
class PerformedStep:
    """A step of the plan that was performed, with its duration and result."""

    kind: StepKind
    title: str
    seconds: float
    outcome: str


@dataclass(frozen=True)
class RehearsalReport:
    """The result of a rehearsal.

    Attributes:
        data_loss: time between the oldest cross-region backup and the outage.
        recovery_time: time from the outage until complete OAuth flows were verified.
        evidence: bucket and key of the configuration snapshot that the plan recorded.
    """

    plan: FailoverPlan
    steps: tuple[PerformedStep, ...]
    data_loss: timedelta
    recovery_time: timedelta
    evidence: str


Say = Callable[[str], None]


class Observer:
    """Watches a rehearsal; a subclass measures the service meanwhile."""

    def before_backups(self, here: LocalEnvironment) -> None:
        """Called when the environment runs, before its tables are backed up to the other region."""

    def before_loss(self, here: LocalEnvironment) -> None:
        """Called when the backups are in the other region, just before the home region is lost."""

    def lost(self, at: datetime) -> None:
        """Called when the home region is lost."""

    def moved(self, api_url: str) -> None:
        """Called when clients are to use the service of the other region."""

    def ended(self) -> None:
        """Called after the last step, while the local cloud still runs."""


def rehearse(
    folder: Path,
    other: str,
    show: Callable[[FailoverPlan], None],
    say: Say,
    observer: Observer | None = None,
    *,
    restore_seconds: float = Options.restore_seconds,
) -> RehearsalReport:
    """Rehearse the loss of the home region on a separate local cloud.

    Args:
        folder: directory of that cloud's state, and of the settings file that the plan writes.
        other: the region that takes over.
        show: called with the plan before its first step.
        say: called with each progress message.
        observer: watches the rehearsal.
        restore_seconds: how long a table's restore takes.

    Raises:
        Refused: the plan cannot be made.
        RehearsalFailed: a step did not have its required result.
    """
    observer = observer or Observer()
    with original_settings(folder), local_environment(folder, restore_seconds=restore_seconds) as environment:
        say(f"the environment runs in {HOME}: {environment.api_url}")
        observer.before_backups(environment)
        clients = prepare(environment, other, say)
        observer.before_loss(environment)
        environment.local.set_lost_regions(HOME)
        lost_at = datetime.now(UTC)
        observer.lost(lost_at)
        say(f"{HOME} is unavailable: every call to it fails")
        plan = plan_failover(_failover_inputs(environment.local, other, lost_at))
        show(plan)
        runner = _FailoverRunner(environment, plan, clients, folder)
        performed = []
        recovered_at = lost_at
        for step in plan.steps:
            began = time.monotonic()
            outcome = runner.perform(step.kind)
            performed.append(PerformedStep(step.kind, step.title, round(time.monotonic() - began, 3), outcome))
            say(f"{step.kind}: {outcome}")
            if step.kind is StepKind.UPDATE_DNS:
                observer.moved(runner.api_url)
            if step.kind is StepKind.VERIFY:
                recovered_at = datetime.now(UTC)
        observer.ended()
        return RehearsalReport(plan, tuple(performed), plan.data_loss, recovered_at - lost_at, runner.evidence)


# --- before the outage --------------------------------------------------------------------------------------


def prepare(environment: LocalEnvironment, other: str, say: Say) -> RehearsalClients:
    """Register clients and log users in, and back the tables up to the other region in between."""
    with connect(environment.api_url, environment.platform_url) as client:
        registered_before = register(environment.api_url)
        tokens_before = require(client.log_in(LOCAL_CLIENTS[0]), "the login before the backups")
        require(client.log_in(registered_before), "the login of the client that registered before the backups")
        other_dynamodb = cloud_for(environment.local.environ_for_region(other)).clients("dynamodb")
        for role in Role:
            table = resource_name(role, ENVIRONMENT)
            as_of = _back_up_across_regions(environment.cloud.clients("dynamodb"), other_dynamodb, table)
            say(f"the table {role} is backed up in {other} as of {as_of:%H:%M:%S}")
        return RehearsalClients(tokens_before, registered_before, register(environment.api_url))


def _back_up_across_regions(home: Any, other: Any, table: str) -> datetime:
    """Copy a backup of a table to another region, with DynamoDB calls that also exist in an AWS account.

    Args:
        home: DynamoDB client of the home region.
        other: DynamoDB client of the other region.
        table: name of the table.

    Returns:
        The time of the backup's items.
    """
    details = home.create_backup(TableName=table, BackupName="to-be-copied")["BackupDetails"]
    as_of: datetime = details["BackupCreationDateTime"]
    wait_until_true(lambda: _backup_status(home, details["BackupArn"]) == "AVAILABLE", f"the backup of {table}")
    name = f"{table}-copy"
    # A key of the home region cannot be used here. DynamoDB's own key encrypts the copy and what is restored from it.
    own_key = {"Enabled": False}
    other.restore_table_from_backup(
        BackupArn=details["BackupArn"], TargetTableName=name, SSESpecificationOverride=own_key
    )
    wait_until_true(lambda: _table_status(other, name) == "ACTIVE", f"the restore of {table} in the other region")
    backup = other.create_backup(TableName=name, BackupName=backup_name_as_of(as_of))["BackupDetails"]["BackupArn"]
    wait_until_true(lambda: _backup_status(other, backup) == "AVAILABLE", f"the backup of {table} in the other region")
    other.delete_table(TableName=name)
    home.delete_backup(BackupArn=details["BackupArn"])
    return as_of


# --- after the outage ---------------------------------------------------------------------------------------


def _failover_inputs(local: LocalCloud, other: str, now: datetime) -> FailoverInputs:
    environment = environments.load(ENVIRONMENT)
    clients = cloud_for(local.environ_for_region(other)).clients
    return FailoverInputs(
        environment=ENVIRONMENT,
        home=HOME,
        region=other,
        account=ACCOUNT,
        copy_region=environment.backups.copy_region,
        domain=environment.api.domain.name if environment.api.domain else None,
        probes=probe_region(local.environ_for_region(HOME)),
        backups=CrossRegionBackups(clients, ENVIRONMENT).list_backups(),
        now=now,
    )


def probe_region(environ: Mapping[str, str]) -> tuple[RegionProbe, ...]:
    """Call an operation of several services of a region, twice each if it fails, and return their responses."""
    config = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
    create_client = client_factory(environ, config)
    return tuple(RegionProbe(service, _response(create_client(service), operation)) for service, operation in _PROBES)


def _response(client: Any, operation: str) -> str:
    """Return a description of the response; empty if the service is unavailable."""
    try:
        response = getattr(client, operation)()
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return "" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else str(error)
    except BotoCoreError:
        return ""
    return f"{operation} with {response['ResponseMetadata']['HTTPStatusCode']}"


class _FailoverRunner:
    """Performs the steps of the plan in the other region."""

    def __init__(
        self, environment: LocalEnvironment, plan: FailoverPlan, clients: RehearsalClients, folder: Path
    ) -> None:
        self._local, self._platform_url = environment.local, environment.platform_url
        self._plan, self._clients = plan, clients
        self._file = folder / project.NAME
        self._environ = environment.local.environ_for_region(plan.region)
        self._cloud: Cloud = cloud_for(self._environ, f"{EVIDENCE_BUCKET}-{plan.region}")
        self._dynamodb = self._cloud.clients("dynamodb")
        self.api_url = ""
        self.evidence = ""

    def perform(self, kind: StepKind) -> str:
        """Perform one step of the plan. Return a description of its result."""
        steps: Mapping[StepKind, Callable[[], str]] = {
            StepKind.CONFIRM: self._confirm,
            StepKind.RESTORE: self._restore,
            StepKind.INVALIDATE_TOKENS: self._invalidate_tokens,
            StepKind.UPDATE_SETTINGS: self._update_settings,
            StepKind.DEPLOY: self._deploy,
            StepKind.UPDATE_DNS: self._update_dns,
            StepKind.VERIFY: self._verify,
            StepKind.RECORD: self._record,
        }
        return steps[kind]()

    def _confirm(self) -> str:
        home = self._plan.home
        available = [probe for probe in probe_region(self._local.environ_for_region(home)) if probe.response]
        if available:
            raise RehearsalFailed(f"{home} is not unavailable: {available}")
        return f"{len(_PROBES)} services of {home} were called and none responded"

    def _restore(self) -> str:
        for table in self._plan.tables:
            self._dynamodb.restore_table_from_backup(BackupArn=table.backup.arn, TargetTableName=table.name)
        for table in self._plan.tables:
            wait_until_true(lambda name=table.name: _table_status(self._dynamodb, name) == "ACTIVE", table.name)  # type: ignore[misc]
            recovery = {"PointInTimeRecoveryEnabled": True}
            self._dynamodb.update_continuous_backups(TableName=table.name, PointInTimeRecoverySpecification=recovery)
            expiry = {"Enabled": True, "AttributeName": EXPIRES}
            self._dynamodb.update_time_to_live(TableName=table.name, TimeToLiveSpecification=expiry)
            stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
            self._dynamodb.update_table(
                TableName=table.name, DeletionProtectionEnabled=True, StreamSpecification=stream
            )
        counts = {
            table.name: self._dynamodb.describe_table(TableName=table.name)["Table"]["ItemCount"]
            for table in self._plan.tables
        }
        return ", ".join(f"{name}: {count} items" for name, count in counts.items())

    def _invalidate_tokens(self) -> str:
        (table,) = (table.name for table in self._plan.tables if table.backup.role is Role.TOKENS)
        response = self._dynamodb.update_item(
            TableName=table,
            Key={"pk": {"S": "epoch"}},
            UpdateExpression="ADD epoch :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
            ReturnValues="UPDATED_NEW",
        )
        return f"the revocation epoch is {response['Attributes']['epoch']['N']}"

    def _update_settings(self) -> str:
        document = environments.settings_file().read_text(encoding="utf-8")
        for setting in self._plan.settings:
            document = with_value(document, setting.table, setting.key, setting.value)
        self._file.write_text(document, encoding="utf-8")
        environments.load(ENVIRONMENT, self._file)
        return f"{len(self._plan.settings)} settings were written to {self._file.name}"

    def _deploy(self) -> str:
        target = cdk_deploy.RegionTarget(self._local.endpoint_url, self._plan.region, self._environ)
        environment = environments.load(ENVIRONMENT, self._file)
        cdk_deploy.deploy(target, environment, platform_url=self._platform_url, settings=self._file)
        return f"the stacks are deployed in {self._plan.region}"

    def _update_dns(self) -> str:
        self.api_url = stack_output(self._cloud, cdk_deploy.SERVICE, "ApiUrl").rstrip("/")
        return f"clients use {self.api_url}; the local environment has no domain whose DNS record could be changed"

    def _verify(self) -> str:
        clients = self._clients
        with connect(self.api_url, self._platform_url) as client:
            tokens = require(client.log_in(LOCAL_CLIENTS[0]), "a new login")
            refreshed, _ = client.refresh(tokens)
            status = client.userinfo(require(refreshed, "a refresh")).observation.status
            require_equal(status, HTTPStatus.OK, "userinfo")
            require(
                client.log_in(clients.client_before_backup), "a login of the client that registered before the backups"
            )
            rejected, response = client.refresh(clients.tokens_before_backup)
            if rejected is not None or response.json().get("error") != "invalid_grant":
                raise RehearsalFailed(f"a refresh token from before the outage was not rejected: {response.json()}")
            status = client.userinfo(clients.tokens_before_backup).observation.status
            require_equal(status, HTTPStatus.UNAUTHORIZED, "an access token from before the outage")
            if client.log_in(clients.client_after_backup) is not None:
                raise RehearsalFailed(
                    "a client that registered after the backups can log in: the tables were not restored from them"
                )
        for table in self._plan.tables:
            self._verify_table_settings(table.name)
        return "new logins work, the registered client is known, earlier refresh and access tokens are rejected"

    def _verify_table_settings(self, table: str) -> None:
        expiry = self._dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        backups = self._dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        status = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        if expiry.get("AttributeName") != EXPIRES or status != "ENABLED":
            raise RehearsalFailed(f"{table}: time to live {expiry}, point-in-time recovery {status}")

    def _record(self) -> str:
        snapshot = self._cloud.artifacts.put_configuration(self._cloud.configuration("regional failover"))
        self.evidence = f"{self._cloud.artifacts.bucket}/{snapshot.key}"
        return f"{snapshot.id}: {snapshot.parts} parts in {self._cloud.artifacts.bucket}"


def _backup_status(client: Any, arn: str) -> str:
    return str(client.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]["BackupStatus"])


def _table_status(client: Any, name: str) -> str:
    return str(client.describe_table(TableName=name)["Table"]["TableStatus"])
