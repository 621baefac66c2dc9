"""StartRestore: request the restores of the tables, a limited number at once, and adopt those of earlier attempts."""

from __future__ import annotations

from dataclasses import replace

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, logger
from orchestrator.application.restored_tables.copies import copy_here
from orchestrator.application.restored_tables.restore_jobs import describe_restored, start_restore_job
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.recovery.backups.kinds import BY_RESTORE_JOB, BackupKind
from orchestrator.domain.recovery.plan import requested_point, startable_tables
from orchestrator.domain.recovery.record import Recovery, TableRecovery
from orchestrator.domain.recovery.restored_table import refuse_foreign
from orchestrator.tasks.recovery.await_export import start_exports
from orchestrator.tasks.runtime import (
    RecoveryTaskInput,
    RecoveryTaskOutput,
    recovery_policy,
    recovery_task,
    save_and_continue,
)


def start_restore(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Request the restores that may start now.

    Raises:
        Refused: a source cannot be restored to the recovery point, or another table has the target's name.
        LockLost: another execution holds the lock.
    """
    ledger, policy = task_input.ledger(cloud), recovery_policy(cloud)
    recovery = ledger.read_record(task_input.recovery)
    started = recovery
    for table in startable_tables(recovery, policy.restores_at_once):
        # Right before each request: after a takeover, the cleanup job relies on this execution starting nothing more.
        ledger.check_lock(task_input.fencing_token)
        if requested := _start_or_adopt(recovery, table, cloud):
            started = started.with_tables([requested])
            ledger.save_record(started, task_input.fencing_token)
    started = _start_exports(task_input, cloud, started)
    count = sum(1 for table in started.tables if table.started_at)
    reason = f"{count} of {len(started.tables)} restores are requested"
    return save_and_continue(task_input, cloud, started, reason)


def _start_exports(task_input: RecoveryTaskInput, cloud: Cloud, recovery: Recovery) -> Recovery:
    """Request the exports that the comparison needs. They run while the tables are restored.

    A restore goes on without an export: its comparison is then inconclusive.
    """
    if task_input.kind is Kind.DRILL:
        return start_exports(task_input, cloud, recovery)
    try:
        return start_exports(task_input, cloud, recovery)
    except (ClientError, Throttled, Unreachable) as error:
        logger.warning("export was not started", extra={"recovery": recovery.id, "error": str(error)})
        return task_input.ledger(cloud).read_record(recovery.id)


def _start_or_adopt(recovery: Recovery, table: TableRecovery, cloud: Cloud) -> TableRecovery | None:
    """Start the restore of a table, or find it started; None if DynamoDB accepts no further restore now.

    A copy of another region is copied to this one before.

    Raises:
        Refused: a table of the target's name is not this recovery's.
    """
    if recovery.backup_kind is BackupKind.COPY and not table.copied_arn:
        table = copy_here(cloud, table)
        if not table.copied_arn:
            return table
    restored = describe_restored(cloud, recovery, table)
    if restored is not None:
        refuse_foreign(recovery, table, restored)
    if recovery.backup_kind in BY_RESTORE_JOB:
        # A repeated request returns the job of the first one.
        return replace(table, restore_job=start_restore_job(cloud, table), started_at=cloud.now())
    point = requested_point(recovery)
    if restored is None and not cloud.table_restores.start_restore(table.source, table.target, point, table.backup_arn):
        return None
    return replace(table, started_at=cloud.now())


handler = recovery_task(start_restore)
