"""Decide whether a rollback reverts aliases, and whether it takes over the environment lock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from orchestrator.domain.deployment.decision import Action, Decision
from orchestrator.domain.deployment.record import (
    Deployment,
    DeploymentOutcome,
    DeploymentPhase,
    RollbackTrigger,
)
from orchestrator.domain.environment_lock import EnvironmentLock, Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.verdict import Outcome, Verdict

DEAD_EXECUTION = "execution"
"""Trigger source of an execution that died."""

TASK_ERROR = "error"
"""Trigger source of a failed task."""

VERDICT = "verdict"
"""Trigger source of a decision of the deployment: an evaluation, or an operator's answer."""

GATE = "gate"
"""Trigger source of a gate that did not pass: it says nothing about the release."""

PERSON = "person"
"""Trigger source of an operator."""

ABORTED_BY = "aborted by"
"""Beginning of the reason of an operator's `abort`, which the operator's name follows."""

ALARM = "alarm"
"""Trigger source of an alarm's event."""

INFRASTRUCTURE_SOURCES = frozenset({DEAD_EXECUTION, TASK_ERROR})
"""Sources that report a failure of the orchestrator. They say nothing about the release."""

UNTOUCHED_PHASES = frozenset({DeploymentPhase.PLANNED, DeploymentPhase.LOCKED})
"""Phases in which the deployment has not yet confirmed, under the lock, the stable versions that it planned from."""


def decide_rollback(  # noqa: PLR0911 - a reason a return
    deployment: Deployment,
    newest: Deployment,
    lock: EnvironmentLock,
    trigger: RollbackTrigger,
    *,
    holder_alive: bool,
    holder: Deployment | None = None,
) -> Decision:
    """Decide whether a rollback reverts the aliases.

    Args:
        deployment: the deployment to roll back.
        newest: the newest deployment that shifted traffic, often the same.
        lock: the environment lock, read consistently.
        trigger: what started the rollback.
        holder_alive: whether another execution that holds the lock still runs.
        holder: the other deployment that holds the lock; None if none does, or it has no record.
    """
    if lock.held and lock.deployment != deployment.id and not gives_way(lock, holder):
        return _nothing(f"{lock.kind.value} {lock.deployment} holds the environment lock")
    if lock.held and lock.kind is Kind.ROLLBACK and holder_alive:
        return _nothing(f"{lock.execution} is already rolling it back")
    if newest.id != deployment.id and newest.requested_at > deployment.requested_at:
        return _nothing(f"deployment {newest.id} shifted traffic later; roll back that one")
    if trigger.source in INFRASTRUCTURE_SOURCES and (
        deployment.outcome is DeploymentOutcome.SUCCEEDED or deployment.phase is DeploymentPhase.VERIFIED
    ):
        # Only bookkeeping was left. It says nothing about a release that passed its last verification.
        return _nothing("the deployment succeeded before its execution failed")
    if deployment.outcome not in {None, DeploymentOutcome.SUCCEEDED}:
        return _nothing(f"the deployment ended {deployment.outcome}: {deployment.reason}")
    if kept := _reason_canary_is_kept(deployment, trigger):
        return _nothing(kept)
    if tables := reason_tables_prevent_rollback(deployment):
        return _nothing(tables)
    if deployment.phase in UNTOUCHED_PHASES:
        # Its stable versions were read before it held the lock: another deployment may have promoted since.
        return _nothing(f"the deployment had changed nothing yet: {trigger.reason}")
    return Decision(Action.REVERT, 0, 0, 0, trigger.reason)


def gives_way(lock: EnvironmentLock, holder: Deployment | None) -> bool:
    """Return whether the deployment that holds the lock is ended by the rollback of an earlier one.

    It has moved no traffic, so clients get what the earlier one made live. A deployment may wait at a gate like this for
    days. A cutover does not give way: its restore is replacing the tables.

    Args:
        lock: the environment lock.
        holder: the deployment that the lock names; None if it has no record.
    """
    if lock.kind is not Kind.DEPLOYMENT or holder is None or holder.id != lock.deployment:
        return False
    return holder.cutover is None and not holder.moved_traffic


def ended_by_rollback(records: Iterable[Deployment], deployment: Deployment) -> tuple[Deployment, ...]:
    """Return the deployments that the rollback of an earlier one ends, once it holds the environment lock.

    A deployment that held the lock and has not ended has lost it to this rollback.

    Args:
        records: the deployments that were requested since.
        deployment: the one that is rolled back.
    """
    return tuple(
        record
        for record in records
        if record.id != deployment.id and record.fencing_token and record.ended_at is None and record.cutover is None
    )


