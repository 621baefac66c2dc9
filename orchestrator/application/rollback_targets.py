"""The versions that a rollback reverts the aliases to: chosen by an operator or stable, and whether they exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.domain.deployment.plan import Function
from orchestrator.domain.deployment.record import Deployment


def with_chosen_targets(deployment: Deployment, targets: Mapping[str, str]) -> Deployment:
    """Return the deployment with the versions that an operator chose for its rollback as its stable versions.

    Args:
        deployment: the deployment to roll back.
        targets: short name of a function to its version; a function that is absent keeps its stable version.
    """
    functions = tuple(
        replace(function, stable_version=targets.get(function.name, function.stable_version))
        for function in deployment.functions
    )
    return replace(deployment, functions=functions)


def missing_targets(functions: Sequence[Function], cloud: Cloud) -> tuple[str, ...]:
    """Return the stable versions that do not exist, each as ``function:version``.

    Raises:
        Throttled, Unreachable: Lambda could not be asked.
    """
    exist = for_each(
        functions,
        lambda function: cloud.versions.version_exists(function.function_name, function.stable_version),
    )
    return tuple(
        f"{function.function_name}:{function.stable_version}"
        for function, exists in zip(functions, exist, strict=True)
        if not exists
    )
