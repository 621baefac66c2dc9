"""What is done when a region is lost: an ordered plan, from what the other region has. Printed first, performed second.

The ledger, the state machines and the signing keys are gone with their region, so nothing of the plan runs on them: it starts from
the repository, the other region and whoever has credentials for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery import Role


class Deed(StrEnum):
    """One kind of step, in the order in which they are done."""

    CONFIRM = "CONFIRM"
    RESTORE = "RESTORE"
    VOID = "VOID"
    SETTLE = "SETTLE"
    DEPLOY = "DEPLOY"
    REPOINT = "REPOINT"
    VERIFY = "VERIFY"
    RECORD = "RECORD"


class Need(StrEnum):
    """What a step needs that has to be there before the region is lost."""

    COPIED_BACKUPS = "copied backups"
    GLOBAL_TABLES = "global tables"
    OWN_DOMAIN = "a domain of its own"
    REPOSITORY = "the repository"
    MULTI_REGION_KEYS = "multi-Region keys"


@dataclass(frozen=True)
class Looked:
    """One call to the region that is said to be lost: `answer` is what it answered, empty where it did not."""

    service: str
    answer: str


@dataclass(frozen=True)
class Copy:
    """A backup of one of the tables that the other region has, and the moment whose content it has."""

    role: Role
    arn: str
    as_of: datetime


@dataclass(frozen=True)
class Facts:
    """What is known before anything is done.

    Attributes:
        home: the region that is said to be lost.
        region: the other one.
        account: None where nobody could be asked.
        copies_to: where backups are copied to, as the settings have it; None without copies.
        domain: of the API; None where clients know its address of API Gateway.
        looked: what it answered; nothing where the loss is only assumed.
        copies: what the other region has of the tables.
        assumed: a plan for the case that it is lost, of which nothing is done.
    """

    environment: str
    home: str
    region: str
    account: str | None
    copies_to: str | None
    domain: str | None
    looked: tuple[Looked, ...]
    copies: tuple[Copy, ...]
    now: datetime
    assumed: bool = False


@dataclass(frozen=True)
class Restored:
    """One table in the other region: the copy that it comes from, and its name there."""

    copy: Copy
    name: str


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        why: what it does, and what it rests on.
        needs: what must have been there before; nothing where the other region is enough.
        commands: what a person runs in an account.
    """

    deed: Deed
    title: str
    why: str
    needs: tuple[Need, ...]
    commands: tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """A text that the settings file gets: table, key and value."""

    table: str
    key: str
    value: str


@dataclass(frozen=True)
class RegionLossPlan:
    """What is done, in order.

    Attributes:
        data_loss: the age of the oldest copy: what was written since is lost.
        lost: what no step brings back.
    """

    environment: str
    home: str
    region: str
    tables: tuple[Restored, ...]
    settings: tuple[Setting, ...]
    steps: tuple[Step, ...]
    data_loss: timedelta
    lost: tuple[str, ...]


EXPIRES = "delete_at"
"""The attribute by which DynamoDB deletes the service's items."""

_STREAM = "--stream-specification StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES"
_POLICY = "--stack-policy-body file://service/stack_policy.json"

LOST = (
    "what was written after the copies were made: logins, tokens, revocations, registrations",
    "every login of before: the revocations after the copies are gone too, so the epoch is raised and all log in again",
    "the signing keys of the region: access tokens of before do not verify, unless the keys are multi-Region keys",
    "the ledger: claims, history and evidence of the region, and whatever was being deployed",
    "alarms' history, logs and metrics of the region",
)


def plan(facts: Facts) -> RegionLossPlan:
    """Plan the move to the other region.

    Raises:
        Refused: the region answers, nobody looked, the other region is the same, or it has no copy of a table.
    """
    _check(facts)
    tables = tuple(_restored(role, facts) for role in Role)
    settings = (
        Setting(facts.environment, "region", facts.region),
        Setting(facts.environment, "lost_region", facts.home),
        *_copies_from_there(facts),
        *(Setting(f"{facts.environment}.service.tables", table.copy.role, table.name) for table in tables),
    )
    return RegionLossPlan(
        environment=facts.environment,
        home=facts.home,
        region=facts.region,
        tables=tables,
        settings=settings,
        steps=_steps(facts, tables, settings),
        data_loss=facts.now - min(table.copy.as_of for table in tables),
        lost=LOST,
    )


def _check(facts: Facts) -> None:
    if facts.region == facts.home:
        raise Refused("--to", facts.region, f"name a region other than {facts.home}")
    if not (facts.looked or facts.assumed):
        raise Refused("home", facts.home, "look at it first: nobody has asked it anything")
    answered = [one for one in facts.looked if one.answer]
    if answered:
        told = ", ".join(f"{one.service} answered {one.answer}" for one in answered)
        remedy = "a region that answers still takes writes: restore within it, or close it first"
        raise Refused("home", f"{facts.home}: {told}", remedy)


