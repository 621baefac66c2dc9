"""Restore the tables from their copies, with the settings that a restore drops, and end all earlier logins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.data_key import refuse_unusable_key
from orchestrator.application.failover.planning import plan_tables
from orchestrator.application.failover.progress import StepDone, StepWaits, seconds_before_check
from orchestrator.aws.ledger.failovers import ReadFailover
from orchestrator.domain.errors import Refused, RestoreFailed
from orchestrator.domain.failover.record import CopiedTable, Failover
from orchestrator.domain.recovery.backups.restore_jobs import (
    RestoreJob,
    described_by_job,
    is_recovery_point,
    refuse_failed_job,
)
from orchestrator.domain.recovery.backups.settings_without_source import DefaultTableSettings, defaults_without_source
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.recovery.restored_table import (
    CLOCK_TOLERANCE,
    ENVIRONMENT_TAG,
    RESTORE_TAG,
    RestoredTable,
    foreign_origin,
)
from orchestrator.domain.recovery.table_settings import (
    refuse_other_key,
    settings_to_reapply,
    settings_until_in_use,
)
from orchestrator.domain.recovery.token_sanitization import next_epoch


def restore_tables(read: ReadFailover, cloud: Cloud) -> StepDone | StepWaits:
    """Start the restores, adopt those of earlier attempts, and apply the settings when the tables are there.

    Raises:
        Refused: a table of a target's name is not this failover's, a copy cannot be restored, the newest copy is older
            than the one that the approvers saw, or the key of the tables cannot be used or is not that of a restored table.
        RestoreFailed: AWS Backup reports that a job failed. The next execution starts another one.
    """
    defaults = msgspec.json.decode(cloud.settings["DEFAULT_TABLE_SETTINGS"], type=DefaultTableSettings)
    return restore_chosen(_choose_copies(read, cloud), cloud, defaults)


def restore_chosen(read: ReadFailover, cloud: Cloud, defaults: DefaultTableSettings) -> StepDone | StepWaits:
    """Restore the recorded copies. Errors: as `restore_tables`.

    Args:
        read: the failover.
        cloud: of the region of the restored tables.
        defaults: the settings that a restore drops.
    """
    read = _start_missing(read, cloud)
    jobs = {table.role: cloud.restore_jobs.describe(table.job) for table in read.failover.tables if table.job}
    _refuse_failed_jobs(read, jobs, cloud)
    waiting = [
        reason
        for table in read.failover.tables
        if (reason := _not_ready(read.failover, table, jobs.get(table.role), cloud))
    ]
    if waiting:
        return StepWaits(read, "; ".join(waiting), seconds_before_check(read, cloud.now()))
    remaining = {
        table.role: left for table in read.failover.tables if (left := _apply_settings(table, cloud, defaults))
    }
    if remaining:
        reason = "; ".join(f"{role}: {', '.join(left)}" for role, left in remaining.items())
        return StepWaits(read, f"applied, to be checked again: {reason}", 2)
    names = ", ".join(table.target for table in read.failover.tables)
    return StepDone(read, f"{names} as of {read.failover.copied_at:%Y-%m-%d %H:%M:%S} UTC")


def _choose_copies(read: ReadFailover, cloud: Cloud) -> ReadFailover:
    """Choose the newest copies once, when the step begins: hours of approvals may lie between the request and this.

    Recorded before the first restore starts. What an earlier version of this program began to restore stays the choice.
    """
    failover, now = read.failover, cloud.now()
    if failover.chosen_at:
        return read
    refuse_unusable_key(cloud)
    begun = any(table.job or cloud.table_restores.describe_restore(table.target) for table in failover.tables)
    newest = failover.tables if begun else plan_tables(cloud, failover.home, failover.region, now)
    return cloud.failovers.commit(read, failover.with_choice(newest, now))


def _start_missing(read: ReadFailover, cloud: Cloud) -> ReadFailover:
    """Start the restores of tables that do not exist, and record the ids of AWS Backup's jobs.

    A task may have died between the request of a job and its record; the job is then found by what it restores.
    """
    key = cloud.settings["DATA_KEY"]
    for table in read.failover.tables:
        restored = cloud.table_restores.describe_restore(table.target)
        if restored is not None:
            if is_recovery_point(table.backup_arn) and not table.job:
                since = read.failover.requested_at - CLOCK_TOLERANCE
                found = cloud.restore_jobs.find(
                    table.backup_arn, restored.arn, since
                ) or cloud.restore_jobs.find_unnamed(table.backup_arn, since)
                read = _with_job(read, table, found.id, cloud) if found else read
            continue
        cloud.failovers.check_unchanged(read)
        if not is_recovery_point(table.backup_arn):
            # False: the limit of concurrent restores is reached. The next round tries again.
            cloud.table_restores.start_restore("", table.target, table.as_of, table.backup_arn, key=key)
        elif not table.job:
            job = cloud.restore_jobs.start(table.backup_arn, table.target, cloud.settings["RESTORE_ROLE"], key=key)
            read = _with_job(read, table, job, cloud)
    return read


def _with_job(read: ReadFailover, table: CopiedTable, job: str, cloud: Cloud) -> ReadFailover:
    tables = tuple(replace(one, job=job) if one == table else one for one in read.failover.tables)
    return cloud.failovers.commit(read, replace(read.failover, tables=tables))


def _refuse_failed_jobs(read: ReadFailover, jobs: Mapping[Role, RestoreJob], cloud: Cloud) -> None:
    """Stop if a job failed. Recorded before: its table gets another target, so that the next execution restores it.

    Raises:
        RestoreFailed: a job failed.
    """
    failed = [table for table in read.failover.tables if table.role in jobs and jobs[table.role].has_failed]
    if not failed:
        return
    environment = read.failover.environment
    tables = tuple(one.with_next_target(environment) if one in failed else one for one in read.failover.tables)
    cloud.failovers.commit(read, replace(read.failover, tables=tables))
    for table in failed:
        refuse_failed_job(table.target, jobs[table.role])


def _not_ready(failover: Failover, table: CopiedTable, job: RestoreJob | None, cloud: Cloud) -> str:
    """Return why a restored table is not ready; empty if it is."""
    restored = cloud.table_restores.describe_restore(table.target)
    if restored is None:
        return f"{table.target} does not exist yet"
    if job is not None and job.in_progress:
        # It may not name its table yet.
        return f"{table.target} is being restored"
    _refuse_foreign(failover, table, described_by_job(restored, job))
    return "" if restored.readable else f"{table.target} is being restored"


def _refuse_foreign(failover: Failover, table: CopiedTable, restored: RestoredTable) -> None:
    """Stop before a table is changed that this failover did not create. Its name proves nothing.

    Raises:
        Refused: it was not created by this failover.
    """
    if foreign_origin(restored, failover.id, failover.requested_at, backup_arn=table.backup_arn):
        remedy = "it is left as it is, because this failover did not create it; start another failover"
        raise Refused("target", table.target, remedy)


def _apply_settings(table: CopiedTable, cloud: Cloud, defaults: DefaultTableSettings) -> tuple[str, ...]:
    """Apply the stack's settings that differ; return their names."""
    current = cloud.table_settings.read_settings(table.target)
    refuse_other_key(table.target, current.encryption, cloud.settings["DATA_KEY"])
    wanted = defaults_without_source(current, defaults)
    names = settings_to_reapply(wanted, current)
    for name in names:
        cloud.table_settings.apply(name, table.target, settings_until_in_use(wanted), current)
    return names


