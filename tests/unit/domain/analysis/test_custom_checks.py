"""The judgement of the environment's own checks: nulls, verdicts, and the probability of a false alarm."""

from dataclasses import replace
from math import log
from random import Random

import pytest

from orchestrator.domain.analysis.custom_checks import BOUND_SHARE, CheckReading, judge_checks, upper_bound
from orchestrator.domain.analysis.dispersion import Periods
from orchestrator.domain.analysis.running_tests import RunningTests
from orchestrator.domain.analysis.sequential_testing import Tally
from orchestrator.domain.deployment.custom_checks import CheckKind, CustomCheck, Direction
from orchestrator.domain.verdict import Outcome, Verdict
from tests.samples import NOW

PROBABILITY = 0.0005
BY_VERSION = CustomCheck("orders", CheckKind.CLOUDWATCH, Direction.HIGHER_IS_WORSE, 0.5, 50, function="token")
POOLED = CustomCheck("logins", CheckKind.PROMETHEUS, Direction.HIGHER_IS_WORSE, 0.5, 50)
GAUGE = CustomCheck("queue", CheckKind.HTTP_JSON, Direction.HIGHER_IS_WORSE, 5, 1, value="/depth", line=100)


def judge(*readings: CheckReading, tests: RunningTests | None = None, probability: float = PROBABILITY):
    return judge_checks(readings, tests or RunningTests(), NOW, probability)


def test_a_canary_with_more_bad_trials_than_stable_at_the_same_time_fails_and_the_reason_has_the_numbers():
    result = judge(CheckReading(BY_VERSION, Tally(1000, 100), Tally(9000, 9)))
    assert result.verdict.outcome is Outcome.FAIL
    assert "check orders: canary 100 of 1000 bad, stable 9 of 9000, margin 0.5 points" in result.verdict.reason
    assert result.evidence >= result.needed == pytest.approx(1 / (PROBABILITY * (1 - BOUND_SHARE)))


def test_an_equal_canary_passes():
    assert judge(CheckReading(BY_VERSION, Tally(1000, 10), Tally(9000, 90))).verdict.outcome is Outcome.PASS


def test_without_stable_in_the_window_the_hour_before_is_the_baseline():
    bad = judge(CheckReading(BY_VERSION, Tally(1000, 100), before=Tally(9000, 9)))
    assert bad.verdict.outcome is Outcome.FAIL
    assert bad.figures()["orders"]["limit_percent"] > 0.6
    good = judge(CheckReading(BY_VERSION, Tally(1000, 1), before=Tally(9000, 9)))
    assert good.verdict.outcome is Outcome.PASS


def test_both_versions_together_are_compared_with_the_hour_before():
    reading = CheckReading(POOLED, Tally(1000, 100), before=Tally(9000, 9))
    assert "both versions 100 of 1000 bad, at most" in judge(reading).verdict.reason


@pytest.mark.parametrize("before", [None, Tally()])
def test_without_anything_to_compare_with_a_check_is_inconclusive(before):
    result = judge(CheckReading(POOLED, Tally(1000, 1000), before=before))
    assert (result.verdict.outcome, result.evidence) == (Outcome.INCONCLUSIVE, 1)
    assert "nothing to compare with" in result.verdict.reason


def test_few_trials_are_inconclusive_and_so_is_a_share_that_only_trends_worse():
    few = judge(CheckReading(BY_VERSION, Tally(10, 0), Tally(1000, 0)))
    assert (few.verdict.outcome, "fewer than 50 trials" in few.verdict.reason) == (Outcome.INCONCLUSIVE, True)
    trend = judge(CheckReading(BY_VERSION, Tally(200, 8), Tally(2000, 10)))
    assert (trend.verdict.outcome, "trends worse" in trend.verdict.reason) == (Outcome.INCONCLUSIVE, True)


