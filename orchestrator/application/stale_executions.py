"""Handle executions that died: roll back a deployment that holds the environment lock, and complete other records.

A rollback also releases the lock. A deployment that died before it acquired the lock has changed nothing. A restore
that died has changed nothing that clients use, or its deployment holds the lock, or the cutover has succeeded. Then late
writes are replayed once more, as the restore would have done, and its record is completed, also if another execution
has taken its lock over meanwhile.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, logger
from orchestrator.application.cutover.replays import replay_onto_new_tables
from orchestrator.application.cutover.result import cutover_result, finish_cutover
from orchestrator.application.start_rollback import TooManyAttempts, last_attempt_failed, start_rollback
from orchestrator.domain.deployment.late_writes import (
    CHECK,
    check_late_writes,
    is_last_pass,
    newest_progress,
    waits_after_cutover,
)
from orchestrator.domain.deployment.outcome import refused_deployment
from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome, EventRecord, RollbackTrigger
from orchestrator.domain.environment_lock import EnvironmentLock, Kind
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import CheckResult, Recovery, concluded
from orchestrator.domain.recovery.restore import cutover_not_requested, with_decides
from orchestrator.domain.rollback.decision import DEAD_EXECUTION, PERSON, cause_among, gives_way
from orchestrator.domain.rollback.triggers import decide_for_lock
from orchestrator.domain.verdict import Verdict

RECENT = 5
"""How many deployments, and how many recoveries, are checked every minute."""


CLOSED = " (closed)"
"""Added to the execution of a restore that died, by who holds the lock in its place."""

LONGEST_REPLAY = timedelta(minutes=15)
"""How long after a cutover late writes are replayed for a restore that died. The lock is released after that anyway."""


REPLAY_BUDGET = timedelta(seconds=45)
"""How long a run of the reconciler replays before it records its progress. Its function has 120 s for all of its steps."""


def roll_back_stale_deployment(cloud: Cloud) -> str:
    """Start a rollback if the lock's execution is no longer running; return the reason for the decision.

    A restore whose late writes have to be replayed is left to `close_dead_restores`, which takes longer.
    """
    lock = cloud.ledger.read_lock()
    if lock.kind is Kind.RESTORE and lock.held:
        return close_stale_restore(cloud, lock, replays=False)
    alive = lock.held and cloud.executions.describe_execution(lock.execution).alive
    deployment = cloud.ledger.find_record(lock.deployment) if lock.held else None
    decision = decide_for_lock(lock, deployment, alive=alive)
    if decision.roll_back:
        try:
            start_rollback(cloud, decision.deployment, RollbackTrigger(DEAD_EXECUTION, decision.why, cloud.now()))
        except TooManyAttempts as error:
            return f"{decision.why}; {error}"
    return decision.why


def repeat_failed_rollback(cloud: Cloud) -> str:
    """Start the next attempt of a rollback that failed before it held the lock; return why, or nothing.

    An attempt that holds the lock is followed by the next because the lock stays with it. One that failed before leaves
    the lock with its deployment, which runs on, or leaves it free after a deployment that had succeeded, or with a later
    one that has moved no traffic. An alarm, an evaluation or an operator started it, and nothing else would repeat it.
    """
    deployment_id, cause = _unanswered_trigger(cloud)
    if cause is None or not last_attempt_failed(cloud, deployment_id):
        return ""
    try:
        return f"the rollback of {deployment_id} failed: started {start_rollback(cloud, deployment_id, cause)}"
    except TooManyAttempts as error:
        return str(error)


def _unanswered_trigger(cloud: Cloud) -> tuple[str, RollbackTrigger | None]:
    """Return the deployment whose rollback may have failed without the lock, and that rollback's cause; None if none."""
    lock = cloud.ledger.read_lock()
    if lock.held:
        triggers = cloud.ledger.read_triggers(lock.deployment) if lock.kind is Kind.DEPLOYMENT else []
        if triggers or not gives_way(lock, cloud.ledger.find_record(lock.deployment)):
            return lock.deployment, cause_among(triggers)
    deployment = cloud.ledger.find_newest(lambda record: record.moved_traffic)  # a repair ends the attempts
    shifted_at = deployment.first_shift_at if deployment else None
    if deployment is None or shifted_at is None or deployment.outcome is not DeploymentOutcome.SUCCEEDED:
        return "", None
    # A trigger from before the first shift did not judge what clients got. An operator's command stays one.
    triggers = cloud.ledger.read_triggers(deployment.id)
    return deployment.id, cause_among([one for one in triggers if one.source == PERSON or one.at >= shifted_at])


