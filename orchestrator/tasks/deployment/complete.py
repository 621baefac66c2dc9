"""Complete: complete the deployment's record with its outcome."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.outcome import EVENT_TYPES, outcome_of
from orchestrator.domain.deployment.record import DeploymentOutcome, DeploymentPhase, EventRecord
from orchestrator.domain.errors import LockLost
from orchestrator.tasks.runtime import TaskInput, TaskOutput, make_decision, task


def complete(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Record how the deployment ended: succeeded, nothing to ship, or refused with its reason.

    Raises:
        LockLost: a rollback took over the lock; it completes the record, or has completed it.
    """
    deployment_id = task_input.deployment
    deployment = cloud.ledger.find_record(deployment_id)
    outcome, reason = outcome_of(task_input.error, deployment)
    if deployment is None:
        refusal = EventRecord(
            deployment_id, cloud.now(), "request", deployment_id, acted=False, why=reason, deployment=deployment_id
        )
        cloud.ledger.record_refusal(refusal)
        cloud.embedded_metrics.put_count("Deployments", {"outcome": outcome}, deployment_id)
    elif deployment.ended_at is None:
        ended = replace(deployment, phase=DeploymentPhase.ENDED, outcome=outcome, reason=reason, ended_at=cloud.now())
        lock = cloud.ledger.read_lock()
        if lock.execution == task_input.execution:
            cloud.ledger.save_record(ended, lock.fencing_token)
        elif not deployment.fencing_token:
            cloud.ledger.save_unlocked(ended)
        else:
            holder = f"{lock.execution or 'no execution'} with fencing token {lock.fencing_token}"
            raise LockLost(f"the lock is held by {holder}")
        # A retry finds the record complete, so the deployment is counted once.
        cloud.embedded_metrics.put_count("Deployments", {"outcome": outcome}, deployment_id)
    elif deployment.outcome is not outcome or deployment.rollback is not None:
        raise LockLost(f"another execution has ended the deployment: {deployment.outcome}, {deployment.reason}")
    changelog = deployment.changelog if deployment and outcome is DeploymentOutcome.SUCCEEDED else ""
    cloud.announce(EVENT_TYPES[outcome], deployment_id, reason=reason, changelog=changelog)
    action = Action.REFUSE if outcome is DeploymentOutcome.REFUSED else Action.FINISH
    return task_input.output(make_decision(action, f"{outcome}: {reason}"))


handler = task(complete)
