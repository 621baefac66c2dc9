"""The holder of a lock: whether it still runs, and the refusal that says who it is, since when, and what to do."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.domain.environment_lock import EnvironmentLock, Kind, refuse_held, refuse_unfinished
from orchestrator.domain.errors import LockLost


def refuse_running_holder(lock: EnvironmentLock, cloud: Cloud) -> None:
    """Refuse while the execution that holds the lock runs.

    Raises:
        Refused: it runs, and its record is not complete.
        LockLost: it runs, its record is complete, and it is about to release the lock. Try again.
    """
    if not lock.held or not cloud.executions.describe_execution(lock.execution).alive:
        return
    if lock.kind in {Kind.DEPLOYMENT, Kind.ROLLBACK}:
        deployment = cloud.ledger.find_record(lock.deployment)
        ended = deployment is not None and not deployment.under_way
        requested_by = deployment.requested_by if deployment else ""
    else:
        recovery = cloud.recoveries(lock.kind).find_record(lock.deployment)
        ended = recovery is not None and recovery.ended_at is not None
        requested_by = recovery.requested_by if recovery else ""
    if ended:
        raise LockLost(f"{lock.kind.value} {lock.deployment} has ended and is about to release the lock")
    refuse_held(lock, requested_by, cloud.environment)


def refuse_unfinished_holder(lock: EnvironmentLock, cloud: Cloud) -> None:
    """Refuse while a deployment whose execution has ended is not rolled back: its aliases may be at a weight.

    Raises:
        Refused: it is not rolled back.
    """
    deployment = cloud.ledger.find_record(lock.deployment) if lock.held else None
    if deployment is not None and deployment.under_way:
        refuse_unfinished(lock, cloud.environment)
