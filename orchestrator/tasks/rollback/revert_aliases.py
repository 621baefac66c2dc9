"""RevertAliases: point every alias at the version that gets the traffic, usually stable, and read it back.

The core of every rollback.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud
from orchestrator.application.traffic_shifting import revert
from orchestrator.domain.rollback.decision import after_revert
from orchestrator.domain.rollback.destination import functions_at_destination
from orchestrator.tasks.runtime import TaskInput, TaskOutput, task


def revert_aliases(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Write and read back every alias, whether this deployment moved it or not.

    Raises:
        LockLost: a later rollback took over the lock.
        AliasConflict: another writer keeps moving an alias; the state machine retries.
        Throttled: the rate limit of Lambda's control plane was reached; the state machine retries.
    """
    deployment = cloud.ledger.read_record(task_input.deployment)
    there = replace(deployment, functions=functions_at_destination(deployment))
    revisions = revert(there, task_input.fencing_token, cloud)
    now = cloud.now()
    assert deployment.rollback is not None, "TakeOverLock has recorded it"
    rollback = replace(deployment.rollback, reverted_at=deployment.rollback.reverted_at or now)
    reverted = replace(deployment, revisions=revisions, rollback=rollback)
    cloud.ledger.save_record(reverted, task_input.fencing_token)
    cloud.announce("AliasesReverted", deployment.id, reverted_at=now, functions=sorted(revisions))
    return task_input.output(after_revert(deployment, task_input.decision))


handler = task(revert_aliases)
