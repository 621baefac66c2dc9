"""What an event that reaches us means: an alarm, an execution that ended, a claim that nobody tends.

Events come at least once, late and in any order. Each is judged against the ledger and answered: it starts
a rollback, or the reason why it does not is written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.records import Claim, Deployment, Ending, Kind

ALARM_RINGS = "ALARM"

_CUTS_OVER = (
    "the deployment changes the service's tables, which rings alarms: it closes them for a moment, and refuses who logged in since. "
    "What its new versions answer undoes it, and nothing else"
)


@dataclass(frozen=True)
class AlarmEvent:
    """A ``CloudWatch Alarm State Change`` event, decoded.

    Attributes:
        id: the event's id; a second delivery has the same.
        at: `state.timestamp`, when the alarm changed, not when we heard of it.
    """

    id: str
    arn: str
    name: str
    state: str
    at: datetime
    reason: str


@dataclass(frozen=True)
class Ruling:
    """Whether to roll back, which deployment, and why or why not."""

    roll_back: bool
    deployment: str
    why: str


def judge_alarm(event: AlarmEvent, deployment: Deployment | None, now: datetime) -> Ruling:
    """Decide what an alarm's change means for the newest deployment.

    Args:
        event: what CloudWatch said.
        deployment: the deployment in flight, or else the newest one; None where there was never one.
        now: the time of judgement.
    """
    if deployment is None:
        return Ruling(roll_back=False, deployment="", why="there was never a deployment")
    why_not = _not_worth_acting_on(event, deployment, now) or why_not_undone(deployment, now)
    if why_not:
        return Ruling(roll_back=False, deployment=deployment.id, why=why_not)
    phase = "is in flight" if deployment.ended_at is None else "ended inside its rollback window"
    return Ruling(roll_back=True, deployment=deployment.id, why=f"{event.name} rang and the deployment {phase}")


def _not_worth_acting_on(event: AlarmEvent, deployment: Deployment, now: datetime) -> str:  # noqa: PLR0911 - a reason a return
    if event.state != ALARM_RINGS:
        return f"the alarm went to {event.state}, and only {ALARM_RINGS} undoes a deployment"
    if event.arn not in deployment.service.alarms:
        return "the alarm is none of this service's"
    if now - event.at > deployment.plan.alarm_max_age:
        return f"the event is {(now - event.at).total_seconds():.0f} s old"
    if deployment.first_shift_at is None:
        return "the deployment has shifted no traffic yet"
    if event.at < deployment.first_shift_at:
        return "the alarm rang before the deployment shifted traffic"
    if event.arn in deployment.excused_alarms:
        return "the alarm rang before the deployment and has not been OK since"
    return ""


def why_not_undone(deployment: Deployment, now: datetime) -> str:
    """Why an alarm would not undo this deployment any more; empty where it would."""
    if deployment.rollback is not None:
        return "the deployment is being rolled back or was"
    if deployment.ended_at is None:
        return _CUTS_OVER if deployment.cut_over else ""
    if deployment.ending is not Ending.SUCCEEDED:
        return f"the deployment ended {deployment.ending}"
    if deployment.cut_over:
        return "the deployment changed the service's tables: its aliases alone would lose what was written since"
    since, window = now - deployment.ended_at, deployment.plan.rollback_window
    if since > window:
        return (
            f"the deployment ended {since.total_seconds():.0f} s ago, outside its rollback window of "
            f"{window.total_seconds():.0f} s"
        )
    return ""


def judge_claim(claim: Claim, deployment: Deployment | None, *, alive: bool) -> Ruling:
    """Decide what a claim means whose execution may be dead.

    Args:
        claim: as read from the ledger, consistently.
        deployment: the one that the claim names.
        alive: whether its execution still runs.
    """
    if not claim.held:
        return _ignore("nobody holds the claim", deployment)
    if alive:
        return _ignore(f"{claim.execution} holds the claim and runs", deployment)
    if deployment is None:
        return Ruling(
            roll_back=True, deployment=claim.deployment, why=f"{claim.execution} died before its plan was kept"
        )
    what = "rollback" if claim.kind is Kind.ROLLBACK else "deployment"
    return Ruling(roll_back=True, deployment=deployment.id, why=f"the {what} {claim.execution} died holding the claim")


def _ignore(why: str, deployment: Deployment | None) -> Ruling:
    return Ruling(roll_back=False, deployment=deployment.id if deployment else "", why=why)
