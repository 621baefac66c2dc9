"""Whether a deployment is to blame for an alarm: proved, catastrophic, unreadable, or not to blame."""

from __future__ import annotations

from dataclasses import replace
from math import log

import pytest

from orchestrator.domain.analysis.sequential_testing import Tally
from orchestrator.domain.rollback.alarm_evaluation import (
    CATASTROPHIC_REQUESTS,
    AlarmOutcome,
    AlarmRate,
    drift_dispersion,
    evaluate_promoted,
    evaluate_split,
    not_evaluated,
    unread_evaluation,
    upper_confidence_limit,
)
from tests.samples import policy

THRESHOLDS = policy().limits.thresholds
BEFORE = (Tally(60, 0),) * 60
"""An hour of one request a second without failures."""


def minutes(*failures: int, requests: int = 60) -> tuple[Tally, ...]:
    return tuple(Tally(requests, bad) for bad in failures)


def rate(canary=(), stable=(), before=BEFORE, **changes) -> AlarmRate:
    return replace(AlarmRate("token:2 returns 5xx", canary, stable, before, otherwise=0.05), **changes)


QUIET = rate(minutes(0, 0), minutes(0, 0), description="public:2 returns 5xx")


def test_while_traffic_is_split_a_canary_that_is_proved_worse_is_to_blame_with_its_numbers():
    found = evaluate_split([QUIET, rate(minutes(0, 20, requests=30), minutes(0, 0, requests=30))], THRESHOLDS)
    assert found.outcome is AlarmOutcome.CANARY_WORSE
    assert found.rolls_back
    assert found.odds >= found.needed == pytest.approx(2000)
    assert found.reason.startswith(
        "the canary is proved worse: token:2 returns 5xx: 20 of 60 (33 %), stable 0 of 60; evidence "
    )
    assert found.reason.endswith(" to 1, needed 2000")


@pytest.mark.parametrize("failures", [(0, 1), (1, 0), (5, 6), (15, 14)], ids=str)
def test_a_fault_of_both_versions_is_not_the_canary_s(failures):
    canary, stable = failures
    found = evaluate_split([QUIET, rate(minutes(canary), minutes(stable))], THRESHOLDS)
    assert found.outcome is AlarmOutcome.NOT_TO_BLAME
    assert not found.rolls_back
    assert found.reason.startswith("the release is not proved to be the cause: token:2 returns 5xx: ")
    assert f"needed {2000}" in found.reason


def test_evidence_that_speaks_against_the_canary_without_proof_is_suspicious():
    few = evaluate_split([rate(minutes(6), minutes(0))], THRESHOLDS)
    assert (few.outcome, few.suspicious) == (AlarmOutcome.NOT_TO_BLAME, True)
    none = evaluate_split([rate(minutes(3), minutes(3))], THRESHOLDS)
    assert not none.suspicious


def test_a_stable_that_is_proved_worse_starts_the_rollback_that_keeps_the_canary():
    found = evaluate_split([QUIET, rate(minutes(0, 0), minutes(0, 25))], THRESHOLDS)
    assert (found.outcome, found.rolls_back) == (AlarmOutcome.STABLE_WORSE, True)
    assert found.reason == "stable is proved worse: token:2 returns 5xx: 0 of 120, stable 25 of 120 (21 %)"


