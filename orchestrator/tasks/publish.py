"""Publish: one version a function that changed, exactly as planned."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.aws.aliases import mark
from orchestrator.aws.cloud import Cloud, for_each
from orchestrator.aws.warming import warmed
from orchestrator.domain.decision import Action
from orchestrator.domain.plan import Function
from orchestrator.domain.records import Deployment, Phase
from orchestrator.tasks import Answer, Given, go, task, write_down


def publish(given: Given, cloud: Cloud) -> Answer:
    """Publish the planned release. Lambda itself returns the existing version where a function is unchanged.

    Raises:
        Refused: `$LATEST` changed since it was planned.
        ClaimLost: another epoch holds the claim.
    """
    deployment = cloud.ledger.read(given.deployment)
    cloud.ledger.check_claim(given.epoch)
    functions = tuple(
        for_each(deployment.functions, lambda function: _publish(function, deployment, given.epoch, cloud))
    )
    published = replace(deployment, functions=functions, phase=Phase.PUBLISHED)
    changed = {function.name: function.canary_version for function in functions if function.changed}
    if not changed:
        return write_down(given, cloud, published, go(Action.FINISH, "nothing to ship: $LATEST is what stable is"))
    cloud.announce("VersionsPublished", deployment.id, versions=changed)
    reason = "published " + ", ".join(f"{name} {version}" for name, version in changed.items())
    return write_down(given, cloud, published, go(Action.WARM if warmed(published) else Action.PROCEED, reason))


def _publish(function: Function, deployment: Deployment, epoch: int, cloud: Cloud) -> Function:
    version = cloud.versions.publish(
        function.function_name,
        code_sha256=deployment.release.code[function.name],
        revision=deployment.release.revisions[function.name],
        signature=mark(epoch, deployment.id),
    )
    return replace(function, canary_version=version)


handler = task(publish)
