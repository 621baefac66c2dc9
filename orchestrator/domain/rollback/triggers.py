"""Decide what an event means for a deployment: an alarm, an execution that ended, or a lock whose holder died.

Events arrive at least once, late, and in any order. Each is judged against the ledger. An alarm that concerns the
deployment is evaluated (`alarm_evaluation.py`); a dead execution starts a rollback; or the reason why nothing follows is
recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome
from orchestrator.domain.environment_lock import EnvironmentLock, Kind

if TYPE_CHECKING:
    from orchestrator.domain.analysis.observations import AlarmState

ALARM_STATE = "ALARM"

FREE = EnvironmentLock(0)
"""A lock that no execution holds."""

_CUTOVER_BLOCKER = (
    "the deployment is a cutover, which causes alarms: it blocks the tables briefly and rejects users who logged in after "
    "the recovery point. Only the analysis of its new versions can roll it back"
)


@dataclass(frozen=True)
class AlarmEvent:
    """A ``CloudWatch Alarm State Change`` event, decoded.

    Attributes:
        id: the event's id; a duplicate delivery has the same.
        at: `state.timestamp`, when the alarm changed, not when the event arrived.
    """

    id: str
    arn: str
    name: str
    state: str
    at: datetime
    reason: str


@dataclass(frozen=True)
class RollbackDecision:
    """Whether to roll back, which deployment, and why."""

    roll_back: bool
    deployment: str
    why: str


def decide_for_alarm(
    event: AlarmEvent, deployment: Deployment | None, now: datetime, lock: EnvironmentLock = FREE
) -> RollbackDecision:
    """Decide whether an alarm's state change concerns the newest deployment. If so, it is evaluated.

    Args:
        event: the alarm's state change.
        deployment: the deployment in flight, or else the newest one that moved traffic; None if there was none.
        now: the current time.
        lock: the environment lock.
    """
    if deployment is None:
        return RollbackDecision(roll_back=False, deployment="", why=restore_blocker(lock) or "there is no deployment")
    reason_not = _reason_to_ignore(event, deployment, now) or restore_blocker(lock) or rollback_blocker(deployment, now)
    if reason_not:
        return RollbackDecision(roll_back=False, deployment=deployment.id, why=reason_not)
    phase = "is in flight" if deployment.ended_at is None else "ended inside its rollback window"
    return RollbackDecision(
        roll_back=True, deployment=deployment.id, why=f"{event.name} fired and the deployment {phase}"
    )


def _reason_to_ignore(event: AlarmEvent, deployment: Deployment, now: datetime) -> str:  # noqa: PLR0911 - one return per reason
    if event.state != ALARM_STATE:
        return f"the alarm changed to {event.state}, and only {ALARM_STATE} rolls back a deployment"
    if event.arn not in deployment.service.alarms:
        return "the alarm does not belong to this service"
    if now - event.at > deployment.plan.limits.alarm_max_age:
        return f"the event is {(now - event.at).total_seconds():.0f} s old"
    if deployment.repair:
        return "an operator moved the aliases after the last deployment; only an operator moves them again"
    if deployment.first_shift_at is None:
        return "the deployment has not shifted traffic yet"
    if event.at < deployment.first_shift_at:
        return "the alarm fired before the deployment shifted traffic"
    if event.arn in deployment.preexisting_alarms:
        return "the alarm fired before the deployment and has not been OK since"
    return ""


def newly_in_alarm(deployment: Deployment, states: Mapping[str, AlarmState]) -> tuple[AlarmState, ...]:
    """Return the service's alarms that have fired since the first shift and are still in ALARM.

    An alarm sends one event when it fires. While it stays in ALARM it is evaluated again, and so is one whose event was
    lost.

    Args:
        deployment: the deployment in flight, or else the newest one that moved traffic.
        states: states of alarms by ARN.
    """
    since = deployment.first_shift_at
    if since is None or deployment.repair:
        return ()
    return tuple(
        state
        for arn, state in states.items()
        if state.state == ALARM_STATE
        and arn in deployment.service.alarms
        and arn not in deployment.preexisting_alarms
        and state.since >= since
    )


def restore_blocker(lock: EnvironmentLock) -> str:
    """Return why no alarm rolls anything back while a restore holds the environment lock; empty if none does."""
    if not lock.held or lock.kind is not Kind.RESTORE:
        return ""
    return (
        f"restore {lock.deployment} holds the environment lock, so no alias is moved; before its cutover an operator may "
        "stop it and roll back (docs/runbooks/restore.md)"
    )


def rollback_blocker(deployment: Deployment, now: datetime) -> str:
    """Return why an alarm no longer rolls back this deployment; empty if it does."""
    if deployment.rollback is not None:
        return "the deployment is being rolled back or was rolled back"
    if deployment.ended_at is None:
        return _CUTOVER_BLOCKER if deployment.cutover else ""
    if deployment.outcome is not DeploymentOutcome.SUCCEEDED:
        return f"the deployment ended {deployment.outcome}"
    if deployment.cutover:
        return "the deployment changed the service's tables: reverting aliases would lose all writes since"
    since, window = now - deployment.ended_at, deployment.plan.limits.rollback_window
    if since > window:
        return (
            f"the deployment ended {since.total_seconds():.0f} s ago, outside its rollback window of "
            f"{window.total_seconds():.0f} s"
        )
    return ""


def decide_for_lock(lock: EnvironmentLock, deployment: Deployment | None, *, alive: bool) -> RollbackDecision:
    """Decide what a lock means whose holder may have died.

    Args:
        lock: the environment lock, read consistently.
        deployment: the deployment that the lock names; None if its plan was not stored.
        alive: whether the execution that holds the lock still runs.
    """
    if not lock.held:
        return _ignore("the environment lock is free", deployment)
    if alive:
        return _ignore(f"{lock.execution} holds the environment lock and runs", deployment)
    if deployment is None:
        return RollbackDecision(
            roll_back=True, deployment=lock.deployment, why=f"{lock.execution} died before it stored its plan"
        )
    what = "rollback" if lock.kind is Kind.ROLLBACK else "deployment"
    return RollbackDecision(
        roll_back=True,
        deployment=deployment.id,
        why=f"the {what} {lock.execution} died while it held the environment lock",
    )


def _ignore(why: str, deployment: Deployment | None) -> RollbackDecision:
    return RollbackDecision(roll_back=False, deployment=deployment.id if deployment else "", why=why)
