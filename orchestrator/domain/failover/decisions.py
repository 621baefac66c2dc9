"""What a failover does next, decided from its record. The state machine routes on the action alone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil

from orchestrator.domain.deployment.gates import Approval, is_approver, missing_approvals
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.issuing_region import IssuingAssignment, activation_due
from orchestrator.domain.failover.record import Failover, FailoverOutcome
from orchestrator.domain.failover.steps import LAST_REVERSIBLE, WAITS_FOR_LEASES, Direction, Step


class FailoverAction(StrEnum):
    """The next state of the state machine, or of the run back: one of the steps, to wait, or the end."""

    PREPARE = "PREPARE"
    COPY = "COPY"
    LIST_ROWS = "LIST_ROWS"
    APPROVE = "APPROVE"
    SYNC = "SYNC"
    FENCE = "FENCE"
    CLOSE = "CLOSE"
    RESTORE = "RESTORE"
    SANITIZE_TOKENS = "SANITIZE_TOKENS"
    DEPLOY_RELEASE = "DEPLOY_RELEASE"
    CHECK_KEYS = "CHECK_KEYS"
    VERIFY = "VERIFY"
    TAKE_OVER = "TAKE_OVER"
    UPDATE_DNS = "UPDATE_DNS"
    ANNOUNCE = "ANNOUNCE"
    WAIT = "WAIT"
    SUCCEEDED = "SUCCEEDED"
    CANCELLED = "CANCELLED"
    STOPPED = "STOPPED"  # by an error; it can be resumed


@dataclass(frozen=True)
class FailoverDecision:
    """An action, why, and for how long the state machine waits before it."""

    action: FailoverAction
    reason: str
    wait_seconds: int = 0


def pass_approvals(failover: Failover, approvals: Sequence[Approval], now: datetime) -> Failover:
    """Return the failover with the result of its approvals as far as they are decided.

    Args:
        failover: the failover.
        approvals: those in the ledger.
        now: the time.
    """
    if failover.outcome or failover.next_step is not Step.APPROVE:
        return failover
    if failover.rejected_by:
        return failover.ended(FailoverOutcome.CANCELLED, now)
    # What was approved in time counts, however late it is read.
    in_time = [approval for approval in approvals if approval.at < approvals_due(failover)]
    if missing_approvals(failover.gate, in_time, failover.requested_by):
        overdue = now >= approvals_due(failover)
        return failover.ended(FailoverOutcome.CANCELLED, now) if overdue else failover.begun(now)
    people = dict.fromkeys(approval.by for approval in in_time if is_approver(failover.gate, approval.by))
    return failover.begun(now).with_result(Step.APPROVE, f"approved by {', '.join(people)}", now)


def next_decision(failover: Failover, now: datetime) -> FailoverDecision:
    """Return what the state machine does next."""
    if failover.outcome is FailoverOutcome.CANCELLED:
        return FailoverDecision(FailoverAction.CANCELLED, _why_cancelled(failover))
    if failover.outcome is FailoverOutcome.SUPERSEDED:
        return FailoverDecision(FailoverAction.CANCELLED, "another failover took the assignment")
    step = failover.next_step
    if step is None:
        return FailoverDecision(FailoverAction.SUCCEEDED, f"{failover.region} issues the tokens")
    if step is Step.APPROVE:
        wait = max(ceil((approvals_due(failover) - now).total_seconds()), 1)
        return FailoverDecision(FailoverAction.APPROVE, failover.gate.description, wait)
    if step in WAITS_FOR_LEASES:
        left = lease_left(failover, now)
        if left > timedelta(0):
            reason = f"a lease of {failover.home} may last until {now + left:%H:%M:%S} UTC"
            return FailoverDecision(FailoverAction.WAIT, reason, ceil(left.total_seconds()))
    return FailoverDecision(FailoverAction(step), f"step {failover.steps.index(step) + 1} of {len(failover.steps)}")


def may_be_superseded(failover: Failover, assignment: IssuingAssignment | None) -> bool:
    """Return whether another failover may start although this one has not ended: it went back, and cannot be cancelled.

    The home region may issue tokens then, and may be lost before this one has come to its end.

    Args:
        failover: the newest one.
        assignment: the assignment now; None if there is none.
    """
    if failover.direction is not Direction.BACK or assignment is None:
        return False
    return assignment.active and assignment.failover == failover.id


def is_superseded(failover: Failover, assignment: IssuingAssignment | None) -> bool:
    """Return whether another failover took the assignment from one that had it. Then this one must do nothing more.

    Args:
        failover: the failover.
        assignment: the assignment now; None if there is none.
    """
    fenced = Step.FENCE in failover.results_by_step
    return fenced and (assignment is None or assignment.failover != failover.id)


def lease_left(failover: Failover, now: datetime) -> timedelta:
    """Return how long a lease of the home region may last; zero if none is left.

    Raises:
        ValueError: the assignment was not taken yet.
    """
    if failover.assignment_taken_at is None:
        raise ValueError("the assignment was not taken")
    return max(activation_due(failover.assignment_taken_at, failover.lease) - now, timedelta(0))


def cancel(failover: Failover, by: str, now: datetime) -> Failover:
    """Return the failover, cancelled. The assignment must be returned to the home region before this is written.

    Raises:
        Refused: it has ended, or its region may already issue tokens.
    """
    if failover.outcome:
        raise Refused("failover", f"{failover.id} has ended: {failover.outcome}", "nothing is left to cancel")
    step = failover.next_step
    steps = failover.steps
    if step is None or steps.index(step) > steps.index(LAST_REVERSIBLE) + 1:
        remedy = f"{failover.region} issues tokens: let it finish, then fail over to {failover.home}"
        raise Refused("failover", failover.id, remedy)
    return replace(failover, rejected_by=by).ended(FailoverOutcome.CANCELLED, now)


def reject(failover: Failover, by: str) -> Failover:
    """Return the failover, rejected by an approver. It ends with the next decision.

    Raises:
        Refused: the person is no approver, or the failover does not wait for approvals.
    """
    refuse_unasked(failover, by)
    return replace(failover, rejected_by=by)


def refuse_unasked(failover: Failover, by: str) -> None:
    """Refuse the answer of a person who is no approver, or that nothing waits for.

    Raises:
        Refused: always in these cases.
    """
    if failover.outcome or failover.next_step is not Step.APPROVE:
        state = failover.outcome or failover.next_step
        remedy = "it waits for no approval: see `orchestrator failover status`"
        raise Refused("failover", f"{failover.id} is at {state}", remedy)
    if not is_approver(failover.gate, by):
        raise Refused("approver", by, f"one of {', '.join(failover.gate.approvers)} must approve")


def approvals_due(failover: Failover) -> datetime:
    """Return until when the approvals may come. Back, hours of copying may lie between the request and that step."""
    back = failover.direction is Direction.BACK
    counts_from = failover.began if back and failover.began else failover.requested_at
    return counts_from + failover.gate.deadline


def _why_cancelled(failover: Failover) -> str:
    if failover.rejected_by:
        return f"stopped by {failover.rejected_by}; {failover.home} may issue tokens"
    return f"not approved until the deadline; {failover.home} may issue tokens"
