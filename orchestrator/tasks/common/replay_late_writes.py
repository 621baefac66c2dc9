"""ReplayLateWrites: the new tables get what the previous ones accepted after their block was requested.

The deployment of a cutover does it before an alias moves. That of a failback does it before, too, in the state CatchUp,
while clients still write to the tables in use. The restore does it again after the deployment has succeeded, until a pass
finds nothing new. Before its cutover, in the state ReplayWrites, while clients still use the previous tables, the restore
reads past what the streams hold, so that little is left to read while the tables are blocked. One that replays the writes
since its recovery point begins there. Progress is recorded after each pass.

The managed clients come from the ledger: one that an operator disabled since the recovery point stays disabled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from orchestrator.application.cloud import Cloud
from orchestrator.application.cutover.passes import replay_until_complete
from orchestrator.application.cutover.replays import (
    catch_up,
    prepare_replay,
    replay_onto_new_tables,
    replay_since_point,
)
from orchestrator.application.restored_tables.closing import close_and_replay
from orchestrator.application.restored_tables.managed_clients import reapply_clients
from orchestrator.domain.deployment.cutover import Cutover
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.late_writes import (
    CHECK,
    ReplayProgress,
    check_late_writes,
    is_last_pass,
    newest_progress,
)
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.errors import Throttled
from orchestrator.domain.recovery.lost_writes.replay import check_replay, is_caught_up
from orchestrator.domain.recovery.record import CheckResult, Recovery, RecoveryAction, Role
from orchestrator.domain.recovery.restore import with_decides
from orchestrator.tasks.runtime import (
    RecoveryTaskInput,
    RecoveryTaskOutput,
    TaskInput,
    TaskOutput,
    append_decision,
    dispatch,
    make_decision,
    open_recovery,
    recovery_policy,
    save_and_continue,
)

BEFORE_CUTOVER = "ReplayWrites"
"""The state in which a restore reads the streams ahead, and replays the writes since its recovery point."""

BUDGET = timedelta(seconds=200)
"""How long one invocation works before it records its progress. The function has 300 s."""

WHILE_OPEN = "CatchUp"
"""The state in which a failback's deployment replays what clients write while the original tables are synchronized."""


