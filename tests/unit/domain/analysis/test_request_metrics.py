"""The metrics probe's judgement, from measurements to a verdict with its reason."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from math import exp

import pytest

from orchestrator.domain.analysis import request_metrics
from orchestrator.domain.analysis.observations import Measurements, Sample, VersionComparison
from orchestrator.domain.analysis.running_tests import ComparedRate, RunningTests
from orchestrator.domain.analysis.sequential_testing import Limit, Margin, Tally
from orchestrator.domain.verdict import Outcome
from tests.samples import NOW, policy

THRESHOLDS = policy().limits.thresholds


def of(version, requests=0, errors=0, grants=None, **more):
    samples = (Sample(NOW, requests, errors, grants or {}, 20.0, 40.0),) if requests else ()
    return Measurements(version, samples, **more)


def compared(stable, canary, name="public", pooled=None, before=None):
    return VersionComparison(
        name, stable, canary, stable.requests + canary.requests if pooled is None else pooled, before
    )


def look(*functions, looks=1):
    measures = tuple(measure for one in functions for measure in request_metrics.request_rates(one, THRESHOLDS))
    watches = RunningTests()
    for number in range(looks):  # a new window each time, so that every look counts anew
        watches = watches.update(NOW + timedelta(minutes=number), measures)
    return request_metrics.judge_request_metrics(functions, THRESHOLDS, watches, measures)


def names(one):
    return [measure.name for measure in request_metrics.request_rates(one, THRESHOLDS)]


def named(one, name):
    return next(measure for measure in request_metrics.request_rates(one, THRESHOLDS) if measure.name == name)


@pytest.mark.strategy("Post-deployment Verification: Metric verification")
def test_the_measures_are_always_the_same_whatever_was_measured():
    nothing, much = (
        compared(of("1"), of("2"), "token"),
        compared(of("1", 900, 3, {"issued": 897}), of("2", 100, 9), "token"),
    )
    assert names(nothing) == names(much)
    assert names(compared(of("1"), of("2"))) == ["public/server_errors", "public/server_error_limit", "public/deaths"]
    assert {"token/refused", "token/invalid_grant", "token/server_error", "token/no_result"} < set(names(much))


def test_healthy_and_enough_passes_with_its_numbers():
    verdict = look(compared(of("1", 900, 1), of("2", 100, 0)))
    assert (verdict.outcome, verdict.reason) == (Outcome.PASS, "public:2 0 5xx of 100 (public:1 1 of 900 (0.11 %))")


def test_alone_canary_fails_by_its_own_errors_whatever_stable_does():
    closed, quiet = of("1", 100, 100), of("2", 100, 1)
    assert request_metrics.judge_without_stable((compared(closed, quiet),), THRESHOLDS).outcome is Outcome.PASS
    broken = request_metrics.judge_without_stable(
        (compared(of("1", 100), of("2", 100, 40)), compared(closed, quiet, "token")), THRESHOLDS
    )
    assert (broken.outcome, broken.reason) == (Outcome.FAIL, "more than 5 % 5xx on canary: public:2 40 of 100 (40 %)")


def test_alone_a_quiet_canary_fails_nothing_and_says_how_quiet_it_is():
    verdict = request_metrics.judge_without_stable((compared(of("1"), of("2", 3, 2)),), THRESHOLDS)
    assert (verdict.outcome, verdict.reason) == (Outcome.PASS, "5xx on canary: public:2 2 of 3 (67 %), at most 5 %")


def test_a_broken_canary_fails_with_evidence():
    verdict = look(compared(of("1", 900, 0), of("2", 100, 60)))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason.startswith(
        "public:2 returns 5xx: 60 of 100 (60 %), public:1 0 of 900, tolerated 1 % more; evidence more than 1000000000 to 1"
    )


def test_a_break_of_the_absolute_limit_says_that_it_is_one():
    verdict = look(compared(of("1"), of("2", 60, 30)))
    assert verdict.outcome is Outcome.FAIL
    assert "30 of 60 (50 %), at most 5 %; evidence" in verdict.reason


def test_refused_grants_prove_a_release_wrong_below_the_minimum_of_requests_and_name_what_is_new():
    stable = of("1", 100, 0, {"issued": 99, "invalid_request": 1})
    verdict = look(compared(stable, of("2", 21, 0, {"invalid_grant": 21}), "token"))
    assert verdict.outcome is Outcome.FAIL
    assert "new results on canary: invalid_grant" in verdict.reason


def test_results_that_were_known_before_the_deployment_are_not_new():
    before = of("1", 500, 0, {"issued": 400, "invalid_grant": 100})
    verdict = look(
        compared(of("1", 100, 0, {"issued": 100}), of("2", 40, 0, {"invalid_grant": 40}), "token", before=before)
    )
    assert verdict.outcome is Outcome.FAIL
    assert "new results" not in verdict.reason


def test_grants_without_a_known_result_are_a_fault():
    verdict = look(compared(of("1", 300, 0, {"issued": 300}), of("2", 60, 0, {"issued": 10}), "token"))
    assert verdict.outcome is Outcome.FAIL
    assert "token" in verdict.reason


def known(version, requests, refused, results):
    sample = Sample(NOW, requests, 0, results, 20.0, 40.0, known_grants=requests, refused_grants=refused)
    return Measurements(version, (sample,))


def test_refused_known_grants_fail_a_release_that_is_promoted_already():
    before = known("1", 500, 5, {"issued": 495, "invalid_grant": 5})
    verdict = look(compared(of("1"), known("2", 60, 60, {"invalid_grant": 60}), "token", before=before))
    assert verdict.outcome is Outcome.FAIL
    assert "refuses a known grant: 60 of 60" in verdict.reason
    alone = look(compared(of("1"), known("2", 60, 60, {"invalid_grant": 60}), "token"))
    assert alone.outcome is Outcome.FAIL


@pytest.mark.parametrize("result", [*request_metrics.REFUSALS, "something unknown"])
def test_garbage_that_grows_after_the_promotion_fails_no_release(result):
    """Any client can send it, so it is compared with stable in the same window and with nothing else."""
    before = of("1", 500, 0, {"issued": 500})
    verdict = look(compared(of("1"), of("2", 600, 0, {"issued": 100, result: 500}), "token", before=before))
    assert verdict.outcome is Outcome.PASS
    silent = look(compared(of("1"), of("2", 600, 0, {"issued": 100}), "token", before=before))
    assert silent.outcome is Outcome.PASS


@pytest.mark.parametrize(("stable", "outcome"), [(0, Outcome.FAIL), (100, Outcome.PASS)])
def test_failures_of_the_identity_provider_count_against_a_canary_only_if_stable_has_none(stable, outcome):
    def provider(version, failed):
        return Measurements(version, (Sample(NOW, 100, 0, {}, 20.0, 40.0, upstream_errors=failed),))

    assert look(compared(provider("1", stable), provider("2", 100), "authorize")).outcome is outcome
    promoted = look(compared(of("1"), provider("2", 100), "authorize", before=provider("1", 0)))
    assert promoted.outcome is Outcome.PASS, "a provider that breaks after the promotion undoes nothing"


def test_deaths_count_though_the_function_could_report_nothing():
    verdict = look(compared(of("1", 500, invocations=500), of("2", 60, invocations=120, unhandled=60)))
    assert verdict.outcome is Outcome.FAIL
    assert "fails with an exception or timeout: 60 of 120" in verdict.reason


def test_versions_that_cannot_be_distinguished_conclude_nothing():
    verdict = look(compared(of("1"), of("2"), pooled=70))
    assert verdict.reason == "cannot distinguish the versions: public has 70 requests and none by version"
    assert verdict.outcome is Outcome.INCONCLUSIVE


def test_too_few_requests_conclude_nothing():
    verdict = look(compared(of("1", 900), of("2", 3)))
    assert verdict.reason == "too few requests on canary: public:2 3 of 50"


def test_more_errors_than_allowed_but_stable_s_as_well_are_not_advanced_on():
    verdict = look(compared(of("1", 900, 90), of("2", 100, 9)))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert (
        verdict.reason
        == "more than 5 % 5xx on canary, but not proved to be its own: public:2 9 of 100 (9 %) (public:1 90 of 900 (10 %))"
    )


def test_leaning_the_wrong_way_is_not_advanced_on():
    verdict = look(compared(of("1", 900, 0), of("2", 200, 8)))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.startswith("trending worse, not proved: public:2 returns 5xx: 8 of 200 (4 %)")


def test_an_idle_stable_is_replaced_by_stable_before_and_the_verdict_says_so():
    before = of("1", 500, 5)
    verdict = look(compared(of("1"), of("2", 200, 2), before=before))
    assert verdict.outcome is Outcome.PASS
    assert verdict.reason.endswith("public compared with the time before the deployment")
    assert named(compared(of("1"), of("2", 200, 2), before=before), "public/server_errors").null == Limit(
        2 * 0.01 + 1 / 500 + 0.01
    )


def test_a_stable_that_was_hardly_used_before_is_no_baseline():
    verdict = look(compared(of("1"), of("2", 200), before=of("1", 3)))
    assert verdict.reason.endswith("public compared with absolute limits only: no baseline")


def test_stable_in_the_same_window_is_what_counts_where_there_is_one():
    one = compared(of("1", 500, 5), of("2", 100), before=of("1", 500, 400))
    assert named(one, "public/server_errors").null == Margin(0.01)


def test_a_limit_that_stable_breaks_as_well_is_not_canary_s_doing():
    assert named(compared(of("1", 100, 50), of("2", 100)), "public/server_error_limit").null is None
    assert named(compared(of("1", 10, 5), of("2", 100)), "public/server_error_limit").null == Limit(0.05)


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (ComparedRate("n", "s", Tally(100, 50), Tally(100, 0), None), False),
        (ComparedRate("n", "s", Tally(), Tally(100, 0), Margin(0.0)), False),
        (ComparedRate("n", "s", Tally(100, 10), Tally(), Limit(0.01)), True),
        (ComparedRate("n", "s", Tally(100, 1), Tally(), Limit(0.01)), False),
        (ComparedRate("n", "s", Tally(100, 10), Tally(900, 0), Margin(0.01)), True),
        (ComparedRate("n", "s", Tally(100, 1), Tally(900, 9), Margin(0.01)), False),
    ],
)
def test_a_rate_leans_when_it_exceeds_its_margin_by_more_than_chance_usually_does(measure, expected):
    assert request_metrics.trending_worse(measure) is expected


def test_several_functions_are_judged_together():
    verdict = look(
        compared(of("1", 900), of("2", 100)),
        compared(of("1", 900, 0, {"issued": 900}), of("2", 100, 0, {"issued": 100}), "token"),
    )
    assert verdict.reason == "public:2 0 5xx of 100 (public:1 0 of 900), token:2 0 5xx of 100 (token:1 0 of 900)"


def minutes(*counts, version="1", requests=100):
    """A version's minutes before the deployment, with these numbers of 5xx."""
    samples = (Sample(NOW + timedelta(minutes=at), requests, bad, {}, 20.0, 40.0) for at, bad in enumerate(counts))
    return Measurements(version, tuple(samples))


