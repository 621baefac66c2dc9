"""The anytime-valid test: it must not fail healthy releases however often it looks, and must find broken ones soon."""

from __future__ import annotations

import math
import random
from functools import partial
from itertools import pairwise, product
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.analysis import sequential_testing
from orchestrator.domain.analysis.sequential_testing import (
    ALTERNATIVES,
    Limit,
    Margin,
    SequentialTest,
    Tally,
    log_factors,
    mean_log_evidence,
)

NONE = Tally()

SHARE = 0.0075 * 20 / 75
"""The part of the false alarm probability that the server errors of one of three functions have."""


def drawn(random_: random.Random, trials: int, rate: float) -> Tally:
    """A binomial draw: by the gaps between rare events, by the normal curve for frequent ones."""
    if rate >= 1:
        return Tally(trials, trials)
    if trials * rate * (1 - rate) > 30:
        bad = round(random_.gauss(trials * rate, math.sqrt(trials * rate * (1 - rate))))
        return Tally(trials, max(0, min(trials, bad)))
    at, bad = -1, -1
    while at < trials:
        at += 1 + int(math.log(1 - random_.random()) / math.log1p(-rate))
        bad += 1
    return Tally(trials, bad)


def looks_until_proved(seed, *, canary, stable, rates, null, looks, alpha):
    """At which look canary was proved worse; None where it never was. `rates` gives (canary's, stable's) at a look."""
    random_, stream = random.Random(seed), SequentialTest()
    for look in range(looks):
        of_canary, of_stable = rates(look)
        stream = stream.update(drawn(random_, canary, of_canary), drawn(random_, stable, of_stable), null)
        if stream.log_evidence >= -math.log(alpha):
            return look + 1
    return None


def false_alarms(runs, **case):
    return sum(looks_until_proved(seed, **case) is not None for seed in range(runs)) / runs


