"""Move the aliases of all functions of a deployment: to a canary weight, to canary, or back to stable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.aws.lambda_.aliases import Alias, Routing, owner_tag
from orchestrator.domain.deployment.plan import Function
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.errors import AliasConflict

REVERT_RETRIES = 3
"""How often a rollback repeats the write of an alias that other clients keep moving, before the attempt fails."""

Revisions = Mapping[str, str]
"""Short name of a function to the revision of its alias."""


def shift(deployment: Deployment, weight_percent: int, fencing_token: int, cloud: Cloud) -> Revisions:
    """Give canary `weight_percent` of the traffic of every changed function.

    An alias that has that weight already, with our own tag, is only read.

    Raises:
        LockLost: another execution holds the lock; no alias was written after that.
        AliasConflict: a client that does not hold the lock has moved an alias. It is not moved again, because that
            client may be an operator with the break-glass runbook.
    """

    def weighted(function: Function) -> Routing:
        return Routing(function.stable_version, function.canary_version, weight_percent)

    return _move(deployment, weighted, fencing_token, cloud)


def promote(deployment: Deployment, fencing_token: int, cloud: Cloud) -> Revisions:
    """Point every changed function's alias at canary alone.

    Raises:
        LockLost, AliasConflict: as `shift`.
    """
    return _move(deployment, lambda function: Routing(function.canary_version), fencing_token, cloud)


def revert(deployment: Deployment, fencing_token: int, cloud: Cloud) -> Revisions:
    """Point every function's alias back at stable, whether this deployment changed it or not.

    It always writes, even if the alias is right already: that invalidates every revision that a late writer knows. The
    ledger knows the revision, which saves a read, so a function takes two calls.

    Raises:
        LockLost: another execution holds the lock; no alias was written after that.
        AliasConflict: a client that does not hold the lock keeps moving an alias.
    """
    tag, check_lock = owner_tag(fencing_token, deployment.id), cloud.ledger.fence(fencing_token)

    def revert_alias(function: Function) -> Alias:
        stable = Routing(function.stable_version)
        revision = deployment.revisions.get(function.name) or cloud.aliases.read_alias(function.function_name).revision
        for _ in range(REVERT_RETRIES):
            try:
                return cloud.aliases.write_alias(function.function_name, stable, tag, check_lock, revision)
            except AliasConflict:
                revision = cloud.aliases.read_alias(function.function_name).revision
        return cloud.aliases.write_alias(function.function_name, stable, tag, check_lock, revision)

    return _write_each(deployment.functions, revert_alias)


def _move(
    deployment: Deployment, routing_of: Callable[[Function], Routing], fencing_token: int, cloud: Cloud
) -> Revisions:
    tag, check_lock = owner_tag(fencing_token, deployment.id), cloud.ledger.fence(fencing_token)

    def move(function: Function) -> Alias:
        routing, current = routing_of(function), cloud.aliases.read_alias(function.function_name)
        if (current.routing, current.owner_tag) == (routing, tag):
            return current
        if current.revision != deployment.revisions[function.name]:
            # The read may not have seen our own write of the step before.
            current = cloud.aliases.read_alias_again(function.function_name)
        if current.revision != deployment.revisions[function.name]:
            check_lock()
            raise AliasConflict(
                f"{function.function_name}:live was moved to {current.routing} "
                f"by {current.owner_tag or 'an unknown writer'}"
            )
        return cloud.aliases.write_alias(function.function_name, routing, tag, check_lock, current.revision)

    changed = [function for function in deployment.functions if function.changed]
    return {**deployment.revisions, **_write_each(changed, move)}


def _write_each(functions: Sequence[Function], write: Callable[[Function], Alias]) -> Revisions:
    written = for_each(functions, write)
    return {function.name: alias.revision for function, alias in zip(functions, written, strict=True)}
