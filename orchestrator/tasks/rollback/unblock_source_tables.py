"""UnblockSourceTables: unblock the tables that a cutover blocked, after the aliases were reverted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from orchestrator.application.cloud import Cloud
from orchestrator.application.cutover.passes import replay_until_complete
from orchestrator.application.cutover.replays import replay_back
from orchestrator.application.restored_tables.closing import reopen
from orchestrator.domain.deployment.cutover import Cutover
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.late_writes import ReplayProgress
from orchestrator.domain.errors import Throttled
from orchestrator.tasks.runtime import TaskInput, TaskOutput, recovery_policy, task

BUDGET = timedelta(seconds=200)
"""How long one invocation replays before it ends. The function has 300 s, of which it waits 10 s for the policies."""


def unblock_source_tables(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Unblock every table that the cutover blocked, and verify that it accepts requests.

    The tables that a failback had unblocked are blocked again first. Afterwards, what clients wrote to the new tables
    until the aliases were reverted everywhere is replayed once more.

    Raises:
        PolicyNotEffective: a table still responds by its previous policy; the state machine retries.
        ResourcePolicyConflict: another writer changed a table's policy; the state machine retries.
        Throttled: new writes are left; the state machine retries, and the next attempt continues.
        LockLost: a later rollback took over the lock.
    """
    deployment = cloud.ledger.read_record(task_input.deployment)
    cutover = deployment.cutover
    assert cutover is not None, "only the rollback of a cutover enters this state"
    if cutover.unblock_requested_at is None:
        # Before the request: a later attempt must know that clients may use these tables.
        cutover = replace(cutover, unblock_requested_at=cloud.now())
        cloud.ledger.save_record(replace(deployment, cutover=cutover), task_input.fencing_token)
    reopen(cloud, cutover)
    fence = cloud.ledger.fence(task_input.fencing_token)
    for table in cutover.to_unblock:
        cloud.table_access.block(table, fence)
    requested = cutover.block_requested_at is not None
    for table in cutover.to_block:
        cloud.table_access.unblock(table, fence, cutover.block_revisions.get(table.name, ""), requested=requested)
    policy = recovery_policy(cloud)
    if requested or cutover.sync is not None:
        unblocked = cutover.to_block if requested else ()
        cloud.table_access.verify(blocked=cutover.to_unblock, unblocked=unblocked, hold=policy.block_hold)
    if requested:
        progress = replay_new_writes_back(cloud, task_input, cutover, BUDGET, in_use=True)
        if not progress.complete:
            raise Throttled(progress.description)
    cloud.announce("SourceTablesUnblocked", deployment.id, tables=[table.name for table in cutover.to_block])
    return task_input.output(replace(task_input.decision, action=Action.REVERT))


def replay_new_writes_back(
    cloud: Cloud, task_input: TaskInput, cutover: Cutover, budget: timedelta, *, in_use: bool
) -> ReplayProgress:
    """Replay onto the previous tables what the new ones accepted, as far as the time allows; record each pass.

    Args:
        cloud: the environment.
        task_input: of the rollback.
        cutover: as it was recorded last.
        budget: the time.
        in_use: whether clients use the previous tables again.

    Raises:
        PolicyNotEffective, LockLost, Throttled, Unreachable: as `unblock_source_tables`.
    """
    deployment, deadline = cloud.ledger.read_record(task_input.deployment), cloud.now() + budget
    recovery, policy = cloud.restores.read_record(cutover.recovery), recovery_policy(cloud)

    def is_over() -> bool:
        return cloud.now() >= deadline

    def replay(progress: ReplayProgress | None) -> ReplayProgress:
        known = replace(cutover, replay_back=progress or cutover.replay_back)
        return replay_back(cloud, known, recovery, policy, in_use=in_use, is_over=is_over)

    def save(progress: ReplayProgress) -> None:
        replayed = replace(deployment, cutover=replace(cutover, replay_back=progress))
        cloud.ledger.save_record(replayed, task_input.fencing_token)

    return replay_until_complete(replay, save, is_over)


handler = task(unblock_source_tables)
