from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import environments
from orchestrator.domain.deployment.calendar import Blackout, Calendar, WhenClosed
from orchestrator.domain.deployment.decision import (
    Action,
    Cursor,
    Decision,
    after_promotion,
    first_decision,
    next_action,
)
from orchestrator.domain.deployment.gates import Gate, GateKind
from orchestrator.domain.deployment.plan import (
    BASE_TRANSITIONS,
    EVENTS_PER_TRANSITION,
    HISTORY_LIMIT_EVENTS,
    LONGEST_EXECUTION,
    TRANSITIONS_PER_EVALUATION,
    TRANSITIONS_PER_PROMOTED_EVALUATION,
    Plan,
    evaluations_within,
    wait_before_evaluation,
)
from orchestrator.domain.deployment.policy import DeliveryPolicy
from orchestrator.domain.deployment.strategy import Step, read_strategy
from orchestrator.domain.errors import Refused
from orchestrator.domain.verdict import Verdict
from tests.samples import functions, plan, seconds

LOOK = seconds(10)


@pytest.mark.parametrize(("bake", "looks"), [(1, 1), (10, 1), (11, 2), (20, 2), (29.5, 3), (30, 3)])
def test_a_bake_has_a_look_every_so_often_and_one_at_its_end(bake, looks):
    assert evaluations_within(seconds(bake), LOOK) == looks


@pytest.mark.parametrize(("number", "wait"), [(0, 10), (1, 10), (2, 5), (3, 10), (9, 10)])
def test_the_last_wait_of_a_bake_is_what_is_left_and_an_extension_waits_whole_looks(number, wait):
    assert wait_before_evaluation(Step(10, seconds(25)), LOOK, number) == seconds(wait)


def test_a_plan_counts_its_looks_and_transitions_beforehand():
    planned = plan("canary-10-50")
    assert planned.evaluations == 3 + 2
    assert planned.max_evaluations == (3 + 3) + (2 + 4)
    assert planned.transitions == BASE_TRANSITIONS + TRANSITIONS_PER_EVALUATION * 5


def test_all_at_once_takes_no_look_before_promotion():
    assert (plan("all-at-once").evaluations, plan("all-at-once").transitions) == (0, BASE_TRANSITIONS)


def test_a_plan_that_could_outgrow_the_history_is_refused_with_what_to_change():
    with pytest.raises(
        Refused, match="use fewer steps, a longer evaluation_seconds or a shorter max_bake_seconds"
    ) as refused:
        plan({"type": "linear", "step_percent": 1, "bake_seconds": 20}, evaluation_seconds=1)
    assert refused.value.field == "strategy"


def test_the_longest_run_of_an_accepted_plan_fits_into_the_history():
    assert plan("linear-25").max_transitions * EVENTS_PER_TRANSITION <= HISTORY_LIMIT_EVENTS


@pytest.mark.parametrize("name", ["local", "dev", "staging", "prod"])
def test_every_named_strategy_of_every_environment_can_be_planned(name):
    policy = DeliveryPolicy.parse(environments.load(name).delivery)
    assert all(Plan.from_strategy(read_strategy(one, policy), policy).transitions > 0 for one in policy.strategies)


def held(deadline_days: float) -> Plan:
    """A plan whose approval has this deadline."""
    approve = {"type": "approve", "approvers": ["ann"], "deadline_seconds": int(deadline_days * 86_400)}
    return plan({"type": "canary", "steps": [{"weight_percent": 10, "bake_seconds": 60}, approve]})


MONDAY = datetime.fromisoformat("2026-11-23T00:00:00+00:00")
DAY = timedelta(days=1)


def closed_for(days: float) -> tuple[Calendar, datetime]:
    """A calendar that opens on Monday, and the time that many days before."""
    blackout = Blackout(date(2026, 11, 1), date(2026, 11, 22), "a fair")
    return Calendar(blackouts=(blackout,), when_closed=WhenClosed.WAIT), MONDAY - days * DAY


@pytest.mark.parametrize(
    ("approval", "wait", "deadline"),
    [
        (0.25, 5.9, 6 * DAY),
        (0.25, 1, 6 * DAY),
        (1, 5, 5.5 * DAY - seconds(60)),
        (5, 1, 1.5 * DAY - seconds(60)),
        (5, 1.49, 1.5 * DAY - seconds(60)),
    ],
)
def test_a_plan_waits_for_a_calendar_as_long_as_its_execution_leaves_time(approval, wait, deadline):
    waiting = held(approval).after_opening(*closed_for(wait))
    assert [gate.name for gate in waiting.gates] == ["calendar", "approve"]
    assert waiting.gates[0].deadline == deadline
    assert waiting.waits + waiting.bakes <= LONGEST_EXECUTION


@pytest.mark.parametrize(("approval", "wait"), [(5, 1.5), (5, 3), (0.25, 6.1), (6, 0.5)])
def test_a_plan_whose_calendar_opens_too_late_is_refused_with_the_opening_and_the_remedy(approval, wait):
    with pytest.raises(Refused) as refused:
        held(approval).after_opening(*closed_for(wait))
    assert refused.value.field == "delivery.calendar"
    assert refused.value.value == "closed until Mon 2026-11-23 00:00 UTC: a fair"
    left = min(6 * DAY, LONGEST_EXECUTION - approval * DAY - seconds(60)).total_seconds()
    assert f"can wait for {left:.0f} s" in refused.value.remedy
    assert "--outside-calendar REASON" in refused.value.remedy


