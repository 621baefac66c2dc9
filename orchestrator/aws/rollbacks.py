"""Starting a rollback, by whoever sees the need: one name a deployment and attempt, so that it starts once."""

from __future__ import annotations

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.executions import RUNNING, SUCCEEDED, execution_arn
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.records import Ending, Trigger

ATTEMPTS = 50
"""With an attempt a minute by the reconciler, most of an hour, and operators were told at the first failure."""


class TooManyAttempts(OrchestratorError):
    """Every rollback attempt of a deployment has failed; a person must follow the break-glass runbook."""


def start_rollback(cloud: Cloud, deployment_id: str, trigger: Trigger) -> str:
    """Start the rollback of a deployment, or find the one that runs or is done; returns its execution's name.

    The trigger is in the ledger before anything starts. An attempt that ended badly is followed by the next.

    Raises:
        TooManyAttempts: none is left.
    """
    cloud.ledger.add_trigger(deployment_id, trigger)
    machine = cloud.settings["ROLLBACK_MACHINE"]
    for attempt in range(1, ATTEMPTS + 1):
        name = f"rollback-{deployment_id}-{attempt}"
        if cloud.executions.start(machine, name, {"deployment": deployment_id}):
            cloud.announce(
                "RollbackStarted", deployment_id, execution=name, source=trigger.source, reason=trigger.reason
            )
            return name
        phase = cloud.executions.describe(execution_arn(machine, name)).phase
        if phase == RUNNING or (phase == SUCCEEDED and _rolled_back(cloud, deployment_id)):
            return name
        # It failed, or it found nothing to undo at that time: this trigger is judged by the next attempt.
    raise TooManyAttempts(f"{ATTEMPTS} rollbacks of {deployment_id} failed: follow docs/runbooks/break-glass.md")


def _rolled_back(cloud: Cloud, deployment_id: str) -> bool:
    deployment = cloud.ledger.find(deployment_id)
    return deployment is not None and deployment.ending is Ending.ROLLED_BACK
