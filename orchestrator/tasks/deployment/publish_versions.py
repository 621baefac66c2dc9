"""PublishVersions: publish one version of each changed function, exactly as planned."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.application.warmup import functions_to_provision
from orchestrator.aws.lambda_.aliases import owner_tag
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.plan import Function
from orchestrator.domain.deployment.record import Deployment, DeploymentPhase
from orchestrator.tasks.runtime import TaskInput, TaskOutput, append_decision, make_decision, task


def publish_versions(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Publish the planned release, or reuse the known-good versions that are this release.

    Lambda itself returns the existing version if a function is unchanged since its last version.

    Raises:
        Refused: `$LATEST` changed since it was planned.
        LockLost: another execution holds the lock.
    """
    deployment = cloud.ledger.read_record(task_input.deployment)
    token = task_input.fencing_token
    cloud.ledger.check_lock(token)
    functions = tuple(for_each(deployment.functions, lambda function: _publish(function, deployment, token, cloud)))
    published = replace(deployment, functions=functions, phase=DeploymentPhase.PUBLISHED)
    changed = {function.name: function.canary_version for function in functions if function.changed}
    if not changed:
        decision = make_decision(Action.FINISH, "nothing to ship: $LATEST equals the stable version")
        return append_decision(task_input, cloud, published, decision)
    cloud.announce("VersionsPublished", deployment.id, versions=changed)
    reason = ("reused " if deployment.known_good else "published ") + ", ".join(
        f"{name} {version}" for name, version in changed.items()
    )
    action = Action.WARM_UP if functions_to_provision(published) else Action.PROCEED
    return append_decision(task_input, cloud, published, make_decision(action, reason))


def _publish(function: Function, deployment: Deployment, fencing_token: int, cloud: Cloud) -> Function:
    if deployment.known_good:
        return replace(function, canary_version=deployment.known_good.versions[function.name])
    version = cloud.versions.publish_version(
        function.function_name,
        code_sha256=deployment.release.code[function.name],
        revision=deployment.release.revisions[function.name],
        signature=owner_tag(fencing_token, deployment.id),
    )
    return replace(function, canary_version=version)


handler = task(publish_versions)
