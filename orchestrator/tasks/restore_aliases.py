"""RestoreAliases: every function back on its stable version, read back. The one thing that must not fail."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.routing import restore
from orchestrator.domain.rollback import after_restoring
from orchestrator.tasks import Answer, Given, passed_on, task


def restore_aliases(given: Given, cloud: Cloud) -> Answer:
    """Write and read back every alias, whether this deployment moved it or not.

    Raises:
        ClaimLost: a later rollback took over.
        AliasConflict: somebody outside keeps moving an alias; the machine tries again.
        Throttled: the control plane's limit was met; the machine tries again.
    """
    deployment = cloud.ledger.read(given.deployment)
    revisions = restore(deployment, given.epoch, cloud)
    at = cloud.now()
    assert deployment.rollback is not None, "Fence has begun it"
    rolled = replace(deployment, revisions=revisions, rollback=replace(deployment.rollback, restored_at=at))
    cloud.ledger.keep(rolled, given.epoch)
    cloud.announce("AliasesRestored", deployment.id, restored_at=at, functions=sorted(revisions))
    return Answer(deployment.id, given.epoch, after_restoring(deployment, passed_on(given)))


handler = task(restore_aliases)
