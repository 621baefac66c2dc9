"""What follows at a gate: the wait, the step after it, or the rollback."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from orchestrator.domain.deployment.decision import Action, Decision, OperatorAction, first_decision
from orchestrator.domain.deployment.gate_decisions import answer_gate, answers, pass_gates
from orchestrator.domain.deployment.gates import Approval
from orchestrator.domain.deployment.known_good import shorten
from orchestrator.domain.deployment.record import Deployment, KnownGood, OperatorCommand
from tests.samples import deployment, plan, seconds

MONDAY_0700 = datetime.fromisoformat("2026-11-23T07:00:00+00:00")
STEPS = [{"weight_percent": 10, "bake_seconds": 20}, {"weight_percent": 50, "bake_seconds": 20}]
PAUSE = {"type": "pause", "deadline_seconds": 600}
APPROVE = {"type": "approve", "approvers": ["ben"], "deadline_seconds": 600}
WINDOW = {"type": "window", "windows": ["Mon 08:00-16:00"], "deadline_seconds": 7200}
ADVANCE = Decision(Action.ADVANCE, 1, 0, 10, "fine")
PROMOTE = Decision(Action.PROMOTE, 1, 1, 0, "fine")


def planned(*entries: dict, **changes: object) -> Deployment:
    return deployment(plan=plan({"type": "canary", "steps": list(entries)}), requested_by="ann", **changes)


def command(action: OperatorAction, by: str = "cleo") -> OperatorCommand:
    return OperatorCommand(action.value, by, MONDAY_0700)


def reached(*entries: dict, decision: Decision = ADVANCE) -> Deployment:
    """The deployment that waits for the first gate before the second step."""
    waiting, wait = pass_gates(planned(*entries), decision, MONDAY_0700)
    assert wait.action in {Action.PAUSE, Action.WAIT_FOR_WINDOW}
    return waiting


@pytest.mark.parametrize("action", [Action.BAKE, Action.ROLL_BACK, Action.PAUSE])
def test_only_a_decision_that_enters_a_step_or_promotes_is_held(action):
    record, decision = planned(STEPS[0], PAUSE, STEPS[1]), replace(ADVANCE, action=action)
    assert pass_gates(record, decision, MONDAY_0700) == (record, decision)


def test_a_plan_without_gates_and_a_step_without_a_gate_are_entered_as_decided():
    assert pass_gates(planned(*STEPS), ADVANCE, MONDAY_0700)[1] == ADVANCE
    assert pass_gates(planned(*STEPS, PAUSE), ADVANCE, MONDAY_0700)[1] == ADVANCE


@pytest.mark.parametrize(
    ("entries", "decision"),
    [((PAUSE, *STEPS), None), ((STEPS[0], PAUSE, STEPS[1]), ADVANCE), ((*STEPS, PAUSE), PROMOTE)],
)
def test_a_gate_before_the_first_step_between_steps_and_before_the_promotion_holds(entries, decision):
    record = planned(*entries)
    waiting, wait = pass_gates(record, decision or first_decision(record.plan), MONDAY_0700)
    assert (wait.action, wait.wait_seconds, waiting.waiting_gate.gate) == (Action.PAUSE, 600, 0)
    resumed, following = answer_gate(waiting, command(OperatorAction.RESUME), [], MONDAY_0700)
    expected = decision or first_decision(record.plan)
    assert (following.action, following.step) == (expected.action, expected.step)
    assert (resumed.waiting_gate, resumed.gates[0].by) == (None, "cleo")


def test_several_gates_before_one_step_are_passed_one_after_the_other():
    waiting = reached(STEPS[0], PAUSE, APPROVE, STEPS[1])
    second, wait = answer_gate(waiting, command(OperatorAction.RESUME), [], MONDAY_0700)
    assert (wait.action, second.waiting_gate.gate) == (Action.PAUSE, 1)
    assert "approve: 1 of ben" in wait.reason
    _, following = answer_gate(
        second, command(OperatorAction.APPROVE, "ben"), [Approval("ben", MONDAY_0700)], MONDAY_0700
    )
    assert (following.action, following.step) == (Action.ADVANCE, 1)


@pytest.mark.parametrize("gate", [PAUSE, APPROVE, WINDOW])
def test_an_abort_rolls_back_at_every_gate(gate):
    _, decision = answer_gate(reached(STEPS[0], gate, STEPS[1]), command(OperatorAction.ABORT), [], MONDAY_0700)
    assert (decision.action, decision.reason) == (Action.ROLL_BACK, "abort by cleo")


@pytest.mark.parametrize("action", [OperatorAction.RESUME, OperatorAction.PROMOTE, OperatorAction.APPROVE])
def test_no_command_passes_an_approval_that_the_ledger_does_not_have(action):
    waiting = reached(STEPS[0], APPROVE, STEPS[1])
    later = MONDAY_0700 + seconds(100)
    again, decision = answer_gate(waiting, command(action), [], later)
    assert (decision.action, decision.wait_seconds, again.gates) == (Action.PAUSE, 500, waiting.gates)
    stranger = [Approval("mallory", later)]
    assert answer_gate(waiting, command(action), stranger, later)[1].action is Action.PAUSE


def test_the_requester_under_another_name_is_not_the_only_approver():
    waiting = reached(STEPS[0], APPROVE, STEPS[1])
    as_ben = replace(waiting, requested_as="arn:aws:sts::123456789012:assumed-role/deploy/Ben@example.com")
    approvals = [Approval("ben", MONDAY_0700)]
    answers = [
        answer_gate(one, command(OperatorAction.APPROVE), approvals, MONDAY_0700)[1].action for one in (waiting, as_ben)
    ]
    assert answers == [Action.ADVANCE, Action.PAUSE]


def test_an_approval_that_comes_at_its_deadline_is_too_late_only_if_it_is_incomplete():
    waiting, late = reached(STEPS[0], APPROVE, STEPS[1]), MONDAY_0700 + seconds(600)
    assert answer_gate(waiting, command(OperatorAction.RESUME), [], late)[1].action is Action.ROLL_BACK
    approved = answer_gate(waiting, command(OperatorAction.APPROVE), [Approval("ben", late)], late)[1]
    assert (approved.action, approved.reason) == (Action.ADVANCE, "approve approved by ben")


def test_an_operators_promotion_skips_steps_pauses_and_windows_and_no_approval():
    waiting = reached(STEPS[0], PAUSE, STEPS[1], WINDOW, APPROVE)
    promoted, wait = answer_gate(waiting, command(OperatorAction.PROMOTE), [], MONDAY_0700)
    assert (wait.action, promoted.plan.gates[promoted.waiting_gate.gate].name) == (Action.PAUSE, "approve")
    assert promoted.promoted_by == "cleo"
    _, decision = answer_gate(promoted, command(OperatorAction.APPROVE), [Approval("ben", MONDAY_0700)], MONDAY_0700)
    assert decision.action is Action.PROMOTE


def test_a_promotion_during_a_bake_meets_the_approvals_of_all_later_steps():
    record = planned(STEPS[0], APPROVE, STEPS[1], promoted_by="cleo")
    waiting, wait = pass_gates(record, Decision(Action.PROMOTE, 0, 0, 0, "an operator promoted it"), MONDAY_0700)
    assert (wait.action, waiting.waiting_gate.gate) == (Action.PAUSE, 0)


def test_a_window_is_waited_for_until_it_opens_and_is_passed_at_once_while_it_is_open():
    waiting, wait = pass_gates(planned(STEPS[0], WINDOW, STEPS[1]), ADVANCE, MONDAY_0700)
    assert (wait.action, wait.wait_seconds) == (Action.WAIT_FOR_WINDOW, 3600)
    early = answer_gate(waiting, None, [], MONDAY_0700 + seconds(1800))[1]
    assert (early.action, early.wait_seconds) == (Action.WAIT_FOR_WINDOW, 1800)
    opened, decision = answer_gate(waiting, None, [], MONDAY_0700 + seconds(3600))
    assert (decision.action, decision.step, decision.reason) == (Action.ADVANCE, 1, "window is open")
    assert opened.gates[0].by == "its window is open"
    at_once = pass_gates(planned(STEPS[0], WINDOW, STEPS[1]), ADVANCE, MONDAY_0700 + seconds(3600))[1]
    assert at_once.action is Action.ADVANCE


def test_a_window_that_opens_only_after_its_deadline_rolls_back_at_once():
    late = MONDAY_0700 + timedelta(hours=10)
    decision = pass_gates(planned(STEPS[0], WINDOW, STEPS[1]), ADVANCE, late)[1]
    assert decision.action is Action.ROLL_BACK
    assert "opens only at 2026-11-30 08:00:00 UTC, after its deadline 2026-11-23 19:00:00 UTC" in decision.reason


def test_the_commands_that_answer_are_those_that_the_gate_knows():
    assert answers(reached(STEPS[0], APPROVE, STEPS[1])) == (OperatorAction.APPROVE, OperatorAction.ABORT)
    expected = (OperatorAction.RESUME, OperatorAction.PROMOTE, OperatorAction.ABORT)
    assert answers(reached(STEPS[0], PAUSE, STEPS[1])) == answers(deployment()) == expected


def test_a_return_to_known_good_versions_keeps_approvals_and_waits_for_nothing_else():
    shortened = shorten(planned(PAUSE, STEPS[0], APPROVE, STEPS[1], WINDOW).plan, KnownGood("d-0", {}))
    assert [(gate.name, gate.before_step) for gate in shortened.gates] == [("approve", 0)]
    waiting, wait = pass_gates(deployment(plan=shortened), first_decision(shortened), MONDAY_0700)
    assert (wait.action, waiting.waiting_gate.gate) == (Action.PAUSE, 0)
