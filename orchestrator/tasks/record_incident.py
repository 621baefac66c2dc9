"""RecordIncident: write down what happened when, complete the deployment's record, and end its execution."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.decision import Action
from orchestrator.domain.incident import open_incident, seconds_of
from orchestrator.domain.records import Deployment, Ending, Incident, Phase
from orchestrator.tasks import Answer, Given, go, task


def record_incident(given: Given, cloud: Cloud) -> Answer:
    """Complete the deployment as rolled back, mark its release, and stop its execution if it still runs.

    Raises:
        ClaimLost: a later rollback took over.
    """
    deployment, now = cloud.ledger.read(given.deployment), cloud.now()
    incident = open_incident(deployment, cloud.ledger.decisions(deployment.id), now)
    ended = replace(deployment, phase=Phase.ENDED, ending=Ending.ROLLED_BACK, reason=incident.cause, ended_at=now)
    cloud.ledger.close_incident(incident, ended, given.epoch)
    if deployment.ending is not Ending.ROLLED_BACK:  # a retry finds it rolled back, and counts nothing
        _measure(deployment, incident, cloud)
    # A deployment that waits in a HOLD or a bake would find its claim gone by itself, but only later.
    cloud.executions.stop(deployment.execution, f"rolled back: {incident.cause}")
    cloud.announce("RollbackCompleted", deployment.id, cause=incident.cause, figures=incident.figures)
    return Answer(deployment.id, given.epoch, go(Action.FINISH, incident.cause))


def _measure(deployment: Deployment, incident: Incident, cloud: Cloud) -> None:
    """Count the rollback, and the deployment that it ends where that had not ended by itself."""
    assert deployment.rollback is not None, "only a rollback makes an incident"
    trigger = {"trigger": deployment.rollback.trigger.source}
    cloud.measures.count("Rollbacks", trigger, deployment.id)
    cloud.measures.seconds(seconds_of(incident), trigger, deployment.id)
    if deployment.ending is None:
        cloud.measures.count("Deployments", {"ending": Ending.ROLLED_BACK}, deployment.id)


handler = task(record_incident)
