"""Claim: become the one who may change the environment. A claim whose execution has died is taken over."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.decision import Action
from orchestrator.domain.errors import Refused
from orchestrator.domain.records import Claim, Kind, Phase
from orchestrator.domain.restoration import hands_over, refuse_unvouched
from orchestrator.tasks import Answer, Given, go, task


def claim(given: Given, cloud: Cloud) -> Answer:
    """Take the claim for this deployment.

    Raises:
        Refused: a living execution holds it, a dead one left an environment that must be rolled back first, or the
            deployment has ended.
        ClaimLost: somebody else took it at the same moment.
    """
    seen, planned = cloud.ledger.claim(), cloud.ledger.read(given.deployment)
    if seen.execution != given.execution:
        refuse_unvouched(seen, planned)
        if seen.held and not hands_over(seen, planned):
            _refuse_holder(seen, cloud)
    taken = cloud.ledger.take_claim(seen, given.execution, given.deployment, Kind.DEPLOYMENT, cloud.now())
    deployment = cloud.ledger.read(given.deployment)
    if deployment.ended_at:
        # Its execution was taken for dead while it lived: what everybody was told stands.
        raise Refused("deployment", deployment.id, f"it has ended: {deployment.reason}; start another")
    cloud.ledger.keep(replace(deployment, phase=Phase.CLAIMED, epoch=taken.epoch), taken.epoch)
    cloud.announce("DeploymentClaimed", deployment.id, epoch=taken.epoch)
    return Answer(given.deployment, taken.epoch, go(Action.PROCEED, f"claimed with epoch {taken.epoch}"))


def _refuse_holder(seen: Claim, cloud: Cloud) -> None:
    if cloud.executions.describe(seen.execution).alive:
        remedy = f"{seen.kind.value} {seen.deployment} holds it ({seen.execution}); wait for it or abort it"
        raise Refused("claim", f"epoch {seen.epoch}", remedy)
    left = cloud.ledger.find(seen.deployment)
    if left is not None and left.ended_at is None:
        # What a dead deployment left half-done is put right by a rollback, never by the next deployment:
        # Plan has read aliases that may be at a weight.
        remedy = f"{seen.kind.value} {seen.deployment} died holding it; its rollback starts within a minute, try then"
        raise Refused("claim", f"epoch {seen.epoch}", remedy)


handler = task(claim)
