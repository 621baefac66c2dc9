"""The judgement of latency: counts of slow requests on both versions, what they prove, and what they cannot."""

from __future__ import annotations

import random
from dataclasses import replace
from math import exp, inf, log, sqrt
from statistics import NormalDist

import pytest

from orchestrator.domain.analysis import latency
from orchestrator.domain.analysis.latency_lines import PERCENTILES, LatencyLines, bounds_ms, fix_before
from orchestrator.domain.analysis.observations import Measurements, Sample, VersionComparison
from orchestrator.domain.analysis.running_tests import RunningTests
from orchestrator.domain.analysis.sequential_testing import Limit, Margin, Tally
from orchestrator.domain.verdict import Outcome
from tests.samples import NOW, policy, seconds

THRESHOLDS = replace(policy().limits.thresholds, max_latency_ratio=1.1, latency_floor_ms=10.0, max_p99_ms=3000.0)
LINES = LatencyLines(NOW, {"p50": 20.0, "p90": 40.0, "p99": 200.0}, 400.0)
BOUNDS = {alone: bounds_ms(LINES, THRESHOLDS, canary_has_all_traffic=alone) for alone in (False, True)}


def of(version, *times_ms, periods=10, each=20, alone=False, start=NOW):
    """A version whose requests take these times in turn, in every period."""
    times = [times_ms[place % len(times_ms)] for place in range(each)]
    slower = {bound: sum(ms > bound for ms in times) for bound in BOUNDS[alone]}
    ordered = sorted(times)
    return Measurements(
        version,
        tuple(
            Sample(
                start + seconds(number), each, p50_ms=ordered[each // 2], p99_ms=ordered[-1], timed=each, slower=slower
            )
            for number in range(periods)
        ),
    )


def compare(stable, canary, *, alone=False, lines=LINES, name="token"):
    return VersionComparison(name, stable, canary, 400, lines=lines, canary_has_all_traffic=alone)


def judge(*functions, looks=1):
    rates = tuple(rate for one in functions for rate in latency.latency_rates(one, THRESHOLDS))
    tests = RunningTests()
    for _ in range(looks):
        tests = tests.update(NOW, rates)
    return latency.judge_latency(functions, THRESHOLDS, tests, rates)


def rates_of(function):
    return {rate.name.partition("/")[2]: rate for rate in latency.latency_rates(function, THRESHOLDS)}


# What is compared


@pytest.mark.strategy("Post-deployment Verification: Performance testing")
def test_canary_over_its_line_is_compared_with_stable_over_its_own_without_a_further_margin():
    rates = rates_of(compare(of("1", 10.0, 25.0), of("2", 29.0, 31.0)))
    assert list(rates) == ["p50", "p90", "p99", "limit"]
    assert (rates["p50"].null, rates["p50"].stable, rates["p50"].canary) == (
        Margin(0.0), Tally(200, 100), Tally(200, 100)
    )  # fmt: skip
    assert (rates["p90"].stable, rates["p90"].canary) == (Tally(200, 0), Tally(200, 0))
    assert (rates["limit"].null, rates["limit"].canary) == (Margin(0.01), Tally(200, 0))


def test_the_names_are_always_the_same():
    idle = Measurements("1")
    functions = (
        compare(of("1", 20.0), of("2", 20.0)),
        compare(idle, of("2", 20.0)),
        compare(idle, of("2", 20.0, alone=True), alone=True),
        compare(idle, idle, lines=None),
        compare(idle, of("2", 20.0, alone=True), lines=LatencyLines(NOW, {"p50": 1.0}), alone=True),
        compare(idle, of("2", 20.0), lines=LatencyLines(NOW, {"p50": 1.0})),
    )
    assert {tuple(rates_of(function)) for function in functions} == {("p50", "p90", "p99", "limit")}


def test_without_stable_at_the_same_time_half_of_the_requests_must_exceed_all_that_stable_was_before():
    function = compare(of("1", 9.0, each=1), of("2", 439.0, 441.0, alone=True), alone=True)
    rates = rates_of(function)
    assert (rates["p50"].null, rates["p50"].canary, rates["p50"].stable) == (Limit(0.5), Tally(200, 100), Tally())
    assert [rates[name].null for name in ("p90", "p99")] == [None, None]
    assert (rates["limit"].null, rates["limit"].stable) == (Limit(0.01), Tally())
    assert judge(function).outcome is Outcome.PASS
    verdict = judge(compare(Measurements("1"), of("2", 450.0, alone=True), alone=True))
    assert verdict.outcome is Outcome.FAIL
    assert "takes more than 440 ms, more than stable's highest p99 before: 200 of 200" in verdict.reason


@pytest.mark.parametrize(
    "function",
    [
        compare(Measurements("1"), of("2", 25.0), lines=None),
        compare(Measurements("1"), of("2", 25.0)),
        compare(Measurements("1"), of("2", 25.0, alone=True), lines=replace(LINES, highest_p99_ms=None), alone=True),
    ],
    ids=["no lines", "stable is idle", "stable was idle before"],
)
def test_with_nothing_to_compare_with_only_the_limit_is_judged(function):
    rates = rates_of(function)
    assert [rates[name].null for name in PERCENTILES] == [None] * 3
    assert rates["limit"].null == Limit(0.01)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("slow", [{"usual": {"p99": 3500.0}}, {"highest_p99_ms": 3500.0}])
def test_a_stable_version_that_was_over_the_limit_itself_does_not_make_its_fix_fail(alone, slow):
    lines = replace(LINES, **slow)
    function = compare(Measurements("1"), of("2", 3400.0, alone=alone), lines=lines, alone=alone)
    assert rates_of(function)["limit"].null is None


def test_requests_from_before_the_lines_were_fixed_are_not_judged():
    lines = replace(LINES, fixed_at=NOW + seconds(5))
    rates = rates_of(compare(of("1", 25.0), of("2", 31.0), lines=lines))
    assert rates["p50"].canary == rates["p50"].stable == Tally(100, 100)


def slow_in(version, *slow, each=100):
    """A version with so many requests over the first line in each period."""
    return Measurements(
        version,
        tuple(
            Sample(NOW + seconds(10 * number), each, timed=each, slower={20.0: bad, 30.0: bad})
            for number, bad in enumerate(slow)
        ),
    )


def dispersion_of(stable, canary):
    rates = latency.latency_rates(compare(stable, canary), THRESHOLDS)
    return RunningTests().update(NOW, rates).tests["token/p50"].dispersion.value


def test_what_slows_both_versions_down_at_once_is_no_dispersion():
    rng = random.Random("both")
    shares = [rng.choice((0.1, 0.8)) for _ in range(60)]
    stable, canary = ([binomial(rng, 100, share) for share in shares] for _ in range(2))
    assert dispersion_of(slow_in("1", *stable), slow_in("2", *canary)) < 1.5


@pytest.mark.parametrize("few", [1, 30])
def test_pauses_of_one_version_are_dispersion_however_much_stable_is_slow(few):
    rng = random.Random("one")
    stable = [few if rng.random() < 0.8 else 0 for _ in range(60)]
    canary = [20 if rng.random() < 0.1 else 0 for _ in range(60)]
    assert dispersion_of(slow_in("1", *stable), slow_in("2", *canary)) > 8


def test_periods_of_one_version_only_count_for_it():
    measured = latency._slow_on_canary(slow_in("2", 5, 0, 1), 30.0, slow_in("1", 300, each=300), 20.0)
    assert measured.tallies == (Tally(305, 5), Tally(1, 1))
    assert measured.seconds == 10.0


# The verdict


def test_as_fast_as_stable_passes_with_the_percentiles_of_both():
    verdict = judge(compare(of("1", 10.0, 20.0), of("2", 12.0, 21.0)))
    assert verdict.outcome is Outcome.PASS
    assert verdict.reason == "token:2 p50 21 ms, p99 21 ms (stable p50 20 ms, p99 20 ms)"


def test_slower_throughout_is_proved_with_the_shares_of_both_versions():
    verdict = judge(compare(of("1", 15.0, 25.0), of("2", 45.0)))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason.startswith(
        "token:2 takes more than 30 ms, stable more than 20 ms: "
        "200 of 200 (100 %) of its requests, 100 of 200 (50 %) of stable's; evidence "
    )
    assert verdict.reason.endswith("to 1 against chance")


def test_over_the_limit_is_proved_without_any_baseline():
    verdict = judge(compare(Measurements("1"), of("2", 3001.0), lines=None))
    assert verdict.outcome is Outcome.FAIL
    assert "token:2 takes more than 3000 ms: 200 of 200 (100 %) of its requests, at most 1 %" in verdict.reason


def test_over_the_limit_with_stable_below_it_fails_though_the_lines_would_tolerate_it():
    lines = LatencyLines(NOW, dict.fromkeys(PERCENTILES, 2990.0))
    bounds = bounds_ms(lines, THRESHOLDS, canary_has_all_traffic=False)

    def at(version, ms):
        sample = Sample(NOW, 200, timed=200, slower={bound: 200 * (ms > bound) for bound in bounds})
        return Measurements(version, (sample,))

    verdict = judge(compare(at("1", 2990.0), at("2", 3100.0), lines=lines))
    assert verdict.outcome is Outcome.FAIL
    assert "0 of 200 of stable's, tolerated 1 % more" in verdict.reason


def test_both_versions_over_the_limit_is_not_the_canary_s_fault():
    assert judge(compare(of("1", 5000.0), of("2", 5000.0))).outcome is Outcome.PASS


def test_slower_in_few_requests_is_not_proved_and_not_advanced_on():
    slow = compare(of("1", *[15.0] * 9, 41.0), of("2", *[15.0] * 3, 51.0, periods=3))
    verdict = judge(slow)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.startswith("slower, not proved: token:2 takes more than ")


def test_versions_that_cannot_be_distinguished_conclude_nothing():
    verdict = judge(compare(Measurements("1"), Measurements("2")))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason == "cannot distinguish the versions: token"


def test_too_few_warm_requests_conclude_nothing_however_many_cold_ones_there_were():
    cold = Measurements("2", (Sample(NOW, 200, timed=1, cold_starts=199, cold_start_ms=900.0),))
    verdict = judge(compare(of("1", 20.0), cold))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason == f"too few warm requests on canary: token:2 1 of {THRESHOLDS.minimum_requests}"


def test_cold_starts_are_no_slowness_of_the_release():
    started = of("2", 15.0, 25.0)
    samples = (replace(started.samples[0], cold_starts=50, cold_start_ms=2900.0), *started.samples[1:])
    assert judge(compare(of("1", 15.0, 25.0), Measurements("2", samples))).outcome is Outcome.PASS


def test_the_look_that_fixed_the_lines_concludes_nothing():
    lines = replace(LINES, fixed_at=NOW + seconds(10))
    verdict = judge(compare(of("1", 25.0), of("2", 100.0), lines=lines))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason == "stable was measured for the first time, nothing is compared yet: token"


def test_a_pass_says_where_nothing_was_compared_and_where_nothing_was_measured():
    verdict = judge(compare(Measurements("1"), of("2", 20.0)))
    assert verdict.outcome is Outcome.PASS
    assert verdict.reason.endswith("(stable no latency), nothing to compare with but the limit")


def test_a_rate_without_a_comparison_is_described_without_one():
    idle = compare(Measurements("1"), of("2", 20.0), lines=None)
    rate = rates_of(idle)["p50"]
    assert latency._describe(rate, (idle,)) == "token:2 has nothing to compare p50 with"


# False alarms and power, simulated: ten looks at 10 % and ten at 50 %

LOOK_SECONDS, PERIOD_SECONDS = 60, 10


class LogNormal:
    def __init__(self, median_ms, sigma):
        self.median_ms, self.sigma = median_ms, sigma

    def share_over(self, ms):
        return 1 - NormalDist().cdf(log(max(ms, 1e-9) / self.median_ms) / self.sigma)

    def quantile(self, share):
        return self.median_ms * exp(self.sigma * NormalDist().inv_cdf(share))


class Pareto:
    def __init__(self, least_ms, exponent):
        self.least_ms, self.exponent = least_ms, exponent

    def share_over(self, ms):
        return min(1.0, (self.least_ms / max(ms, 1e-9)) ** self.exponent)

    def quantile(self, share):
        return self.least_ms * (1 - share) ** (-1 / self.exponent)


def binomial(rng, number, share):
    if number * share * (1 - share) > 30:
        return min(number, max(0, round(rng.gauss(number * share, sqrt(number * share * (1 - share))))))
    return sum(rng.random() < share for _ in range(number))


def counted(rng, distribution, requests, bounds, slowness, at):
    """A period of one version. The counts over ascending bounds belong to the same requests."""
    slower, left, before = {}, requests, 1.0
    for bound in bounds:
        share = distribution.share_over(bound / slowness)
        left = binomial(rng, left, min(1.0, share / before) if before else 0.0)
        slower[bound], before = left, share
    return Sample(at, requests, timed=requests, slower=slower)


def lines_before(rng, distribution, requests_a_second):
    """Lines of twelve blocks of five minutes, with the error of their percentiles."""
    requests = max(1, int(300 * requests_a_second))

    def measured(share):
        noisy = rng.gauss(share, sqrt(share * (1 - share) / requests))
        return distribution.quantile(min(1 - 1 / (requests + 1), max(0.01, noisy)))

    return fix_before({name: [measured(share) for _ in range(12)] for name, share in PERCENTILES.items()}, NOW)


def paused(rng, sample, pauses):
    """A period in which an environment pauses now and then: so many of its requests take a second, twenty in a row."""
    hit = sum(rng.random() < pauses / 20 for _ in range(sample.requests)) * 20
    slower = {bound: min(sample.requests, slow + (hit if bound < 1000 else 0)) for bound, slow in sample.slower.items()}
    return replace(sample, slower=slower)


def detected_at(rng, distribution, requests_a_second, *, slower=1.0, shared_slowness=lambda _: 1.0, pauses=0.0):
    """The look at which a canary fails that is slower by a factor; None if it does not.

    pauses: share of the requests of each version that a pause of an environment slows down.
    """
    lines = lines_before(rng, distribution, requests_a_second)
    bounds = bounds_ms(lines, THRESHOLDS, canary_has_all_traffic=False)
    tests, at, looks = RunningTests(), NOW, 0
    for weight in (0.1, 0.5):
        start, samples = at, {"1": [], "2": []}
        for _ in range(10):
            for _ in range(LOOK_SECONDS // PERIOD_SECONDS):
                slowness, sent = shared_slowness(rng), max(1, int(requests_a_second * PERIOD_SECONDS))
                canary = binomial(rng, sent, weight)
                stable = counted(rng, distribution, sent - canary, bounds, slowness, at)
                samples["1"].append(paused(rng, stable, pauses) if pauses else stable)
                measured = counted(rng, distribution, canary, bounds, slowness * slower, at)
                samples["2"].append(paused(rng, measured, pauses) if pauses else measured)
                at += seconds(PERIOD_SECONDS)
            stable, measured = (Measurements(version, tuple(found)) for version, found in samples.items())
            rates = latency.latency_rates(compare(stable, measured, lines=lines), THRESHOLDS)
            tests, looks = tests.update(start, rates), looks + 1
            if tests.proves_worse(THRESHOLDS.false_alarm_probability("latency")):
                return looks
    return None


def slow_minutes(rng):
    return 5.0 if rng.random() < 0.2 else 1.0


def test_a_slower_release_is_found_although_both_versions_are_slow_at_times():
    rng = random.Random("slow at times")
    slower = {"slower": 1.3, "shared_slowness": slow_minutes}
    found = [detected_at(rng, LogNormal(150.0, 1.0), 50, **slower) or inf for _ in range(6)]
    assert sum(looks <= 12 for looks in found) >= 5


@pytest.mark.parametrize("shared_slowness", [lambda _: 1.0, slow_minutes], ids=["steady", "slow minutes"])
@pytest.mark.parametrize(
    "distribution",
    [LogNormal(150.0, 1.0), LogNormal(30.0, 2.0), Pareto(10.0, 1.1)],
    ids=["lognormal", "sigma 2", "pareto"],
)
@pytest.mark.parametrize("requests_a_second", [1, 5, 1000])
def test_equal_versions_are_equally_fast_whatever_the_tail(distribution, requests_a_second, shared_slowness):
    rng = random.Random("equal")
    found = [detected_at(rng, distribution, requests_a_second, shared_slowness=shared_slowness) for _ in range(2)]
    assert found == [None] * 2


def test_pauses_that_slow_twenty_requests_of_one_version_down_are_no_slowness_of_the_release():
    rng = random.Random("pauses")
    found = [detected_at(rng, LogNormal(30.0, 0.5), 5, pauses=0.01) for _ in range(6)]
    assert found == [None] * 6


@pytest.mark.parametrize(
    ("distribution", "requests_a_second", "slower", "within"),
    [
        (LogNormal(150.0, 1.0), 50, 1.3, 10),
        (LogNormal(30.0, 0.5), 50, 1.3, 10),
        (LogNormal(30.0, 0.5), 5, 1.5, 20),
        (Pareto(20.0, 1.5), 50, 1.5, 10),
    ],
)
def test_a_slower_release_is_found(distribution, requests_a_second, slower, within):
    rng = random.Random("slower")
    found = [detected_at(rng, distribution, requests_a_second, slower=slower) or inf for _ in range(10)]
    assert sum(looks <= within for looks in found) >= 9
