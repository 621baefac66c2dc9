"""Kinds of errors: a test that may be looked at as often as one likes, and that chance, rare kinds and bursts do not win."""

from __future__ import annotations

import bisect
import json
import random
from dataclasses import replace
from datetime import timedelta
from itertools import accumulate
from math import exp, inf, log

import pytest

from orchestrator.domain.analysis.log_errors import LoggedError
from orchestrator.domain.analysis.log_kinds import (
    ODDS_RATIOS,
    REMEMBERED_KINDS,
    TRACKED_KINDS,
    Discoveries,
    Kind,
    KindsTest,
    LogTests,
    Look,
    canary_share,
)
from tests.samples import NOW, policy, seconds

STABLE, CANARY = "1", "2"
PERIOD = timedelta(seconds=10)
NEEDED = -log(policy().limits.thresholds.false_alarm_probability("logs"))


def at(period, version, *kinds):
    """Errors of one version in one period."""
    return [LoggedError(NOW + period * PERIOD + seconds(place / 10), version, kind) for place, kind in enumerate(kinds)]


def look(*errors, share=0.1):
    return Look([error for group in errors for error in group], STABLE, CANARY, share, PERIOD)


def counts(test):
    return {kind.text: (kind.number, kind.canary, kind.stable) for kind in test.kinds}


# What is counted


def test_the_first_time_selects_a_kind_and_is_no_evidence_for_it():
    once = KindsTest().update(look(at(0, CANARY, "A")))
    assert counts(once) == {"A": (1, 1, 0)}
    assert once.kinds[0].log_evidence == pytest.approx(log(1 / 2))
    again = once.update(look(at(1, CANARY, "A")))
    assert counts(again) == {"A": (1, 2, 0)}
    share = 0.1
    won = sum(ratio / (share * ratio + 1 - share) for ratio in ODDS_RATIOS) / len(ODDS_RATIOS)
    assert again.kinds[0].log_evidence == pytest.approx(log(won / 2))


def test_a_kind_keeps_its_number_when_stable_shows_it_later():
    test = KindsTest().update(look(at(0, CANARY, "A"), at(1, CANARY, "B"), at(2, STABLE, "A")))
    assert counts(test) == {"A": (1, 1, 1), "B": (2, 1, 0)}
    test = test.update(look(at(3, CANARY, "C", "A")))
    assert counts(test) == {"A": (1, 2, 1), "B": (2, 1, 0), "C": (3, 1, 0)}


def test_a_burst_counts_once_for_each_period_however_many_lines_it_has():
    burst = [error for _ in range(50) for error in at(1, CANARY, "A")]
    test = KindsTest().update(look(at(0, CANARY, "A"), burst))
    assert test == KindsTest().update(look(at(0, CANARY, "A"), at(1, CANARY, "A")))


def test_a_period_in_which_both_versions_have_an_error_counts_for_stable():
    first = KindsTest().update(look(at(0, CANARY, "A")))
    both = first.update(look(at(1, CANARY, "A"), at(1, STABLE, "A")))
    assert counts(both) == {"A": (1, 1, 1)}
    assert both.log_evidence < first.log_evidence


@pytest.mark.parametrize(
    "known",
    [
        lambda test: test.remember(["A"]),
        lambda test: test.update(look(at(0, STABLE, "A"))),
        lambda test: test.update(look(at(0, STABLE, "A"), at(0, CANARY, "A"))),
    ],
    ids=["before the deployment", "since the shift", "in the same period"],
)
def test_a_kind_that_stable_has_is_not_new(known):
    test = known(KindsTest())
    for period in range(1, 50):
        test = test.update(look(at(period, CANARY, "A")))
    assert test.kinds == ()
    assert test.log_evidence <= 0.01


def test_versions_that_are_not_compared_do_not_count():
    assert KindsTest().update(look(at(0, "7", "A"), at(0, "", "B"))).kinds == ()


def test_first_appearances_are_tossed_once_a_period():
    test = KindsTest().update(look(at(0, CANARY, "A", "B", "C"), at(1, STABLE, "D"), at(1, CANARY, "E"), at(2, STABLE)))
    assert (test.discoveries.canary, test.discoveries.stable) == (1, 1)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_while_one_version_has_all_traffic_nothing_is_won_or_lost(share):
    test = KindsTest()
    for period in range(30):
        test = test.update(look(at(period, CANARY, "A"), at(period, STABLE, f"B{period}"), share=share))
    assert test.log_evidence == pytest.approx(0.0)
    assert counts(test)["A"][:2] == (1, 30)