def close_dead_restores(cloud: Cloud) -> str:
    """Complete the record of a restore that died, and replay its late writes before; return what was done and why.

    Only the reconciler may read and write the service's tables. It takes longer than anything else that it does.
    """
    lock = cloud.restores.read_lock()
    if not lock.held:
        return close_abandoned_restores(cloud)
    if lock.kind is not Kind.RESTORE:
        return ""
    return close_stale_restore(cloud, lock, replays=True, attempted=lock.execution.endswith(CLOSED))


def close_stale_restore(cloud: Cloud, lock: EnvironmentLock, *, replays: bool, attempted: bool = False) -> str:
    """Complete the record of a restore that died holding the lock, and release the lock; return what was done and why.

    A restore's deployment takes the lock over. So this restore has no deployment yet, or its deployment has ended. None
    of its restored tables is removed. If clients use them, late writes are replayed first, one pass for each call; the
    lock stays held until the last one.

    Args:
        cloud: the environment.
        lock: as it was read.
        replays: whether the caller may read and write the service's tables. If not, a replay is left to who may.
        attempted: whether a replay was attempted before, which may have been killed before it could record anything.
    """
    execution = lock.execution.removesuffix(CLOSED)
    if cloud.executions.describe_execution(execution).alive:
        return f"restore {lock.deployment} holds the environment lock and is running"
    reason = f"{execution} died while it held the environment lock"
    recovery = cloud.restores.find_record(lock.deployment)
    closing = recovery is not None and recovery.ended_at is None
    deployment = cloud.ledger.find_record(recovery.deployment) if recovery and recovery.deployment else None
    if closing and not replays and deployment is not None and deployment.outcome is DeploymentOutcome.SUCCEEDED:
        return f"{reason}; the reconciler replays late writes first"
    acquired = cloud.restores.acquire_lock(lock, f"{execution}{CLOSED}", lock.deployment, Kind.RESTORE, cloud.now())
    if recovery and closing:
        result = cutover_result(cloud, recovery, {"Error": reason}) or cutover_not_requested(reason)
        finished = finish_cutover(cloud, recovery, result, acquired).with_check_results(
            CheckResult("machine.1", Verdict.error(reason))
        )
        finished, waiting = _replay_once_more(cloud, finished, deployment, attempted=attempted)
        if waiting:
            cloud.restores.save_record(finished, acquired.fencing_token)
            return f"{reason}; {waiting}"
        cloud.restores.save_record(concluded(finished, cloud.now()), acquired.fencing_token)
    cloud.restores.release_lock(acquired.fencing_token)
    return reason


def close_abandoned_restores(cloud: Cloud) -> str:
    """Complete the record of a recent restore that died and no longer holds the lock; return what was done and why.

    Its deployment, or the next restore, has taken the lock over from it and released it. The lock is acquired in its
    name, so that nothing else changes the environment meanwhile.
    """
    lock = cloud.restores.read_lock()
    if lock.held:
        return ""
    for recovery in cloud.restores.newest_records(RECENT):
        unfinished = recovery.kind is Kind.RESTORE and recovery.ended_at is None
        if unfinished and not cloud.executions.describe_execution(recovery.execution).alive:
            acquired = cloud.restores.acquire_lock(
                lock, f"{recovery.execution}{CLOSED}", recovery.id, Kind.RESTORE, cloud.now()
            )
            return close_stale_restore(cloud, acquired, replays=True)
    return ""


