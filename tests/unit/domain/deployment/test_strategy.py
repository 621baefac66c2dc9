from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.deployment.strategy import Step, Strategy, read_strategy
from orchestrator.domain.errors import Refused
from tests.samples import policy, seconds

POLICY = policy()


def canary(*steps: object) -> dict[str, object]:
    return {"type": "canary", "steps": list(steps)}


def step(weight_percent: object = 10, bake_seconds: object = 30, **more: object) -> dict[str, object]:
    return {"weight_percent": weight_percent, "bake_seconds": bake_seconds, **more}


def test_no_strategy_is_the_environments_default():
    assert read_strategy(None, POLICY) == read_strategy("canary-10-50", POLICY)


def test_a_named_canary_has_the_steps_of_its_table():
    assert read_strategy("canary-10-50", POLICY) == Strategy(
        "canary-10-50", (Step(10, seconds(30)), Step(50, seconds(20)))
    )


def test_all_at_once_has_no_step_before_promotion():
    assert read_strategy("all-at-once", POLICY).steps == ()


def test_linear_rises_by_its_percent_and_leaves_the_rest_to_promotion():
    assert [one.weight_percent for one in read_strategy("linear-25", POLICY).steps] == [25, 50, 75]


def test_linear_by_a_percent_that_does_not_divide_a_hundred_stops_below_it():
    linear = {"type": "linear", "step_percent": 30, "bake_seconds": 20}
    assert [one.weight_percent for one in read_strategy(linear, POLICY).steps] == [30, 60, 90]


def test_an_inline_strategy_is_named_by_its_type():
    assert read_strategy(canary(step(5)), POLICY) == Strategy("inline canary", (Step(5, seconds(30)),))


def test_a_json_number_that_is_whole_counts_as_whole():
    assert read_strategy(canary(step(5.0, 30.0)), POLICY).steps == (Step(5, seconds(30)),)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("canary-99", "strategy"),
        (7, "strategy"),
        ([step()], "strategy"),
        ({}, "strategy.type"),
        ({"type": "blue-green"}, "strategy.type"),
        ({"type": "all-at-once", "steps": []}, "strategy.steps"),
        (canary(), "strategy.steps"),
        ({"type": "canary"}, "strategy.steps"),
        ({"type": "canary", "steps": "10,50"}, "strategy.steps"),
        ({"type": "canary", "steps": {"weight_percent": 10}}, "strategy.steps"),
        (canary("10"), "strategy.steps[0]"),
        (canary(step(surprise=1)), "strategy.steps[0].surprise"),
        (canary(step(0)), "strategy.steps[0].weight_percent"),
        (canary(step(100)), "strategy.steps[0].weight_percent"),
        (canary(step(10.5)), "strategy.steps[0].weight_percent"),
        (canary(step(True)), "strategy.steps[0].weight_percent"),
        (canary(step("10")), "strategy.steps[0].weight_percent"),
        (canary({"weight_percent": 10}), "strategy.steps[0].bake_seconds"),
        (canary(step(10), step(10)), "strategy.steps[1].weight_percent"),
        (canary(step(10), step(50), step(20)), "strategy.steps[2].weight_percent"),
        (canary(step(10, 5)), "strategy.steps[0].bake_seconds"),
        (canary(step(10, 61)), "strategy.steps[0].bake_seconds"),
        ({"type": "linear", "step_percent": 0, "bake_seconds": 20}, "strategy.step_percent"),
        ({"type": "linear", "step_percent": 100, "bake_seconds": 20}, "strategy.step_percent"),
        ({"type": "linear", "step_percent": 10}, "strategy.bake_seconds"),
        ({"type": "linear", "step_percent": 10, "bake_seconds": 20, "steps": []}, "strategy.steps"),
    ],
)
def test_a_wrong_strategy_is_refused_by_the_field_that_is_wrong(body, field):
    with pytest.raises(Refused) as refused:
        read_strategy(body, POLICY)
    assert refused.value.field == field
    assert refused.value.remedy


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(Refused, match="all-at-once, canary-10-50, linear-25"):
        read_strategy("canary", POLICY)


def test_a_bake_shorter_than_settle_and_period_is_refused_because_no_window_would_be_left():
    with pytest.raises(Refused, match=r"at least 6 \(metric_delay_seconds \+ period_seconds"):
        read_strategy(canary(step(10, 5)), POLICY)
    assert read_strategy(canary(step(10, 6)), POLICY).steps[0].bake == seconds(6)


numbers = st.one_of(st.integers(-5, 130), st.floats(-5, 130), st.none(), st.text(max_size=2), st.booleans())
tables = st.one_of(
    st.builds(lambda steps: canary(*steps), st.lists(st.builds(step, numbers, numbers), max_size=4)),
    st.builds(
        lambda percent, bake: {"type": "linear", "step_percent": percent, "bake_seconds": bake}, numbers, numbers
    ),
    st.just({"type": "all-at-once"}),
)


@given(tables)
def test_a_strategy_rises_stays_below_full_and_bakes_long_enough_or_is_refused(table):
    try:
        steps = read_strategy(table, POLICY).steps
    except Refused:
        return
    weights = [one.weight_percent for one in steps]
    assert weights == sorted(set(weights))
    assert all(0 < weight < 100 for weight in weights)
    assert all(POLICY.limits.metric_delay + POLICY.limits.period <= one.bake <= POLICY.limits.max_bake for one in steps)


@given(st.integers(1, 99), st.integers(6, 60))
def test_every_whole_percent_makes_a_linear_strategy(percent, bake):
    steps = read_strategy({"type": "linear", "step_percent": percent, "bake_seconds": bake}, POLICY).steps
    assert [one.weight_percent for one in steps] == [percent * number for number in range(1, len(steps) + 1)]
    assert percent * (len(steps) + 1) >= 100
    assert {one.bake for one in steps} == {timedelta(seconds=bake)}
