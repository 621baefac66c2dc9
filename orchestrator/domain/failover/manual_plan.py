"""Regional failover: an ordered plan to move an environment to the other region. It is printed before it is executed.

The ledger, the state machines and the signing keys are lost with their region, so no step depends on them. The plan
needs the repository, the other region, and an operator with credentials for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.names import ORCHESTRATOR_STACK, SERVICE_STACK, resource_name
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.recovery.request import target_name
from orchestrator.domain.regions import refuse_region


class StepKind(StrEnum):
    """The kinds of steps, in their order."""

    CONFIRM = "CONFIRM"
    RESTORE = "RESTORE"
    INVALIDATE_TOKENS = "INVALIDATE_TOKENS"
    UPDATE_SETTINGS = "UPDATE_SETTINGS"
    DEPLOY = "DEPLOY"
    UPDATE_DNS = "UPDATE_DNS"
    VERIFY = "VERIFY"
    RECORD = "RECORD"


class Prerequisite(StrEnum):
    """What a step needs that must exist before the region is lost."""

    COPIED_BACKUPS = "copied backups"
    OWN_DOMAIN = "a domain of its own"
    REPOSITORY = "the repository"


@dataclass(frozen=True)
class RegionProbe:
    """One call to the region that is presumed lost: `response` is its response, empty if there was none."""

    service: str
    response: str


@dataclass(frozen=True)
class CrossRegionBackup:
    """A backup of a table in the other region, the time of its content, and the name of the table; empty if unknown."""

    role: Role
    arn: str
    as_of: datetime
    table: str = ""


OLDEST_COPY = timedelta(hours=26)
"""The greatest age of the newest copy of a table that is backed up every day, with time for the backup itself."""


@dataclass(frozen=True)
class FailoverInputs:
    """The inputs of a failover plan.

    Attributes:
        home: the region that is presumed lost.
        region: the other region.
        account: the account id; None if it is unknown.
        copy_region: the region to which the settings copy backups; None without copies.
        domain: domain of the API; None if clients use its API Gateway address.
        probes: calls to the home region; empty if the loss is only assumed.
        backups: backups of the tables in the other region.
        assumed: the plan is a rehearsal, and none of its steps is executed.
        oldest_copy: the greatest age of a copy of a table that is backed up.
        checklist: items whose evidence a deployment of the environment must bring.
        others: backups in the other region of the environment's tables that the settings do not name, such as the originals
            of a restore.
    """

    environment: str
    home: str
    region: str
    account: str | None
    copy_region: str | None
    domain: str | None
    probes: tuple[RegionProbe, ...]
    backups: tuple[CrossRegionBackup, ...]
    now: datetime
    assumed: bool = False
    oldest_copy: timedelta = OLDEST_COPY
    checklist: tuple[str, ...] = ()
    others: tuple[CrossRegionBackup, ...] = ()


@dataclass(frozen=True)
class PlannedRestore:
    """One table in the other region: the backup that it is restored from, and its name."""

    backup: CrossRegionBackup
    name: str


@dataclass(frozen=True)
class FailoverStep:
    """One step of the plan.

    Attributes:
        why: what it does, and on what it depends.
        needs: what must exist before the loss; empty if the other region is sufficient.
        commands: commands for an operator.
    """

    kind: StepKind
    title: str
    why: str
    needs: tuple[Prerequisite, ...]
    commands: tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """A setting in environments.toml: table, key and value."""

    table: str
    key: str
    value: str


@dataclass(frozen=True)
class FailoverPlan:
    """The steps of a failover, in order.

    Attributes:
        data_loss: age of the oldest backup: later writes are lost.
        lost: what no step recovers.
    """

    environment: str
    home: str
    region: str
    tables: tuple[PlannedRestore, ...]
    settings: tuple[Setting, ...]
    steps: tuple[FailoverStep, ...]
    data_loss: timedelta
    lost: tuple[str, ...]


EXPIRES = "delete_at"
"""The attribute by which DynamoDB expires the service's items."""

_STREAM = "--stream-specification StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES"
_POLICIES = {SERVICE_STACK: "service", ORCHESTRATOR_STACK: "orchestrator"}
"""Stacks with a stack policy, and the folder below ``infrastructure`` that has it."""

LOST = (
    "all writes after the backups: logins, tokens, revocations, registrations",
    "all earlier logins: revocations after the backups are lost too, so the epoch is raised and all users log in again",
    "the signing keys of the region: earlier access tokens do not verify, unless the keys are multi-Region keys",
    "the ledger: locks, history and evidence of the region, and the deployment in flight",
    "the region's alarm history, logs and metrics",
)


def plan_failover(inputs: FailoverInputs) -> FailoverPlan:
    """Plan the move to the other region.

    Raises:
        Refused: the region responds or was not probed, the other region is the same, or it lacks a backup of a table.
    """
    _refuse_impossible(inputs)
    tables = tuple(_planned_restore(role, inputs) for role in Role)
    settings = (
        Setting(inputs.environment, "region", inputs.region),
        Setting(inputs.environment, "lost_region", inputs.home),
        *(Setting(f"{inputs.environment}.service.tables", table.backup.role, table.name) for table in tables),
    )
    return FailoverPlan(
        environment=inputs.environment,
        home=inputs.home,
        region=inputs.region,
        tables=tables,
        settings=settings,
        steps=_steps(inputs, tables, settings),
        data_loss=inputs.now - min(table.backup.as_of for table in tables),
        lost=LOST,
    )