def median_look(runs, **case):
    found = sorted(looks_until_proved(seed, **case) or 10**6 for seed in range(runs))
    return found[len(found) // 2]


@pytest.mark.simulation
def test_a_healthy_tenth_of_a_percent_at_ten_percent_of_a_hundred_requests_a_second_is_not_failed():
    """The case in which "more than 0 errors in each of two minutes" rolls back 52 % of healthy five-minute bakes."""
    rate = 0.001
    naive = sum(_two_minutes_running_with_an_error(seed, 600, rate) for seed in range(400)) / 400
    assert 0.4 < naive < 0.65, "the peer's rule, for comparison"
    for null in (Margin(0.0), Margin(0.005)):
        case = {"canary": 100, "stable": 900, "rates": lambda _: (rate, rate), "null": null, "looks": 30, "alpha": 0.01}
        assert false_alarms(200, **case) <= 0.01


def _two_minutes_running_with_an_error(seed, requests_a_minute, rate):
    random_ = random.Random(seed)
    minutes = [drawn(random_, requests_a_minute, rate).bad > 0 for _ in range(5)]
    return any(first and second for first, second in pairwise(minutes))


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("canary", "stable", "rate"),
    [(5, 45, 0.02), (50, 50, 0.2), (10, 90, 0.5), (100, 900, 0.011)],
    ids=["thin", "half and half", "mostly refused", "busy"],
)
def test_false_alarms_stay_below_alpha_over_a_hundred_looks(canary, stable, rate):
    case = {"canary": canary, "stable": stable, "rates": lambda _: (rate, rate), "null": Margin(0.0)}
    # 5 % asked; three standard deviations of 200 runs on top.
    assert false_alarms(200, **case, looks=100, alpha=0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


@pytest.mark.simulation
def test_a_canary_exactly_at_the_margin_is_not_failed():
    case = {"canary": 100, "stable": 900, "rates": lambda _: (0.011, 0.001), "null": Margin(0.01)}
    assert false_alarms(200, **case, looks=30, alpha=0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


@pytest.mark.simulation
def test_rates_that_rise_on_both_versions_alike_are_nobodys_fault():
    case = {"canary": 50, "stable": 450, "null": Margin(0.0), "rates": lambda look: (0.002 + look / 200,) * 2}
    assert false_alarms(200, **case, looks=40, alpha=0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize(
    ("canary", "stable", "of_canary", "of_stable", "looks"),
    [(100, 900, 0.3, 0.001, 1), (100, 900, 0.05, 0.001, 4), (100, 900, 0.03, 0.001, 12), (5, 45, 1.0, 0.02, 3)],
    ids=["a third fails", "one in twenty", "one in thirty", "everything, thin traffic"],
)
def test_a_broken_canary_is_found_soon(canary, stable, of_canary, of_stable, looks):
    """At the threshold of the server errors of one of three functions, which share 0.75 %."""
    case = {"canary": canary, "stable": stable, "rates": lambda _: (of_canary, of_stable), "null": Margin(0.01)}
    assert median_look(40, **case, looks=60, alpha=SHARE) <= looks


def test_a_failure_that_begins_late_is_found_as_well():
    case = {"canary": 100, "stable": 900, "null": Margin(0.0002)}
    rates = lambda look: (0.1 if look >= 40 else 0.001, 0.001)  # noqa: E731 - a rate over time
    assert 40 < median_look(20, **case, rates=rates, looks=60, alpha=SHARE) <= 42


def test_twelve_refused_of_twelve_are_proof_while_stable_issues():
    stream = SequentialTest().update(Tally(12, 12), Tally(100, 3), Margin(0.01))
    assert stream.log_evidence > math.log(1e4)


def test_a_limit_is_held_without_any_stable():
    bad = SequentialTest().update(Tally(60, 12), NONE, Limit(0.05))
    good = SequentialTest().update(Tally(60, 2), NONE, Limit(0.05))
    assert bad.log_evidence > math.log(50)
    assert good.log_evidence < math.log(2)


def test_without_stable_a_margin_shows_nothing():
    assert SequentialTest().update(Tally(50, 50), NONE, Margin(0.01)).log_evidence == pytest.approx(0.0, abs=1e-6)


def test_without_canary_nothing_is_bet_and_stable_is_learnt():
    stream = SequentialTest().update(NONE, Tally(1000, 200), Margin(0.01))
    assert (stream.evaluations, stream.bets, stream.log_evidence) == (0, (), 0.0)
    assert (stream.stable_bad, stream.stable_trials) == (200.0, 1000.0)
    assert stream.update(NONE, NONE, Margin(0.01)) == stream


def test_older_requests_of_stable_count_as_a_limited_number():
    stream = SequentialTest().update(NONE, Tally(8000, 40), Margin(0.0)).update(NONE, Tally(100, 50), Margin(0.0))
    assert (stream.stable_bad, stream.stable_trials) == (20.0 + 50.0, 4000.0 + 100.0)


def test_the_rate_before_the_deployment_is_believed_until_there_is_another():
    known = SequentialTest().know_before(Tally(3600, 4))
    assert (known.stable_bad, known.stable_trials) == (4.0, 3600.0)
    assert known.know_before(Tally(10, 5)) == known
    after = SequentialTest().update(Tally(10, 0), NONE, Limit(0.1))
    assert after.know_before(Tally(10, 5)) == after


def test_a_known_rate_finds_few_errors_sooner_than_a_guessed_one():
    few = (Tally(60, 4), Tally(540, 0), Margin(0.0))
    known = SequentialTest().know_before(Tally(3600, 4)).update(*few)
    assert known.log_evidence > SequentialTest().update(*few).log_evidence


def test_starts_become_rarer_so_that_the_state_stays_small():
    stream, sizes = SequentialTest(), []
    for _ in range(40):
        stream = stream.update(Tally(10, 0), Tally(90, 0), Margin(0.0))
        sizes.append(len(stream.bets))
    assert [sizes.index(size) + 1 for size in range(1, 11)] == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]
    assert all(len(start) == len(ALTERNATIVES) for start in stream.bets)


@pytest.mark.parametrize("evaluations", [1, 2, 3, 7, 8, 100])
def test_all_shares_of_the_capital_make_up_one(evaluations):
    """Looks without any chance of an error neither win nor lose, so that the whole capital is still there."""
    stream = SequentialTest(evaluations, ((0.0,) * len(ALTERNATIVES),) * evaluations.bit_length())
    assert stream.log_evidence == pytest.approx(0.0, abs=1e-12)
    assert stream.log_evidence_at(20.0) == pytest.approx(0.0, abs=1e-12)
    assert sum(weight for _, weight in ALTERNATIVES) == pytest.approx(1.0)


def test_the_dispersion_divides_evidence_as_the_bursts_own_count_would():
    """If all bursts have b errors, dividing by b is counting bursts: an exact likelihood ratio."""
    null, size = Margin(0.0), 5
    stream = SequentialTest(stable_bad=1.0, stable_trials=100.0)
    of_errors = stream.update(Tally(50 * size, 4 * size), Tally(450 * size, 2 * size), null)
    of_bursts = stream.update(Tally(50, 4), Tally(450, 2), null)
    assert of_errors.log_evidence_at(size) == pytest.approx(of_bursts.log_evidence, abs=1e-4)
    assert of_errors.log_evidence > of_bursts.log_evidence


@pytest.mark.parametrize("dispersion", [1.0, 1.7, 40.0])
@pytest.mark.parametrize("bad", [0, 3, 30])
def test_a_dispersion_never_raises_the_capital_by_more_than_one(bad, dispersion):
    """The reason why an estimated dispersion costs at most alpha / (1 - alpha) instead of alpha."""
    stream = SequentialTest().update(Tally(100, bad), Tally(900, 9), Margin(0.0))
    assert math.exp(stream.log_evidence_at(dispersion)) <= math.exp(stream.log_evidence) + 1


@pytest.mark.parametrize("margin", [0.0, 1e-6, 0.0002, 0.01, 0.3])
@pytest.mark.parametrize("rate", [1e-5, 0.003, 0.2, 0.69])
@pytest.mark.parametrize(("canary", "stable"), [(1, 0), (1, 900), (600, 5400), (300, 1)])
def test_the_projection_is_the_nearest_point_of_the_null(margin, rate, canary, stable):
    """No rate of stable explains what was bet on better than the one that the factor is divided by."""
    for worse, _ in ALTERNATIVES:
        alternative = rate + margin + worse * (1 - rate - margin)
        nearest = sequential_testing._projection(rate, alternative, canary, stable, margin)

        def distance(of_stable, alternative=alternative):
            return stable * _divergence(rate, of_stable) + canary * _divergence(alternative, of_stable + margin)

        assert rate <= nearest <= alternative - margin + 1e-12
        for other in (nearest * 0.999, nearest * 1.001, (nearest + rate) / 2, (nearest + alternative - margin) / 2):
            if 0 < other < 1 - margin:
                assert distance(nearest) <= distance(other) + 1e-9


def _divergence(p, q):
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


def test_the_core_of_one_look_is_the_formula_of_its_docstring():
    rate, canary, stable = 0.005, Tally(600, 9), Tally(5400, 27)
    for (worse, _), factor in zip(ALTERNATIVES, log_factors(rate, canary, stable, Margin(0.0)), strict=True):
        c = rate + worse * (1 - rate)
        x = (canary.trials * c + stable.trials * rate) / (canary.trials + stable.trials)
        expected = 9 * math.log(c / x) + 591 * math.log((1 - c) / (1 - x))
        expected += 27 * math.log(rate / x) + 5373 * math.log((1 - rate) / (1 - x))
        assert factor == pytest.approx(expected)


def test_a_stable_that_fails_wholly_leaves_nothing_to_prove():
    stream = SequentialTest(stable_bad=1e6, stable_trials=1e6)
    assert stream.update(Tally(50, 50), Tally(50, 50), Margin(0.05)).log_evidence < math.log(2)


@pytest.mark.parametrize("null", [Margin(0.0), Margin(0.02), Limit(0.05)])
@pytest.mark.parametrize("canary", [1, 4])
@pytest.mark.parametrize("stable", [0, 1, 6])
def test_one_looks_factor_has_a_mean_of_at_most_one_wherever_canary_is_no_worse(null, canary, stable):
    """Exactly, by summing over every outcome: this is what the whole test rests on."""
    stream = SequentialTest(stable_bad=3.0, stable_trials=100.0)
    for of_stable in (0.001, 0.03, 0.3, 0.9):
        of_canary = null.share if isinstance(null, Limit) else min(1.0, of_stable + null.points)
        mean = 0.0
        for bad, bad_of_stable in product(range(canary + 1), range(stable + 1)):
            chance = _binomial(canary, bad, of_canary) * _binomial(stable, bad_of_stable, of_stable)
            after = stream.update(Tally(canary, bad), Tally(stable, bad_of_stable), null)
            mean += chance * math.exp(after.log_evidence)
        assert mean <= 1 + 1e-9


def _binomial(trials, bad, rate):
    return math.comb(trials, bad) * rate**bad * (1 - rate) ** (trials - bad)


@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.floats(0, 1), st.integers(0, 300), st.floats(0, 1)), min_size=1, max_size=6
    ),
    st.sampled_from([Margin(0.0), Margin(0.5), Limit(1e-6), Limit(0.999)]),
)
def test_evidence_is_a_number_whatever_was_seen(looks, null):
    stream = SequentialTest()
    for canary, bad, stable, bad_of_stable in looks:
        stream = stream.update(Tally(canary, int(canary * bad)), Tally(stable, int(stable * bad_of_stable)), null)
    assert math.isfinite(stream.log_evidence)
    assert all(len(start) == len(ALTERNATIVES) for start in stream.bets)


