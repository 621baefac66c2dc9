"""AwaitRestore: check whether the restored tables are ready.

A table that is ACTIVE while its restore is in progress is not ready: it holds only some of its items.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud
from orchestrator.application.restored_tables.restore_jobs import describe_restored, job_in_progress
from orchestrator.domain.recovery.policy import seconds_before_poll
from orchestrator.domain.recovery.record import Recovery, RecoveryAction, TableRecovery
from orchestrator.domain.recovery.restored_table import (
    judge_restored,
    next_restore_action,
    refuse_expired,
    refuse_foreign,
    refuse_missing_table,
    tags_of,
)
from orchestrator.tasks.runtime import (
    RecoveryTaskInput,
    RecoveryTaskOutput,
    recovery_policy,
    recovery_task,
    save_and_continue,
)

READ_AGAIN_SECONDS = 2.0
"""The pause before a table that is not there is described once more."""


def await_restore(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Check every table whose restore was requested and that was not ready before; tag it as soon as it can be tagged.

    Raises:
        RestoreFailed: a restored table no longer exists, or is not ready when the recovery expires.
        Refused: a table of a target's name is not this recovery's: it was created right before the restore was requested.
        LockLost: another execution holds the lock.
    """
    policy = recovery_policy(cloud)
    recovery = task_input.ledger(cloud).read_record(task_input.recovery)
    for table in recovery.tables:
        if table.started_at and not table.ready_at:
            recovery = _check_table(recovery, table, cloud)
    action, reason = next_restore_action(recovery, policy.restores_at_once)
    if action is RecoveryAction.PROCEED:
        output = save_and_continue(task_input, cloud, recovery, reason)
        targets = [table.target for table in recovery.tables]
        cloud.announce_recovery("TablesRestored", task_input.kind, recovery.id, copies=targets)
        return output
    refuse_expired(recovery, cloud.now())
    wait_seconds = seconds_before_poll(policy, task_input.attempt)
    return save_and_continue(task_input, cloud, recovery, reason, action, wait_seconds)


def _check_table(recovery: Recovery, table: TableRecovery, cloud: Cloud) -> Recovery:
    """Return the recovery, with the table's check result if the table is ready and tagged."""
    if job_in_progress(cloud, table):
        return recovery
    described = describe_restored(cloud, recovery, table)
    if described is None:
        # DescribeTable is eventually consistent: right after the restore was requested it may not see the table.
        cloud.sleep(READ_AGAIN_SECONDS)
        described = describe_restored(cloud, recovery, table)
    restored = refuse_missing_table(table, described)
    refuse_foreign(recovery, table, restored)
    tagged = cloud.table_restores.tag_table(restored.arn, tags_of(recovery))
    if not (restored.readable and tagged):
        return recovery
    ready = recovery.with_tables([replace(table, ready_at=cloud.now())])
    return ready.with_check_results(judge_restored(recovery, table, restored))


handler = recovery_task(await_restore)
