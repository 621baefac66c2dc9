"""Repeated checks: what proves that a failure is the canary's fault, and that chance proves it as rarely as is allowed."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace
from math import comb, exp, log

import pytest

from orchestrator.domain.analysis.odds import odds_in_words, odds_of_log
from orchestrator.domain.analysis.repeated_checks import (
    ALTERNATIVES,
    BURST_CALLS,
    CALLS_A_ROUND,
    MAX_ROUNDS,
    PROBES,
    QUIET_ROUNDS,
    SHARED_ROUNDS,
    CheckAnswers,
    Episode,
    EpisodeResult,
    ProbeTests,
    RepeatedChecks,
    add_answers,
    difference,
    needed_evidence,
    spent_by_probe,
)
from orchestrator.domain.analysis.running_tests import ComparedRate, RunningTests
from orchestrator.domain.analysis.sequential_testing import Limit, Tally
from orchestrator.domain.verdict import Outcome
from tests.samples import NOW, policy

THRESHOLDS = policy().limits.thresholds
LOG_NEEDED = log(needed_evidence(THRESHOLDS))
GRID = (0.0, 0.001, 0.02, 0.1, 0.3, 0.5, 0.7, 0.95, 1.0)


def answers(canary, stable, calls=1, name="token:2 unknown code", problem="returned 500"):
    other = None if stable is None else Tally(calls, stable)
    return (CheckAnswers(name, Tally(calls, canary), other, problem if canary else ""),)


WORSE, BETTER, EQUAL, NONE = answers(1, 0), answers(0, 1), answers(1, 1), answers(0, 0)


def binomial(rate, calls):
    return [comb(calls, bad) * rate**bad * (1 - rate) ** (calls - bad) for bad in range(calls + 1)]


def signs(canary_rate, stable_rate, calls):
    """The probabilities that the canary is the worse version, the better one, and neither, in one round."""
    worse = better = 0.0
    for bad, likely in enumerate(binomial(canary_rate, calls)):
        for other, as_likely in enumerate(binomial(stable_rate, calls)):
            worse += likely * as_likely * (bad > other)
            better += likely * as_likely * (bad < other)
    return worse, better, 1 - worse - better


# --- validity --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("calls", [1, 2, CALLS_A_ROUND])
@pytest.mark.parametrize(
    ("canary_rate", "stable_rate"), [pair for pair in itertools.product(GRID, GRID) if pair[0] <= pair[1]]
)
def test_no_round_of_a_canary_that_fails_at_most_as_often_gains_on_average(canary_rate, stable_rate, calls):
    worse, better, neither = signs(canary_rate, stable_rate, calls)
    for share in ALTERNATIVES:
        assert worse * 2 * share + better * 2 * (1 - share) + neither <= 1 + 1e-12


@pytest.mark.parametrize("shared", [0.0, 0.3, 0.9])
def test_that_holds_however_the_versions_depend_on_each_other_within_a_round(shared):
    """Both fail together, or exactly one of them does, as where they contend for one item; either may be the one."""
    one_of_both = 1 - shared
    for share in ALTERNATIVES:
        assert one_of_both / 2 * 2 * share + one_of_both / 2 * 2 * (1 - share) + shared <= 1 + 1e-12


@pytest.mark.parametrize(("canary_rate", "stable_rate"), [(0.5, 0.5), (0.1, 0.1), (0.02, 0.3), (1.0, 1.0)])
def test_the_whole_capital_has_a_mean_of_one_at_most_whenever_one_stops(canary_rate, stable_rate):
    """All courses of six rounds; an episode begins after each round in which the canary was worse."""
    worse, better, neither = signs(canary_rate, stable_rate, 2)
    chances = ((WORSE, worse), (BETTER, better), (EQUAL, neither))
    for stops_at in (None, 1.2, 3.0):
        mean = 0.0
        for course in itertools.product(chances, repeat=6):
            test, probability, stopped = RepeatedChecks(), 1.0, False
            for round_answers, chance in course:
                probability *= chance
                if stopped:
                    continue
                test = test.count(round_answers)
                stopped = stops_at is not None and exp(test.log_evidence) >= stops_at
                if difference(round_answers) > 0:
                    test = test.begin_episode()
            mean += probability * exp(test.log_evidence)
        assert mean <= 1 + 1e-9


def test_bringing_capital_into_play_changes_nothing_and_all_of_it_is_one():
    test = RepeatedChecks()
    for _ in range(1000):
        assert test.log_evidence == pytest.approx(0.0, abs=1e-9)
        test = test.begin_episode()


@pytest.mark.parametrize("length", [1, 5, BURST_CALLS])
@pytest.mark.parametrize("rate", [0.001, 0.01, 0.02])
def test_versions_that_fail_equally_often_are_hardly_ever_distinguished(rate, length):
    """0 of 60 deployments of 20 evaluations with 13 checks; the allowed share is 0.02 %."""
    rng = random.Random(f"{rate}/{length}")
    assert sum(proved(rng, rate, rate, length)[0] > 0 for _ in range(60)) == 0


@pytest.mark.parametrize(
    ("canary_rate", "stable_rate", "within", "at_least"),
    [(1.0, 0.0, 1, 1.0), (1.0, 0.02, 1, 1.0), (0.5, 0.01, 1, 1.0), (0.1, 0.0, 5, 0.95), (0.05, 0.0, 10, 0.9)],
)
def test_a_canary_that_fails_more_often_is_found(canary_rate, stable_rate, within, at_least):
    rng = random.Random(f"{canary_rate}/{stable_rate}")
    found = [proved(rng, canary_rate, stable_rate, 1, evaluations=within)[0] > 0 for _ in range(40)]
    assert sum(found) >= at_least * len(found)


def proved(rng, canary_rate, stable_rate, length, evaluations=20, checks=13):
    """Run evaluations as the probes do; return the number of the one that proves it (0: none), and the calls."""
    sides = [calls_of(rng, rate, length) for rate in (canary_rate, stable_rate)]
    tests, calls = ProbeTests(), 0

    def send(count):
        nonlocal calls
        calls += 2 * count
        bad = [sum(next(side) for _ in range(count)) for side in sides]
        return answers(*bad, calls=count)

    for evaluation in range(1, evaluations + 1):
        for _ in range(2):
            first = send(checks)
            tests = tests.count(first)
            if not first[0].canary.bad:
                continue
            episode, tests = Episode(), tests.begin_episode()
            while not episode.over and tests.log_evidence < LOG_NEEDED:
                added = send(CALLS_A_ROUND)
                tests = tests.count(added) if episode.next_counts else tests
                episode = episode.add(added)
            break
        if tests.log_evidence >= LOG_NEEDED:
            return evaluation, calls
    return 0, calls


def calls_of(rng, rate, length):
    """Calls of one version, in bursts of failures; the share of failures is `rate`."""
    begins = rate / length / (1 - rate + rate / length)
    while True:
        burst = length if rng.random() < begins else 0
        yield from [True] * burst or [False]


# --- the course of an episode ----------------------------------------------------------------------------


def test_a_canary_that_always_fails_is_proved_after_fifteen_to_twenty_rounds_even_in_a_late_episode():
    for episodes, most in ((1, 16), (5, 20), (20, 25)):
        test = ProbeTests()
        for _ in range(episodes):
            test = test.begin_episode()
        rounds = 0
        while test.log_evidence < LOG_NEEDED:
            test, rounds = test.count(WORSE), rounds + 1
        assert 13 <= rounds <= most


def test_what_may_be_one_burst_is_no_evidence():
    episode = Episode()
    counted = []
    for _ in range(5):
        counted.append(episode.next_counts)
        episode = episode.add(answers(CALLS_A_ROUND, 0, CALLS_A_ROUND))
    assert counted == [False, False, False, True, True]
    assert episode.rounds * CALLS_A_ROUND >= BURST_CALLS
    assert Episode().add(WORSE).add(EQUAL).newest == (WORSE, EQUAL)
    assert len(episode.add(EQUAL).newest) == QUIET_ROUNDS
    assert episode.answers == answers(5 * CALLS_A_ROUND, 0, 5 * CALLS_A_ROUND)


def test_an_episode_ends_when_the_canary_is_no_longer_the_worse_one():
    episode = Episode().add(NONE).add(WORSE)
    assert episode.quiet == 0
    for quiet in range(1, QUIET_ROUNDS + 1):
        assert not episode.over
        episode = episode.add(BETTER if quiet % 2 else NONE)
        assert episode.quiet == quiet
    assert episode.over


def test_an_episode_waits_for_a_burst_on_both_versions_to_end():
    episode = Episode()
    for quiet in range(SHARED_ROUNDS):
        assert not episode.over
        episode = episode.add(EQUAL)
        assert (episode.quiet, episode.broken) == (quiet + 1, True)
    assert episode.over
    recovered = Episode()
    for _ in range(10):
        recovered = recovered.add(EQUAL)
    for _ in range(QUIET_ROUNDS // 2):
        recovered = recovered.add(NONE)
        assert not recovered.over
    recovered = recovered.add(NONE)
    assert (recovered.over, recovered.broken) == (True, False)


def test_an_episode_ends_after_so_many_rounds_whatever_they_show():
    episode = Episode()
    for _ in range(MAX_ROUNDS):
        assert not episode.over
        episode = episode.add(WORSE)
    assert episode.over


def test_without_a_stable_to_compare_with_a_round_counts_by_most_of_its_calls():
    assert difference(answers(8, None, 8)) > 0
    assert difference(answers(5, None, 8)) > 0
    assert difference(answers(4, None, 8)) < 0
    assert difference(()) == 0
    test = RepeatedChecks().count(answers(8, None, 8))
    assert test.log_evidence > 0 > test.count(answers(0, None, 8)).count(answers(0, None, 8)).log_evidence


def test_answers_are_added_by_check_and_the_newest_problem_is_kept():
    added = add_answers(
        (*answers(1, 0), *answers(0, 1, name="other")), answers(1, 0, problem="returned 502"), answers(0, 0)
    )
    assert added == (
        CheckAnswers("token:2 unknown code", Tally(3, 2), Tally(3, 0), "returned 502"),
        CheckAnswers("other", Tally(1, 0), Tally(1, 1)),
    )
    assert add_answers(answers(1, None), answers(1, None))[0].stable is None


# --- verdicts --------------------------------------------------------------------------------------------


def result(*found, evidence=1.0, newest=()):
    return EpisodeResult(tuple(found), tuple(newest), log(evidence), LOG_NEEDED)


def one(canary, stable, calls, name="token:2 unknown code"):
    return answers(canary, stable, calls, name)[0]


def test_a_proof_fails_the_canary_with_the_counts_of_both_versions():
    verdict = result(one(1, 1, 20, "public:2 version"), one(120, 0, 120), evidence=10_234).verdict(before_traffic=True)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason == (
        "token:2 unknown code: returned 500 in 120 of 120, stable 0 of 120; "
        "public:2 version: returned 500 in 1 of 20, stable 1 of 20; evidence 10,000 to 1 against chance"
    )


def test_a_proof_by_small_parts_of_several_tests_has_a_reason_too():
    assert result(evidence=6000).verdict(before_traffic=False).reason == (
        "the canary fails more often than stable; evidence 6,000 to 1 against chance"
    )


def test_a_reason_names_the_worst_checks_and_the_number_of_the_others():
    verdict = result(*(one(number, 0, 9, f"check {number}") for number in range(1, 6)), evidence=1e12)
    reason = verdict.verdict(before_traffic=True).reason
    assert reason.startswith("check 5: returned 500 in 5 of 9")
    assert "check 2" not in reason
    assert reason.endswith("; 2 more failed; evidence more than 1,000,000,000 to 1 against chance")


@pytest.mark.parametrize("before_traffic", [True, False])
def test_a_check_that_fails_on_both_is_no_pass_and_not_the_canarys_fault(before_traffic):
    verdict = result(one(30, 30, 30)).verdict(before_traffic=before_traffic)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.startswith("stable fails in the same way: token:2 unknown code: returned 500 in 30 of 30")


def test_a_check_that_only_the_canary_breaks_is_not_excused_by_another_that_both_break():
    both, own, once = one(30, 30, 30), one(28, 2, 30, "token:2 wrong secret"), one(1, 0, 1, "public:2 version")
    verdict = result(both, own, newest=[both, own]).verdict(before_traffic=True)
    assert verdict.reason.startswith("not proved: token:2 wrong secret")
    # One that was not repeated, because a broken check had decided already, says nothing.
    assert (
        result(both, once, newest=[both]).verdict(before_traffic=True).reason.startswith("stable fails in the same way")
    )
    assert result(once).verdict(before_traffic=True).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("before_traffic", [True, False])
def test_a_long_burst_that_is_over_is_not_a_broken_check(before_traffic):
    """Most of its calls failed, and none of the newest rounds' calls did."""
    verdict = result(one(20, 0, 30), newest=[one(0, 0, 10)]).verdict(before_traffic=before_traffic)
    assert verdict.outcome is Outcome.PASS
    assert "returned 500 in 20 of 30" in verdict.reason


