"""AwaitExport: request the exports that show what the original tables held at the recovery point, and wait for them."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud
from orchestrator.aws.dynamodb.exports import FAILED, Export
from orchestrator.domain.errors import ExportFailed
from orchestrator.domain.recovery.policy import seconds_before_poll
from orchestrator.domain.recovery.record import Recovery, RecoveryAction, TableRecovery
from orchestrator.domain.recovery.restored_table import refuse_expired
from orchestrator.domain.table_comparison.between_exports import times_around
from orchestrator.tasks.runtime import (
    RecoveryTaskInput,
    RecoveryTaskOutput,
    recovery_policy,
    recovery_task,
    save_and_continue,
)


def await_export(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Request the exports that were not requested yet, and check the status of all.

    Raises:
        ExportFailed: an export failed.
        RestoreFailed: an export is not complete when the recovery expires.
        LockLost: another execution holds the lock.
    """
    policy = recovery_policy(cloud)
    recovery = start_exports(task_input, cloud, task_input.ledger(cloud).read_record(task_input.recovery))
    exported = [
        replace(table, exported_at=cloud.now())
        for table in recovery.tables
        if table.export_arn and not table.exported_at and _all_complete(table, cloud)
    ]
    recovery = recovery.with_tables(exported)
    pending = [table.source for table in recovery.tables if table.export_arn and not table.exported_at]
    if not pending:
        return save_and_continue(task_input, cloud, recovery, "all exports are complete")
    refuse_expired(recovery, cloud.now())
    reason, wait_seconds = f"not exported: {', '.join(pending)}", seconds_before_poll(policy, task_input.attempt)
    return save_and_continue(task_input, cloud, recovery, reason, RecoveryAction.WAIT, wait_seconds)


def start_exports(task_input: RecoveryTaskInput, cloud: Cloud, recovery: Recovery) -> Recovery:
    """Request every export that the recovery needs; return the recovery with their ARNs.

    A second request finds the export that an earlier attempt started.

    Raises:
        LockLost: another execution holds the lock.
    """
    ledger = task_input.ledger(cloud)
    for table in recovery.tables:
        if table.by_export and not table.export_arn:
            ledger.check_lock(task_input.fencing_token)
            started = recovery.with_tables([_start_exports_of(table, recovery, cloud)])
            recovery = ledger.save_record(started, task_input.fencing_token)
    return recovery


def _start_exports_of(table: TableRecovery, recovery: Recovery, cloud: Cloud) -> TableRecovery:
    """Request the export of a table at the recovery point, or those from before and after its backup."""
    if table.backup_at is None:
        arn = cloud.exports.start_export(table.source_arn, recovery.point, recovery.id, table.role)
        return replace(table, export_arn=arn)
    earlier, later = times_around(table.backup_at, table.uncertainty)
    return replace(
        table,
        export_arn=cloud.exports.start_export(table.source_arn, earlier, recovery.id, table.role),
        later_export_arn=cloud.exports.start_export(table.source_arn, later, recovery.id, f"{table.role}-later"),
    )


def _all_complete(table: TableRecovery, cloud: Cloud) -> bool:
    arns = [arn for arn in (table.export_arn, table.later_export_arn) if arn]
    return all(_is_complete(cloud.exports.describe_export(arn)) for arn in arns)


def _is_complete(export: Export) -> bool:
    if export.phase == FAILED:
        raise ExportFailed(f"{export.arn} failed: {export.failure or 'DynamoDB gives no reason'}")
    return export.complete


handler = recovery_task(await_export)