def replay_before_promotion(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Replay the late writes onto tables that no client uses yet. A failback closes the service to writes for it.

    Raises:
        SourceStateUnknown: the stream of a failback's previous table cannot be read.
        ClosingEnded: a failback's closing ended too soon; the state machine retries.
        Throttled: late writes are left; the next attempt continues.
        LockLost: another execution holds the lock.
    """
    cloud.ledger.check_lock(task_input.fencing_token)
    deployment = cloud.ledger.read_record(task_input.deployment)
    cutover = deployment.cutover
    assert cutover is not None, "only a cutover enters this state"
    recovery, policy = cloud.restores.read_record(cutover.recovery), recovery_policy(cloud)
    progress = cutover.replay or recovery.replay or ReplayProgress()
    if task_input.state_name == WHILE_OPEN:
        progress = catch_up(cloud, cutover, recovery, progress, policy)
        caught_up = replace(deployment, cutover=replace(cutover, replay=progress))
        if not cutover.in_sync:
            decision = make_decision(Action.SYNC_TABLES, progress.description)
            return append_decision(task_input, cloud, caught_up, decision)
        clients = _reapply_clients(cloud, recovery)
        decision = make_decision(Action.PROCEED, f"in sync; {progress.description}{clients}")
        return append_decision(task_input, cloud, caught_up, decision)
    clients = ""
    if cutover.failback:

        def save(closing: Cutover) -> None:
            cloud.ledger.save_record(replace(deployment, cutover=closing), task_input.fencing_token)

        # CatchUp brought the managed clients into the ledger's state. A later change is in the stream.
        cutover, progress = close_and_replay(cloud, cutover, recovery, progress, policy, save)
    else:
        progress = _replay_while_blocked(task_input, cloud, deployment, cutover, progress)
        clients = _reapply_clients(cloud, recovery)
        cutover = replace(cutover, replayed_at=cloud.now())
    replayed = replace(deployment, cutover=replace(cutover, replay=progress))
    return append_decision(task_input, cloud, replayed, make_decision(Action.PROMOTE, progress.description + clients))


def _replay_while_blocked(
    task_input: TaskInput, cloud: Cloud, deployment: Deployment, cutover: Cutover, known: ReplayProgress
) -> ReplayProgress:
    """Replay until a pass is complete, and record each.

    Raises:
        Throttled: late writes are left; the next attempt continues.
    """
    recovery, policy, is_over = cloud.restores.read_record(cutover.recovery), recovery_policy(cloud), _budget(cloud)

    def replay(progress: ReplayProgress | None) -> ReplayProgress:
        return replay_onto_new_tables(
            cloud, cutover, recovery, progress or known, policy, in_use=False, is_over=is_over
        )

    def save(progress: ReplayProgress) -> None:
        replayed = replace(deployment, cutover=replace(cutover, replay=progress))
        cloud.ledger.save_record(replayed, task_input.fencing_token)

    progress = replay_until_complete(replay, save, is_over)
    if not progress.complete:
        raise Throttled(progress.description)
    return progress


def replay_after_cutover(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Replay the late writes once more onto the tables that clients use now, and record the check result.

    Raises:
        LockLost: another execution holds the lock.
    """
    recovery = open_recovery(task_input, cloud)
    if task_input.state_name == BEFORE_CUTOVER:
        return _replay_since_point(task_input, cloud, recovery)
    deployment = cloud.ledger.find_record(recovery.deployment) if recovery.deployment else None
    if not recovery.in_use or deployment is None or deployment.cutover is None:
        return save_and_continue(task_input, cloud, recovery, "the service does not use its tables")
    cutover, policy = deployment.cutover, recovery_policy(cloud)
    progress = newest_progress(recovery.replay, cutover.replay)
    progress = replay_onto_new_tables(cloud, cutover, recovery, progress, policy, in_use=True, is_over=_budget(cloud))
    clients = _reapply_clients(cloud, recovery)
    replayed = replace(recovery, replay=progress)
    if not is_last_pass(progress, task_input.attempt):
        hold = round(policy.block_hold.total_seconds())
        reason = progress.description + clients
        return save_and_continue(task_input, cloud, replayed, reason, RecoveryAction.WAIT, hold)
    verdict, figures = check_late_writes(progress)
    result = with_decides(recovery.kind, CheckResult(CHECK, verdict, figures))
    return save_and_continue(task_input, cloud, replayed.with_check_results(result), verdict.reason + clients)


def _budget(cloud: Cloud) -> Callable[[], bool]:
    """Return whether the time of this invocation is over."""
    deadline = cloud.now() + BUDGET
    return lambda: cloud.now() >= deadline


def _reapply_clients(cloud: Cloud, recovery: Recovery) -> str:
    """Bring the managed clients of the new tokens table into the ledger's state; return what changed, for the reason."""
    changed = reapply_clients(cloud, recovery.table(Role.TOKENS).target)
    return f"; clients as the ledger has them: {', '.join(changed)}" if changed else ""


def _replay_since_point(task_input: RecoveryTaskInput, cloud: Cloud, recovery: Recovery) -> RecoveryTaskOutput:
    policy, progress, is_over = recovery_policy(cloud), recovery.replay or ReplayProgress(), _budget(cloud)
    progress = replace(progress, behind=False)
    if recovery.replays is not None:
        progress = replay_since_point(cloud, recovery, progress, policy)
    if not progress.behind:  # Otherwise the next pass comes first: clients go on writing.
        progress = prepare_replay(cloud, recovery, progress, policy, is_over)
    if recovery.replays is None:
        action = RecoveryAction.PROCEED if progress.complete else RecoveryAction.WAIT
        reason = "the cutover has only new writes to replay" if progress.complete else "the streams are read ahead"
        return save_and_continue(task_input, cloud, replace(recovery, replay=progress), reason, action, 1)
    replayed, corrupted = replace(recovery, replay=progress), recovery.replays or ()
    if not (progress.unknown or (is_caught_up(progress) and not progress.unscanned)):
        return save_and_continue(task_input, cloud, replayed, progress.description, RecoveryAction.WAIT, 1)
    result = check_replay(progress, corrupted)
    return save_and_continue(task_input, cloud, replayed.with_check_results(result), result.verdict.reason)


handler = dispatch(replay_before_promotion, replay_after_cutover)
