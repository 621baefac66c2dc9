"""RecordIncident: write down what happened when, complete the deployment's record, and end its execution."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.decision import Action
from orchestrator.domain.incident import open_incident
from orchestrator.domain.records import Ending, Phase
from orchestrator.tasks import Answer, Given, go, task


def record_incident(given: Given, cloud: Cloud) -> Answer:
    """Complete the deployment as rolled back, mark its release, and stop its execution if it still runs.

    Raises:
        ClaimLost: a later rollback took over.
    """
    deployment, now = cloud.ledger.deployment(given.deployment), cloud.now()
    incident = open_incident(deployment, cloud.ledger.decisions(deployment.id), now)
    ended = replace(deployment, phase=Phase.ENDED, ending=Ending.ROLLED_BACK, reason=incident.cause, ended_at=now)
    cloud.ledger.close_incident(incident, ended, given.epoch)
    # A deployment that waits in a HOLD or a bake would find its claim gone by itself, but only later.
    cloud.executions.stop(deployment.execution, f"rolled back: {incident.cause}")
    cloud.announce("RollbackCompleted", deployment.id, cause=incident.cause, figures=incident.figures)
    return Answer(deployment.id, given.epoch, go(Action.FINISH, incident.cause))


handler = task(record_incident)