@pytest.mark.parametrize("before_traffic", [True, False])
def test_a_check_that_nearly_always_fails_is_no_pass_even_if_it_is_not_proved(before_traffic):
    verdict = result(one(27, 2, 30)).verdict(before_traffic=before_traffic)
    assert (verdict.outcome, verdict.reason) == (
        Outcome.INCONCLUSIVE,
        "not proved: token:2 unknown code: returned 500 in 27 of 30, stable 2 of 30",
    )


def test_a_check_that_a_busy_machine_answers_late_on_both_versions_is_no_broken_check():
    verdict = result(one(5, 2, 9)).verdict(before_traffic=True)
    assert verdict.outcome is Outcome.PASS
    assert verdict.reason.startswith("not proved: token:2 unknown code: returned 500 in 5 of 9, stable 2 of 9")


def test_half_of_a_proof_extends_a_bake_and_keeps_no_release_from_its_first_step():
    half = result(one(9, 0, 60), evidence=exp(LOG_NEEDED / 2))
    assert half.verdict(before_traffic=False).outcome is Outcome.INCONCLUSIVE
    assert half.verdict(before_traffic=True).outcome is Outcome.PASS
    assert half.verdict(before_traffic=True).reason == half.note != ""


def test_a_transient_failure_passes_and_is_named():
    verdict = result(one(1, 0, 26)).verdict(before_traffic=False)
    assert verdict.outcome is Outcome.PASS
    assert verdict.reason == "not proved: token:2 unknown code: returned 500 in 1 of 26, stable 0 of 26"
    assert result().verdict(before_traffic=False).reason == ""
    # Evidence of earlier evaluations extends no bake in which nothing fails.
    assert result(evidence=exp(LOG_NEEDED / 2)).verdict(before_traffic=False).outcome is Outcome.PASS


