"""How a deployment came out, and how that is said to whom."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from orchestrator.domain.records import Deployment, Ending, Phase

ANNOUNCED_AS = {
    Ending.SUCCEEDED: "DeploymentSucceeded",
    Ending.NOTHING_TO_SHIP: "DeploymentNothingToShip",
    Ending.REFUSED: "DeploymentRefused",
}
"""The detail-type of the event that says how a deployment came out; a rollback announces itself."""


def cause_of(error: Mapping[str, str]) -> str:
    """An error that a Catch kept, as one sentence. Lambda gives its cause as JSON with ``errorMessage``."""
    name, cause = error.get("Error", "error"), error.get("Cause", "")
    try:
        decoded = json.loads(cause)
    except ValueError:
        decoded = cause
    message = decoded.get("errorMessage", cause) if isinstance(decoded, dict) else cause
    return f"{name}: {message}" if message else name


def ending_of(error: Mapping[str, str], deployment: Deployment | None) -> tuple[Ending, str]:
    """The ending of a deployment that needs no rollback, and its reason.

    Args:
        error: what was caught on the way; anything here came before traffic, so nothing was touched.
        deployment: as the ledger has it; None where its plan was refused.
    """
    if error or deployment is None:
        return Ending.REFUSED, cause_of(error)
    if not any(function.changed for function in deployment.functions):
        return Ending.NOTHING_TO_SHIP, "$LATEST is what stable is"
    versions = ", ".join(f"{function.name} {function.canary_version}" for function in deployment.functions)
    return Ending.SUCCEEDED, f"stable is now {versions}"


def as_it_left(deployment: Deployment) -> Deployment:
    """A deployment with what clients get since as its stable versions: after one that succeeded, these are its own."""
    if deployment.ending is not Ending.SUCCEEDED:
        return deployment
    functions = tuple(replace(one, stable_version=one.canary_version) for one in deployment.functions)
    return replace(deployment, functions=functions)


def refused(deployment: Deployment, reason: str, now: datetime) -> Deployment:
    """A deployment that ends without having touched anything."""
    return replace(deployment, phase=Phase.ENDED, ending=Ending.REFUSED, reason=reason, ended_at=now)


def message_to_operators(
    deployment_id: str, environment: str, deployment: Deployment | None, reason: str, error: Mapping[str, str]
) -> tuple[str, str]:
    """Subject and text for those who run the service."""
    if error and (deployment is None or deployment.ended_at is None):
        subject = f"{environment}: rollback of {deployment_id} needs you"
        return subject, f"{cause_of(error)}\n\nFollow docs/runbooks/break-glass.md if aliases are not on stable."
    ending = deployment.ending.value if deployment and deployment.ending else reason.split(":", 1)[0]
    lines = [f"Deployment {deployment_id} of {environment}: {ending}.", reason]
    if deployment is not None:
        lines.append(f"Release {deployment.release.digest}, strategy {deployment.plan.strategy}.")
        lines.append(f"Asked for by {deployment.requested_by}.")
    lines.append(f"orchestrator explain {deployment_id} --env {environment}")
    return f"{environment}: deployment {ending.lower().replace('_', ' ')}", "\n".join(lines)


def message_to_clients(deployment: Deployment) -> tuple[str, str] | None:
    """Subject and text for those who use the service; None where nothing that they could notice took place."""
    if not deployment.shifts or deployment.ended_at is None:
        return None
    when = f"between {deployment.shifts[0].at:%Y-%m-%d %H:%M} and {deployment.ended_at:%Y-%m-%d %H:%M} UTC"
    if deployment.ending is Ending.SUCCEEDED:
        return "OAuth service updated", f"The OAuth service was updated {when}. No action is needed."
    return (
        "OAuth service: an update was withdrawn",
        f"An update of the OAuth service was withdrawn {when}. Some requests may have failed; retrying them is safe.",
    )
