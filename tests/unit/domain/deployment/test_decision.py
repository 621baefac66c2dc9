from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.deployment.decision import (
    Action,
    Cursor,
    Decision,
    OperatorAction,
    after_pause,
    after_promotion,
    cutover_decision,
    first_decision,
    may_decide_by_synthetic_flows,
    next_action,
    rejected_before_traffic,
    wants_synthetic_probes,
)
from orchestrator.domain.deployment.policy import WhenInconclusive
from orchestrator.domain.verdict import Outcome, Verdict
from tests.samples import every_wish, plan, seconds

PLAN = plan("canary-10-50")  # looks every 10 s: three at 10 %, two at 50 %; at most 60 s a step
PASS, FAIL = Verdict.passed("fine"), Verdict.failed("12 of 12 refused")
TOO_FEW, BROKEN = Verdict.inconclusive("12 of 50 requests"), Verdict.error("throttled")
EARLY, LATE = seconds(30), seconds(60)
verdicts = st.builds(Verdict, st.sampled_from(Outcome), st.text(max_size=5))
cursors = st.one_of(
    st.builds(Cursor, st.just(0), st.integers(0, 6)),
    st.builds(Cursor, st.just(1), st.integers(0, 6)),
)
baked = st.integers(0, 90).map(seconds)
plans = st.sampled_from([plan("canary-10-50", when_inconclusive=wish.value) for wish in every_wish()])


def test_all_at_once_promotes_what_was_verified_without_traffic():
    assert first_decision(plan("all-at-once")).action is Action.PROMOTE


def test_a_cut_over_goes_through_a_closed_door_and_waits_for_nothing():
    assert cutover_decision("verified") == Decision(Action.CUT_OVER, 0, 0, 0, "verified")


def test_the_first_step_follows_verification_and_waits_for_the_first_look():
    assert first_decision(PLAN) == Decision(Action.ADVANCE, 0, 0, 10, "verified before traffic")


def test_what_did_not_pass_before_traffic_is_rolled_back_with_its_reason():
    assert rejected_before_traffic(FAIL) == Decision(Action.ROLL_BACK, 0, 0, 0, "before traffic: 12 of 12 refused")


@pytest.mark.parametrize("verdict", [PASS, TOO_FEW, BROKEN])
def test_before_a_steps_last_look_it_bakes_on_whatever_the_verdict(verdict):
    decision = next_action(PLAN, Cursor(0, 0), verdict, seconds(10))
    assert (decision.action, decision.step, decision.evaluation, decision.wait_seconds) == (Action.BAKE, 0, 1, 10)


@pytest.mark.parametrize("look", [0, 1, 2, 5])
def test_a_failure_rolls_back_at_any_look(look):
    assert next_action(PLAN, Cursor(0, look), FAIL, EARLY).action is Action.ROLL_BACK


def test_a_pass_at_the_last_look_goes_to_the_next_step():
    assert next_action(PLAN, Cursor(0, 2), PASS, EARLY) == Decision(Action.ADVANCE, 1, 0, 10, "fine")


def test_a_pass_at_the_last_look_of_the_last_step_promotes():
    assert next_action(PLAN, Cursor(1, 1), PASS, EARLY) == Decision(Action.PROMOTE, 1, 1, 0, "fine")


@pytest.mark.parametrize("verdict", [TOO_FEW, BROKEN])
def test_too_little_evidence_extends_the_bake_until_its_longest(verdict):
    decision = next_action(PLAN, Cursor(0, 2), verdict, EARLY)
    assert (decision.action, decision.evaluation, decision.wait_seconds) == (Action.BAKE, 3, 10)
    assert decision.reason.startswith("bake extended: ")


def test_an_extended_bake_advances_as_soon_as_there_is_evidence():
    assert next_action(PLAN, Cursor(0, 4), PASS, seconds(50)).action is Action.ADVANCE


@pytest.mark.parametrize(
    ("wish", "verdict", "action"),
    [
        (WhenInconclusive.ROLL_BACK, TOO_FEW, Action.ROLL_BACK),
        (WhenInconclusive.ROLL_BACK, BROKEN, Action.ROLL_BACK),
        (WhenInconclusive.PAUSE, TOO_FEW, Action.PAUSE),
        (WhenInconclusive.PAUSE, BROKEN, Action.ROLL_BACK),
        (WhenInconclusive.SYNTHETIC, TOO_FEW, Action.PAUSE),
        (WhenInconclusive.SYNTHETIC, BROKEN, Action.ROLL_BACK),
    ],
)
def test_without_evidence_in_the_longest_bake_the_plan_says_what_happens(wish, verdict, action):
    planned = replace(PLAN, limits=replace(PLAN.limits, when_inconclusive=wish))
    assert next_action(planned, Cursor(0, 5), verdict, LATE).action is action


def test_a_hold_waits_for_as_long_as_a_person_has():
    planned = replace(PLAN, limits=replace(PLAN.limits, when_inconclusive=WhenInconclusive.PAUSE))
    assert next_action(planned, Cursor(1, 5), TOO_FEW, LATE) == Decision(
        Action.PAUSE, 1, 5, 600, "no evidence within the longest bake: 12 of 50 requests"
    )


@pytest.mark.parametrize("verdict", [PASS, FAIL, TOO_FEW, BROKEN])
def test_a_person_may_abort_or_promote_whatever_the_verdict(verdict):
    assert next_action(PLAN, Cursor(0, 0), verdict, EARLY, OperatorAction.ABORT).action is Action.ROLL_BACK
    assert next_action(PLAN, Cursor(0, 0), verdict, EARLY, OperatorAction.PROMOTE).action is Action.PROMOTE