def _refuse_impossible(inputs: FailoverInputs) -> None:
    refuse_region("--to", inputs.region)
    if inputs.region == inputs.home:
        raise Refused("--to", inputs.region, f"name a region other than {inputs.home}")
    if not (inputs.probes or inputs.assumed):
        raise Refused("home", inputs.home, "probe it first: there was no call to it")
    responding = [probe for probe in inputs.probes if probe.response]
    if responding:
        responses = ", ".join(f"{probe.service} responded {probe.response}" for probe in responding)
        remedy = "a region that responds still takes writes: restore within it, or block its tables first"
        raise Refused("home", f"{inputs.home}: {responses}", remedy)


def _planned_restore(role: Role, inputs: FailoverInputs) -> PlannedRestore:
    """Return the restore of a table's newest backup that is not later than now."""
    backups = [backup for backup in inputs.backups if backup.role is role and backup.as_of <= inputs.now]
    if not backups:
        raise Refused(f"backups.{role}", f"none in {inputs.region}", _remedy_without_backup(role, inputs))
    if tables := competing_tables(role, backups, inputs.now, inputs.oldest_copy):
        raise Refused(f"backups.{role}", f"copies of {' and of '.join(tables)}", competing_remedy(role, inputs.region))
    # A restore's name: configuration snapshots, roles and the permissions boundary know restored tables by it.
    name = target_name(Kind.RESTORE, f"failover-{inputs.now:%Y%m%d%H%M}", role, inputs.environment)
    return PlannedRestore(max(backups, key=lambda backup: backup.as_of), name)


def _remedy_without_backup(role: Role, inputs: FailoverInputs) -> str:
    """Return what to do without a backup of the table that the settings name, with the backups of other tables."""
    newest: dict[str, datetime] = {}
    for one in inputs.others:
        if one.role is role and one.as_of <= inputs.now:
            newest[one.table] = max(one.as_of, newest.get(one.table, one.as_of))
    if not newest:
        return "copy backups there in advance (backups.copy_region); replicas are not used (docs/guides/replicas.md)"
    ordered = sorted(newest.items(), key=lambda found: (found[1], found[0]), reverse=True)
    times = ", ".join(f"{table} as of {at.isoformat(timespec='seconds')}" for table, at in ordered)
    return (
        f"the table that service.tables.{role} names has no copy there yet, but others have: {times}. Wait for the next "
        f'backup and its copy; if the region is lost now, set service.tables.{role} = "{ordered[0][0]}" in '
        f"environments.toml, deploy the stacks in {inputs.region} if they wait there, and repeat: what was written since "
        "then is lost. If a restore replaced that table because its content was wrong, a copy from after that restore's "
        "recovery point has the same content: restore an older copy by hand (docs/runbooks/region-failover-manual.md)"
    )


def competing_tables(
    role: Role, backups: Sequence[CrossRegionBackup], now: datetime, oldest: timedelta
) -> tuple[str, ...]:
    """Return the tables of a role that all have current copies, so that it is not known which was in use.

    Empty if there are no two. After a restore with cutover, the original is still backed up: its newest copy may be the
    latest of all, and has none of what clients wrote since.
    """
    current = {one.table for one in backups if one.role is role and now - oldest <= one.as_of <= now}
    return tuple(sorted(current)) if len(current) > 1 else ()


def competing_remedy(role: Role, region: str) -> str:
    """Return what to do when it is not known which table was in use."""
    return (
        f"name the table that the home region used as service.tables.{role} in environments.toml, "
        f"deploy the stacks in {region}, then repeat"
    )


def _why_settings(inputs: FailoverInputs, settings: Sequence[Setting]) -> str:
    """Return the settings, and what follows if backups were copied to the new region.

    They are not copied to the lost region instead: the stack there would block the deployment.
    """
    named = "; ".join(f'{setting.table}.{setting.key} = "{setting.value}"' for setting in settings)
    if inputs.copy_region != inputs.region:
        return named
    return f"{named}; backups are no longer copied until {inputs.environment}.backups.copy_region names a third region"