def _restored(role: Role, facts: Facts) -> Restored:
    """Take the newest copy of a table that is not of later than now."""
    copies = [copy for copy in facts.copies if copy.role is role and copy.as_of <= facts.now]
    if not copies:
        remedy = "copy its backups there while there is time (backups.copy_region), or make it a global table (stores.replicas)"
        raise Refused(f"copies.{role}", f"none in {facts.region}", remedy)
    name = f"ib-oauth-{role}-{facts.environment}-{facts.now:%Y%m%d%H%M}"
    return Restored(max(copies, key=lambda copy: copy.as_of), name)


def _copies_from_there(facts: Facts) -> tuple[Setting, ...]:
    """Backups that were copied to where the environment is now are copied to where it was, once that is back."""
    if facts.copies_to != facts.region:
        return ()
    return (Setting(f"{facts.environment}.backups", "copy_region", facts.home),)


def _steps(facts: Facts, tables: Sequence[Restored], settings: Sequence[Setting]) -> tuple[Step, ...]:
    environment, region = facts.environment, facts.region
    stack = f"ib-oauth-stack-{environment}"
    domain = (
        f"the stack points {facts.domain} at the new API" if facts.domain else "the address of the API is another one"
    )
    return (
        Step(
            Deed.CONFIRM,
            f"{facts.home} does not answer",
            f"{_told(facts)}; a region that takes writes must not be left behind",
            (),
            (f"aws dynamodb list-tables --region {facts.home}", f"aws lambda list-functions --region {facts.home}"),
        ),
        Step(
            Deed.RESTORE,
            f"the tables are restored in {region}",
            "from the newest copies, with the settings that a restore drops",
            (Need.COPIED_BACKUPS,),
            tuple(command for table in tables for command in _restore_commands(table, facts)),
        ),
        Step(
            Deed.VOID,
            "whatever was issued before is void",
            "revocations of after the copies are lost, so nothing of before counts: everybody logs in again. With global tables "
            "the revocations are there, up to the last second, and this could be left out",
            (),
            tuple(_void_command(table, region) for table in tables if table.copy.role is Role.TOKENS),
        ),
        Step(
            Deed.SETTLE,
            "environments.toml says where the environment is now",
            "; ".join(f'{setting.table}.{setting.key} = "{setting.value}"' for setting in settings),
            (Need.REPOSITORY,),
            ('${EDITOR:-vi} environments.toml && git commit -m "Moved after a loss" environments.toml',),
        ),
        Step(
            Deed.DEPLOY,
            f"the stacks are deployed to {region}",
            "from the repository: functions, API, keys, alarms, an empty ledger and the machines. New signing keys",
            (Need.REPOSITORY,),
            (
                f"cdk bootstrap aws://{facts.account or '$ACCOUNT'}/{region}",
                f"cdk deploy --all -c environment={environment}",
                f"aws cloudformation set-stack-policy --region {region} --stack-name {stack} {_POLICY}",
            ),
        ),
        Step(
            Deed.REPOINT,
            "clients find it",
            f"{domain}; without a domain of its own every client has to be told the new issuer",
            (Need.OWN_DOMAIN,),
            (f"aws cloudformation describe-stacks --region {region} --stack-name {stack} --query 'Stacks[0].Outputs'",),
        ),
        Step(
            Deed.VERIFY,
            "whole OAuth flows, and what must be dead is dead",
            "a new login to its end; a client that had registered before the copy; refused: refresh and access tokens of before",
            (),
            (f"orchestrator verify --env {environment}", f"orchestrator status --env {environment}"),
        ),
        Step(
            Deed.RECORD,
            "what was done is kept",
            "the first bundle of the new region's archive; the ledger's history begins here",
            (),
            (f"orchestrator config backup --env {environment}",),
        ),
    )


def _told(facts: Facts) -> str:
    return f"{len(facts.looked)} services were asked and none answered" if facts.looked else "assumed: nobody was asked"


def _restore_commands(table: Restored, facts: Facts) -> tuple[str, ...]:
    """Restore, wait, and put right what a restore drops: recovery, time to live, deletion protection and stream."""
    at = f"--region {facts.region} --table-name {table.name}"
    return (
        _restore_command(table, facts),
        f"aws dynamodb wait table-exists {at}",
        f"aws dynamodb update-continuous-backups {at} --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
        f"aws dynamodb update-time-to-live {at} --time-to-live-specification Enabled=true,AttributeName={EXPIRES}",
        f"aws dynamodb update-table {at} --deletion-protection-enabled {_STREAM}",
    )


def _restore_command(table: Restored, facts: Facts) -> str:
    if table.copy.arn.split(":")[2] == "dynamodb":
        return (
            f"aws dynamodb restore-table-from-backup --region {facts.region} "
            f"--target-table-name {table.name} --backup-arn {table.copy.arn}"
        )
    role = f"arn:aws:iam::{facts.account or '$ACCOUNT'}:role/service-role/AWSBackupDefaultServiceRole"
    return (
        f"aws backup start-restore-job --region {facts.region} --recovery-point-arn {table.copy.arn} "
        f"--iam-role-arn {role} --metadata targetTableName={table.name}"
    )


def _void_command(table: Restored, region: str) -> str:
    return (
        f'aws dynamodb update-item --region {region} --table-name {table.name} --key \'{{"pk": {{"S": "epoch"}}}}\' '
        '--update-expression \'ADD epoch :one\' --expression-attribute-values \'{":one": {"N": "1"}}\''
    )
