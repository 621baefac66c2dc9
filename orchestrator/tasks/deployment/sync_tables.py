"""SyncTables: synchronize the original tables with the tables in use, before a failback moves an alias.

The tables in use accept no writes. The state repeats until both sides are equal. From here until the aliases move, the
original tables are unblocked, and no client and no other task uses them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.aws.dynamodb.table_reader import Hashing
from orchestrator.aws.dynamodb.table_sync import TableSync
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.deployment.table_sync import SyncProgress, first_progress, next_progress
from orchestrator.domain.recovery.read_pace import failback_share_percent
from orchestrator.domain.recovery.record import Recovery
from orchestrator.tasks.runtime import TaskInput, TaskOutput, append_decision, make_decision, recovery_policy, task

BUDGET = timedelta(seconds=20)
"""How long one invocation works before it records its progress. The function has 60 s. A read that the table throttles
may take 30 of them (`orchestrator.aws.dynamodb.read_pace`)."""


def sync_tables(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Continue the table sync.

    The tables in use deny writes, and nothing else: clients read them until the aliases have moved. The next state,
    ReplayLateWrites, ends logins whose revocation only the log has.

    Raises:
        TablesOutOfSync: the tables still differ after several rounds: another writer changes them.
        PolicyNotEffective: a table's access does not follow its policy yet; the state machine retries.
        ResourcePolicyConflict: another writer changed a table's policy; the state machine retries.
        DynamoDBError: a table denies this task, as it may just after it was unblocked; the state machine retries.
        LockLost: another execution holds the lock.
    """
    deployment = cloud.ledger.read_record(task_input.deployment)
    cutover = deployment.cutover
    assert cutover is not None, "only a failback's deployment enters this state"
    recovery = cloud.restores.read_record(cutover.recovery)
    if cutover.sync is None:
        return _unblock_original_tables(task_input, cloud, deployment, recovery)
    deadline, progress = cloud.now() + BUDGET, cutover.sync
    syncs = _table_syncs(recovery, cloud)
    while not progress.in_sync and cloud.now() < deadline:
        progress = _run_segments(progress, syncs, lambda: cloud.now() >= deadline, cloud)
    synced = replace(deployment, cutover=replace(cutover, sync=progress))
    # At once: a retry of this entry of the state returns the first attempt's decision, and would count nothing.
    cloud.ledger.save_record(synced, task_input.fencing_token)
    if not progress.in_sync:
        decision = make_decision(Action.SYNC_TABLES, progress.description, 1)
        return append_decision(task_input, cloud, synced, decision)
    cloud.announce("TablesSynced", deployment.id, tables=[table.name for table in cutover.to_unblock])
    return append_decision(task_input, cloud, synced, make_decision(Action.REPLAY, progress.description))


def _unblock_original_tables(
    task_input: TaskInput, cloud: Cloud, deployment: Deployment, recovery: Recovery
) -> TaskOutput:
    """Unblock the original tables, and verify that they accept writes everywhere. The table sync begins after that."""
    assert deployment.cutover is not None, "only a failback's deployment enters this state"
    tables = deployment.cutover.to_unblock
    for table in tables:
        cloud.table_access.unblock(table, cloud.ledger.fence(task_input.fencing_token))
    cloud.table_access.verify(blocked=(), unblocked=tables, hold=recovery_policy(cloud).block_hold)
    progress = first_progress({table.role: table.items for table in recovery.tables}, cloud.now())
    unblocked = replace(deployment, cutover=replace(deployment.cutover, sync=progress))
    decision = make_decision(Action.SYNC_TABLES, f"{', '.join(table.name for table in tables)} accept requests", 1)
    return append_decision(task_input, cloud, unblocked, decision)


def _table_syncs(recovery: Recovery, cloud: Cloud) -> dict[str, TableSync]:
    """Return the sync of each table by role; the hash key is the one of the recovery's comparison.

    All segments of a table share its pace.
    """
    key = cloud.segment_digests.start_comparison(recovery, {table.role: 0 for table in recovery.tables}).key_bytes
    descriptions = {table.role: cloud.table_reader.describe(table.source) for table in recovery.tables}
    share = failback_share_percent(recovery_policy(cloud).read_share_percent)
    return {
        table.role: cloud.table_sync(
            table.source,
            table.target,
            Hashing(key, descriptions[table.role].names, descriptions[table.role].ttl_attribute),
            pace=cloud.read_pace(descriptions[table.role].read_units, share),
        )
        for table in recovery.tables
    }


def _run_segments(
    progress: SyncProgress, syncs: dict[str, TableSync], is_over: Callable[[], bool], cloud: Cloud
) -> SyncProgress:
    """Work on the remaining segments in parallel until the budget is over; return the progress."""
    runs = for_each(
        progress.left, lambda segment: (segment, *syncs[segment.role].run_segment(segment, progress.as_of, is_over))
    )
    remaining = [after for *_, after in runs if after]
    return next_progress(
        progress, [(segment, counts, digest) for segment, counts, digest, _ in runs], remaining, cloud.now()
    )


handler = task(sync_tables)
