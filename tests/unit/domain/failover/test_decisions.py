"""What a failover does next."""

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.deployment.gates import Approval
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.decisions import (
    FailoverAction,
    approvals_due,
    cancel,
    is_superseded,
    lease_left,
    may_be_superseded,
    next_decision,
    pass_approvals,
    refuse_unasked,
    reject,
)
from orchestrator.domain.failover.issuing_region import MARGIN, IssuingAssignment
from orchestrator.domain.failover.record import FailoverOutcome
from orchestrator.domain.failover.steps import RULES, RULES_BACK, STEPS, STEPS_BACK, WAITS_FOR_LEASES, Direction, Step
from orchestrator.domain.recovery.unused_tables import recovery_of_table
from tests.samples import NOW
from tests.unit.domain.failover.world import GATE, HOME, LEASE, STANDBY, failover

BOTH = [Approval("ann", NOW), Approval("bob", NOW)]


def at(step, **changes):
    """A failover whose next step is this one."""
    found = failover(assignment_taken_at=NOW, **changes)
    for earlier in STEPS[: STEPS.index(step)]:
        found = found.with_result(earlier, "done", NOW)
    return found


@pytest.mark.parametrize("step", [step for step in STEPS if step not in {Step.APPROVE, Step.TAKE_OVER}])
def test_the_next_action_is_the_first_step_without_a_result(step):
    decision = next_decision(at(step), NOW)
    assert decision.action == step
    assert decision.reason == f"step {STEPS.index(step) + 1} of 10"


def test_every_step_has_a_rule_and_an_action():
    assert tuple(RULES) == STEPS
    assert {step.value for step in STEPS} < {action.value for action in FailoverAction}


def test_a_new_failover_waits_for_its_approvals_until_the_deadline():
    decision = next_decision(failover(), NOW + timedelta(minutes=30))
    assert (decision.action, decision.wait_seconds) == (FailoverAction.APPROVE, 5400)
    assert decision.reason == "failover: 2 of ann, bob, eve"


def test_with_all_approvals_it_goes_on():
    assert pass_approvals(failover(), BOTH[:1], NOW).next_step is Step.APPROVE
    assert pass_approvals(failover(), [BOTH[0], Approval("stranger", NOW)], NOW).next_step is Step.APPROVE
    passed = pass_approvals(failover(), [*BOTH, Approval("stranger", NOW)], NOW)
    assert passed.results_by_step[Step.APPROVE].result == "approved by ann, bob"
    assert pass_approvals(passed, [], NOW) == passed


def test_approvals_of_before_the_deadline_count_however_late_they_are_read():
    passed = pass_approvals(failover(), BOTH, NOW + GATE.deadline + timedelta(seconds=1))
    assert passed.outcome is None
    assert passed.results_by_step[Step.APPROVE].result == "approved by ann, bob"


@pytest.mark.parametrize(
    ("changes", "later", "why"),
    [
        ({"rejected_by": "eve"}, timedelta(0), "stopped by eve"),
        ({}, GATE.deadline, "not approved until the deadline"),
    ],
)
def test_a_failover_that_is_not_approved_is_cancelled(changes, later, why):
    late = [Approval(by, NOW + GATE.deadline) for by in ("ann", "bob")]
    ended = pass_approvals(failover(**changes), late, NOW + later)
    assert ended.outcome is FailoverOutcome.CANCELLED
    decision = next_decision(ended, NOW + later)
    assert decision.action is FailoverAction.CANCELLED
    assert decision.reason.startswith(why)
    assert pass_approvals(ended, BOTH, NOW) == ended


def test_it_waits_until_no_lease_of_the_home_region_is_left():
    waiting = at(Step.TAKE_OVER)
    decision = next_decision(waiting, NOW + timedelta(seconds=10.5))
    assert (decision.action, decision.wait_seconds) == (FailoverAction.WAIT, 350)
    assert decision.reason == "a lease of us-west-1 may last until 03:06:00 UTC"
    assert next_decision(waiting, NOW + LEASE + MARGIN).action is FailoverAction.TAKE_OVER
    assert lease_left(waiting, NOW + timedelta(days=1)) == timedelta(0)


