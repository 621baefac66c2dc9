"""This week against last week: latency by percentiles, and the bill."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from orchestrator.domain.upkeep.finding import Severity
from orchestrator.domain.upkeep.result import Status
from orchestrator.domain.upkeep.trends import WeekOfLatency, check_cost, check_performance

TODAY = date(2026, 11, 16)


def week(p50=20.0, p95=60.0, p99=100.0, requests=5000):
    return WeekOfLatency(requests, {50: p50, 95: p95, 99: p99})


@pytest.mark.strategy("Monitoring & Optimization: Performance review")
@pytest.mark.parametrize(
    ("this", "severity", "summary"),
    [
        (week(p99=125.0), Severity.MEDIUM, "slower than last week: p99 by 25 %"),
        (week(p95=95.0, p99=125.0), Severity.HIGH, "slower than last week: p95 by 58 %, p99 by 25 %"),
        (week(p95=71.0, p99=125.0), Severity.MEDIUM, "slower than last week: p99 by 25 %"),
    ],
)
def test_a_slower_percentile_is_found(this, severity, summary):
    result = check_performance({"token": this}, {"token": week()}, "prod")
    (finding,) = result.findings
    assert (finding.subject, finding.severity, finding.summary) == ("token", severity, summary)
    assert (finding.evidence["p99_ms"], finding.evidence["p99_ms_last_week"]) == (125.0, 100.0)


@pytest.mark.parametrize("this", [week(), week(p50=29.0), week(p99=115.0), week(p50=1.0)])
def test_a_faster_week_and_a_few_milliseconds_are_no_finding(this):
    result = check_performance({"token": this}, {"token": week()}, "prod")
    assert result.status is Status.CLEAR
    assert result.reason.startswith("token p50 ")


def test_few_requests_are_not_compared():
    result = check_performance({"token": week(p99=900.0, requests=900), "public": week()}, {"token": week()}, "prod")
    assert result.status is Status.NOT_CHECKED
    assert result.reason.endswith("public, token")
    assert not result.findings
    assert check_performance({}, {}, "prod").status is Status.NOT_CHECKED


def days(this_week, last_week, number=20):
    return {TODAY - timedelta(days=one): this_week / 7 if one <= 7 else last_week / 7 for one in range(1, number + 1)}


def test_a_cost_within_the_budget_and_like_last_week_is_clear():
    result = check_cost(days(7, 7), 50, TODAY, "prod")
    assert result.status is Status.CLEAR
    assert result.reason == (
        "7.00 USD this week, 7.00 USD last week; the month has 15.00 and is expected to have 30.00 of 50 USD"
    )


@pytest.mark.parametrize(
    ("this_week", "last_week", "subjects"),
    [
        (10, 7, {"week": Severity.MEDIUM}),
        (0.9, 0.1, {}),
        (28, 28, {"budget": Severity.HIGH}),
        (19, 17, {"budget": Severity.MEDIUM}),
    ],
)
def test_a_budget_and_a_week_that_grew_are_found(this_week, last_week, subjects):
    result = check_cost(days(this_week, last_week), 50, TODAY, "prod")
    assert {one.subject: one.severity for one in result.findings} == subjects


def test_a_bill_without_two_complete_weeks_is_no_pass():
    assert check_cost(days(7, 7, 13), 50, TODAY, "prod").status is Status.NOT_CHECKED
    assert check_cost({}, 50, TODAY, "prod").status is Status.NOT_CHECKED
