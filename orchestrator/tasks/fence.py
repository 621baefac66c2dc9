"""Fence: take the claim away from whoever holds it for this deployment, so that nobody else can move an alias."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.decision import Action
from orchestrator.domain.ending import refused
from orchestrator.domain.records import Deployment, Ending, Kind, Phase, Rollback, Trigger
from orchestrator.domain.rollback import cause_among, judge_rollback, takes_claim
from orchestrator.tasks import Answer, Given, task

NEWEST = 25
"""How many deployments are looked through for the newest that shifted traffic: many may have been refused since."""


def fence(given: Given, cloud: Cloud) -> Answer:
    """Decide whether there is something to undo, and if so take the claim under a new epoch.

    Where there is nothing to undo but the claim is left over, or the deployment has not begun, the claim is taken too, to be
    released.

    Raises:
        ClaimLost: somebody else took it at the same moment.
        Refused: there is no such deployment.
    """
    deployment, seen = cloud.ledger.read(given.deployment), cloud.ledger.claim()
    alive = seen.held and seen.execution != given.execution and cloud.executions.describe(seen.execution).alive
    trigger = cause_among(cloud.ledger.triggers(given.deployment)) or Trigger(
        "person", f"{given.execution} was started by hand", cloud.now()
    )
    newest = _newest(deployment, cloud)
    decision = judge_rollback(deployment, newest, seen, trigger, holder_alive=alive)
    if not takes_claim(deployment, seen, decision, holder_alive=alive):
        cloud.announce("RollbackSkipped", deployment.id, reason=decision.reason)
        return Answer(deployment.id, 0, decision)
    taken = cloud.ledger.take_claim(seen, given.execution, deployment.id, Kind.ROLLBACK, cloud.now())
    # Read again: until the claim was ours, its holder may have gone on.
    deployment = cloud.ledger.read(given.deployment)
    decision = judge_rollback(deployment, newest, seen, trigger, holder_alive=alive)
    if decision.action is Action.RESTORE:
        begun = Rollback(trigger=trigger, execution=given.execution, fenced_at=cloud.now())
        rolling = replace(deployment, phase=Phase.ROLLING_BACK, rollback=begun, epoch=taken.epoch)
        cloud.ledger.keep(rolling, taken.epoch)
    elif deployment.ended_at is None:
        cloud.ledger.keep(refused(deployment, decision.reason, cloud.now()), taken.epoch)
        cloud.measures.count("Deployments", {"ending": Ending.REFUSED}, deployment.id)
        cloud.announce("DeploymentRefused", deployment.id, reason=decision.reason)
    return Answer(deployment.id, taken.epoch, decision)


def _newest(deployment: Deployment, cloud: Cloud) -> Deployment:
    shifted = (found for found in cloud.ledger.newest(NEWEST) if found.first_shift_at)
    return next(shifted, deployment)


handler = task(fence)