def reason_of_end(deployment: Deployment, trigger: RollbackTrigger) -> str:
    """Return why a deployment ended that waited for its first shift while an earlier one was rolled back."""
    return (
        f"it had shifted no traffic yet when deployment {deployment.id}, on which it builds, had to be rolled back: "
        f"{trigger.reason}; start another deployment"
    )


def reason_tables_prevent_rollback(deployment: Deployment) -> str:
    """Return why reverting aliases cannot roll back a deployment that changed the tables; empty if it can."""
    if deployment.cutover is None or deployment.outcome is not DeploymentOutcome.SUCCEEDED:
        return ""
    # Writes since the cutover are only in the new tables.
    return (
        "its tables are in use, and reverting aliases would lose all writes since; "
        f"`orchestrator failback {deployment.cutover.recovery}` keeps them"
    )


def takes_lock(deployment: Deployment, lock: EnvironmentLock, decision: Decision, *, holder_alive: bool) -> bool:
    """Return whether a rollback takes over the lock.

    It does so to revert aliases, to release the lock of a dead execution, and to stop a deployment that has not begun.
    """
    if decision.action is Action.REVERT:
        return True
    if not lock.held or lock.deployment != deployment.id:
        return False
    not_begun = lock.kind is Kind.DEPLOYMENT and deployment.outcome is None and deployment.phase in UNTOUCHED_PHASES
    return not holder_alive or not_begun


def after_revert(deployment: Deployment, decision: Decision) -> Decision:
    """Return the decision after the aliases were reverted: a cutover also unblocks the tables that it blocked."""
    return replace(decision, action=Action.UNBLOCK) if deployment.cutover else decision


def refuse_missing_targets(missing: Sequence[str], environment: str) -> None:
    """Refuse a rollback whose targets do not all exist: reverting only some functions would mix releases.

    Args:
        missing: the versions that do not exist, each as ``function:version``.
        environment: the environment's name, for the remedy.

    Raises:
        Refused: a target is missing.
    """
    if missing:
        remedy = (
            "it no longer exists, so no alias is moved: name versions that exist with `orchestrator rollback --to "
            f"VERSIONS --env {environment}`, or deploy the stack from the release's kept assembly and run "
            f"`orchestrator deploy --env {environment}`"
        )
        raise Refused("rollback target", ", ".join(missing), remedy)


def bars_release(deployment: Deployment, trigger: RollbackTrigger, verdict: Verdict | None) -> bool:
    """Return whether a rollback bars its release from being deployed again without `--force`.

    A failure of the orchestrator says nothing about the release, and neither does an evaluation whose probes failed.
    An operator who aborts a deployment at a gate ends its wait. One who rolls it back judges the release.

    Args:
        deployment: the deployment that was rolled back.
        trigger: the cause of the rollback.
        verdict: the verdict of the evaluation that started it; None if no evaluation did.
    """
    if deployment.repair or trigger.source in {*INFRASTRUCTURE_SOURCES, GATE}:
        return False
    if trigger.source == PERSON and trigger.reason.startswith(ABORTED_BY) and _waits_at_gate(deployment):
        return False
    return not (trigger.source == VERDICT and verdict is not None and verdict.outcome is Outcome.ERROR)


def _waits_at_gate(deployment: Deployment) -> bool:
    return deployment.waiting_gate is not None and not deployment.waiting_gate.failed


def cause_among(triggers: Sequence[RollbackTrigger]) -> RollbackTrigger | None:
    """Return the trigger that explains a rollback: the earliest about the release, or else the earliest of all."""
    judgements = [trigger for trigger in triggers if trigger.source not in INFRASTRUCTURE_SOURCES]
    return next(iter([*judgements, *triggers]), None)


def cause_of_rollback(deployment: Deployment, triggers: Sequence[RollbackTrigger]) -> RollbackTrigger | None:
    """Return the trigger that explains a rollback; None if there is none.

    After a rollback that kept the canary, what came before it says nothing more: only a later operator does.
    """
    later = [trigger for trigger in triggers if _is_later_command(trigger, deployment)]
    return cause_among(later if later and deployment.keeps_canary else triggers)


def _reason_canary_is_kept(deployment: Deployment, trigger: RollbackTrigger) -> str:
    """Return why a rollback does nothing, because an earlier one sent the traffic to the canary; empty otherwise."""
    if not deployment.keeps_canary or deployment.ended_at is None or _is_later_command(trigger, deployment):
        return ""
    return f"its canary keeps the traffic: {deployment.reason}"


def _is_later_command(trigger: RollbackTrigger, deployment: Deployment) -> bool:
    return trigger.source == PERSON and deployment.ended_at is not None and trigger.at > deployment.ended_at


def _nothing(reason: str) -> Decision:
    return Decision(Action.NOTHING, 0, 0, 0, reason)
