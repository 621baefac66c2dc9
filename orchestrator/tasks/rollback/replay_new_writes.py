"""ReplayNewWrites: after a cutover's aliases were reverted, the previous tables get what clients wrote to the new ones.

It happens before clients can use the previous tables again. A client that presented a rotated refresh token to a table
without that rotation would lose its login, because the service takes it for a reuse of an old token. Clients get 503
meanwhile, so it ends after some time, and UnblockSourceTables continues where it ended.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from orchestrator.application.cloud import Cloud
from orchestrator.application.restored_tables.closing import reopen
from orchestrator.domain.deployment.cutover import BLOCKED_ACTIONS
from orchestrator.tasks.rollback.unblock_source_tables import replay_new_writes_back
from orchestrator.tasks.runtime import TaskInput, TaskOutput, task

BUDGET = timedelta(seconds=100)
"""How long clients wait for the replay at most. The function has 180 s."""


def replay_new_writes(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Let only this task's role through the access block of the previous tables, and replay the writes.

    An error must not keep clients from the previous tables: the state machine goes on to unblock them.

    Raises:
        PolicyNotEffective: a previous table still denies access to this task.
        ResourcePolicyConflict: another writer changed a table's policy.
        LockLost: a later rollback took over the lock.
    """
    deployment = cloud.ledger.read_record(task_input.deployment)
    cutover = deployment.cutover
    assert cutover is not None, "only the rollback of a cutover enters this state"
    if cutover.replayed_at is None:
        reopen(cloud, cutover)
        return task_input.repeat_decision()  # No alias pointed at the new tables.
    if cutover.unblock_requested_at is not None:
        # An earlier attempt let clients use the previous tables again; UnblockSourceTables replays without a block.
        return task_input.repeat_decision()
    fence, role = cloud.ledger.fence(task_input.fencing_token), _role_of_this_task(cloud)
    for table in cutover.to_block:
        known = cutover.block_revisions.get(table.name, "")
        revision = cloud.table_access.block(table, fence, BLOCKED_ACTIONS, known, role)
        cutover = replace(cutover, block_revisions={**cutover.block_revisions, table.name: revision})
        cloud.ledger.save_record(replace(deployment, cutover=cutover), task_input.fencing_token)
    replay_new_writes_back(cloud, task_input, cutover, BUDGET, in_use=False)
    return task_input.repeat_decision()


def _role_of_this_task(cloud: Cloud) -> str:
    """Return the ARN of the role that this task acts as, by the name of its session."""
    arn = str(cloud.clients("sts").get_caller_identity()["Arn"])
    account, _, session = arn.removeprefix("arn:aws:sts::").partition(":assumed-role/")
    return f"arn:aws:iam::{account}:role/{session.partition('/')[0]}" if session else arn


handler = task(replay_new_writes)
