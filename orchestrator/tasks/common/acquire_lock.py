"""AcquireLock: acquire the lock for a deployment or a recovery, and refuse if another execution holds it.

A lock whose execution has ended is taken over. The deployment state machine uses this module's handler; drills and
restores use `acquire_recovery_lock`, a function with rights of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from orchestrator.application.cloud import Cloud
from orchestrator.application.lock_holder import refuse_running_holder, refuse_unfinished_holder
from orchestrator.aws.ledger.records import Records
from orchestrator.domain.deployment.decision import Action, OperatorAction
from orchestrator.domain.deployment.record import Deployment, DeploymentPhase
from orchestrator.domain.environment_lock import EnvironmentLock, Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.record import Recovery
from orchestrator.domain.recovery.restore import delegates_lock, refuse_unauthorized_cutover
from orchestrator.tasks.runtime import (
    RecoveryTaskInput,
    RecoveryTaskOutput,
    TaskInput,
    TaskOutput,
    make_decision,
    save_and_continue,
    task,
)

R = TypeVar("R", Deployment, Recovery)


def acquire_lock(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Acquire the environment lock for a deployment.

    Raises:
        Refused: an execution that runs holds the lock, an ended one left a deployment that must be rolled back first,
            this deployment has ended, or an operator has aborted it.
        LockLost: another execution acquired the lock at the same moment, or is about to release it; the state machine
            retries.
    """
    ledger = cloud.ledger
    current, planned = ledger.read_lock(), ledger.read_record(task_input.deployment)
    if current.execution != task_input.execution:
        refuse_unauthorized_cutover(current, planned)
        if current.held and not delegates_lock(current, planned):
            refuse_running_holder(current, cloud)
            refuse_unfinished_holder(current, cloud)
    lock, deployment = _acquire(ledger, current, task_input.execution, task_input.deployment, Kind.DEPLOYMENT, cloud)
    command = ledger.pending_command(task_input.deployment)
    if command and OperatorAction(command.request) is OperatorAction.ABORT:
        # A rollback that starts before a deployment holds the lock finds nothing that it could stop.
        raise Refused("deployment", task_input.deployment, f"{command.by} aborted it before it began; start another")
    token = lock.fencing_token
    ledger.save_record(replace(deployment, phase=DeploymentPhase.LOCKED, fencing_token=token), token)
    cloud.announce("LockAcquired", deployment.id, fencing_token=token)
    return TaskOutput(deployment.id, token, make_decision(Action.PROCEED, _reason(lock)))


def acquire_recovery_lock(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Acquire the lock for a recovery: a restore takes the environment lock, a drill the lock of the drills.

    The tables and functions of a recovery carry its id, so what an ended holder left behind does not collide with them.

    Raises:
        Refused: an execution that runs holds the lock, or this recovery has ended.
        LockLost: another execution acquired the lock at the same moment.
    """
    ledger = task_input.ledger(cloud)
    current = ledger.read_lock()
    if current.held and current.execution != task_input.execution:
        refuse_running_holder(current, cloud)
    lock, recovery = _acquire(ledger, current, task_input.execution, task_input.recovery, task_input.kind, cloud)
    token = lock.fencing_token
    locked_input = replace(task_input, state={**task_input.state, "fencing_token": token})
    output = save_and_continue(locked_input, cloud, replace(recovery, fencing_token=token), _reason(lock))
    cloud.announce_recovery(
        "Started",
        task_input.kind,
        recovery.id,
        fencing_token=token,
        requested_by=recovery.requested_by,
        point=recovery.point,
        tables=[table.source for table in recovery.tables],
        expected_usd=recovery.cost.usd,
        fault=recovery.fault,
    )
    return output


def _acquire(
    ledger: Records[R], current: EnvironmentLock, execution: str, record_id: str, kind: Kind, cloud: Cloud
) -> tuple[EnvironmentLock, R]:
    """Acquire the lock, then read the record: the previous holder may have written it until then."""
    lock = ledger.acquire_lock(current, execution, record_id, kind, cloud.now())
    record = ledger.read_record(record_id)
    if record.ended_at:
        # The record was completed because this execution was taken for dead. The outcome that was announced stands.
        raise Refused(ledger.WHAT, record_id, f"it has ended: {record.reason}; start another")
    return lock, record


def _reason(lock: EnvironmentLock) -> str:
    return f"acquired the lock with fencing token {lock.fencing_token}"


handler = task(acquire_lock)
