"""SyncTables: synchronize the original tables with the tables in use, before a failback closes these to writes.

The state repeats, by turns with CatchUp, until both sides are equal but for what clients wrote a moment ago. From here
until the aliases move, the original tables are unblocked, and no client and no other task uses them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.aws.dynamodb.table_reader import Hashing
from orchestrator.aws.dynamodb.table_sync import TableSync
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.late_writes import ReplayProgress
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.deployment.table_sync import SyncProgress, first_progress, look_again, next_progress
from orchestrator.domain.errors import TablesOutOfSync
from orchestrator.domain.recovery.lost_writes.replay import MOST_PASSES
from orchestrator.domain.recovery.read_pace import failback_share_percent
from orchestrator.domain.recovery.record import Recovery
from orchestrator.tasks.runtime import TaskInput, TaskOutput, append_decision, make_decision, recovery_policy, task

BUDGET = timedelta(seconds=20)
"""How long one invocation works before it records its progress. The function has 60 s. A read that the table throttles
may take 30 of them (`orchestrator.aws.dynamodb.read_pace`)."""


def sync_tables(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Continue the table sync, until its stream has to be replayed or the budget is over.

    Clients read and write the tables in use meanwhile. CatchUp replays what they write, and ends logins whose revocation
    only the log has.

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
    if not progress.in_sync:
        progress = _continue(
            progress, cutover.replay, _table_syncs(recovery, cloud), lambda: cloud.now() >= deadline, cloud
        )
    synced = replace(deployment, cutover=replace(cutover, sync=progress))
    # At once: a retry of this entry of the state returns the first attempt's decision, and would count nothing.
    cloud.ledger.save_record(synced, task_input.fencing_token)
    if progress.in_sync:
        cloud.announce("TablesSynced", deployment.id, tables=[table.name for table in cutover.to_unblock])
    # The stream is replayed before the comparison, between its parts, and after it.
    writes = not progress.compares
    decision = make_decision(Action.SYNC_TABLES if writes else Action.REPLAY, progress.description, int(writes))
    return append_decision(task_input, cloud, synced, decision)


def _continue(
    progress: SyncProgress,
    replay: ReplayProgress | None,
    syncs: Mapping[str, TableSync],
    is_over: Callable[[], bool],
    cloud: Cloud,
) -> SyncProgress:
    """Read the suspects again if the stream was replayed since, and then work on the remaining segments."""
    if progress.suspects:
        if replay is None or replay.behind:
            if replay is not None and replay.passes >= MOST_PASSES:
                raise TablesOutOfSync("clients write faster than their writes are replayed; try again later")
            return progress
        looks = {role: syncs[role].look_again(found) for role, found in progress.suspects.items()}
        progress = look_again(progress, looks, cloud.now())
    compares = progress.compares
    while progress.left and progress.compares is compares and not is_over():
        progress = _run_segments(progress, syncs, is_over)
        if progress.suspects:
            break
    return progress


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


def _run_segments(progress: SyncProgress, syncs: Mapping[str, TableSync], is_over: Callable[[], bool]) -> SyncProgress:
    """Work on the remaining segments in parallel until the budget is over; return the progress."""
    runs = for_each(
        progress.left, lambda segment: (segment, *syncs[segment.role].run_segment(segment, progress.as_of, is_over))
    )
    remaining = [after for *_, after in runs if after]
    return next_progress(progress, [(segment, counts, suspects) for segment, counts, suspects, _ in runs], remaining)


handler = task(sync_tables)
