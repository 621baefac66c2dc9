"""Plan: check everything up front and keep the deployment in the ledger. Nothing else is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from orchestrator.aws.aliases import Alias
from orchestrator.aws.cloud import Cloud, for_each
from orchestrator.domain.decision import Action
from orchestrator.domain.errors import Refused
from orchestrator.domain.freeze import refuse_frozen
from orchestrator.domain.plan import Function, Plan, Service
from orchestrator.domain.policy import DeliveryPolicy
from orchestrator.domain.records import Deployment, Phase, Release
from orchestrator.domain.release import digest, refuse_unlike
from orchestrator.domain.request import ANY_RELEASE, DeploymentRequest, read_request
from orchestrator.domain.restoration import cut_over_of, refuse_lower_floor, refuse_other_tables
from orchestrator.domain.strategy import read_strategy
from orchestrator.tasks import Answer, Given, go, task


def plan(given: Given, cloud: Cloud) -> Answer:
    """Plan a deployment.

    Raises:
        Refused: the input, the environment or the release does not allow it; names field, value and remedy.
    """
    policy = DeliveryPolicy.parse(msgspec.json.decode(cloud.settings["DELIVERY"]))
    service = msgspec.json.decode(cloud.settings["SERVICE"], type=Service)
    request = read_request(given.given, policy)
    change = cut_over_of(cloud.restores.read(request.cut_over), cloud.ledger.claim()) if request.cut_over else None
    if change is None:
        # A restore was let through a freeze, or not, when it was planned.
        refuse_frozen(cloud.freezes.read())
    planned = Plan.of(read_strategy(request.strategy, policy), policy)
    functions, revisions, release = _read_release(service, cloud, tables_change=change is not None)
    _refuse_release(request, release, cloud)
    deployment = cloud.ledger.open(
        Deployment(
            id=given.deployment,
            environment=cloud.environment,
            requested_by=request.requested_by,
            requested_at=cloud.now(),
            release=release,
            plan=planned,
            service=replace(service, tables=change.entered) if change else service,
            functions=functions,
            revisions=revisions,
            phase=Phase.PLANNED,
            execution=given.execution,
            checklist=request.checklist,
            changes_items=request.changes_items,
            cut_over=change,
        )
    )
    cloud.announce(
        "DeploymentPlanned",
        deployment.id,
        release=release.digest,
        strategy=planned.strategy,
        steps=planned.steps,
        looks=planned.looks,
        transitions=planned.transitions,
        requested_by=request.requested_by,
    )
    reason = f"{planned.strategy}: {len(planned.steps)} steps, {planned.looks} looks, {planned.transitions} transitions"
    return Answer(deployment.id, 0, go(Action.PROCEED, reason))


def _read_release(
    service: Service, cloud: Cloud, *, tables_change: bool
) -> tuple[tuple[Function, ...], Mapping[str, str], Release]:
    names = sorted(service.functions)
    aliases = for_each(names, lambda name: cloud.aliases.read(service.functions[name]))
    latest = dict(
        zip(names, for_each(names, lambda name: cloud.versions.describe(service.functions[name])), strict=True)
    )
    functions = []
    for name, alias in zip(names, aliases, strict=True):
        _refuse_unrest(service.functions[name], alias)
        stable = cloud.versions.describe(service.functions[name], alias.routing.primary)
        refuse_unlike(name, stable, latest[name])
        refuse_lower_floor(name, stable, latest[name])
        if not tables_change:
            refuse_other_tables(name, stable, latest[name])
        # Until Publish there is no canary: the function is on stable and nothing else.
        functions.append(Function(name, service.functions[name], stable.version, stable.version))
    revisions = {name: alias.revision for name, alias in zip(names, aliases, strict=True)}
    return (
        tuple(functions),
        revisions,
        Release(
            digest=digest(latest),
            revisions={name: one.revision for name, one in latest.items()},
            code={name: one.code_sha256 for name, one in latest.items()},
        ),
    )


def _refuse_unrest(function_name: str, alias: Alias) -> None:
    if alias.routing.canary:
        raise Refused(
            f"{function_name}:live",
            f"{alias.routing.weight_percent} % on version {alias.routing.canary}",
            "it is still shifted by an earlier deployment: run `orchestrator rollback` first",
        )


def _refuse_release(request: DeploymentRequest, release: Release, cloud: Cloud) -> None:
    if request.release not in {ANY_RELEASE, release.digest}:
        raise Refused(
            "release", request.release, f"$LATEST holds {release.digest}; deploy the stack again or ask for that"
        )
    earlier = cloud.ledger.rolled_back_by(release.digest)
    if earlier and not request.force:
        raise Refused("release", release.digest, f"deployment {earlier} rolled it back; ship a mended one or use force")


handler = task(plan)