def _steps(
    inputs: FailoverInputs, tables: Sequence[PlannedRestore], settings: Sequence[Setting]
) -> tuple[FailoverStep, ...]:
    environment, region = inputs.environment, inputs.region
    stack = resource_name("stack", environment)
    domain = f"the stack points {inputs.domain} to the new API" if inputs.domain else "the API has another address"
    return (
        FailoverStep(
            StepKind.CONFIRM,
            f"{inputs.home} does not respond",
            f"{_probe_summary(inputs)}; a region that still takes writes must not be abandoned",
            (),
            (f"aws dynamodb list-tables --region {inputs.home}", f"aws lambda list-functions --region {inputs.home}"),
        ),
        FailoverStep(
            StepKind.RESTORE,
            f"restore the tables in {region}",
            "from the newest backups, with the settings that a restore drops",
            (Prerequisite.COPIED_BACKUPS,),
            tuple(command for table in tables for command in _restore_commands(table, inputs)),
        ),
        FailoverStep(
            StepKind.INVALIDATE_TOKENS,
            "invalidate all earlier tokens",
            "revocations after the backups are lost, so all earlier tokens are invalid and all users log in again",
            (),
            tuple(_epoch_command(table, region) for table in tables if table.backup.role is Role.TOKENS),
        ),
        FailoverStep(
            StepKind.UPDATE_SETTINGS,
            "update the environment's region in environments.toml",
            _why_settings(inputs, settings),
            (Prerequisite.REPOSITORY,),
            ('${EDITOR:-vi} environments.toml && git commit -m "Moved after a loss" environments.toml',),
        ),
        FailoverStep(
            StepKind.DEPLOY,
            f"deploy the stacks to {region}",
            "from the repository: functions, API, keys, alarms, an empty ledger and the state machines. New signing keys",
            (Prerequisite.REPOSITORY,),
            (
                f"npx cdk bootstrap aws://{inputs.account or '$ACCOUNT'}/{region}",
                f"npx cdk deploy --all -c environment={environment}",
                *(_policy_command(name, folder, inputs) for name, folder in _POLICIES.items()),
            ),
        ),
        FailoverStep(
            StepKind.UPDATE_DNS,
            "make clients find the new API",
            f"{domain}; without a domain of its own every client needs the new issuer",
            (Prerequisite.OWN_DOMAIN,),
            (f"aws cloudformation describe-stacks --region {region} --stack-name {stack} --query 'Stacks[0].Outputs'",),
        ),
        FailoverStep(
            StepKind.VERIFY,
            "run complete OAuth flows, with valid and with invalid tokens",
            "a complete new login; a client registered before the backup; earlier refresh and access tokens are rejected",
            (),
            (
                # The new ledger has no record of the service yet: the plan of a deployment writes one.
                f"orchestrator deploy --watch --env {environment}{_evidence(inputs.checklist)}",
                f"orchestrator verify --flows 1 --env {environment}",
                f"orchestrator status --env {environment}",
            ),
        ),
        FailoverStep(
            StepKind.RECORD,
            "record what was done",
            "the first configuration snapshot in the new region's archive; the ledger's history begins here",
            (),
            (f"orchestrator config backup --env {environment}",),
        ),
    )


def _probe_summary(inputs: FailoverInputs) -> str:
    probes = len(inputs.probes)
    return f"{probes} services were called and none responded" if probes else "assumed: no service was called"


def _evidence(checklist: Sequence[str]) -> str:
    """Return the options of a deployment's checklist. An operator sets RUN: an empty reference is refused."""
    return "".join(f" --checklist {item}=$RUN" for item in checklist)


def _policy_command(stack: str, folder: str, inputs: FailoverInputs) -> str:
    return (
        f"aws cloudformation set-stack-policy --region {inputs.region} --stack-name {stack}-{inputs.environment} "
        f"--stack-policy-body file://infrastructure/{folder}/stack_policy.json"
    )


def _restore_commands(table: PlannedRestore, inputs: FailoverInputs) -> tuple[str, ...]:
    """Restore, wait, and reapply what a restore drops: recovery, time to live, deletion protection and stream."""
    options = f"--region {inputs.region} --table-name {table.name}"
    recovery = "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
    return (
        _restore_command(table, inputs),
        # The command gives up after eight minutes, and a restore job creates its table later than it answers.
        f"until aws dynamodb wait table-exists {options}; do echo {table.name} is still restored; done",
        f"aws dynamodb update-continuous-backups {options} {recovery}",
        f"aws dynamodb update-time-to-live {options} --time-to-live-specification Enabled=true,AttributeName={EXPIRES}",
        f"aws dynamodb update-table {options} --deletion-protection-enabled {_STREAM}",
    )


def _restore_command(table: PlannedRestore, inputs: FailoverInputs) -> str:
    if table.backup.arn.split(":")[2] == "dynamodb":
        return (
            f"aws dynamodb restore-table-from-backup --region {inputs.region} "
            f"--target-table-name {table.name} --backup-arn {table.backup.arn}"
        )
    role = f"arn:aws:iam::{inputs.account or '$ACCOUNT'}:role/service-role/AWSBackupDefaultServiceRole"
    return (
        f"aws backup start-restore-job --region {inputs.region} --recovery-point-arn {table.backup.arn} "
        f"--resource-type DynamoDB --iam-role-arn {role} --idempotency-token {table.name} "
        f"--metadata targetTableName={table.name},encryptionType=Default"
    )


def _epoch_command(table: PlannedRestore, region: str) -> str:
    return (
        f'aws dynamodb update-item --region {region} --table-name {table.name} --key \'{{"pk": {{"S": "epoch"}}}}\' '
        '--update-expression \'ADD epoch :one\' --expression-attribute-values \'{":one": {"N": "1"}}\''
    )