@pytest.mark.parametrize(
    ("weight", "canary", "stable", "share"),
    [(10, 0, 0, 0.1), (10, 5, 95, 0.1), (10, 30, 70, 0.3), (10, 0, 100, 0.1), (100, 50, 0, 1.0), (0, 0, 10, 0.0)],
)
def test_the_share_is_the_observed_one_and_at_least_the_weight(weight, canary, stable, share):
    assert canary_share(weight, canary, stable) == pytest.approx(share)


# What limits the record


def test_of_more_kinds_than_are_tracked_those_whose_bets_lost_are_forgotten_and_numbers_go_on():
    test = KindsTest().update(look(at(0, CANARY, "lost", "won"), at(1, STABLE, "lost"), at(1, CANARY, "won")))
    many = [at(2 + number, CANARY, f"K{number}") for number in range(2 * TRACKED_KINDS)]
    test = test.update(look(*many))
    assert len(test.kinds) == TRACKED_KINDS
    assert test.numbered == 2 + 2 * TRACKED_KINDS
    assert "won" in counts(test)
    assert "lost" not in counts(test)
    assert counts(test)[f"K{2 * TRACKED_KINDS - 1}"][0] == test.numbered, "the newest kind is always tracked"


def test_a_forgotten_kind_is_new_when_it_appears_again():
    test = KindsTest().update(look(at(0, CANARY, "A"), at(1, STABLE, "A")))
    test = test.update(look(*(at(2 + number, CANARY, f"K{number}") for number in range(TRACKED_KINDS + 1))))
    assert "A" not in counts(test)
    number = test.numbered + 1
    assert counts(test.update(look(at(99, CANARY, "A"))))["A"] == (number, 1, 0)


def test_the_remembered_kinds_are_bounded_the_oldest_are_forgotten():
    test = KindsTest().remember(f"K{number}" for number in range(REMEMBERED_KINDS + 1))
    assert len(test.remembered) == REMEMBERED_KINDS
    assert counts(test.update(look(at(0, CANARY, "K0", "K1")))) == {"K0": (1, 1, 0)}


def test_the_largest_record_of_three_functions_fits_into_a_part_of_an_item():
    kinds = [f"{number:03}" + "x" * 237 for number in range(2 * TRACKED_KINDS)]
    test = KindsTest().remember(str(number) for number in range(REMEMBERED_KINDS))
    test = test.update(look(*(at(number, CANARY, kind) for number, kind in enumerate(kinds))))
    tests = LogTests(NOW, dict.fromkeys(("authorize", "public", "token"), test))
    assert len(json.dumps(tests.to_json())) < 100_000


# From evaluation to evaluation


def test_the_tests_survive_the_ledger():
    test = KindsTest(background_read=True).remember(["Z"])
    test = test.update(look(at(0, CANARY, "A"), at(1, CANARY, "A"), at(1, STABLE, "B"), at(2, STABLE, "A")))
    for tests in (LogTests(), LogTests(NOW, {"token": test, "public": KindsTest()})):
        assert LogTests.from_json(json.loads(json.dumps(tests.to_json()))) == tests
    assert LogTests.from_json(None) == LogTests.from_json({}) == LogTests()


def test_no_function_is_no_evidence_and_functions_share_the_false_alarms():
    assert LogTests().log_evidence == 0.0
    assert LogTests(NOW, {"token": KindsTest()}).log_evidence == pytest.approx(0.0)
    test = KindsTest(1, (Kind(1, "A", bets=(20.0,) * len(ODDS_RATIOS)),))
    alone, among = LogTests(NOW, {"a": test}), LogTests(NOW, {"a": test, "b": KindsTest(), "c": KindsTest()})
    assert alone.log_evidence - among.log_evidence == pytest.approx(log(3), abs=1e-6)


# Why it is valid


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
def test_a_toss_has_mean_one_if_errors_are_as_frequent_on_both_versions(share):
    kind = Kind(1, "A")
    after = {side: kind.toss(on_canary=side, canary_share=share).bets for side in (True, False)}
    for place, before in enumerate(kind.bets):
        mean = share * exp(after[True][place]) + (1 - share) * exp(after[False][place])
        assert mean == pytest.approx(exp(before))


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("expected", [0.01, 0.5, 2.0, 20.0])
def test_counting_by_periods_never_favours_the_canary_s_side(share, expected):
    """The odds of "canary alone" to "stable at all", with Poisson numbers of errors in a period."""
    on_canary = (1 - exp(-share * expected)) * exp(-(1 - share) * expected)
    on_stable = 1 - exp(-(1 - share) * expected)
    assert on_canary / on_stable <= share / (1 - share)


