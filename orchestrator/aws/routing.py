"""All functions of a deployment at once: to a weight, to canary, back to stable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from orchestrator.aws.aliases import Alias, Routing, mark
from orchestrator.aws.cloud import Cloud, for_each
from orchestrator.domain.errors import AliasConflict
from orchestrator.domain.plan import Function
from orchestrator.domain.records import Deployment

INSIST = 3
"""How often a rollback writes an alias that others keep moving, before the attempt counts as failed."""

Revisions = Mapping[str, str]
"""Function name to the revision of its alias."""


def shift(deployment: Deployment, weight_percent: int, epoch: int, cloud: Cloud) -> Revisions:
    """Give canary `weight_percent` of every changed function.

    An alias that is there already, under our own mark, is only read.

    Raises:
        ClaimLost: another epoch holds the claim; no alias was written after that.
        AliasConflict: somebody without the claim has moved an alias. It is not moved again: that somebody
            may be a person with the break-glass runbook.
    """

    def weighted(function: Function) -> Routing:
        return Routing(function.stable_version, function.canary_version, weight_percent)

    return _move(deployment, weighted, epoch, cloud)


def promote(deployment: Deployment, epoch: int, cloud: Cloud) -> Revisions:
    """Point every changed function's alias at canary alone.

    Raises:
        ClaimLost, AliasConflict: as `shift`.
    """
    return _move(deployment, lambda function: Routing(function.canary_version), epoch, cloud)


def restore(deployment: Deployment, epoch: int, cloud: Cloud) -> Revisions:
    """Point every function's alias back at stable, whether this deployment changed it or not.

    It always writes, even where the alias is right already: that burns every revision that a late writer holds.
    The revision that the ledger knows saves a read, so a function takes two calls.

    Raises:
        ClaimLost: another epoch holds the claim; no alias was written after that.
        AliasConflict: somebody without the claim keeps moving an alias.
    """
    signature, check = mark(epoch, deployment.id), cloud.ledger.fence(epoch)

    def back(function: Function) -> Alias:
        wanted = Routing(function.stable_version)
        revision = deployment.revisions.get(function.name) or cloud.aliases.read(function.function_name).revision
        for _ in range(INSIST):
            try:
                return cloud.aliases.write(function.function_name, wanted, signature, check, revision)
            except AliasConflict:
                revision = cloud.aliases.read(function.function_name).revision
        return cloud.aliases.write(function.function_name, wanted, signature, check, revision)

    return _each(deployment.functions, back)


def _move(deployment: Deployment, wanted_of: Callable[[Function], Routing], epoch: int, cloud: Cloud) -> Revisions:
    signature, check = mark(epoch, deployment.id), cloud.ledger.fence(epoch)

    def move(function: Function) -> Alias:
        wanted, found = wanted_of(function), cloud.aliases.read(function.function_name)
        if (found.routing, found.mark) == (wanted, signature):
            return found
        if found.revision != deployment.revisions[function.name]:
            check()
            raise AliasConflict(
                f"{function.function_name}:live was moved to {found.routing} by {found.mark or 'somebody'}"
            )
        return cloud.aliases.write(function.function_name, wanted, signature, check, found.revision)

    changed = [function for function in deployment.functions if function.changed]
    return {**deployment.revisions, **_each(changed, move)}


def _each(functions: Sequence[Function], write: Callable[[Function], Alias]) -> Revisions:
    written = for_each(functions, write)
    return {function.name: alias.revision for function, alias in zip(functions, written, strict=True)}