@pytest.mark.parametrize(
    ("counts", "requests", "worst"),
    [
        ((1,) * 60, 100, 0.01),
        ((0,) * 30 + (4,) * 5 + (0,) * 25, 100, 0.04),
        ((0,) * 30 + (4, 0, 0, 0, 0) + (0,) * 25, 100, 4 / 500),
        ((0,) * 29 + (2,), 5, 2 / 50),
        ((0, 9), 100, 9 / 200),
    ],
    ids=["even", "bad minutes", "one bad minute", "thin: a stretch has the minimum of requests", "two minutes only"],
)
def test_without_stable_twice_its_worst_five_minutes_before_the_deployment_are_the_limit(counts, requests, worst):
    """Rates drift: an autoregressive rate of the hour before exceeds its mean in one deployment of six."""
    before = minutes(*counts, requests=requests)
    limit = named(compared(of("1"), of("2", 200), before=before), "public/server_errors").null
    assert limit == Limit(pytest.approx(2 * worst + 1 / (len(counts) * requests) + 0.01))


def test_late_requests_of_stable_are_no_baseline_once_canary_has_all_traffic():
    late = replace(compared(of("1", 3), of("2", 200), before=of("1", 500, 5)), canary_has_all_traffic=True)
    assert isinstance(named(late, "public/server_errors").null, Limit)


