"""Which steps run, what they cost, and what their facts come to."""

from datetime import UTC, datetime
from itertools import product

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.smoke.results import (
    ACCOUNT,
    SECOND_REGION,
    Fact,
    Report,
    StepResult,
    Verdict,
    missing_for,
    select_steps,
    total_minutes,
    total_usd,
)
from orchestrator.smoke.steps import STEPS

NOW = datetime(2026, 11, 29, tzinfo=UTC)
BY_NUMBER = {step.number: step for step in STEPS}


def test_there_are_nine_steps_and_every_open_question_has_one():
    assert [step.number for step in STEPS] == list(range(1, 10))
    # Rows that only AWS can decide.
    open_rows = {"12", "13", "14", "23", "24", "25", "26", "27"}
    assert open_rows <= {row for step in STEPS for row in step.rows}
    assert all(step.proves.endswith(".") and step.minutes >= 1 and step.calls for step in STEPS)
    assert all(needed < step.number for step in STEPS for needed in step.after)


@pytest.mark.parametrize(
    ("numbers", "selected"), [((), range(1, 10)), ((4,), (4,)), ((6,), (1, 6)), ((9, 4), (1, 4, 9))]
)
def test_a_step_brings_those_that_precede_it(numbers, selected):
    steps = select_steps(STEPS, numbers)
    assert [step.number for step in steps] == list(selected)
    assert total_usd(steps) == pytest.approx(sum(BY_NUMBER[number].usd for number in selected))
    assert total_minutes(steps) == sum(BY_NUMBER[number].minutes for number in selected)


def test_a_step_that_does_not_exist_is_refused():
    with pytest.raises(Refused, match=r"--steps: \[0, 10\] is refused: give numbers from 1 to 9"):
        select_steps(STEPS, [10, 0, 3])


@pytest.mark.parametrize(
    ("verdicts", "problem", "expected"),
    [
        ((Verdict.PASS, Verdict.MEASURED), "", Verdict.PASS),
        ((Verdict.MEASURED,), "", Verdict.PASS),
        ((Verdict.PASS, Verdict.FAIL), "", Verdict.FAIL),
        ((Verdict.PASS,), "ClientError: no", Verdict.FAIL),
        ((), "", Verdict.NOT_RUN),
        ((Verdict.NOT_RUN,), "", Verdict.NOT_RUN),
        ((Verdict.NOT_RUN, Verdict.PASS), "", Verdict.PASS),
    ],
)
def test_a_step_fails_with_one_fact_or_an_early_end(verdicts, problem, expected):
    facts = tuple(Fact("1", verdict, "…") for verdict in verdicts)
    assert StepResult(STEPS[0], facts, problem, 1.0).verdict is expected


@pytest.mark.parametrize(("verdict", "left"), [*product(Verdict, ((), ("table t",)))])
def test_a_run_succeeds_only_if_nothing_failed_and_nothing_is_left(verdict, left):
    result = StepResult(STEPS[0], (Fact("1", verdict, "…"),), "", 1.0)
    report = Report("123456789012", "us-west-1", NOW, NOW, (result,), left)
    assert report.succeeded is (verdict is not Verdict.FAIL and not left)


def test_a_step_waits_for_what_it_needs():
    region = BY_NUMBER[8]
    passed = {1: Verdict.PASS}
    assert missing_for(region, {ACCOUNT, SECOND_REGION}, passed) == ""
    assert missing_for(region, {ACCOUNT}, passed) == "it needs a second region"
    assert missing_for(region, (), passed) == "it needs a second region and an AWS account"
    for verdict in (Verdict.FAIL, Verdict.NOT_RUN, None):
        ended = {} if verdict is None else {1: verdict}
        assert missing_for(region, {ACCOUNT, SECOND_REGION}, ended) == "step 1 did not succeed"
