"""Record: complete the deployment's record, however it came out."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.decision import Action
from orchestrator.domain.ending import ANNOUNCED_AS, ending_of
from orchestrator.domain.records import Ending, Phase, Signal
from orchestrator.tasks import Answer, Given, go, task


def record(given: Given, cloud: Cloud) -> Answer:
    """Write how the deployment ended: succeeded, nothing to ship, or refused with its reason.

    Raises:
        ClaimLost: a rollback took over; it completes the record.
    """
    deployment = cloud.ledger.find(given.deployment)
    ending, reason = ending_of(given.error, deployment)
    if deployment is None:
        why = Signal(
            given.deployment,
            cloud.now(),
            "request",
            given.deployment,
            acted=False,
            why=reason,
            deployment=given.deployment,
        )
        cloud.ledger.refuse(why)
        cloud.measures.count("Deployments", {"ending": ending}, given.deployment)
    elif deployment.ended_at is None:
        ended = replace(deployment, phase=Phase.ENDED, ending=ending, reason=reason, ended_at=cloud.now())
        claim = cloud.ledger.claim()
        if claim.execution == given.execution:
            cloud.ledger.keep(ended, claim.epoch)
        elif not deployment.epoch:
            cloud.ledger.keep_unclaimed(ended)
        # A retry finds the record complete, so nothing is counted twice.
        cloud.measures.count("Deployments", {"ending": ending}, given.deployment)
    cloud.announce(ANNOUNCED_AS[ending], given.deployment, reason=reason)
    action = Action.REFUSE if ending is Ending.REFUSED else Action.FINISH
    return Answer(given.deployment, given.epoch, go(action, f"{ending}: {reason}"))


handler = task(record)