def test_a_catastrophic_minute_needs_no_proof():
    failing = Tally(CATASTROPHIC_REQUESTS, CATASTROPHIC_REQUESTS // 2)
    worse = rate(minutes(1), minutes(1), newest_canary=failing)
    found = evaluate_split([QUIET, worse], THRESHOLDS)
    assert (found.outcome, found.rolls_back) == (AlarmOutcome.CATASTROPHIC, True)
    assert found.reason.startswith("catastrophic, without further proof: token:2 returns 5xx: 10 of 20 (50 %)")


@pytest.mark.parametrize(
    ("newest", "dispersion"),
    [(Tally(20, 9), 1.0), (Tally(19, 19), 1.0), (Tally(399, 399), 20.0)],
    ids=["a smaller share", "fewer requests", "one burst"],
)
def test_what_is_not_catastrophic_needs_proof(newest, dispersion):
    found = evaluate_split([rate(minutes(1), minutes(1), newest_canary=newest, dispersion=dispersion)], THRESHOLDS)
    assert found.outcome is AlarmOutcome.NOT_TO_BLAME


def test_two_catastrophic_versions_are_neither_healthy():
    both = rate(minutes(48), minutes(48), newest_canary=Tally(60, 48), newest_stable=Tally(60, 48))
    found = evaluate_split([both], THRESHOLDS)
    assert (found.outcome, found.rolls_back) == (AlarmOutcome.NEITHER_HEALTHY, True)
    assert found.reason.startswith("neither version is healthy: token:2 returns 5xx: 48 of 60 (80 %), stable 48 of 60")


def test_a_fix_of_what_was_as_bad_before_is_not_rolled_back_after_its_promotion():
    as_bad = rate(minutes(48), before=minutes(*(48,) * 60), newest_canary=Tally(60, 48))
    assert evaluate_promoted([as_bad], THRESHOLDS).outcome is AlarmOutcome.NOT_TO_BLAME


@pytest.mark.parametrize("evaluate", [evaluate_split, evaluate_promoted])
def test_without_a_counted_request_nothing_is_known_so_it_rolls_back(evaluate):
    found = evaluate([rate((Tally(), Tally()), (Tally(), Tally()))], THRESHOLDS)
    assert (found.outcome, found.rolls_back) == (AlarmOutcome.UNREADABLE, True)


@pytest.mark.parametrize("evaluate", [evaluate_split, evaluate_promoted])
def test_before_the_first_metrics_can_have_arrived_nothing_is_decided(evaluate):
    found = evaluate([rate((Tally(),))], THRESHOLDS, arriving=True)
    assert (found.outcome, found.suspicious) == (AlarmOutcome.NOT_TO_BLAME, True)
    assert found.reason == "the alarm fired before the first metrics since the shift can have arrived"
    assert evaluate([rate(minutes(60), minutes(0))], THRESHOLDS, arriving=True).rolls_back


def test_unread_evidence_rolls_back_and_says_why():
    found = unread_evaluation("TimeoutError")
    assert (found.outcome, found.rolls_back) == (AlarmOutcome.UNREADABLE, True)
    assert found.reason == "the evidence could not be read, so it rolls back: TimeoutError"


def test_after_the_promotion_the_hour_before_is_the_baseline():
    found = evaluate_promoted([rate(minutes(0, 15))], THRESHOLDS)
    assert found.outcome is AlarmOutcome.CANARY_WORSE
    assert "15 of 120 (12 %) since, 0 of 3600 in the hour before" in found.reason
    usual = evaluate_promoted([rate(minutes(3, 3), before=minutes(*(3,) * 60))], THRESHOLDS)
    assert usual.outcome is AlarmOutcome.NOT_TO_BLAME


def test_after_the_promotion_without_any_baseline_it_rolls_back():
    found = evaluate_promoted([rate(minutes(1), before=minutes(0, requests=49))], THRESHOLDS)
    assert (found.outcome, found.rolls_back) == (AlarmOutcome.NO_BASELINE, True)


def test_one_rate_without_a_baseline_is_held_to_its_absolute_limit():
    new = rate(minutes(30, 30), before=(), description="new:2 returns 5xx")
    assert evaluate_promoted([QUIET, new], THRESHOLDS).outcome is AlarmOutcome.CANARY_WORSE
    tolerated = rate(minutes(2, 3), before=(), description="new:2 returns 5xx")
    assert evaluate_promoted([QUIET, tolerated], THRESHOLDS).outcome is AlarmOutcome.NOT_TO_BLAME


def test_failures_without_a_version_are_compared_with_the_hour_before_while_traffic_is_split():
    api = rate(minutes(0, 40), (), description="the API returns 5xx that no function counted")
    found = evaluate_split([QUIET, api], THRESHOLDS)
    assert found.outcome is AlarmOutcome.CANARY_WORSE
    assert "40 of 120 (33 %), before 0 of 3600" in found.reason


def test_a_minute_without_a_canary_request_is_no_evidence():
    gap = rate((Tally(), *minutes(20)), (*minutes(60), *minutes(0)))
    without = rate(minutes(20), minutes(0))
    found, same = evaluate_split([gap], THRESHOLDS), evaluate_split([without], THRESHOLDS)
    assert found.rolls_back
    assert same.rolls_back
    assert found.odds < same.odds, "but what stable showed in it counts"


def test_bursts_are_less_evidence_by_their_size():
    failing = rate(minutes(0, 20), minutes(0, 0))
    assert evaluate_split([failing], THRESHOLDS).rolls_back
    assert not evaluate_split([replace(failing, dispersion=20.0)], THRESHOLDS).rolls_back


def test_an_evaluation_that_is_repeated_has_the_same_answer():
    rates = [QUIET, rate(minutes(2, 3), minutes(0, 0))]
    assert evaluate_split(rates, THRESHOLDS) == evaluate_split(rates, THRESHOLDS)


def test_the_evidence_states_what_it_spent_of_the_false_alarms():
    nothing = not_evaluated(THRESHOLDS).false_alarm_figures
    assert nothing == {"percent": pytest.approx(0.05), "evidence": 0.0, "needed": pytest.approx(2000)}
    found = evaluate_split([rate(minutes(*(60,) * 9), minutes(*(0,) * 9))], THRESHOLDS)
    assert found.false_alarm_figures["evidence"] == 1e9
    assert "more than 1000000000 to 1" in found.reason


@pytest.mark.parametrize(("trials", "bad"), [(3600, 0), (3600, 18), (100, 5), (100, 100)])
def test_the_confidence_limit_is_what_chernoff_s_bound_does_not_refute(trials, bad):
    confidence = log(1 / 0.0001)
    upper = upper_confidence_limit(Tally(trials, bad), 1.0, confidence)
    assert bad / trials <= upper <= 1
    if not bad:
        assert trials * -log(1 - upper) == pytest.approx(confidence)
    assert upper_confidence_limit(Tally(trials, bad), 20.0, confidence) >= upper


def test_a_rate_that_drifts_during_a_day_is_dispersed_and_a_constant_one_is_not():
    constant = [Tally(3000, 15 + (-1) ** number) for number in range(288)]
    assert drift_dispersion(constant, (1, 3, 12)) == 1.0
    by_night = [Tally(3000, 5 if number % 288 < 144 else 25) for number in range(288)]
    hourly = drift_dispersion(by_night, (12,))
    assert hourly > drift_dispersion(by_night, (1,)) > 5
    assert hourly == drift_dispersion(by_night, (1, 3, 12)) > 50


@pytest.mark.parametrize("tallies", [(), (Tally(),), (Tally(60, 0),) * 288, (Tally(60, 3),), (Tally(), Tally(60, 3))])
def test_what_shows_no_drift_is_not_dispersed(tallies):
    assert drift_dispersion(tallies, (1, 12)) == 1.0


def test_a_baseline_of_little_traffic_tolerates_no_more_than_the_absolute_limit():
    thin = (Tally(60, 0),)
    assert evaluate_promoted([rate(minutes(*(12,) * 5), before=thin)], THRESHOLDS).rolls_back
    assert not evaluate_promoted([rate(minutes(*(3,) * 5), before=thin)], THRESHOLDS).rolls_back


def test_after_the_promotion_a_rate_may_drift_as_it_did_in_the_hour_before():
    """Stable had one quarter of an hour at 6 %; its mean of 1.5 % is not what the canary is compared with."""
    uneven = minutes(*(0,) * 45, *(6,) * 15, requests=100)
    again = [rate(minutes(*(6,) * 15, requests=100), before=uneven)]
    assert evaluate_promoted(again, THRESHOLDS).outcome is AlarmOutcome.NOT_TO_BLAME
    worse = [rate(minutes(*(30,) * 15, requests=100), before=uneven)]
    assert evaluate_promoted(worse, THRESHOLDS).outcome is AlarmOutcome.CANARY_WORSE
