"""AwaitCutover: wait for the deployment that switches the service to the restored tables, then take the lock again."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud
from orchestrator.application.cutover.result import cutover_result, finish_cutover
from orchestrator.domain.recovery.policy import seconds_before_poll
from orchestrator.domain.recovery.record import RecoveryAction, RecoveryDecision
from orchestrator.tasks.runtime import (
    RecoveryTaskInput,
    RecoveryTaskOutput,
    recovery_policy,
    recovery_task,
    save_and_continue,
)


def await_cutover(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Check the deployment. While it runs it holds the environment lock, and nothing is written here.

    Raises:
        LockLost: another execution acquired the lock at the same moment; the state machine retries.
    """
    policy = recovery_policy(cloud)
    recovery, current = cloud.restores.read_record(task_input.recovery), cloud.restores.read_lock()
    result = cutover_result(cloud, recovery, task_input.error)
    if result is None or (current.held and current.execution != task_input.execution):
        reason, wait_seconds = f"{recovery.deployment} has not ended", seconds_before_poll(policy, 0)
        return task_input.output(RecoveryDecision(RecoveryAction.WAIT, reason, wait_seconds, task_input.attempt + 1))
    lock = cloud.restores.acquire_lock(current, task_input.execution, recovery.id, task_input.kind, cloud.now())
    locked_input = replace(task_input, state={**task_input.state, "fencing_token": lock.fencing_token})
    finished = finish_cutover(cloud, recovery, result, lock)
    return save_and_continue(locked_input, cloud, finished, result.verdict.reason)


handler = recovery_task(await_cutover)
