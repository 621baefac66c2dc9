"""Warm: canary's versions get their provisioned concurrency before anybody calls them. Absolute, so every look may ask again."""

from __future__ import annotations

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.warming import warm_canary, warmed
from orchestrator.domain.warmth import judge_warming
from orchestrator.tasks import Answer, Given, task, write_down


def warm(given: Given, cloud: Cloud) -> Answer:
    """Ask for what canary is to have, and look at what it has.

    Raises:
        ClaimLost: another epoch holds the claim.
    """
    deployment = cloud.ledger.read(given.deployment)
    cloud.ledger.check_claim(given.epoch)
    wanted = {name: deployment.service.warm[name] for name in warmed(deployment)}
    decision = judge_warming(given.cursor.look, wanted, warm_canary(deployment, cloud))
    return write_down(given, cloud, deployment, decision)


handler = task(warm)
