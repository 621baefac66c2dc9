"""CleanUp: remove everything that the drill created, whatever its outcome, and repeat until nothing is left."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.application.drill_cleanup import remove_drill_resources
from orchestrator.domain.recovery.policy import seconds_before_poll
from orchestrator.domain.recovery.record import RecoveryAction
from orchestrator.domain.recovery.restored_table import judge_removal, with_error
from orchestrator.tasks.runtime import (
    RecoveryTaskInput,
    RecoveryTaskOutput,
    open_recovery,
    recovery_policy,
    recovery_task,
    save_and_continue,
)


def clean_up(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Remove all resources. An error that a Catch led here with becomes the check result that fails the drill.

    Raises:
        LockLost: another execution holds the lock; the cleanup job removes the resources.
    """
    policy, recovery = recovery_policy(cloud), open_recovery(task_input, cloud)
    if task_input.error:
        recovery = with_error(recovery, task_input.error)
    recovery, pending = judge_removal(recovery, remove_drill_resources(cloud, recovery), cloud.now())
    if pending:
        wait_seconds = seconds_before_poll(policy, task_input.attempt)
        return save_and_continue(task_input, cloud, recovery, pending, RecoveryAction.WAIT, wait_seconds)
    return save_and_continue(task_input, cloud, recovery, recovery.check_results[-1].verdict.reason)


handler = recovery_task(clean_up)