def test_the_capital_in_play_and_not_yet_in_play_is_one():
    discoveries = Discoveries()
    assert discoveries.log_evidence == pytest.approx(0.0)
    for _ in range(20):
        discoveries = discoveries.begin_look()
        assert discoveries.log_evidence == pytest.approx(0.0)
    assert Discoveries().bets == (-inf,) * len(ODDS_RATIOS)


# What it finds, and what not: simulated rollouts, ten looks at 10 % and ten at 50 %

LOOK_SECONDS = 60
ZIPF = list(accumulate(1 / rank for rank in range(1, 1001)))
"""A thousand kinds; the k-th is as frequent as 1/k."""


def zipf_kind(rng):
    return f"K{bisect.bisect(ZIPF, rng.random() * ZIPF[-1])}"


def poisson(rng, mean):
    number, left = 0, rng.expovariate(1)
    while left < mean:
        number, left = number + 1, left + rng.expovariate(1)
    return number


def burst(rng, share, kind, size, *, own):
    """Errors of one kind within a second: of one version, or of both as Lambda draws them."""
    start, chosen = NOW + seconds(rng.random() * LOOK_SECONDS), CANARY if rng.random() < share else STABLE
    for place in range(size):
        version = chosen if own else (CANARY if rng.random() < share else STABLE)
        yield LoggedError(start + seconds(place / 50), version, kind)


def detected_at(rng, *, errors_a_second, size=1, own=False, kinds=zipf_kind, of_release=None, release_rate=0.0):
    """The look at which the release fails, None if it does not.

    of_release: returns a kind of error that canary alone has, `release_rate` times a second when it has all traffic.
    """
    test = KindsTest().remember({zipf_kind(rng) for _ in range(1000)})
    for number, share in enumerate([0.1] * 10 + [0.5] * 10, start=1):
        errors = [
            error
            for _ in range(poisson(rng, errors_a_second * LOOK_SECONDS / size))
            for error in burst(rng, share, kinds(rng), size, own=own)
        ]
        for _ in range(poisson(rng, release_rate * share * LOOK_SECONDS)):
            when = NOW + seconds(rng.random() * LOOK_SECONDS)
            errors.append(LoggedError(when, CANARY, of_release(rng)))
        test = test.update(Look(errors, STABLE, CANARY, share, PERIOD))
        others = dict.fromkeys(("authorize", "public"), KindsTest())
        if LogTests(NOW, {"token": test, **others}).log_evidence >= NEEDED:
            return number
    return None


@pytest.mark.parametrize(
    "errors",
    [
        {"errors_a_second": 0.1},
        {"errors_a_second": 1.0},
        {"errors_a_second": 2.0, "size": 20},
        {"errors_a_second": 2.0, "size": 20, "own": True},
    ],
    ids=["rare", "frequent", "bursts", "bursts of one version"],
)
def test_a_thousand_rare_kinds_of_both_versions_raise_no_alarm(errors):
    rng = random.Random("equal")
    assert [detected_at(rng, **errors) for _ in range(40)] == [None] * 40


def test_a_new_kind_at_one_percent_of_requests_is_found_within_few_looks():
    rng = random.Random("new kind")
    release = {"of_release": lambda _: "NEW", "release_rate": 0.01 * 50}
    found = [detected_at(rng, errors_a_second=0.5, **release) or inf for _ in range(40)]
    assert max(found) <= 10
    assert sorted(found)[20] <= 4


def test_errors_that_all_have_different_messages_are_found():
    rng = random.Random("different messages")
    release = {"of_release": lambda rng: f"E: {rng.random()}", "release_rate": 0.03 * 50}
    found = [detected_at(rng, errors_a_second=0.1, **release) or inf for _ in range(20)]
    assert sorted(found)[10] <= 6


def test_the_evidence_that_is_needed_does_not_depend_on_how_often_one_looks():
    """The same errors in one look or in sixty: kinds gain the same, discoveries less than the logarithm of the looks."""
    errors = [error for period in range(60) for error in at(period, CANARY, "A")]
    once = KindsTest().update(look(errors))
    often = KindsTest()
    for error in errors:
        often = often.update(look([error]))
    assert often.kinds == once.kinds
    assert replace(often.discoveries, looks=1, bets=()) == replace(once.discoveries, looks=1, bets=())