def test_a_failover_that_did_not_take_the_assignment_takes_over_nothing():
    with pytest.raises(ValueError, match="not taken"):
        lease_left(failover(), NOW)


def test_with_all_results_it_has_succeeded():
    done = at(Step.ANNOUNCE).with_result(Step.ANNOUNCE, "sent", NOW)
    assert next_decision(done, NOW).action is FailoverAction.SUCCEEDED
    with pytest.raises(Refused, match="let it finish"):
        cancel(done, "ann", NOW)


@pytest.mark.parametrize("step", STEPS)
def test_a_failover_can_be_cancelled_until_its_region_may_issue_tokens(step):
    if STEPS.index(step) <= STEPS.index(Step.TAKE_OVER):
        assert cancel(at(step), "ann", NOW).outcome is FailoverOutcome.CANCELLED
    else:
        with pytest.raises(Refused, match=f"{STANDBY} issues tokens"):
            cancel(at(step), "ann", NOW)


def test_a_failover_that_has_ended_is_not_cancelled_again():
    with pytest.raises(Refused, match="has ended"):
        cancel(cancel(failover(), "ann", NOW), "bob", NOW)


def test_an_approver_may_reject():
    assert reject(failover(), "eve").rejected_by == "eve"
    with pytest.raises(Refused, match="must approve"):
        reject(failover(), "stranger")


@pytest.mark.parametrize("answer", [at(Step.RESTORE), cancel(failover(), "ann", NOW)], ids=["later", "ended"])
def test_an_answer_that_nothing_waits_for_is_refused(answer):
    with pytest.raises(Refused, match="waits for no approval"):
        refuse_unasked(answer, "ann")


def test_the_first_result_and_the_first_outcome_stay():
    done = at(Step.RESTORE).begun(NOW).begun(NOW + timedelta(hours=1))
    done = done.with_result(Step.RESTORE, "restored", NOW + timedelta(hours=1))
    again = done.with_result(Step.RESTORE, "other", NOW)
    assert again == done
    assert again.results_by_step[Step.RESTORE].took == timedelta(hours=1)
    assert again.results_by_step[Step.RESTORE].overdue(RULES[Step.RESTORE])
    ended = done.ended(FailoverOutcome.CANCELLED, NOW)
    assert ended.ended(FailoverOutcome.SUCCEEDED, NOW) == ended


def test_a_result_ends_the_failure_of_its_step_and_comes_in_order():
    assert replace(at(Step.RESTORE), failed="RESTORE: no").with_result(Step.RESTORE, "done", NOW).failed == ""
    with pytest.raises(ValueError, match="RESTORE before APPROVE"):
        failover().with_result(Step.RESTORE, "done", NOW)


def test_after_a_failed_job_a_table_gets_a_target_that_is_known_as_restored_and_no_job():
    table = replace(failover().tables[0], job="job-1")
    second = table.with_next_target("prod")
    third = replace(second, job="job-2").with_next_target("prod")
    assert [one.target for one in (second, third)] == [
        "ib-oauth-restored-fo-1-attempt-2-state-prod",
        "ib-oauth-restored-fo-1-attempt-3-state-prod",
    ]
    assert (second.job, third.job) == ("", "")
    assert recovery_of_table(third.target, "prod") == "fo-1-attempt-3"


def test_the_data_loss_is_the_age_of_the_oldest_copy():
    assert failover().data_loss == timedelta(hours=2)


def test_what_the_home_region_writes_until_its_last_lease_ends_is_lost_too():
    taken = failover(assignment_taken_at=NOW + timedelta(minutes=7))
    assert taken.issued_until == NOW + timedelta(minutes=7) + LEASE
    assert taken.data_loss == timedelta(hours=2, minutes=7) + LEASE


# --- back ---------------------------------------------------------------------------------------------------


