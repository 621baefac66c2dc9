"""CompareSettings: compare every setting of the restored tables with their sources. Each setting is a check result.

So is every kind of consumer and alarm that depends on the sources, which are not moved.
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.application.recovery_planning import wanted_settings
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.recovery.attachments import attachment_check_results, unread_attachments
from orchestrator.domain.recovery.record import CheckResult, Recovery, TableRecovery
from orchestrator.domain.recovery.restore import sibling_table_arn
from orchestrator.domain.recovery.table_settings import setting_check_results
from orchestrator.domain.verdict import Outcome
from orchestrator.tasks.runtime import RecoveryTaskInput, RecoveryTaskOutput, recovery_task, save_and_continue


def compare_settings(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Compare the settings of all tables.

    Raises:
        LockLost: another execution holds the lock.
    """
    recovery = task_input.ledger(cloud).read_record(task_input.recovery)
    # The original tables of a failback exist with their capacity; restored tables get theirs last, or never.
    with_capacity = bool(recovery.failback_of)
    by_table = for_each(recovery.tables, lambda table: _compare_table(table, cloud, with_capacity=with_capacity))
    results = [result for table_results in by_table for result in table_results]
    results += _compare_attachments(recovery, cloud)
    different = [result.check for result in results if result.verdict.outcome is not Outcome.PASS]
    reason = f"{len(results)} settings and attachments compared; different: {', '.join(different) or 'none'}"
    compared = recovery.with_check_results(*results)
    return save_and_continue(task_input, cloud, compared, reason, recovery.proceed_action)


def _compare_attachments(recovery: Recovery, cloud: Cloud) -> list[CheckResult]:
    """Compare what depends on the tables. A restore goes on without it: its tables serve clients all the same."""
    tables = [
        pair
        for table in recovery.tables
        for pair in (
            (table.source, table.source_arn),
            (table.target, sibling_table_arn(table.source_arn, table.target)),
        )
    ]
    try:
        read = cloud.table_attachments.read_attachments(tables)
    except (ClientError, Throttled, Unreachable) as error:
        if recovery.kind is Kind.DRILL:
            raise
        return [unread_attachments(table.role, str(error)) for table in recovery.tables]
    pairs = zip(recovery.tables, read[::2], read[1::2], strict=True)
    return [
        result
        for table, source, restored in pairs
        for result in attachment_check_results(table.role, recovery.environment, source, restored)
    ]


def _compare_table(table: TableRecovery, cloud: Cloud, *, with_capacity: bool) -> tuple[CheckResult, ...]:
    wanted, restored = wanted_settings(table, cloud), cloud.table_settings.read_settings(table.target)
    return setting_check_results(table.role, wanted, restored, with_capacity=with_capacity)


handler = recovery_task(compare_settings)
