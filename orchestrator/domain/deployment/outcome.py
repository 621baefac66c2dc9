"""The outcome of a deployment, and the messages about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from orchestrator.domain.deployment.decision import Action, Decision
from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome, DeploymentPhase, PauseToken
from orchestrator.domain.printable import printable
from orchestrator.domain.untrusted_json import decode_untrusted, text_of

EVENT_TYPES = {
    DeploymentOutcome.SUCCEEDED: "DeploymentSucceeded",
    DeploymentOutcome.NOTHING_TO_SHIP: "DeploymentNothingToShip",
    DeploymentOutcome.REFUSED: "DeploymentRefused",
    DeploymentOutcome.NOT_ROLLED_BACK: "RollbackImpossible",
}
"""Outcome to the detail-type of its event. A rollback that reverts the aliases publishes its own event."""


REFUSED_ERROR, TIMED_OUT = "Refused", "States.Timeout"


def cause_of(error: Mapping[str, str]) -> str:
    """Return an error from a Catch as one sentence. Lambda's cause is JSON with ``errorMessage``.

    A refusal is a sentence for a person already; any other error begins with its name, which its runbook lists.
    """
    name, cause = error.get("Error", "error"), error.get("Cause", "")
    try:
        decoded: object = decode_untrusted(cause)
    except ValueError:
        decoded = cause
    message = decoded.get("errorMessage", cause) if isinstance(decoded, dict) else cause
    if message and name == REFUSED_ERROR:
        return printable(text_of(message))
    if name == TIMED_OUT and not message:
        return f"a task of the orchestrator did not answer in time ({TIMED_OUT})"
    return printable(f"{name}: {text_of(message)}") if message else name


def reason_of_unanswered_pause(
    error: Mapping[str, str], decision: Decision, pause: PauseToken | None, *, answered: bool
) -> str:
    """Return why a deployment ends that waited for an operator until its deadline; empty if another error ended it.

    Args:
        error: the caught error.
        decision: the decision that led to the state that failed.
        pause: the deployment's newest pause.
        answered: whether an operator has answered it.
    """
    if decision.action is not Action.PAUSE or answered or pause is None or error.get("Error") != TIMED_OUT:
        return ""
    return f"no operator answered the pause until {pause.deadline:%Y-%m-%d %H:%M:%S} UTC: {pause.reason}"


def outcome_of(error: Mapping[str, str], deployment: Deployment | None) -> tuple[DeploymentOutcome, str]:
    """Return the outcome of a deployment without a rollback, and its reason.

    Args:
        error: the caught error. It occurred before traffic, so nothing was changed.
        deployment: its record in the ledger; None if its plan was refused.
    """
    if error or deployment is None:
        return DeploymentOutcome.REFUSED, cause_of(error)
    if not any(function.changed for function in deployment.functions):
        return DeploymentOutcome.NOTHING_TO_SHIP, "$LATEST equals the stable versions"
    versions = ", ".join(f"{function.name} {function.canary_version}" for function in deployment.functions)
    return DeploymentOutcome.SUCCEEDED, f"stable is now {versions}"


def with_live_versions(deployment: Deployment) -> Deployment:
    """Return a deployment whose stable versions are the live ones: its own, unless its rollback reverted to stable."""
    kept = {DeploymentOutcome.SUCCEEDED, DeploymentOutcome.NOT_ROLLED_BACK}
    if deployment.outcome not in kept and not deployment.keeps_canary:
        return deployment
    functions = tuple(replace(function, stable_version=function.canary_version) for function in deployment.functions)
    return replace(deployment, functions=functions)


def closed_deployment(deployment: Deployment, reason: str, now: datetime) -> Deployment:
    """Return the record of a deployment whose execution ended before it completed it, and that is not rolled back.

    A verified release has succeeded: only the record was missing. Any other deployment has changed nothing.
    """
    if deployment.phase is not DeploymentPhase.VERIFIED:
        return refused_deployment(deployment, reason, now)
    outcome, reason = outcome_of({}, deployment)
    return replace(deployment, phase=DeploymentPhase.ENDED, outcome=outcome, reason=reason, ended_at=now)


def refused_deployment(deployment: Deployment, reason: str, now: datetime) -> Deployment:
    """Return a deployment that ends without having changed anything."""
    return replace(
        deployment, phase=DeploymentPhase.ENDED, outcome=DeploymentOutcome.REFUSED, reason=reason, ended_at=now
    )


def message_to_operators(
    deployment_id: str, environment: str, deployment: Deployment | None, reason: str, error: Mapping[str, str]
) -> tuple[str, str]:
    """Return subject and text of the message to the operators."""
    if error and (deployment is None or deployment.ended_at is None):
        subject = f"{environment}: rollback of {deployment_id} needs an operator"
        return subject, f"{cause_of(error)}\n\nFollow docs/runbooks/break-glass.md if aliases are not on stable."
    outcome = deployment.outcome.value if deployment and deployment.outcome else reason.split(":", 1)[0]
    lines = [f"Deployment {deployment_id} of {environment}: {outcome}.", reason]
    if deployment is not None:
        lines.append(f"Release {deployment.release.digest}, strategy {deployment.plan.strategy}.")
        lines.append(f"Requested by {deployment.requested_by}.")
    lines.append(f"orchestrator explain {deployment_id} --env {environment}")
    subject = f"{environment}: deployment {outcome.lower().replace('_', ' ')}"
    if deployment is not None and deployment.rollback is not None and deployment.rollback.unhealthy:
        subject = f"{environment}: {deployment.rollback.traffic_to.lower()} is not healthy, an operator must look"
        lines.insert(1, "The rollback did not make the service healthy: follow docs/runbooks/incident.md.")
    return subject, "\n".join(lines)


def message_to_clients(deployment: Deployment) -> tuple[str, str] | None:
    """Return subject and text of the message to the clients; None if they could not notice the deployment."""
    if not deployment.shifts or deployment.ended_at is None:
        return None
    when = f"between {deployment.shifts[0].at:%Y-%m-%d %H:%M} and {deployment.ended_at:%Y-%m-%d %H:%M} UTC"
    if deployment.outcome is DeploymentOutcome.SUCCEEDED:
        changes = f"\n\n{deployment.changelog}" if deployment.changelog else " No action is needed."
        return "OAuth service updated", f"The OAuth service was updated {when}.{changes}"
    return (
        "OAuth service: an update was withdrawn",
        f"An update of the OAuth service was withdrawn {when}. Some requests may have failed; retrying them is safe.",
    )