def tag_tables(failover: Failover, cloud: Cloud) -> None:
    """Tag the restored tables, so that `orchestrator restore list` and the permissions know them."""
    tags = {RESTORE_TAG: failover.id, ENVIRONMENT_TAG: failover.environment}
    for table in failover.tables:
        restored = cloud.table_restores.describe_restore(table.target)
        if restored is not None:
            cloud.table_restores.tag_table(restored.arn, tags)


def invalidate_tokens(read: ReadFailover, cloud: Cloud) -> StepDone:
    """Raise the epoch of the restored tokens: revocations since the copy are lost, so all earlier logins end.

    The epoch is recorded before it is written, so that a repetition raises it to the same.
    """
    tag_tables(read.failover, cloud)
    (table,) = (table.target for table in read.failover.tables if table.role is Role.TOKENS)
    tokens = cloud.restored_tokens(table, table, cloud.settings["REVOCATIONS_TABLE"])
    if not read.failover.token_epoch:
        epoch = next_epoch(tokens.read_known_epochs().in_force)
        read = cloud.failovers.commit(read, replace(read.failover, token_epoch=epoch))
    tokens.raise_epoch(read.failover.token_epoch)
    if tokens.read_epoch() < read.failover.token_epoch:
        raise RestoreFailed(f"{table} does not read back the epoch {read.failover.token_epoch}")
    return StepDone(read, f"the revocation epoch is {read.failover.token_epoch}: all users log in again")
