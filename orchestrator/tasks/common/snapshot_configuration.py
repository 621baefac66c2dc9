"""SnapshotConfiguration: store a configuration snapshot before a deployment or a recovery changes the environment."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.domain.deployment.decision import Action
from orchestrator.tasks.runtime import (
    RecoveryTaskInput,
    RecoveryTaskOutput,
    TaskInput,
    TaskOutput,
    append_decision,
    dispatch,
    make_decision,
    save_and_continue,
)


def snapshot_for_deployment(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Store a snapshot before a version is published.

    Raises:
        LockLost: another execution holds the lock.
        Throttled, Unreachable: part of the configuration could not be read. The state machine continues without a
            snapshot, so that a fix is not delayed.
    """
    deployment = cloud.ledger.read_record(task_input.deployment)
    snapshot = cloud.artifacts.put_configuration(cloud.configuration(f"deployment {deployment.id}"))
    reason = f"configuration snapshot {snapshot.id}: {snapshot.digest}"
    return append_decision(task_input, cloud, deployment, make_decision(Action.PROCEED, reason))


def snapshot_for_recovery(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Store a snapshot before a table is restored.

    Raises:
        LockLost: another execution holds the lock.
    """
    snapshot = cloud.artifacts.put_configuration(cloud.configuration(f"{task_input.kind} {task_input.recovery}"))
    recovery = task_input.ledger(cloud).read_record(task_input.recovery)
    reason = f"configuration snapshot {snapshot.id}: {snapshot.digest}"
    return save_and_continue(task_input, cloud, recovery, reason, recovery.proceed_action)


handler = dispatch(snapshot_for_deployment, snapshot_for_recovery)
