"""The live state: the versions that clients get, compared with the state that the ledger recorded last.

The recorded state is that of the newest deployment that moved aliases and ended, not of the newest record: a
deployment that was refused has planned from whatever the aliases pointed at.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.deployment.outcome import with_live_versions
from orchestrator.domain.deployment.plan import Function, Plan
from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome, DeploymentPhase, Release
from orchestrator.domain.errors import Refused

REPAIR = "repair"
"""The strategy in the record of a repair."""

_VERSION = re.compile("[1-9][0-9]{0,8}")

ALIAS_OUTCOMES = frozenset(
    {DeploymentOutcome.SUCCEEDED, DeploymentOutcome.ROLLED_BACK, DeploymentOutcome.NOT_ROLLED_BACK}
)
"""Outcomes of deployments that may have moved aliases. REFUSED and NOTHING_TO_SHIP have moved none."""


@dataclass(frozen=True)
class LiveFunction:
    """A function as its `live` alias routes it.

    Attributes:
        name: short name of the function.
        version: the alias's version.
        canary: the version that gets `weight_percent` of the requests; empty if the alias has no weights.
        build: build of `version`, from its variables; empty if it does not report one.
    """

    name: str
    version: str
    canary: str = ""
    weight_percent: int = 0
    build: str = ""


def records_live_state(deployment: Deployment) -> bool:
    """Return whether a deployment's record says which versions were live when it ended."""
    return deployment.ended_at is not None and deployment.outcome in ALIAS_OUTCOMES


def live_versions(deployment: Deployment) -> Mapping[str, str]:
    """Return the versions that were live when a deployment ended, by short name of the function."""
    return {function.name: function.stable_version for function in with_live_versions(deployment).functions}


def restored_by(repair: Deployment, deployment: Deployment) -> bool:
    """Return whether the versions that a deployment made live are live again, or still, after a repair.

    It is then the deployment that a rollback undoes, although the repair moved the aliases later.
    """
    ended = repair.repair and repair.outcome is DeploymentOutcome.ROLLED_BACK
    succeeded = deployment.outcome is DeploymentOutcome.SUCCEEDED
    return ended and succeeded and live_versions(repair) == live_versions(deployment)


def live_state_problems(
    live: Sequence[LiveFunction], recorded: Deployment | None, *, in_flight: bool
) -> tuple[str, ...]:
    """Return what is wrong with the live state, a sentence each; empty if nothing is.

    Args:
        live: every function of the service.
        recorded: the newest deployment whose record says what is live; None if there is none.
        in_flight: a deployment or a rollback is moving the aliases, so weights and other versions are expected.
    """
    problems = [mixed] if (mixed := _mixed_releases(live)) else []
    if in_flight:
        return tuple(problems)
    weights = ", ".join(
        f"{function.name} {function.weight_percent} % on {function.canary}" for function in live if function.canary
    )
    if weights:
        problems.append(f"aliases have weights although no deployment is under way: {weights}")
    versions = live_versions(recorded) if recorded else {}
    moved = ", ".join(
        f"{function.name} is on {function.version} and not on {versions[function.name]}"
        for function in live
        if function.version != versions.get(function.name, function.version)
    )
    if moved and recorded:
        problems.append(f"aliases were moved outside the orchestrator since {recorded.id}: {moved}")
    return tuple(problems)


def _mixed_releases(live: Sequence[LiveFunction]) -> str:
    by_build: dict[str, list[str]] = defaultdict(list)
    for function in live:
        if function.build:
            by_build[function.build].append(f"{function.name} {function.version}")
    if len(by_build) < 2:  # noqa: PLR2004 - one build is one release
        return ""
    groups = "; ".join(f"{', '.join(functions)} of build {build}" for build, functions in sorted(by_build.items()))
    return f"functions of different releases are live: {groups}"


def adopted_versions(live: Sequence[LiveFunction]) -> Mapping[str, str]:
    """Return the versions that stay if what is live is adopted: of every alias its version, without the weights."""
    return {function.name: function.version for function in live}


def refuse_mixed(live: Sequence[LiveFunction]) -> None:
    """Refuse to adopt functions of different releases.

    Raises:
        Refused: their builds differ.
    """
    if mixed := _mixed_releases(live):
        remedy = (
            "revert it (`orchestrator repair --revert`), or name versions with `orchestrator rollback --to VERSIONS`"
        )
        raise Refused("--adopt", mixed, remedy)


def read_targets(text: str, functions: Collection[str]) -> Mapping[str, str]:
    """Read the versions of `rollback --to`, such as ``token=26,public=14``.

    Raises:
        Refused: an entry is not a function and its published version, or a function is named twice.
    """
    targets: dict[str, str] = {}
    for entry in text.split(","):
        name, _, version = (part.strip() for part in entry.partition("="))
        if name not in functions or name in targets or not _VERSION.fullmatch(version):
            example = ",".join(f"{function}=12" for function in sorted(functions))
            raise Refused("--to", entry.strip(), f"give each function once with its version, such as {example}")
        targets[name] = version
    return targets


def repair_of(
    base: Deployment, name: str, functions: tuple[Function, ...], by: str, execution: str, now: datetime
) -> Deployment:
    """Return the record of a repair: a deployment that ships no release and that its rollback reverts to the targets.

    Args:
        base: a deployment of the same environment, for the service and its limits.
        name: id of the repair.
        functions: every function with its target as the stable version, and its live version as the canary.
        by: the operator.
        execution: ARN of the rollback that carries it out.
        now: the current time.
    """
    return Deployment(
        id=name,
        environment=base.environment,
        requested_by=by,
        requested_at=now,
        release=Release(""),
        plan=Plan(REPAIR, (), base.plan.limits),
        service=base.service,
        functions=functions,
        # READY: the aliases may be written. Its rollback reads their revisions.
        phase=DeploymentPhase.READY,
        execution=execution,
        repair=True,
    )
