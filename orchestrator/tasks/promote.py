"""Promote: the alias goes to canary alone, without weights. From here on the canary is what clients get."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.routing import promote as promote_aliases
from orchestrator.domain.decision import Action
from orchestrator.domain.records import Phase, Shift
from orchestrator.domain.strategy import FULL_PERCENT
from orchestrator.tasks import Answer, Given, go, passed_on, task, write_down


def promote(given: Given, cloud: Cloud) -> Answer:
    """Move every function's alias to its canary version and read it back.

    Raises:
        ClaimLost: another epoch holds the claim; no alias was written after that.
        AliasConflict: somebody without the claim moves an alias.
    """
    deployment = cloud.ledger.read(given.deployment)
    revisions = promote_aliases(deployment, given.epoch, cloud)
    step = len(deployment.plan.steps)
    earlier = tuple(shift for shift in deployment.shifts if shift.step < step)
    promoted = replace(
        deployment,
        phase=Phase.PROMOTED,
        shifts=(*earlier, Shift(step, FULL_PERCENT, cloud.now())),
        revisions=revisions,
    )
    cloud.announce("DeploymentPromoted", deployment.id)
    wait = round(deployment.plan.after_bake.total_seconds())
    return write_down(given, cloud, promoted, go(Action.WATCH, f"promoted: {passed_on(given).reason}", max(1, wait)))


handler = task(promote)
