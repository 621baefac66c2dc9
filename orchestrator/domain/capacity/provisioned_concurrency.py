"""Provisioned concurrency: which versions have it, and what its state means for a deployment.

It belongs to versions, because AWS refuses it on an alias with weights. Canary gets it before its first request, and
stable keeps it while a rollback may revert to it. Every other version loses it, either in the next deployment or by
the reconciler after the rollback window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.deployment.decision import Action, Decision
from orchestrator.domain.deployment.plan import MAX_WARM_UP_CHECKS
from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome
from orchestrator.domain.rollback.triggers import rollback_blocker

CHECK_INTERVAL_SECONDS = 15
READY, FAILED = "READY", "FAILED"


@dataclass(frozen=True)
class ProvisionedState:
    """The provisioned concurrency of one version, as Lambda reports it.

    Attributes:
        requested: requested execution environments.
        available: available execution environments.
        state: IN_PROGRESS, READY or FAILED.
        reason: why it failed.
    """

    requested: int
    available: int
    state: str
    reason: str = ""


@dataclass(frozen=True)
class ProvisioningChanges:
    """Versions of one function that get provisioned concurrency, and versions that lose it."""

    provision: tuple[str, ...]
    remove: tuple[str, ...]


def provisioning_changes(
    count: int, versions: Iterable[str], states: Mapping[str, ProvisionedState]
) -> ProvisioningChanges:
    """Return the changes after which exactly these versions have provisioned concurrency of `count`.

    A failed request is repeated, because Lambda does not retry it.
    """
    required = frozenset(versions) if count else frozenset[str]()
    lacking = {version for version in required if not _is_requested(count, states.get(version))}
    return ProvisioningChanges(provision=tuple(sorted(lacking)), remove=tuple(sorted(states.keys() - required)))


def judge_provisioning(
    check: int, required: Mapping[str, int], states: Mapping[str, ProvisionedState | None]
) -> Decision:
    """Decide what follows a check of canary's provisioned concurrency: proceed, check again, or roll back.

    Args:
        check: number of the check, from 0. At check 0, FAILED is the result of an earlier request and is ignored.
        required: function to the provisioned concurrency of its canary.
        states: function to the state of its canary; None if it has none.
    """
    summary = ", ".join(f"{name} {_describe(count, states[name])}" for name, count in sorted(required.items()))
    failed = [name for name in required if (state := states[name]) and state.state == FAILED]
    if failed and check:
        return Decision(Action.ROLL_BACK, 0, check, 0, f"canary's provisioned concurrency failed: {summary}")
    if all((state := states[name]) and state.state == READY and state.requested == required[name] for name in required):
        return Decision(Action.PROCEED, 0, check, 0, f"canary is warmed up: {summary}")
    if check + 1 >= MAX_WARM_UP_CHECKS:
        waited = check * CHECK_INTERVAL_SECONDS
        return Decision(Action.ROLL_BACK, 0, check, 0, f"canary is not warmed up after {waited} s: {summary}")
    return Decision(Action.WARM_UP, 0, check + 1, CHECK_INTERVAL_SECONDS, f"warming up canary: {summary}")


def versions_in_use(name: str, routed: Iterable[str], newest: Deployment | None, now: datetime) -> frozenset[str]:
    """Return the versions of a function that serve, or that a rollback may revert to.

    Args:
        name: short name of the function.
        routed: the versions in the alias.
        newest: the newest deployment that shifted traffic and ended; None if there was none.
        now: the current time.
    """
    routed_versions = frozenset(routed)
    if newest is None or newest.outcome is not DeploymentOutcome.SUCCEEDED or rollback_blocker(newest, now):
        return routed_versions
    return routed_versions | {function.stable_version for function in newest.functions if function.name == name}


def _is_requested(count: int, state: ProvisionedState | None) -> bool:
    return state is not None and state.requested == count and state.state != FAILED


def _describe(count: int, state: ProvisionedState | None) -> str:
    if state is None:
        return f"none of {count}"
    failed = f" ({state.state}: {state.reason or 'no reason given'})" if state.state == FAILED else ""
    return f"{state.available} of {count}{failed}"
