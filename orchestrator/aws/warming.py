"""Keeping versions warm: canary before its first request, and between deployments whatever serves or may be brought back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.cloud import Cloud, for_each, logger
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.plan import Service
from orchestrator.domain.records import Deployment
from orchestrator.domain.warmth import Warmth, changes, reachable

RECENT = 25
"""How many deployments are looked through: refused ones may have come after the one that shifted traffic."""


def warm_canary(deployment: Deployment, cloud: Cloud) -> Mapping[str, Warmth | None]:
    """Warm canary's versions, and cool what neither it nor a rollback of it leads to: what is reserved holds two versions, not three.

    Returns what each function's canary has, as read before anything was changed.
    """
    service, canaries = deployment.service, {one.name: one for one in deployment.functions if one.changed}

    def of_function(name: str) -> Warmth | None:
        one, count = canaries[name], service.warm[name]
        found = cloud.provisioned.of(one.function_name)
        _make(one.function_name, count, (one.stable_version, one.canary_version), found, cloud)
        return found.get(one.canary_version)

    names = warmed(deployment)
    return dict(zip(names, for_each(names, of_function), strict=True))


def warmed(deployment: Deployment) -> list[str]:
    """Return the functions whose canary is to be warm before its first request."""
    return sorted(one.name for one in deployment.functions if one.changed and deployment.service.warm.get(one.name))


def keep_warm(cloud: Cloud) -> str:
    """Between deployments: warm what serves or may be brought back, and nothing else; says what it could not do.

    It moves no traffic, so it needs no claim, and what fails here is no reason not to look after dead executions.
    """
    service = msgspec.json.decode(cloud.settings["SERVICE"], type=Service)
    try:
        # Read before the claim is: what a deployment warms after that is not among what is found.
        found = {name: cloud.provisioned.of(function) for name, function in service.functions.items()}
        if cloud.ledger.claim().held or not (any(found.values()) or any(service.warm.values())):
            return ""
        newest = next((one for one in cloud.ledger.newest(RECENT) if one.first_shift_at), None)
        for name, function in service.functions.items():
            routing = cloud.aliases.read(function).routing
            versions = reachable(name, filter(None, (routing.primary, routing.canary)), newest, cloud.now())
            _make(function, service.warm.get(name, 0), versions, found[name], cloud)
    except (OrchestratorError, ClientError) as error:
        logger.error("not kept warm", extra={"error": type(error).__name__, "reason": str(error)})
        return f"not kept warm: {error}"
    return ""


def _make(function: str, count: int, versions: Iterable[str], found: Mapping[str, Warmth], cloud: Cloud) -> None:
    change = changes(count, versions, found)
    for version in change.cool:
        cloud.provisioned.cool(function, version)
    for version in change.warm:
        cloud.provisioned.warm(function, version, count)
