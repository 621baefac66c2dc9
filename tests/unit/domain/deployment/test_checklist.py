"""The pre-deployment checklist: evidence that says no, or says nothing, is refused."""

import pytest

from orchestrator.domain.deployment.checklist import (
    BenchmarkResult,
    SuiteReport,
    complete_checklist,
    reference_of_performance,
    reference_of_tests,
)
from orchestrator.domain.deployment.policy import CHECKLIST
from orchestrator.domain.errors import Refused

GOOD = SuiteReport("unit.xml", 1200, 0, "ab")


def test_tests_that_ran_and_passed_are_a_reference_with_their_run_and_their_reports():
    assert (
        reference_of_tests([GOOD], "https://ci.example/7")
        == "https://ci.example/7 1200 tests passed (unit.xml sha256:ab)"
    )
    assert reference_of_tests([GOOD, SuiteReport("e2e.xml", 8, 0, "cd")], "").startswith("1208 tests passed")


@pytest.mark.strategy("Pre-deployment Checklist: All tests passing")
def test_a_failed_test_and_no_test_at_all_are_refused():
    with pytest.raises(Refused, match=r"tests.e2e.xml: '1 of 8 failed' is refused"):
        reference_of_tests([GOOD, SuiteReport("e2e.xml", 8, 1, "cd")], "")
    for reports in ([], [SuiteReport("empty.xml", 0, 0, "ef")]):
        with pytest.raises(Refused, match="no test ran"):
            reference_of_tests(reports, "")


def test_benchmarks_that_reached_their_limits_are_a_reference():
    found = reference_of_performance(
        [BenchmarkResult("rollback", reached=True, summary=""), BenchmarkResult("oauth", reached=True, summary="")],
        "run 7",
    )
    assert found == "run 7 limits reached: rollback, oauth"


@pytest.mark.strategy("Pre-deployment Checklist: Performance testing done")
def test_a_benchmark_that_missed_and_none_at_all_are_refused():
    with pytest.raises(Refused, match=r"performance.oauth: 'p99' is refused: it missed its limit"):
        reference_of_performance([BenchmarkResult("oauth", reached=False, summary="p99")], "")
    with pytest.raises(Refused, match=r"give the output of `python -m benchmarks.NAME --json`"):
        reference_of_performance([], "")


def test_a_checklist_is_complete_in_its_order_or_says_what_is_missing():
    items = dict.fromkeys(reversed(CHECKLIST), "there")
    assert list(complete_checklist(items, CHECKLIST)) == list(CHECKLIST)
    with pytest.raises(Refused, match="requires performance, rollback_plan"):
        complete_checklist({"tests": "a", "security_review": "b", "documentation": "c", "performance": ""}, CHECKLIST)
    assert complete_checklist({"tests": "a"}, []) == {"tests": "a"}
