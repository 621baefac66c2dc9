"""BlockSourceTables: block the original tables before a cutover moves an alias, and confirm that they deny requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from orchestrator.application.cloud import Cloud
from orchestrator.domain.deployment.cutover import BLOCKED_ACTIONS, Cutover, TableRef
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.record import Deployment
from orchestrator.tasks.runtime import (
    TaskInput,
    TaskOutput,
    append_decision,
    make_decision,
    recovery_policy,
    task,
)

AFTER_PROMOTION = "BlockPreviousTables"
"""The state in which a failback's deployment blocks the tables that clients used until the aliases moved."""


def block_source_tables(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Block every original table that still exists. From here until the aliases have moved, the service returns 503.

    A table counts as blocked when it refused all probes over new connections for `block_hold`. A failback blocks the
    tables after its promotion: until then clients read them, and the service closes itself to writes.

    Raises:
        PolicyNotEffective: a table does not deny requests everywhere yet; the state machine retries.
        ResourcePolicyConflict: another writer changed a table's policy; the state machine retries.
        LockLost: another execution holds the lock; no policy was written after that.
    """
    deployment = cloud.ledger.read_record(task_input.deployment)
    cutover = deployment.cutover
    assert cutover is not None, "only a cutover enters this state"
    if cutover.failback and task_input.state_name != AFTER_PROMOTION:
        reason = "the service closes itself to writes while the rest of them is replayed"
        return append_decision(task_input, cloud, deployment, make_decision(Action.REPLAY, reason))
    cutover = request_block(task_input, cloud, deployment, BLOCKED_ACTIONS)
    # After a failback's promotion the closing still keeps the service from writing there, for longer than a request takes.
    hold = timedelta(0) if cutover.failback else recovery_policy(cloud).block_hold
    cloud.table_access.verify(blocked=cutover.to_block, unblocked=(), hold=hold)
    blocked = replace(deployment, cutover=replace(cutover, blocked_at=cloud.now()))
    cloud.announce("SourceTablesBlocked", deployment.id, tables=[table.name for table in cutover.to_block])
    names = ", ".join(table.name for table in cutover.to_block)
    reason = f"{names} deny all requests" if names else "the original tables no longer exist"
    if cutover.failback:
        decision = make_decision(Action.WAIT_FOR_METRICS, reason, task_input.decision.wait_seconds)
    else:
        decision = make_decision(Action.REPLAY, reason)
    return append_decision(task_input, cloud, blocked, decision)


def request_block(task_input: TaskInput, cloud: Cloud, deployment: Deployment, actions: Sequence[str]) -> Cutover:
    """Write the access block into the policy of every original table; return the cutover as it was recorded.

    The request is recorded before the first policy, and each policy's revision at once: a rollback may begin at any
    moment, and may not be able to read the policies yet.

    Raises:
        ResourcePolicyConflict, LockLost: as `block_source_tables`.
    """
    cutover = deployment.cutover
    assert cutover is not None, "only a cutover has original tables"

    def record(changed: Cutover) -> Cutover:
        cloud.ledger.save_record(replace(deployment, cutover=changed), task_input.fencing_token)
        return changed

    def write_policy(table: TableRef, known: str) -> str:
        return cloud.table_access.block(table, cloud.ledger.fence(task_input.fencing_token), actions, known)

    if cutover.block_requested_at is None:
        cutover = record(replace(cutover, block_requested_at=cloud.now()))
    for table in cutover.to_block:
        known = cutover.block_revisions.get(table.name, "")
        if (revision := write_policy(table, known)) != known:
            cutover = record(replace(cutover, block_revisions={**cutover.block_revisions, table.name: revision}))
    return cutover


handler = task(block_source_tables)
