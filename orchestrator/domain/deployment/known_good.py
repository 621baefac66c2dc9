"""Known-good versions: recognise by its digest a release that was live before, and return to its versions.

A release digest covers the code and the configuration of all functions. If a recorded deployment of the same digest
succeeded and was not rolled back, its published versions are this release: they were verified, baked and live. Then
nothing is published again, and the default strategy is shortened to one shift. Verification before traffic and after
the promotion, and the rollback, stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.domain.deployment.gates import GateKind
from orchestrator.domain.deployment.plan import Plan
from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome, KnownGood


def is_known_good(record: Deployment, release: str) -> bool:
    """Return whether a deployment made the release with this digest live and was not rolled back."""
    # A cutover names tables that may no longer be in use, and a repair ships no release.
    shipped = record.outcome is DeploymentOutcome.SUCCEEDED and not record.cutover and not record.repair
    return shipped and record.release.digest == release


def lifts_bar(succeeded: Deployment, rolled_back: Deployment) -> bool:
    """Return whether a deployment that succeeded was requested after the one that rolled the same release back.

    It was forced then, and the release has proved itself since.
    """
    return succeeded.requested_at > rolled_back.requested_at


def known_good_of(record: Deployment) -> KnownGood:
    """Return the versions that a deployment made live."""
    return KnownGood(record.id, _versions_of(record))


def made_live(record: Deployment, versions: Mapping[str, str]) -> bool:
    """Return whether a deployment succeeded and its versions are these.

    Args:
        record: the deployment.
        versions: short name of each function to the version that its alias names.
    """
    return record.outcome is DeploymentOutcome.SUCCEEDED and _versions_of(record) == dict(versions)


def shorten(plan: Plan, known_good: KnownGood) -> Plan:
    """Return the plan of a return to known-good versions: one shift to all of them after verification before traffic.

    It waits for no pause and no window, and for the approvals that the plan asks for. Its hooks are those before traffic
    and after the promotion.
    """
    gates = tuple(
        replace(gate, before_step=1 if gate.before_step > len(plan.steps) else 0)
        for gate in plan.gates
        if gate.kind is GateKind.APPROVE
        or (gate.kind is GateKind.HOOK and gate.before_step in {0, len(plan.steps) + 1})
    )
    return replace(plan, strategy=f"all-at-once: known good {known_good.deployment}", steps=(), gates=gates)


def _versions_of(deployment: Deployment) -> Mapping[str, str]:
    return {function.name: function.canary_version for function in deployment.functions}
