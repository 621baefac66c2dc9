"""Provision concurrency: for canary before its first request, and for the versions in use between deployments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, for_each, logger
from orchestrator.application.live_state import newest_shifted
from orchestrator.domain.capacity.provisioned_concurrency import ProvisionedState, provisioning_changes, versions_in_use
from orchestrator.domain.deployment.plan import Service
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.errors import OrchestratorError


def provision_canary(deployment: Deployment, cloud: Cloud) -> Mapping[str, ProvisionedState | None]:
    """Provision concurrency for canary's versions, and remove it from versions that are neither stable nor canary.

    The reserved concurrency suffices for two versions of a function, not for three.

    Returns:
        Short name of a function to its canary's state, as read before any change.
    """
    service = deployment.service
    changed = {function.name: function for function in deployment.functions if function.changed}

    def provision(name: str) -> ProvisionedState | None:
        function, count = changed[name], service.warm[name]
        states = cloud.provisioned.read_state(function.function_name)
        versions = (function.stable_version, function.canary_version)
        _apply_changes(function.function_name, count, versions, states, cloud)
        return states.get(function.canary_version)

    names = functions_to_provision(deployment)
    return dict(zip(names, for_each(names, provision), strict=True))


def functions_to_provision(deployment: Deployment) -> list[str]:
    """Return the functions whose canary needs provisioned concurrency before its first request, by short name."""
    return sorted(
        function.name
        for function in deployment.functions
        if function.changed and deployment.service.warm.get(function.name)
    )


def reconcile_provisioned(cloud: Cloud) -> str:
    """Provision concurrency, between deployments, for the live versions and those that a rollback would revert to.

    It moves no traffic, so it needs no lock. Its failure is reported and not raised, because the reconciler must go on
    to check stale executions.

    Returns:
        What failed; empty if nothing did.
    """
    service = msgspec.json.decode(cloud.settings["SERVICE"], type=Service)
    try:
        # Read before the lock, so that it contains nothing that a deployment provisions later.
        states = {name: cloud.provisioned.read_state(function) for name, function in service.functions.items()}
        if cloud.ledger.read_lock().held or not (any(states.values()) or any(service.warm.values())):
            return ""
        newest = newest_shifted(cloud.ledger)
        for name, function in service.functions.items():
            routing = cloud.aliases.read_alias(function).routing
            versions = versions_in_use(name, filter(None, (routing.primary, routing.canary)), newest, cloud.now())
            _apply_changes(function, service.warm.get(name, 0), versions, states[name], cloud)
    except (OrchestratorError, ClientError) as error:
        extra = {"error": type(error).__name__, "reason": str(error)}
        logger.error("provisioned concurrency not reconciled", extra=extra)
        return f"provisioned concurrency not reconciled: {error}"
    return ""


def _apply_changes(
    function: str, count: int, versions: Iterable[str], states: Mapping[str, ProvisionedState], cloud: Cloud
) -> None:
    change = provisioning_changes(count, versions, states)
    for version in change.remove:
        cloud.provisioned.remove(function, version)
    for version in change.provision:
        cloud.provisioned.provision(function, version, count)
