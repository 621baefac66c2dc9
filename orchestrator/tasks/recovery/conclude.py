"""Conclude: complete the recovery's record with its outcome."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.domain.deployment.outcome import cause_of
from orchestrator.domain.deployment.record import EventRecord
from orchestrator.domain.errors import LockLost
from orchestrator.domain.recovery.record import RecoveryAction, RecoveryDecision, concluded, refused_recovery
from orchestrator.domain.recovery.restored_table import with_error
from orchestrator.tasks.runtime import RecoveryTaskInput, RecoveryTaskOutput, recovery_task


def conclude(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Record how the recovery ended: SUCCEEDED, FAILED, or REFUSED with its reason.

    Raises:
        LockLost: another execution took over the lock; it completes the record.
    """
    ledger, now = task_input.ledger(cloud), cloud.now()
    recovery_id = task_input.recovery
    recovery = ledger.find_record(recovery_id)
    if recovery is None:
        reason = cause_of(task_input.error)
        refusal = EventRecord(recovery_id, now, "request", recovery_id, acted=False, why=reason, deployment=recovery_id)
        ledger.record_refusal(refusal)
        return task_input.output(RecoveryDecision(RecoveryAction.REFUSED, reason))
    if recovery.ended_at is None:
        reached = recovery.with_phase(task_input.state_name, now)
        lock = ledger.read_lock()
        if lock.execution == task_input.execution:
            if task_input.error:
                reached = with_error(reached, task_input.error)
            recovery = ledger.save_record(concluded(reached, now), lock.fencing_token)
        elif recovery.fencing_token:
            holder = f"{lock.execution or 'no execution'} with fencing token {lock.fencing_token}"
            raise LockLost(f"the lock is held by {holder}")
        else:
            recovery = ledger.save_unlocked(refused_recovery(reached, cause_of(task_input.error), now))
    action = RecoveryAction(recovery.outcome or RecoveryAction.FAILED)
    return task_input.output(RecoveryDecision(action, recovery.reason))


handler = recovery_task(conclude)
