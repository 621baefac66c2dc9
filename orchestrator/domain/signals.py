"""What an event that reaches us means: an alarm, an execution that ended, a claim that nobody tends.

Events come at least once, late and in any order. Each is judged against the ledger and answered: it starts
a rollback, or the reason why it does not is written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.records import Claim, Deployment, Ending, Kind

ALARM_RINGS = "ALARM"


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


def judge_alarm(event: AlarmEvent, deployment: Deployment | None, now: datetime) -> Ruling:  # noqa: PLR0911 - a reason a return
    """Decide what an alarm's change means for the newest deployment.

    Args:
        event: what CloudWatch said.
        deployment: the deployment in flight, or else the newest one; None where there was never one.
        now: the time of judgement.
    """
    if event.state != ALARM_RINGS:
        return _ignore(f"the alarm went to {event.state}, and only {ALARM_RINGS} undoes a deployment", deployment)
    if deployment is None:
        return _ignore("there was never a deployment", None)
    age = now - event.at
    allowed = deployment.plan.rollback_window
    if event.arn not in deployment.service.alarms:
        return _ignore("the alarm is none of this service's", deployment)
    if age > deployment.plan.alarm_max_age:
        return _ignore(f"the event is {age.total_seconds():.0f} s old", deployment)
    if deployment.first_shift_at is None:
        return _ignore("the deployment has shifted no traffic yet", deployment)
    if event.at < deployment.first_shift_at:
        return _ignore("the alarm rang before the deployment shifted traffic", deployment)
    if event.arn in deployment.excused_alarms:
        return _ignore("the alarm rang before the deployment and has not been OK since", deployment)
    if deployment.rollback is not None:
        return _ignore("the deployment is being rolled back or was", deployment)
    if deployment.ended_at is None:
        return _roll_back("a deployment is in flight", deployment, event)
    if deployment.ending is not Ending.SUCCEEDED:
        return _ignore(f"the deployment ended {deployment.ending}", deployment)
    since = now - deployment.ended_at
    if since > allowed:
        return _ignore(
            f"the deployment ended {since.total_seconds():.0f} s ago, outside its rollback window of "
            f"{allowed.total_seconds():.0f} s",
            deployment,
        )
    return _roll_back(
        f"the deployment ended {since.total_seconds():.0f} s ago, inside its rollback window", deployment, event
    )


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


def _roll_back(why: str, deployment: Deployment, event: AlarmEvent) -> Ruling:
    return Ruling(roll_back=True, deployment=deployment.id, why=f"{event.name} rang and {why}")