def test_the_rates_divide_the_probability_by_fixed_weights():
    nothing, much = compared(of("1"), of("2"), "token"), compared(of("1", 900, 9), of("2", 100, 50), "token")
    weights = [
        {one.name: one.weight for one in request_metrics.request_rates(each, THRESHOLDS)} for each in (nothing, much)
    ]
    assert weights[0] == weights[1]
    assert weights[0]["token/server_errors"] / sum(weights[0].values()) > 0.7
    results = sum(
        weight for name, weight in weights[0].items() if name.removeprefix("token/") in request_metrics.REFUSALS
    )
    assert results / sum(weights[0].values()) < 0.05


@pytest.mark.parametrize(("share_of_needed", "outcome"), [(1.1, Outcome.FAIL), (0.9, Outcome.INCONCLUSIVE)])
def test_the_request_metrics_spend_their_own_share_of_the_false_alarms(share_of_needed, outcome):
    function = compared(spread("1", [0] * 20, requests=540), spread("2", [2, 0] * 10, requests=20))
    rates = request_metrics.request_rates(function, THRESHOLDS)
    tests = RunningTests().update(NOW, rates)
    probability = exp(-tests.log_evidence) * share_of_needed
    shares = replace(THRESHOLDS.false_alarm_shares, request_metrics=0.5)
    thresholds = replace(THRESHOLDS, false_alarm_percent=200 * probability, false_alarm_shares=shares)
    assert request_metrics.judge_request_metrics((function,), thresholds, tests, rates).outcome is outcome


