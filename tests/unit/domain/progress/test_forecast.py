"""When a deployment is evaluated next and when it ends: by its plan, by how late it is, and by what it waits for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.gates import Gate, GateKind, GateRecord
from orchestrator.domain.deployment.record import DeploymentOutcome, DeploymentPhase, PauseToken, Shift
from orchestrator.domain.progress.forecast import BEFORE_TRAFFIC, Forecast, forecast
from orchestrator.domain.verdict import Verdict
from tests.followed import DECISIONS, decision, in_flight
from tests.samples import NOW, cut_over, plan, seconds

# canary-10-50: 10 % for 30 s, 50 % for 20 s, evaluated every 10 s; 20 s after the promotion.
SIX_HOURS = timedelta(hours=6)


def at(number):
    return NOW + seconds(number)


def gate(kind, before_step, **more):
    return Gate(kind, str(kind), before_step, SIX_HOURS, **more)


def gated(*gates, **changes):
    return in_flight(plan=replace(plan(), gates=gates), **changes)


def test_before_traffic_the_end_is_the_earliest_one_and_no_evaluation_is_scheduled():
    assert forecast(in_flight(), [], None, NOW) == Forecast(None, at(30 + 20 + 20), BEFORE_TRAFFIC)


def test_a_strategy_without_steps_is_evaluated_after_the_promotion():
    assert forecast(in_flight(plan=plan("all-at-once")), [], None, NOW) == Forecast(None, at(20), BEFORE_TRAFFIC)


def test_a_cutover_promotes_at_once():
    assert forecast(in_flight(cutover=cut_over()), [], None, NOW) == Forecast(None, at(20), BEFORE_TRAFFIC)


def test_after_an_evaluation_the_rest_of_its_step_and_the_later_ones_are_left():
    last = decision(1, 15, Action.BAKE, evaluation=1)
    # Evaluations of the first step at 25 and 35, of the second at 45 and 55, and the last one at 75.
    assert forecast(in_flight(), [last], None, at(16)) == Forecast(at(25), at(75))


def test_a_decision_to_advance_leads_to_the_first_evaluation_of_the_next_step():
    last = decision(1, 40, Action.ADVANCE, step=1)
    assert forecast(in_flight(), [last], None, at(41)) == Forecast(at(50), at(80))


def test_a_bake_that_is_extended_adds_one_evaluation():
    last = decision(1, 40, Action.BAKE, step=1, evaluation=5)
    assert forecast(in_flight(), [last], None, at(41)) == Forecast(at(50), at(70))


def test_how_late_the_evaluations_were_so_far_is_added_to_each_of_those_that_are_left():
    # 2 s and 2 s late: four evaluations before the last one, which is late, too.
    expected = Forecast(at(40), at(28 + 12 + 12 + 12 + 22))
    assert forecast(in_flight(), DECISIONS, None, at(30)) == expected


def test_an_answer_that_came_late_is_no_late_evaluation():
    late = [decision(1, 0, Action.BAKE), decision(2, 500, Action.BAKE, state="Resume", verdict=None, evaluation=2)]
    assert forecast(in_flight(), late, None, at(500)).next_evaluation == at(510)


def test_an_evaluation_that_is_overdue_is_due_now():
    last = decision(1, 15, Action.BAKE, evaluation=2)
    assert forecast(in_flight(), [last], None, at(100)) == Forecast(at(100), at(140))


def test_after_the_promotion_one_evaluation_is_left():
    promoted = in_flight(phase=DeploymentPhase.PROMOTED)
    last = decision(1, 60, Action.WAIT_FOR_METRICS, wait=20, state="Promote", verdict=None)
    assert forecast(promoted, [last], None, at(61)) == Forecast(at(80), at(80))


@pytest.mark.parametrize(
    ("action", "expected"),
    [(Action.PROMOTE, Forecast(at(85), at(85))), (Action.CUT_OVER, Forecast(at(85), at(85))), (Action.FINISH, Forecast(None, at(65)))],
)  # fmt: skip
def test_between_its_last_decisions_what_follows_them_is_left(action, expected):
    assert forecast(in_flight(), [decision(1, 60, action, wait=0)], None, at(65)) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"ended_at": NOW, "outcome": DeploymentOutcome.SUCCEEDED, "phase": DeploymentPhase.ENDED},
        {"phase": DeploymentPhase.ROLLING_BACK},
    ],
)
def test_a_deployment_that_has_ended_or_is_rolled_back_is_not_evaluated(changes):
    assert forecast(in_flight(**changes), DECISIONS, None, NOW) == Forecast()


def test_a_pause_has_a_deadline_and_no_known_end():
    pause = PauseToken("token", NOW, at(600), 0, 2, "no evidence within the longest bake")
    expected = Forecast(waits_for="no evidence within the longest bake", deadline=at(600))
    assert forecast(in_flight(phase=DeploymentPhase.PAUSED), DECISIONS, pause, at(30)) == expected


def test_an_approval_that_is_ahead_makes_the_end_the_earliest_one():
    deployment = gated(gate(GateKind.APPROVE, 1, approvers=("ann",)), gate(GateKind.PAUSE, 2))
    last = decision(1, 5, Action.BAKE, evaluation=2)
    expected = Forecast(at(15), at(15 + 20 + 20), "approve: 1 of ann")
    assert forecast(deployment, [last], None, at(6)) == expected


def test_an_evaluation_after_a_wait_of_unknown_length_has_no_known_time():
    deployment = gated(gate(GateKind.PAUSE, 1))
    reached = replace(deployment, gates=(GateRecord(0, at(40)),))
    waiting = forecast(reached, [decision(1, 40, Action.PAUSE, wait=0)], None, at(40))
    assert waiting == Forecast(None, at(40 + 20 + 20), "pause: until it is resumed", at(40) + SIX_HOURS)


def test_a_window_that_is_ahead_is_waited_for_until_it_opens():
    # NOW is a Monday, 03:00; the first step ends half a minute later.
    deployment = gated(gate(GateKind.WINDOW, 1, windows=("Mon 08:00-16:00",)))
    opens = NOW + timedelta(hours=5)
    last = decision(1, 20, Action.BAKE, evaluation=2)
    assert forecast(deployment, [last], None, at(20)) == Forecast(at(30), opens + seconds(20 + 20))


def test_a_gate_that_has_passed_is_waited_for_no_more():
    passed = (GateRecord(0, NOW, NOW, "ann"),)
    deployment = gated(gate(GateKind.APPROVE, 1, approvers=("ann",)), gates=passed)
    assert not forecast(deployment, [decision(1, 5, Action.BAKE, evaluation=2)], None, at(6)).waits_for


def test_a_hook_after_the_promotion_is_waited_for_before_the_end():
    deployment = gated(gate(GateKind.HOOK, 3))
    last = decision(1, 60, Action.WAIT_FOR_METRICS, wait=20)
    assert forecast(deployment, [last], None, at(61)) == Forecast(at(80), at(80), "hook: hook")


def test_at_a_window_the_steps_after_it_begin_when_it_opens_and_its_deadline_is_known():
    reached = (GateRecord(0, at(30)),)
    deployment = gated(gate(GateKind.WINDOW, 1, windows=("Mon 03:02-16:00",)), gates=reached)
    last = decision(1, 30, Action.WAIT_FOR_WINDOW, wait=90)
    expected = Forecast(at(130), at(160), "", at(30) + SIX_HOURS)
    assert forecast(deployment, [last], None, at(31)) == expected


def test_at_a_hook_its_answer_is_waited_for():
    reached = (GateRecord(0, at(30)),)
    deployment = gated(gate(GateKind.HOOK, 2), gates=reached)
    last = decision(1, 30, Action.CALL_HOOK, wait=0)
    assert forecast(deployment, [last], None, at(31)) == Forecast(None, at(51), "hook: hook", at(30) + SIX_HOURS)


def test_a_gate_that_was_reached_before_any_decision_is_not_waited_for_yet():
    assert forecast(gated(gate(GateKind.HOOK, 0), gates=(GateRecord(0, NOW),)), [], None, NOW).deadline is None


def test_an_operator_s_promotion_skips_the_steps_with_their_pauses_and_no_approval():
    gates = (gate(GateKind.PAUSE, 1), gate(GateKind.APPROVE, 2, approvers=("ann",)))
    deployment = gated(*gates, promoted_by="bob", gates=(GateRecord(1, at(40)),))
    last = decision(1, 40, Action.PAUSE, wait=600)
    waiting = forecast(deployment, [last], None, at(700))
    assert (waiting.waits_for, waiting.ends_at) == ("approve: 1 of ann", at(720))
    assert forecast(replace(deployment, gates=()), [], None, NOW).ends_at == at(20)


def test_the_verdicts_do_not_matter_only_the_times_do():
    passed = [replace(entry, verdict=Verdict.passed("fine")) for entry in DECISIONS]
    now = at(30)
    assert forecast(in_flight(), passed, None, now) == forecast(in_flight(), DECISIONS, None, now)
    assert forecast(in_flight(shifts=(Shift(0, 10, NOW),)), passed, None, now).next_evaluation == at(40)
