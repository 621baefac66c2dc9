"""The lines over which slow requests are counted: stable's, fixed before what they judge."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator.domain.analysis.latency_lines import (
    LatencyLines,
    bounds_ms,
    fix_before,
    fix_from_first_look,
    tolerated_ms,
)
from tests.samples import NOW, policy

THRESHOLDS = replace(policy().limits.thresholds, max_latency_ratio=1.1, latency_floor_ms=10.0, max_p99_ms=3000.0)
LINES = LatencyLines(NOW, {"p50": 20.0, "p99": 200.0}, 400.0)


def test_lines_are_the_usual_percentiles_of_the_hour_before_and_its_highest_p99():
    hour = {"p50": [20.0, 22.0, 90.0], "p90": [], "p99": [40.12345, 41.0, 99.98765]}
    assert fix_before(hour, NOW) == LatencyLines(NOW, {"p50": 22.0, "p99": 41.0}, 99.988)
    assert fix_before({"p50": [20.123456]}, NOW) == LatencyLines(NOW, {"p50": 20.123})


def test_a_stable_version_that_was_idle_before_has_lines_from_the_first_look_and_none_for_the_time_after_promotion():
    assert fix_from_first_look({"p50": [20.0, 30.0], "p99": []}, NOW) == LatencyLines(NOW, {"p50": 25.0})


@pytest.mark.parametrize("fix", [fix_before, fix_from_first_look])
@pytest.mark.parametrize("nothing", [{}, {"p50": [], "p99": []}])
def test_without_requests_there_are_no_lines(fix, nothing):
    assert fix(nothing, NOW) is None


@pytest.mark.parametrize(("line", "tolerated"), [(20.0, 30.0), (100.0, 110.0), (200.0, 220.0), (0.0, 10.0)])
def test_canary_may_be_slower_by_the_ratio_and_at_least_by_the_floor(line, tolerated):
    assert tolerated_ms(line, THRESHOLDS) == pytest.approx(tolerated)


def test_while_both_versions_have_traffic_both_are_counted_over_the_lines_of_both_roles():
    assert bounds_ms(LINES, THRESHOLDS, canary_has_all_traffic=False) == (20.0, 30.0, 200.0, 220.0, 3000.0)


def test_once_canary_has_all_traffic_it_is_counted_over_what_stable_reached_at_worst():
    assert bounds_ms(LINES, THRESHOLDS, canary_has_all_traffic=True) == (440.0, 3000.0)
    assert bounds_ms(replace(LINES, highest_p99_ms=None), THRESHOLDS, canary_has_all_traffic=True) == (3000.0,)


@pytest.mark.parametrize("canary_has_all_traffic", [True, False])
def test_without_lines_only_the_limit_is_counted(canary_has_all_traffic):
    assert bounds_ms(None, THRESHOLDS, canary_has_all_traffic=canary_has_all_traffic) == (3000.0,)


@pytest.mark.parametrize("lines", [LINES, LatencyLines(NOW)])
def test_lines_survive_the_ledger(lines):
    assert LatencyLines.from_json(json.loads(json.dumps(lines.to_json()))) == lines