def _replay_once_more(
    cloud: Cloud, recovery: Recovery, deployment: Deployment | None, *, attempted: bool
) -> tuple[Recovery, str]:
    """Replay the late writes of a cutover that succeeded, as ReplayLateWrites does.

    Returns:
        The recovery with the progress, or with the check result after the last pass; and why another pass is needed,
        or nothing.
    """
    cutover = deployment.cutover if deployment else None
    done = any(result.check == CHECK for result in recovery.check_results)
    if not recovery.in_use or done or deployment is None or cutover is None or deployment.ended_at is None:
        return recovery, ""
    policy = RecoveryPolicy.parse(msgspec.json.decode(cloud.settings["RECOVERY_POLICY"]))
    progress = newest_progress(recovery.replay, cutover.replay)
    deadline, since_cutover = cloud.now() + REPLAY_BUDGET, cloud.now() - deployment.ended_at

    def is_over() -> bool:
        return cloud.now() >= deadline

    if attempted and since_cutover >= LONGEST_REPLAY:
        # Before another attempt, which may be killed like those before it.
        minutes = f"{LONGEST_REPLAY.total_seconds() / 60:.0f} min"
        why = f"late writes were not replayed to their end within {minutes} of the cutover: {progress.description}"
        return recovery.with_check_results(CheckResult(CHECK, Verdict.error(why))), ""
    try:
        progress = replay_onto_new_tables(cloud, cutover, recovery, progress, policy, in_use=True, is_over=is_over)
    except (OrchestratorError, ClientError) as error:
        why = f"late writes were not replayed: {type(error).__name__}: {error}"
        logger.error("late writes not replayed", extra={"recovery": recovery.id, "reason": why})
        if since_cutover < LONGEST_REPLAY:
            return recovery, why
        return recovery.with_check_results(CheckResult(CHECK, Verdict.error(why))), ""
    replayed = replace(recovery, replay=progress)
    waits = waits_after_cutover(
        progress, cutover.replay, since_cutover.total_seconds(), policy.block_hold.total_seconds()
    )
    if not is_last_pass(progress, waits) and since_cutover < LONGEST_REPLAY:
        return replayed, progress.description
    verdict, figures = check_late_writes(progress)
    return replayed.with_check_results(with_decides(recovery.kind, CheckResult(CHECK, verdict, figures))), ""


def close_abandoned_plans(cloud: Cloud) -> None:
    """Complete the records of recent deployments that died before they held the lock, without an event of their end."""
    for deployment in cloud.ledger.newest_records(RECENT):
        close_unlocked(cloud, deployment.id, "unseen")


def close_unlocked(cloud: Cloud, deployment_id: str, phase: str) -> str:
    """Complete the record of a deployment that died before it ever held the lock; return the reason, or nothing.

    Args:
        cloud: the environment.
        deployment_id: the execution's name.
        phase: how the execution ended.
    """
    deployment = cloud.ledger.find_record(deployment_id)
    if (deployment.fencing_token or deployment.ended_at) if deployment else cloud.ledger.read_refusal(deployment_id):
        return ""
    if deployment and cloud.executions.describe_execution(deployment.execution).alive:
        return ""
    reason = f"its execution ended {phase} before it held the lock"
    if deployment:
        cloud.ledger.save_unlocked(refused_deployment(deployment, reason, cloud.now()))
        cloud.embedded_metrics.put_count("Deployments", {"outcome": DeploymentOutcome.REFUSED}, deployment_id)
    else:
        # Its Complete state did not record the refusal either.
        refusal = EventRecord(
            deployment_id, cloud.now(), "request", deployment_id, acted=False, why=reason, deployment=deployment_id
        )
        cloud.ledger.record_refusal(refusal)
    cloud.announce("DeploymentRefused", deployment_id, reason=reason)
    return reason
