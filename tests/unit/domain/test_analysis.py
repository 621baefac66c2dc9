"""The metrics probe's judgement, from measurements to a verdict with its reason."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain import analysis
from orchestrator.domain.observation import Compared, Measurements, Sample
from orchestrator.domain.sequential import Limit, Margin, Tally
from orchestrator.domain.verdict import Outcome
from orchestrator.domain.watch import Measure, Watches
from tests.samples import NOW, policy

THRESHOLDS = policy().thresholds


def of(version, requests=0, errors=0, grants=None, **more):
    samples = (Sample(NOW, requests, errors, grants or {}, 20.0, 40.0),) if requests else ()
    return Measurements(version, samples, **more)


def compared(stable, canary, name="public", pooled=None, before=None):
    return Compared(name, stable, canary, stable.requests + canary.requests if pooled is None else pooled, before)


def look(*functions, looks=1):
    measures = tuple(measure for one in functions for measure in analysis.measures_of(one, THRESHOLDS))
    watches = Watches()
    for number in range(looks):  # a new window each time, so that every look counts anew
        watches = watches.look(NOW + timedelta(minutes=number), measures)
    return analysis.judge(functions, THRESHOLDS, watches, measures)


def names(one):
    return [measure.name for measure in analysis.measures_of(one, THRESHOLDS)]


def named(one, name):
    return next(measure for measure in analysis.measures_of(one, THRESHOLDS) if measure.name == name)


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
    assert (verdict.outcome, verdict.reason) == (Outcome.PASS, "public 0 5xx of 100 (stable 1 of 900)")


def test_alone_canary_fails_by_its_own_errors_whatever_stable_does():
    closed, quiet = of("1", 100, 100), of("2", 100, 1)
    assert analysis.judge_alone((compared(closed, quiet),), THRESHOLDS).outcome is Outcome.PASS
    broken = analysis.judge_alone(
        (compared(of("1", 100), of("2", 100, 40)), compared(closed, quiet, "token")), THRESHOLDS
    )
    assert (broken.outcome, broken.reason) == (Outcome.FAIL, "more than 5 % 5xx on canary: public 40 of 100")


def test_alone_a_quiet_canary_fails_nothing_and_says_how_quiet_it_is():
    verdict = analysis.judge_alone((compared(of("1"), of("2", 3, 2)),), THRESHOLDS)
    assert (verdict.outcome, verdict.reason) == (Outcome.PASS, "5xx on canary: public 2 of 3")


def test_a_broken_canary_fails_with_evidence():
    verdict = look(compared(of("1", 900, 0), of("2", 100, 60)))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason.startswith(
        "canary's public answers 5xx: 60 of 100, stable 0 of 900; evidence more than 1e+09"
    )


def test_a_break_of_the_absolute_limit_says_that_it_is_one():
    verdict = look(compared(of("1"), of("2", 60, 30)))
    assert verdict.outcome is Outcome.FAIL
    assert "30 of 60, absolute limit; evidence" in verdict.reason


def test_refused_grants_prove_a_release_wrong_below_the_minimum_of_requests_and_name_what_is_new():
    stable = of("1", 100, 0, {"issued": 99, "invalid_request": 1})
    verdict = look(compared(stable, of("2", 12, 0, {"invalid_grant": 12}), "token"))
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


def test_deaths_count_though_the_function_could_report_nothing():
    verdict = look(compared(of("1", 500, invocations=500), of("2", 60, invocations=120, unhandled=60)))
    assert verdict.outcome is Outcome.FAIL
    assert "dies of an exception or a timeout: 60 of 120" in verdict.reason


def test_versions_that_cannot_be_told_apart_conclude_nothing():
    verdict = look(compared(of("1"), of("2"), pooled=70))
    assert verdict.reason == "cannot tell the versions apart: public has 70 requests and none by version"
    assert verdict.outcome is Outcome.INCONCLUSIVE


def test_too_few_requests_conclude_nothing():
    verdict = look(compared(of("1", 900), of("2", 3)))
    assert verdict.reason == "too few requests on canary: public 3 of 50"


def test_more_errors_than_allowed_but_stable_s_as_well_are_not_advanced_on():
    verdict = look(compared(of("1", 900, 90), of("2", 100, 9)))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason == "more than 5 % 5xx on canary, but not proved its own: public 9 of 100 (stable 90 of 900)"


def test_leaning_the_wrong_way_is_not_advanced_on():
    verdict = look(compared(of("1", 900, 0), of("2", 200, 8)))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.startswith("leans the wrong way, not proved: canary's public answers 5xx: 8 of 200")


def test_an_idle_stable_is_replaced_by_stable_before_and_the_verdict_says_so():
    before = of("1", 500, 5)
    verdict = look(compared(of("1"), of("2", 200, 2), before=before))
    assert verdict.outcome is Outcome.PASS
    assert verdict.reason.endswith("public held against the time before the deployment")
    assert named(compared(of("1"), of("2", 200, 2), before=before), "public/server_errors").null == Limit(0.01 + 0.01)


def test_a_stable_that_was_hardly_used_before_is_no_baseline():
    verdict = look(compared(of("1"), of("2", 200), before=of("1", 3)))
    assert verdict.reason.endswith("public held against absolute limits alone: no baseline")


def test_stable_in_the_same_window_is_what_counts_where_there_is_one():
    one = compared(of("1", 500, 5), of("2", 100), before=of("1", 500, 400))
    assert named(one, "public/server_errors").null == Margin(0.01)


def test_a_limit_that_stable_breaks_as_well_is_not_canary_s_doing():
    assert named(compared(of("1", 100, 50), of("2", 100)), "public/server_error_limit").null is None
    assert named(compared(of("1", 10, 5), of("2", 100)), "public/server_error_limit").null == Limit(0.05)


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (Measure("n", "s", Tally(100, 50), Tally(100, 0), None), False),
        (Measure("n", "s", Tally(), Tally(100, 0), Margin(0.0)), False),
        (Measure("n", "s", Tally(100, 10), Tally(), Limit(0.01)), True),
        (Measure("n", "s", Tally(100, 1), Tally(), Limit(0.01)), False),
        (Measure("n", "s", Tally(100, 10), Tally(900, 0), Margin(0.01)), True),
        (Measure("n", "s", Tally(100, 1), Tally(900, 9), Margin(0.01)), False),
    ],
)
def test_a_rate_leans_when_it_exceeds_its_margin_by_more_than_chance_usually_does(measure, expected):
    assert analysis.leans(measure) is expected


def test_several_functions_are_judged_together():
    verdict = look(
        compared(of("1", 900), of("2", 100)),
        compared(of("1", 900, 0, {"issued": 900}), of("2", 100, 0, {"issued": 100}), "token"),
    )
    assert verdict.reason == "public 0 5xx of 100 (stable 0 of 900), token 0 5xx of 100 (stable 0 of 900)"


def test_the_ledger_gets_the_numbers():
    figures = analysis.figures_of(
        compared(of("1", 300, 1), of("2", 100, 2, {"issued": 98}, invocations=101, unhandled=1))
    )
    assert figures["canary"] == {
        "version": "2", "requests": 100, "server_errors": 2, "grants": {"issued": 98}, "invocations": 101,
        "unhandled": 1, "p50_ms": 20.0, "p99_ms": 40.0,
    }  # fmt: skip
    assert (figures["before"], figures["observed_percent"], figures["pooled_requests"]) == (None, 25.0, 400)
    idle = analysis.figures_of(compared(of("1"), of("2"), before=of("1", 7)))
    assert idle["before"]["requests"] == 7
    assert idle["observed_percent"] is None