def back_at(step, **changes):
    """A failover that goes back, whose steps before `step` have results."""
    record = failover(direction=Direction.BACK, home=STANDBY, region=HOME, assignment_taken_at=NOW, **changes)
    for earlier in STEPS_BACK[: STEPS_BACK.index(step)]:
        record = record.with_result(earlier, "done", NOW)
    return record


def test_every_step_back_has_a_rule_and_an_action():
    record = back_at(Step.PREPARE)
    assert tuple(record.rules) == record.steps == STEPS_BACK
    assert record.rules is RULES_BACK
    assert failover().rules is RULES
    assert {step.value for step in STEPS_BACK} < {action.value for action in FailoverAction}


@pytest.mark.parametrize("step", [step for step in STEPS_BACK if step is not Step.APPROVE])
def test_the_next_step_back_is_the_first_without_a_result(step):
    decision = next_decision(back_at(step), NOW + LEASE * 2)
    assert decision.action == FailoverAction(step)
    assert decision.reason == f"step {STEPS_BACK.index(step) + 1} of 13"


@pytest.mark.parametrize("step", sorted(WAITS_FOR_LEASES))
def test_the_tables_are_closed_when_no_lease_of_the_standby_region_is_left(step):
    decision = next_decision(back_at(step), NOW + LEASE)
    assert decision.action is FailoverAction.WAIT
    assert decision.wait_seconds == 60
    assert decision.reason.startswith("a lease of us-east-2 may last until")


def test_back_the_deadline_of_the_approvals_counts_from_when_they_were_requested():
    """Hours of copying come before them."""
    later = NOW + GATE.deadline * 3
    record = back_at(Step.APPROVE)
    assert approvals_due(record) == NOW + GATE.deadline
    requested = record.begun(later)
    assert pass_approvals(requested, [], later + GATE.deadline / 2).outcome is None
    assert pass_approvals(requested, [], later + GATE.deadline).outcome is FailoverOutcome.CANCELLED


@pytest.mark.parametrize("step", STEPS_BACK)
def test_the_way_back_can_be_cancelled_until_the_home_region_takes_over(step):
    if STEPS_BACK.index(step) <= STEPS_BACK.index(Step.TAKE_OVER):
        assert cancel(back_at(step), "ann", NOW).outcome is FailoverOutcome.CANCELLED
    else:
        with pytest.raises(Refused, match="then fail over to us-east-2"):
            cancel(back_at(step), "ann", NOW)


def test_a_cancelled_way_back_is_to_reopen_what_it_closed_until_that_is_verified():
    closed = back_at(Step.CLOSE, close_requested_at=NOW)
    assert not closed.is_to_reopen
    cancelled = cancel(closed, "ann", NOW)
    assert cancelled.is_to_reopen
    assert not replace(cancelled, reopened_at=NOW).is_to_reopen
    assert not cancel(back_at(Step.COPY), "ann", NOW).is_to_reopen


def test_after_the_home_region_took_over_another_failover_may_take_the_assignment():
    announcing, taken = back_at(Step.UPDATE_DNS), IssuingAssignment(3, HOME, active=False, failover="fo-1")
    active = replace(taken, active=True)
    assert may_be_superseded(announcing, active)
    assert may_be_superseded(back_at(Step.TAKE_OVER), active), "the home region was lost before it had its lease"
    assert not may_be_superseded(announcing, taken)
    assert not may_be_superseded(announcing, None)
    assert not may_be_superseded(announcing, replace(active, failover="fo-2"))
    assert not may_be_superseded(replace(announcing, direction=Direction.AWAY), active)
    assert not is_superseded(announcing, active)
    assert not is_superseded(back_at(Step.FENCE), replace(active, failover="fo-2"))
    assert is_superseded(announcing, replace(active, failover="fo-2"))
    assert is_superseded(announcing, None)
    decision = next_decision(announcing.ended(FailoverOutcome.SUPERSEDED, NOW), NOW)
    assert (decision.action, decision.reason) == (FailoverAction.CANCELLED, "another failover took the assignment")
