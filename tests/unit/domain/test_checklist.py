"""The pre-deployment checklist: evidence that says no, or says nothing, is refused."""

import pytest

from orchestrator.domain.checklist import Benchmark, SuiteReport, complete, reference_of_performance, reference_of_tests
from orchestrator.domain.errors import Refused
from orchestrator.domain.policy import CHECKLIST

GOOD = SuiteReport("unit.xml", 1200, 0, "ab")


def test_tests_that_ran_and_passed_are_a_reference_with_their_run_and_their_reports():
    assert (
        reference_of_tests([GOOD], "https://ci.example/7")
        == "https://ci.example/7 1200 tests passed (unit.xml sha256:ab)"
    )
    assert reference_of_tests([GOOD, SuiteReport("e2e.xml", 8, 0, "cd")], "").startswith("1208 tests passed")


def test_a_failed_test_and_no_test_at_all_are_refused():
    with pytest.raises(Refused, match=r"tests.e2e.xml: '1 of 8 failed' is refused"):
        reference_of_tests([GOOD, SuiteReport("e2e.xml", 8, 1, "cd")], "")
    for reports in ([], [SuiteReport("empty.xml", 0, 0, "ef")]):
        with pytest.raises(Refused, match="no test ran"):
            reference_of_tests(reports, "")


def test_benchmarks_that_reached_their_limits_are_a_reference():
    found = reference_of_performance(
        [Benchmark("rollback", reached=True, told=""), Benchmark("oauth", reached=True, told="")], "run 7"
    )
    assert found == "run 7 limits reached: rollback, oauth"


def test_a_benchmark_that_missed_and_none_at_all_are_refused():
    with pytest.raises(Refused, match=r"performance.oauth: 'p99' is refused: it missed its limit"):
        reference_of_performance([Benchmark("oauth", reached=False, told="p99")], "")
    with pytest.raises(Refused, match=r"give what `python -m benchmarks.NAME --json` printed"):
        reference_of_performance([], "")


def test_a_checklist_is_complete_in_its_order_or_says_what_is_missing():
    items = dict.fromkeys(reversed(CHECKLIST), "there")
    assert list(complete(items, CHECKLIST)) == list(CHECKLIST)
    with pytest.raises(Refused, match="wants evidence of performance, rollback_plan"):
        complete({"tests": "a", "security_review": "b", "documentation": "c", "performance": ""}, CHECKLIST)
    assert complete({"tests": "a"}, []) == {"tests": "a"}