def test_a_plan_waits_for_no_calendar_that_never_opens():
    calendar = Calendar(blackouts=(Blackout(date(2026, 11, 1), date(2028, 1, 1), "closed for good"),))
    with pytest.raises(Refused, match="closed for good"):
        held(1).after_opening(calendar, MONDAY)


def test_the_wait_for_a_calendar_counts_in_the_history():
    full = plan({"type": "canary", "steps": [{"weight_percent": 10, "bake_seconds": 10}]})
    limit = HISTORY_LIMIT_EVENTS // EVENTS_PER_TRANSITION
    while full.max_transitions + 3 <= limit:
        full = replace(full, gates=(*full.gates, Gate(GateKind.PAUSE, "pause", 0, timedelta(0))))
    with pytest.raises(Refused, match="history events"):
        full.after_opening(*closed_for(1))


def test_a_function_without_a_version_of_its_own_is_unchanged():
    (same,) = functions("3", "3", ("token",))
    (other,) = functions("3", "4", ("token",))
    assert (same.changed, other.changed) == (False, True)


def always(verdict: Verdict) -> Callable[[Decision, timedelta], Verdict]:
    return lambda _decision, _baked: verdict


def walk(
    planned: Plan, verdict_of: Callable[[Decision, timedelta], Verdict], most: int = 10_000
) -> tuple[list[int], list[Decision]]:
    """Run a plan as the state machine does, by its decisions alone; returns the weights it shifts to and the decisions."""
    decision, now, shifted = first_decision(planned), timedelta(0), {}
    weights, decisions = [], [decision]
    while decision.action in {Action.ADVANCE, Action.BAKE}:
        step = decision.step
        shifted.setdefault(step, now)
        weights.append(planned.steps[step].weight_percent)
        now += timedelta(seconds=decision.wait_seconds)
        baked = now - shifted[step]
        decision = next_action(planned, Cursor(step, decision.evaluation), verdict_of(decision, baked), baked)
        decisions.append(decision)
        assert len(decisions) < most, "it does not end"
    return weights, decisions


strategies = st.one_of(
    st.builds(
        lambda percent, bake: {"type": "linear", "step_percent": percent, "bake_seconds": bake},
        st.integers(5, 99),
        st.integers(6, 60),
    ),
    st.builds(
        lambda weights, bakes: {
            "type": "canary",
            "steps": [{"weight_percent": w, "bake_seconds": b} for w, b in zip(sorted(weights), bakes, strict=False)],
        },
        st.sets(st.integers(1, 99), min_size=1, max_size=5),
        st.lists(st.integers(6, 60), min_size=5, max_size=5),
    ),
    st.just("all-at-once"),
)
looks = st.sampled_from([2, 7, 10, 45])


@given(strategies, looks)
def test_a_run_that_passes_takes_exactly_the_looks_that_were_predicted(strategy, look):
    planned = plan(strategy, evaluation_seconds=look)
    weights, decisions = walk(planned, always(Verdict.passed("all well")))
    assert decisions[-1].action is Action.PROMOTE
    assert len(weights) == planned.evaluations
    assert weights == sorted(weights)
    assert set(weights) == {step.weight_percent for step in planned.steps}


@given(strategies, looks, st.sampled_from([Verdict.inconclusive("too few"), Verdict.error("throttled")]))
def test_a_run_without_evidence_ends_within_the_looks_that_were_planned_at_most(strategy, look, verdict):
    planned = plan(strategy, evaluation_seconds=look)
    weights, decisions = walk(planned, always(verdict))
    if planned.steps:
        assert decisions[-1].action is Action.ROLL_BACK
        assert set(weights) == {planned.steps[0].weight_percent}


@given(strategies, looks)
def test_the_longest_run_takes_no_more_looks_than_were_foreseen(strategy, look):
    planned = plan(strategy, evaluation_seconds=look)

    def thin_until_the_longest_bake(_decision: Decision, baked: timedelta) -> Verdict:
        return Verdict.passed("at last") if baked >= planned.limits.max_bake else Verdict.inconclusive("too few")

    weights, decisions = walk(planned, thin_until_the_longest_bake)
    assert decisions[-1].action is Action.PROMOTE
    assert len(weights) <= planned.max_evaluations


def test_the_longest_watch_over_the_promoted_version_is_foreseen():
    planned, watched, transitions = plan("all-at-once"), timedelta(0), 0
    decision = after_promotion(planned, Verdict.inconclusive("few"), watched)
    while decision.action is Action.WAIT_FOR_METRICS:
        transitions += TRANSITIONS_PER_PROMOTED_EVALUATION
        watched += timedelta(seconds=decision.wait_seconds)
        decision = after_promotion(planned, Verdict.inconclusive("few"), watched)
    assert BASE_TRANSITIONS + transitions <= planned.max_transitions


@given(strategies, looks)
def test_a_bake_lasts_at_least_as_long_as_its_step_asks(strategy, look):
    planned = plan(strategy, evaluation_seconds=look)
    _, decisions = walk(planned, always(Verdict.passed("all well")))
    waits = [0] * len(planned.steps)
    for decision in decisions[:-1]:
        waits[decision.step] += decision.wait_seconds
    for step, waited in zip(planned.steps, waits, strict=True):
        assert timedelta(seconds=waited) >= step.bake