def test_the_mean_of_tests_is_never_less_than_bonferroni_leaves_of_the_best():
    proved = SequentialTest().update(Tally(40, 40), Tally(400, 1), Margin(0.0)).log_evidence
    idle = [(0.0, 1.0)] * 19
    assert mean_log_evidence([(proved, 1.0), *idle]) >= proved - math.log(20)
    assert mean_log_evidence([(proved, 6.0), *idle]) >= proved - math.log(25 / 6)
    assert mean_log_evidence([]) == 0.0


def test_late_data_are_counted_once_and_corrected_data_never_negative():
    assert Tally(10, 2).since(Tally(4, 1)) == Tally(6, 1)
    assert Tally(10, 2).since(Tally(12, 3)) == NONE
    assert Tally(11, 5).since(Tally(10, 0)) == Tally(1, 1)


def test_a_share_of_nothing_is_nothing():
    assert (Tally().share, Tally(8, 2).share) == (0.0, 0.25)


def test_looking_is_quick():
    """Twenty streams at a look: the verdict must not be what a look waits for."""
    look = partial(
        SequentialTest(2, ((0.0,) * len(ALTERNATIVES),) * 2, 3.0, 900.0).update,
        Tally(100, 3),
        Tally(900, 5),
        Margin(0.01),
    )
    started = perf_counter()
    for _ in range(20):
        look()
    assert perf_counter() - started < 0.2