def test_a_check_that_cannot_be_read_is_an_error_that_names_it_and_keeps_its_evidence_and_its_weight():
    first = judge(CheckReading(BY_VERSION, Tally(1000, 20), Tally(9000, 9)), CheckReading(POOLED, before=Tally(9, 0)))
    unread = judge(
        CheckReading(BY_VERSION, problem="Throttled: later"),
        CheckReading(POOLED, Tally(100, 0), before=Tally(9000, 9)),
        tests=first.tests,
    )
    assert unread.verdict.outcome is Outcome.ERROR
    assert unread.verdict.reason == "check orders could not be read: Throttled: later"
    assert unread.tests.tests["orders"] == first.tests.tests["orders"]
    assert len(unread.tests.tests) == 2


def test_a_value_that_is_beyond_its_line_at_every_evaluation_fails_within_six_and_once_is_no_proof():
    once = judge(CheckReading(GAUGE, Tally(10, 1)))
    assert once.verdict == Verdict.passed("queue: beyond 100 at 1 of 10 evaluations, at most 5 %")
    tests, evaluations = RunningTests(), 0
    while not tests.proves_worse(PROBABILITY):
        evaluations += 1
        tests = judge(CheckReading(GAUGE, Tally(evaluations, evaluations)), tests=tests).tests
    assert evaluations <= 6


def test_only_the_check_with_the_evidence_is_named_and_the_others_keep_their_verdicts():
    result = judge(
        CheckReading(POOLED, Tally(100, 0), before=Tally(9000, 9)),
        CheckReading(BY_VERSION, Tally(2000, 400), Tally(9000, 9)),
    )
    assert [verdict.outcome for verdict in result.verdicts] == [Outcome.PASS, Outcome.FAIL]


def test_no_checks_are_no_evidence():
    assert (judge().verdict.outcome, judge().evidence) == (Outcome.INCONCLUSIVE, 1)


@pytest.mark.parametrize(("tally", "low", "high"), [(Tally(1000, 0), 0.006, 0.008), (Tally(10_000, 100), 0.011, 0.016)])
def test_the_upper_bound_is_chernoffs(tally, low, high):
    assert low < upper_bound(tally, 0.001) < high
    assert upper_bound(Tally(10, 10), 0.001) == pytest.approx(1)


def test_the_upper_bound_without_bad_trials_is_exact():
    assert upper_bound(Tally(1000, 0), 0.001) == pytest.approx(1 - 0.001 ** (1 / 1000))


def test_healthy_checks_fail_no_more_often_than_their_probability_allows():
    """A hundred runs at a probability of 10 %, with the baseline drawn as well. The binomial limit is at four sigma."""
    random, failed, probability = Random(14), 0, 0.1
    pooled = replace(POOLED, margin_percent=0.0)
    for _ in range(100):
        before, tests, total = draw(random, 500), RunningTests(), Tally()
        for _evaluation in range(10):
            more = draw(random, 50)
            total = Tally(total.trials + more.trials, total.bad + more.bad)
            result = judge(CheckReading(pooled, total, before=before), tests=tests, probability=probability)
            tests = result.tests
            if result.verdict.outcome is Outcome.FAIL:
                failed += 1
                break
    assert failed <= 100 * probability + 4 * (100 * probability * (1 - probability)) ** 0.5
    assert log(1 / probability) > 0


def draw(random: Random, trials: int) -> Tally:
    return Tally(trials, sum(random.random() < 0.05 for _ in range(trials)))


def test_bad_trials_in_bursts_are_less_evidence_than_independent_ones():
    def evidence(*bad: int) -> float:
        canary = Periods(60, tuple(Tally(100, count) for count in bad))
        stable = Periods(60, (Tally(900, 1),) * len(bad))
        reading = CheckReading(BY_VERSION, canary.total, stable.total, canary_periods=canary, stable_periods=stable)
        return judge(reading).tests.log_evidence

    bursts, independent = evidence(20, 0, 0, 20, 0, 0, 20, 0, 0), evidence(7, 6, 7, 7, 6, 7, 7, 6, 7)
    assert bursts < independent / 3
