"""ReleaseLock: release the lock of the execution, in every state machine."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.tasks.runtime import BaseTaskInput, Output, dispatch


def release_lock(task_input: BaseTaskInput, cloud: Cloud) -> Output:
    """Release the lock if this execution holds it. An execution that took it over keeps it.

    The holder is read from the ledger, because an error may have kept the fencing token out of the state.
    """
    ledger = task_input.ledger(cloud)
    lock = ledger.read_lock()
    if lock.execution == task_input.execution:
        ledger.release_lock(lock.fencing_token)
    return task_input.repeat_decision()


handler = dispatch(release_lock, release_lock)
