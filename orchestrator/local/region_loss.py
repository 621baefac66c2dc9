"""The loss of a region, rehearsed: a local cloud with two regions loses one, and the plan for the other runs to its end.

What the plan rests on is prepared as long as there is time: the tables' backups are copied to the other region. The local cloud has no AWS Backup, whose
copies an account would use; here a table is restored across regions from a backup at home, backed up there, and removed. From
the loss on every call to the home region is answered with 503, and nothing is taken from this process's memory of it but what people and
clients hold: their tokens, secrets and addresses.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

import environments
from environments.editing import with_value
from orchestrator.aws.cloud import Cloud
from orchestrator.aws.copies import Copies, named_as_of
from orchestrator.domain.recovery import Role
from orchestrator.domain.region_loss import EXPIRES, Deed, Facts, Looked, RegionLossPlan, plan
from orchestrator.local import stacks
from orchestrator.local.cloud import ACCOUNT, LocalCloud
from orchestrator.local.oauth_client import LOCAL_CLIENTS
from orchestrator.local.rehearsal import People, RehearsalFailed, eventually, must, must_be, player, register
from orchestrator.local.stage import ENVIRONMENT, EVIDENCE_BUCKET, Stage, cloud_at, stack_output, stage

HOME: Final = "us-west-1"
OTHER: Final = "us-east-2"
_ASKED: Final[tuple[tuple[str, str], ...]] = (
    ("dynamodb", "list_tables"),
    ("lambda", "list_functions"),
    ("stepfunctions", "list_state_machines"),
    ("cloudformation", "list_stacks"),
    ("s3", "list_buckets"),
)


@dataclass(frozen=True)
class Elsewhere:
    """Another region of a local cloud, as the deployment of stacks needs it."""

    endpoint_url: str
    region: str
    environ: Mapping[str, str]


@dataclass(frozen=True)
class Done:
    """A step that was performed: how long it took, and what it came to."""

    deed: Deed
    title: str
    seconds: float
    outcome: str


@dataclass(frozen=True)
class Report:
    """What a rehearsal came to.

    Attributes:
        data_loss: between the oldest copy and the loss.
        recovery_time: from the loss until whole flows were verified.
    """

    plan: RegionLossPlan
    done: tuple[Done, ...]
    data_loss: timedelta
    recovery_time: timedelta
    evidence: str


Say = Callable[[str], None]


def rehearse(folder: Path, other: str, show: Callable[[RegionLossPlan], None], say: Say) -> Report:
    """Rehearse the loss of the home region, on a local cloud of its own.

    Args:
        folder: where that cloud keeps its state, and the settings file that the plan writes.
        other: the region that takes over.
        show: is given the plan, before anything of it is done.
        say: is told what happens.

    Raises:
        Refused: the plan cannot be made.
        RehearsalFailed: a step did not come out as it must.
    """
    with stage(folder) as here:
        say(f"the environment runs in {HOME}, at {here.api_url}")
        people = _before(here, other, say)
        here.local.lose(HOME)
        lost_at = datetime.now(UTC)
        say(f"{HOME} is lost: every call to it is denied")
        made = plan(_facts(here.local, other, lost_at))
        show(made)
        there = _There(here, made, people, folder)
        done = []
        recovered_at = lost_at
        for step in made.steps:
            began = time.monotonic()
            outcome = there.perform(step.deed)
            done.append(Done(step.deed, step.title, round(time.monotonic() - began, 3), outcome))
            say(f"{step.deed}: {outcome}")
            if step.deed is Deed.VERIFY:
                recovered_at = datetime.now(UTC)
        return Report(made, tuple(done), made.data_loss, recovered_at - lost_at, there.evidence)


# --- as long as there is time -------------------------------------------------------------------------------


def _before(here: Stage, other: str, say: Say) -> People:
    """Let people and clients do what they do, with the copies made in the middle of it."""
    with player(here.api_url, here.platform_url) as plays:
        registered = register(here.api_url)
        copied = must(plays.log_in(LOCAL_CLIENTS[0]), "a login before the copies")
        must(plays.log_in(registered), "a login of the client that registered before the copies")
        elsewhere = cloud_at(here.local.environ_in(other)).clients("dynamodb")
        for role in Role:
            as_of = _copy(here.cloud.clients("dynamodb"), elsewhere, f"ib-oauth-{role}-{ENVIRONMENT}")
            say(f"a copy of the table {role} is in {other}, as of {as_of:%H:%M:%S}")
        return People(copied, registered, register(here.api_url))


def _copy(home: Any, elsewhere: Any, table: str) -> datetime:
    """Copy a backup of a table to another region, by calls that DynamoDB has in an account too; returns of which moment it is."""
    details = home.create_backup(TableName=table, BackupName="to-be-copied")["BackupDetails"]
    as_of: datetime = details["BackupCreationDateTime"]
    eventually(lambda: _backup_phase(home, details["BackupArn"]) == "AVAILABLE", f"the backup of {table}")
    name = f"{table}-copy"
    elsewhere.restore_table_from_backup(BackupArn=details["BackupArn"], TargetTableName=name)
    eventually(lambda: _table_phase(elsewhere, name) == "ACTIVE", f"the copy of {table}")
    made = elsewhere.create_backup(TableName=name, BackupName=named_as_of(as_of))["BackupDetails"]["BackupArn"]
    eventually(lambda: _backup_phase(elsewhere, made) == "AVAILABLE", f"the backup of the copy of {table}")
    elsewhere.delete_table(TableName=name)
    home.delete_backup(BackupArn=details["BackupArn"])
    return as_of


# --- after the loss -----------------------------------------------------------------------------------------


def _facts(local: LocalCloud, other: str, now: datetime) -> Facts:
    environment = environments.load(ENVIRONMENT)
    clients = cloud_at(local.environ_in(other)).clients
    return Facts(
        environment=ENVIRONMENT,
        home=HOME,
        region=other,
        account=ACCOUNT,
        copies_to=environment.backups.copy_region,
        domain=environment.api.domain.name if environment.api.domain else None,
        looked=look(local.environ_in(HOME)),
        copies=Copies(clients, ENVIRONMENT).all(),
        now=now,
    )


def look(environ: Mapping[str, str]) -> tuple[Looked, ...]:
    """Ask a region several things, each twice, and say what it answered."""
    session = botocore.session.get_session()
    config = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})

    def client(service: str) -> Any:
        return session.create_client(
            service,
            region_name=environ["AWS_REGION"],
            endpoint_url=environ["AWS_ENDPOINT_URL"],
            aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
            config=config,
        )

    return tuple(Looked(service, _answer(client(service), operation)) for service, operation in _ASKED)


def _answer(client: Any, operation: str) -> str:
    try:
        answered = getattr(client, operation)()
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return "" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else str(error)
    except BotoCoreError:
        return ""
    return f"{operation} with {answered['ResponseMetadata']['HTTPStatusCode']}"


class _There:
    """Performs the plan in the other region."""

    def __init__(self, here: Stage, made: RegionLossPlan, people: People, folder: Path) -> None:
        self._local, self._platform_url = here.local, here.platform_url
        self._plan, self._people = made, people
        self._file = folder / "environments.toml"
        self._environ = here.local.environ_in(made.region)
        self._cloud: Cloud = cloud_at(self._environ, f"{EVIDENCE_BUCKET}-{made.region}")
        self._dynamodb = self._cloud.clients("dynamodb")
        self._api_url = ""
        self.evidence = ""

    def perform(self, deed: Deed) -> str:
        """Perform one step; returns what it came to."""
        steps: Mapping[Deed, Callable[[], str]] = {
            Deed.CONFIRM: self._confirm,
            Deed.RESTORE: self._restore,
            Deed.VOID: self._void,
            Deed.SETTLE: self._settle,
            Deed.DEPLOY: self._deploy,
            Deed.REPOINT: self._repoint,
            Deed.VERIFY: self._verify,
            Deed.RECORD: self._record,
        }
        return steps[deed]()

    def _confirm(self) -> str:
        answered = [one for one in look(self._local.environ_in(self._plan.home)) if one.answer]
        if answered:
            raise RehearsalFailed(f"{self._plan.home} answers: {answered}")
        return f"{len(_ASKED)} services of {self._plan.home} were asked, and none answered"

    def _restore(self) -> str:
        for table in self._plan.tables:
            self._dynamodb.restore_table_from_backup(BackupArn=table.copy.arn, TargetTableName=table.name)
        for table in self._plan.tables:
            eventually(lambda name=table.name: _table_phase(self._dynamodb, name) == "ACTIVE", table.name)  # type: ignore[misc]
            recovery = {"PointInTimeRecoveryEnabled": True}
            self._dynamodb.update_continuous_backups(TableName=table.name, PointInTimeRecoverySpecification=recovery)
            ends = {"Enabled": True, "AttributeName": EXPIRES}
            self._dynamodb.update_time_to_live(TableName=table.name, TimeToLiveSpecification=ends)
            stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
            self._dynamodb.update_table(
                TableName=table.name, DeletionProtectionEnabled=True, StreamSpecification=stream
            )
        counts = {
            table.name: self._dynamodb.describe_table(TableName=table.name)["Table"]["ItemCount"]
            for table in self._plan.tables
        }
        return ", ".join(f"{name} has {count} items" for name, count in counts.items())

    def _void(self) -> str:
        (table,) = (table.name for table in self._plan.tables if table.copy.role is Role.TOKENS)
        raised = self._dynamodb.update_item(
            TableName=table,
            Key={"pk": {"S": "epoch"}},
            UpdateExpression="ADD epoch :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
            ReturnValues="UPDATED_NEW",
        )
        return f"the revocation epoch is {raised['Attributes']['epoch']['N']}"

    def _settle(self) -> str:
        document = environments.FILE.read_text(encoding="utf-8")
        for setting in self._plan.settings:
            document = with_value(document, setting.table, setting.key, setting.value)
        self._file.write_text(document, encoding="utf-8")
        environments.load(ENVIRONMENT, self._file)
        return f"{len(self._plan.settings)} settings are written in {self._file.name}"

    def _deploy(self) -> str:
        elsewhere = Elsewhere(self._local.endpoint_url, self._plan.region, self._environ)
        environment = environments.load(ENVIRONMENT, self._file)
        stacks.deploy(elsewhere, environment, platform_url=self._platform_url, settings=self._file)
        return f"the stacks are in {self._plan.region}"

    def _repoint(self) -> str:
        self._api_url = stack_output(self._cloud, stacks.SERVICE, "ApiUrl").rstrip("/")
        return f"clients are told {self._api_url}; the local environment has no domain that could be pointed there"

    def _verify(self) -> str:
        people = self._people
        with player(self._api_url, self._platform_url) as plays:
            tokens = must(plays.log_in(LOCAL_CLIENTS[0]), "a new login")
            newer, _ = plays.refresh(tokens)
            must_be(plays.userinfo(must(newer, "a refresh")).seen.status, HTTPStatus.OK, "userinfo")
            must(plays.log_in(people.registered), "a login of the client that had registered before the copies")
            refused, answer = plays.refresh(people.copied)
            if refused is not None or answer.json().get("error") != "invalid_grant":
                raise RehearsalFailed(f"a refresh token of before the loss: {answer.json()}")
            status = plays.userinfo(people.copied).seen.status
            must_be(status, HTTPStatus.UNAUTHORIZED, "an access token of before the loss")
            if plays.log_in(people.too_late) is not None:
                raise RehearsalFailed(
                    "a client that registered after the copies is known: what is restored is not the copies"
                )
        for table in self._plan.tables:
            self._verify_settings(table.name)
        return "new logins work, the registered client is known, refresh and access tokens of before are refused"

    def _verify_settings(self, table: str) -> None:
        ends = self._dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        backups = self._dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        phase = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        if ends.get("AttributeName") != EXPIRES or phase != "ENABLED":
            raise RehearsalFailed(f"{table}: time to live {ends}, recovery {phase}")

    def _record(self) -> str:
        taken = self._cloud.archive.keep_configuration(self._cloud.configuration("region loss"))
        self.evidence = f"{self._cloud.archive.bucket}/{taken.key}"
        return f"{taken.id}: {taken.parts} parts, in {self._cloud.archive.bucket}"


def _backup_phase(client: Any, arn: str) -> str:
    return str(client.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]["BackupStatus"])


def _table_phase(client: Any, name: str) -> str:
    return str(client.describe_table(TableName=name)["Table"]["TableStatus"])
