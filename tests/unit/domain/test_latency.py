"""The latency probe's judgement: the line a percentile may not cross, and when crossing it proves anything."""

from __future__ import annotations

import pytest

from orchestrator.domain import latency
from orchestrator.domain.latency import Line
from orchestrator.domain.observation import Compared, Measurements, Sample
from orchestrator.domain.sequential import Tally
from orchestrator.domain.verdict import Outcome
from orchestrator.domain.watch import Watches
from tests.samples import NOW, policy, seconds

THRESHOLDS = policy().thresholds
RATIO, FLOOR, MOST = THRESHOLDS.max_latency_ratio, THRESHOLDS.latency_floor_ms, THRESHOLDS.max_p99_ms


def of(version, p50, p99=None, periods=10, requests=20):
    samples = (Sample(NOW + seconds(number), requests, p50_ms=p50, p99_ms=p99 or p50) for number in range(periods))
    return Measurements(version, tuple(samples))


def look(*functions, looks=1):
    measures = tuple(measure for one in functions for measure in latency.measures_of(one, THRESHOLDS))
    watches = Watches()
    for _ in range(looks):
        watches = watches.look(NOW, measures)
    return latency.judge(functions, THRESHOLDS, watches, measures)


@pytest.mark.parametrize(
    ("percentile", "stable", "before", "expected"),
    [
        ("p50", None, None, None),
        ("p99", None, None, Line(MOST, "limit")),
        ("p50", 1000.0, 5.0, Line(1000.0 * RATIO, "stable")),
        ("p50", 10.0, None, Line(10.0 + FLOOR, "stable")),
        ("p50", None, 1000.0, Line(1000.0 * RATIO, "before")),
        ("p99", MOST - 1, None, Line(MOST, "limit")),
        ("p99", MOST + 1, None, Line((MOST + 1) * RATIO, "stable")),
        ("p99", 10.0, None, Line(10.0 + FLOOR, "stable")),
    ],
)
def test_the_line_is_stable_s_with_ratio_and_floor_and_for_the_tail_a_limit(percentile, stable, before, expected):
    assert latency.line(percentile, stable, before, THRESHOLDS) == expected


def test_as_fast_as_stable_passes_and_says_by_what():
    verdict = look(Compared("token", of("1", 20.0), of("2", 21.0), 400))
    assert verdict.outcome is Outcome.PASS
    assert f"token p50 21 ms, at most {20 + FLOOR:.0f} by stable" in verdict.reason


def test_slower_throughout_is_proved():
    verdict = look(Compared("token", of("1", 20.0), of("2", 20.0 + 2 * FLOOR), 400))
    assert verdict.outcome is Outcome.FAIL
    assert "in 10 of 10 periods" in verdict.reason
    assert "to 1 against chance" in verdict.reason


def test_slower_in_few_periods_is_not_proved_and_not_advanced_on():
    verdict = look(Compared("token", of("1", 20.0), of("2", 20.0 + 2 * FLOOR, periods=2, requests=100), 400))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.startswith("slower, not proved: token p50")


def test_one_period_of_cold_starts_is_forgiven():
    samples = (*of("2", 20.0).samples[1:], Sample(NOW, 20, p50_ms=20.0, p99_ms=2900.0))
    assert look(Compared("token", of("1", 20.0), Measurements("2", samples), 400)).outcome is Outcome.PASS


def test_versions_that_cannot_be_told_apart_conclude_nothing():
    verdict = look(Compared("token", Measurements("1"), Measurements("2"), 400))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason == "cannot tell the versions apart: token"


def test_too_few_requests_conclude_nothing():
    verdict = look(Compared("token", of("1", 20.0), of("2", 20.0, periods=1, requests=1), 400))
    assert verdict.reason == f"too few requests on canary: token 1 of {THRESHOLDS.minimum_requests}"


def test_stable_before_the_deployment_counts_where_stable_is_idle():
    verdict = look(Compared("token", Measurements("1"), of("2", 20.0), 400, before=of("1", 15.0)))
    assert verdict.outcome is Outcome.PASS
    assert "by before" in verdict.reason


def test_without_any_baseline_only_the_limit_holds():
    idle = Measurements("1")
    assert "nothing to compare with" in look(Compared("token", idle, of("2", 20.0), 400)).reason
    assert look(Compared("token", idle, of("2", 20.0, MOST + 1), 400)).outcome is Outcome.FAIL


def test_periods_with_few_requests_or_no_percentile_are_no_trials():
    thin = Measurements("2", (Sample(NOW, 1, p50_ms=9e9), Sample(NOW + seconds(1), 50)))
    (median, _) = latency.measures_of(Compared("token", of("1", 20.0), thin, 400), THRESHOLDS)
    assert median.canary == Tally()


def test_a_version_without_latency_is_told_as_such():
    silent = Measurements("2", (Sample(NOW, 200),))
    assert "token p50 0 ms" in look(Compared("token", of("1", 20.0), silent, 400)).reason