@given(plans, cursors, verdicts, baked)
def test_a_resume_outside_a_hold_changes_nothing(planned, cursor, verdict, so_far):
    assert next_action(planned, cursor, verdict, so_far, OperatorAction.RESUME) == next_action(
        planned, cursor, verdict, so_far
    )


@given(plans, cursors, verdicts, baked)
def test_only_a_pass_advances_or_promotes_unless_a_person_asks(planned, cursor, verdict, so_far):
    decision = next_action(planned, cursor, verdict, so_far)
    if decision.action in {Action.ADVANCE, Action.PROMOTE}:
        assert verdict.outcome is Outcome.PASS
    assert (decision.action is Action.ROLL_BACK) or verdict.outcome is not Outcome.FAIL


@given(plans, cursors, verdicts, baked)
def test_a_decision_never_goes_back_and_never_spins(planned, cursor, verdict, so_far):
    decision = next_action(planned, cursor, verdict, so_far)
    assert (decision.step, decision.evaluation) >= (cursor.step, cursor.evaluation) or decision.action is Action.ADVANCE
    if decision.action is Action.ADVANCE:
        assert (decision.step, decision.evaluation) == (cursor.step + 1, 0)
    if decision.action in {Action.BAKE, Action.ADVANCE, Action.PAUSE}:
        assert decision.wait_seconds >= 1


@given(plans, cursors, verdicts)
def test_after_the_longest_bake_nothing_bakes_on(planned, cursor, verdict):
    last = Cursor(cursor.step, 6)
    assert next_action(planned, last, verdict, LATE).action is not Action.BAKE


def test_the_promoted_version_is_finished_by_a_pass():
    assert after_promotion(PLAN, PASS, seconds(20)).action is Action.FINISH


@pytest.mark.parametrize("verdict", [TOO_FEW, BROKEN])
def test_the_promoted_version_is_watched_longer_while_evidence_is_thin_and_then_rolled_back(verdict):
    longer = after_promotion(PLAN, verdict, seconds(20))
    assert (longer.action, longer.wait_seconds, longer.step) == (Action.WAIT_FOR_METRICS, 10, 1)
    assert after_promotion(PLAN, verdict, LATE).action is Action.ROLL_BACK


def test_a_failing_promoted_version_is_rolled_back_at_once():
    assert after_promotion(PLAN, FAIL, timedelta(0)).action is Action.ROLL_BACK


@pytest.mark.parametrize("verdict", [TOO_FEW, BROKEN])
def test_what_a_person_promoted_stands_while_nothing_proves_otherwise(verdict):
    assert after_promotion(PLAN, verdict, seconds(20), "ann").action is Action.WAIT_FOR_METRICS
    stands = after_promotion(PLAN, verdict, LATE, "ann")
    assert stands.action is Action.FINISH
    assert stands.reason == f"promoted by ann, and nothing proves otherwise: {verdict.reason}"


@pytest.mark.parametrize("elapsed", [timedelta(0), LATE])
def test_a_proof_against_a_release_rolls_it_back_whatever_promoted_it(elapsed):
    assert after_promotion(PLAN, FAIL, elapsed, "ann").action is Action.ROLL_BACK


@given(st.sampled_from([PLAN, plan("all-at-once")]), verdicts, baked)
def test_nothing_but_a_pass_finishes(planned, verdict, watched):
    finished = after_promotion(planned, verdict, watched).action is Action.FINISH
    assert finished == (verdict.outcome is Outcome.PASS)


@pytest.mark.parametrize(
    ("cursor", "request_", "expected"),
    [
        (Cursor(0, 5), OperatorAction.RESUME, Decision(Action.ADVANCE, 1, 0, 10, "resumed by ann")),
        (Cursor(1, 5), OperatorAction.RESUME, Decision(Action.PROMOTE, 1, 5, 0, "resumed by ann")),
        (Cursor(0, 5), OperatorAction.PROMOTE, Decision(Action.PROMOTE, 0, 5, 0, "promote by ann")),
        (Cursor(0, 5), OperatorAction.ABORT, Decision(Action.ROLL_BACK, 0, 5, 0, "abort by ann")),
    ],
)
def test_a_persons_answer_to_a_hold(cursor, request_, expected):
    assert after_pause(PLAN, cursor, request_, "ann") == expected


@pytest.mark.parametrize(
    ("wish", "look", "verdict", "so_far", "wanted"),
    [
        (WhenInconclusive.SYNTHETIC, 2, TOO_FEW, LATE, True),
        (WhenInconclusive.SYNTHETIC, 1, TOO_FEW, LATE, False),
        (WhenInconclusive.SYNTHETIC, 2, TOO_FEW, EARLY, False),
        (WhenInconclusive.SYNTHETIC, 2, PASS, LATE, False),
        (WhenInconclusive.SYNTHETIC, 2, BROKEN, LATE, False),
        (WhenInconclusive.PAUSE, 2, TOO_FEW, LATE, False),
    ],
)
def test_synthetic_flows_settle_only_what_stayed_thin_where_the_plan_allows_it(wish, look, verdict, so_far, wanted):
    planned = replace(PLAN, limits=replace(PLAN.limits, when_inconclusive=wish))
    assert wants_synthetic_probes(planned, Cursor(0, look), verdict, so_far) is wanted
    if look == 2:
        assert may_decide_by_synthetic_flows(planned, verdict, so_far) is wanted
