"""StartRestore: request the restores of the tables, a limited number at once, and adopt those of earlier attempts."""

from __future__ import annotations

from dataclasses import replace

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, logger
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Throttled, Unreachable
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
        if _start_or_adopt(recovery, table, cloud):
            started = started.with_tables([replace(table, started_at=cloud.now())])
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


def _start_or_adopt(recovery: Recovery, table: TableRecovery, cloud: Cloud) -> bool:
    """Start the restore of a table, or find it started; False if DynamoDB accepts no further restore now.

    Raises:
        Refused: a table of the target's name is not this recovery's.
    """
    restored = cloud.table_restores.describe_restore(table.target)
    if restored is None:
        point = requested_point(recovery)
        return cloud.table_restores.start_restore(table.source, table.target, point, table.backup_arn)
    refuse_foreign(recovery, table, restored)
    return True


handler = recovery_task(start_restore)
