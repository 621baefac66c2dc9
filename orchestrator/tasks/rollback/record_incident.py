"""RecordIncident: record the rollback as an incident, complete the deployment's record, and stop its execution."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome, DeploymentPhase
from orchestrator.domain.rollback.decision import bars_release
from orchestrator.domain.rollback.incident import Incident, incident_metrics, open_incident
from orchestrator.tasks.runtime import TaskInput, TaskOutput, make_decision, task


def record_incident(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Complete the deployment as rolled back, mark its release, and stop its execution if it still runs.

    The executions of deployments that the rollback ended are stopped, too.

    If the traffic went to the canary, its release is the live one: the deployment has succeeded.

    Raises:
        LockLost: a later rollback took over the lock.
    """
    deployment, now = cloud.ledger.read_record(task_input.deployment), cloud.now()
    decisions = cloud.ledger.read_decisions(deployment.id)
    incident = open_incident(deployment, decisions, now)
    outcome = DeploymentOutcome.SUCCEEDED if deployment.keeps_canary else DeploymentOutcome.ROLLED_BACK
    ended = replace(
        deployment,
        phase=DeploymentPhase.ENDED,
        outcome=outcome,
        reason=incident.cause,
        ended_at=now,
    )
    assert deployment.rollback is not None, "only a rollback records an incident"
    rejected = (entry.verdict for entry in reversed(decisions) if entry.decision.action is Action.ROLL_BACK)
    bars = not deployment.keeps_canary and bars_release(deployment, deployment.rollback.trigger, next(rejected, None))
    cloud.ledger.close_incident(incident, ended, task_input.fencing_token, bars_release=bars)
    if deployment.phase is not DeploymentPhase.ENDED:  # A retry finds it ended and counts nothing.
        _put_metrics(deployment, incident, outcome, cloud)
    # A deployment in a Pause or a Bake would notice the lost lock itself, but only later.
    if deployment.execution != task_input.execution:  # A repair has no other execution than its rollback.
        cloud.executions.stop_execution(deployment.execution, f"rolled back: {incident.cause}")
    for ended_id in deployment.rollback.ended:
        waiting = cloud.ledger.read_record(ended_id)
        cloud.executions.stop_execution(waiting.execution, waiting.reason)
    cloud.announce(
        "RollbackCompleted",
        deployment.id,
        cause=incident.cause,
        figures=incident.figures,
        traffic_to=deployment.rollback.traffic_to,
        healthy=deployment.rollback.verified_at is not None and not deployment.rollback.unhealthy,
    )
    return task_input.output(make_decision(Action.FINISH, incident.cause))


def _put_metrics(deployment: Deployment, incident: Incident, outcome: DeploymentOutcome, cloud: Cloud) -> None:
    """Count the rollback, and the deployment if it had not ended before the rollback."""
    assert deployment.rollback is not None, "only a rollback records an incident"
    dimensions = {"trigger": deployment.rollback.trigger.source}
    cloud.embedded_metrics.put_count("Rollbacks", dimensions, deployment.id)
    cloud.embedded_metrics.put_duration(incident_metrics(incident), dimensions, deployment.id)
    if deployment.outcome is None:
        cloud.embedded_metrics.put_count("Deployments", {"outcome": outcome}, deployment.id)


handler = task(record_incident)