def spread(version, counts, requests=60):
    """A version's periods of 10 s with these numbers of 5xx."""
    samples = (Sample(NOW + timedelta(seconds=10 * at), requests, bad, {}, 20.0, 40.0) for at, bad in enumerate(counts))
    return Measurements(version, tuple(samples))


def test_a_burst_of_errors_is_one_piece_of_evidence_and_the_same_number_apart_is_proof():
    stable = spread("1", [0] * 20, requests=540)
    together = look(compared(stable, spread("2", [0] * 9 + [10, 10] + [0] * 9, requests=20)))
    apart = look(compared(stable, spread("2", [2, 0] * 10, requests=20)))
    assert (together.outcome, apart.outcome) == (Outcome.PASS, Outcome.FAIL)


def test_a_burst_of_deaths_is_one_piece_of_evidence():
    def died(counts):
        return of("2", 600, minutes=tuple(Tally(60, bad) for bad in counts), invocations=600, unhandled=sum(counts))

    stable = of("1", 5400, invocations=5400)
    assert look(compared(stable, died([0, 0, 0, 0, 15, 0, 0, 0, 0, 0]))).outcome is Outcome.PASS
    assert look(compared(stable, died([3] * 10))).outcome is Outcome.FAIL


@pytest.mark.simulation
def test_an_equal_canary_is_seldom_held_up_by_a_trend_of_any_rate():
    random_, held = random.Random(1), 0
    for _ in range(300):
        versions = [
            spread(version, [sum(random_.random() < 0.01 for _ in range(requests)) for _ in range(10)], requests)
            for version, requests in (("1", 90), ("2", 30))
        ]
        held += look(compared(*versions)).outcome is not Outcome.PASS
    assert held / 300 < request_metrics.TREND_PROBABILITY + 0.03


def test_a_rate_with_less_weight_needs_a_clearer_trend():
    assert request_metrics.trend_deviations(20, 23) < 2 < request_metrics.trend_deviations(1, 23)


def test_the_ledger_gets_the_numbers():
    figures = request_metrics.figures_of(
        compared(of("1", 300, 1), of("2", 100, 2, {"issued": 98}, invocations=101, unhandled=1))
    )
    assert figures["canary"] == {
        "version": "2", "requests": 100, "server_errors": 2, "upstream_errors": 0, "known_grants": 0,
        "refused_grants": 0, "grants": {"issued": 98}, "invocations": 101,
        "unhandled": 1, "p50_ms": 20.0, "p99_ms": 40.0,
    }  # fmt: skip
    assert (figures["before"], figures["observed_percent"], figures["pooled_requests"]) == (None, 25.0, 400)
    idle = request_metrics.figures_of(compared(of("1"), of("2"), before=of("1", 7)))
    assert idle["before"]["requests"] == 7
    assert idle["observed_percent"] is None