def test_after_a_cutover_the_counts_are_the_canarys_alone():
    assert one(3, None, 8).summary == "token:2 unknown code: returned 500 in 3 of 8"


# --- the budget ------------------------------------------------------------------------------------------


def test_three_probes_divide_the_share_of_the_checks():
    probability = THRESHOLDS.false_alarm_probability("checks")
    assert needed_evidence(THRESHOLDS) == PROBES / probability
    figures = spent_by_probe(THRESHOLDS, log(20))
    assert figures == {
        "percent": pytest.approx(100 * probability / PROBES),
        "evidence": 20.0,
        "needed": PROBES / probability,
    }
    assert spent_by_probe(THRESHOLDS, 1000.0)["evidence"] == 1e9
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


@pytest.mark.parametrize(
    ("odds", "text"), [(1.0, "1"), (2047.0, "2,000"), (0.5, "0.5"), (1e30, "more than 1,000,000,000")]
)
def test_odds_have_two_significant_digits(odds, text):
    assert odds_in_words(odds_of_log(log(odds))) == text


def rates_with(bad):
    rate = ComparedRate("token/edge", "token:2", Tally(50, bad), Tally(), Limit(0.05))
    return RunningTests().update(NOW, (rate,))


def test_the_tests_of_a_probe_have_one_capital():
    edge = rates_with(50)
    tests = ProbeTests(RepeatedChecks().count(WORSE)).with_rates("edge", edge)
    expected = 0.8 * exp(tests.checks.log_evidence) + 0.2 * exp(edge.log_evidence)
    assert exp(tests.log_evidence) == pytest.approx(expected)
    assert ProbeTests().log_evidence == pytest.approx(0.0)


def test_tests_are_carried_in_the_ledger():
    tests = ProbeTests().begin_episode().count(WORSE).with_rates("edge", rates_with(3))
    document = json.loads(json.dumps(tests.to_json(), allow_nan=False))
    assert ProbeTests.from_json(document, ("edge",)) == tests
    assert ProbeTests.from_json(None) == ProbeTests()
    assert ProbeTests.from_json({}, ("edge",)) == replace(ProbeTests(), rates={"edge": RunningTests()})
    with pytest.raises(KeyError):
        RepeatedChecks.from_json({"bets": []})
