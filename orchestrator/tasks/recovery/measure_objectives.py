"""MeasureObjectives: compare the recovery time and the data loss with the objectives."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.failback import measured_failback
from orchestrator.domain.recovery.lost_writes.measurement import measured_restore
from orchestrator.domain.recovery.record import judge_objectives
from orchestrator.tasks.runtime import RecoveryTaskInput, RecoveryTaskOutput, recovery_task, save_and_continue


def measure_objectives(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Judge the recovery by its objectives.

    Raises:
        LockLost: another execution holds the lock.
    """
    recovery = task_input.ledger(cloud).read_record(task_input.recovery)
    if recovery.failback_of:
        recovery = measured_failback(recovery)
    elif recovery.kind is Kind.RESTORE and recovery.in_use:
        deployment, now = cloud.ledger.read_record(recovery.deployment), cloud.now()
        assert deployment.cutover is not None, "the deployment of a restore in use is a cutover"
        recovery = measured_restore(recovery, deployment.cutover, deployment.ended_at or now)
    recovery = judge_objectives(recovery, cloud.now())
    reasons = [result.verdict.reason for result in recovery.check_results if result.check.startswith("objective.")]
    return save_and_continue(task_input, cloud, recovery, "; ".join(reasons))


handler = recovery_task(measure_objectives)
