"""The verdict on the errors in the log, and the reason that a person reads."""

from __future__ import annotations

from orchestrator.domain.analysis.log_kinds import Discoveries, Kind, KindsTest, LogTests
from orchestrator.domain.analysis.log_verdict import FunctionErrors, judge_log_errors
from orchestrator.domain.verdict import Outcome
from tests.samples import NOW, policy

THRESHOLDS = policy().limits.thresholds


def errors(canary=None, canary_requests=100, **more):
    return FunctionErrors("token", {}, canary or {}, 900, canary_requests, **more)


def judge(test=None, **more):
    tests = LogTests(NOW, {"token": test or KindsTest()})
    return judge_log_errors((errors(**more),), tests, THRESHOLDS)


def kind(log_capital, number=1, text="A", **more):
    return Kind(number, text, bets=(log_capital, log_capital), **more)


def test_no_errors_pass():
    verdict = judge()
    assert verdict.outcome is Outcome.PASS
    assert verdict.reason == "no new kind of error on canary; errors logged: token 0 in 100 requests"


def test_a_kind_that_is_proved_to_be_the_canary_s_fails():
    verdict = judge(KindsTest(1, (kind(30.0, canary=9),)))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason.startswith(
        "token has a new kind of error on canary, in 9 periods, stable never: A; evidence "
    )
    assert verdict.reason.endswith(" to 1 against chance")


def test_a_kind_that_stable_has_less_often_fails_with_both_numbers():
    verdict = judge(KindsTest(1, (kind(30.0, canary=30, stable=2),)))
    assert "in 30 periods, stable in 2: A" in verdict.reason


def test_messages_that_are_all_different_fail_by_their_number_with_the_latest_as_examples():
    found = Discoveries(3, canary=12, stable=1, bets=(30.0, 30.0))
    kinds = tuple(kind(-1.0, number, f"E{number}") for number in range(1, 6))
    verdict = judge(KindsTest(5, kinds, found))
    assert verdict.outcome is Outcome.FAIL
    assert (
        "new kinds of errors on canary in 12 of the 13 periods that have any, the latest: E3; E4; E5" in verdict.reason
    )
    assert "that have any; evidence" in judge(KindsTest(5, (), found)).reason


def test_one_odd_failure_among_many_is_noted_and_holds_nothing_up():
    verdict = judge(KindsTest(2, (kind(-1.0), kind(-2.0, 2, "B", stable=1))), canary={"A": 1})
    assert verdict.outcome is Outcome.PASS
    assert verdict.reason == (
        "token has a new kind of error on canary, once, stable never: A; errors logged: token 1 in 100 requests"
    )


def test_a_new_kind_that_may_still_be_chance_is_waited_for():
    verdict = judge(KindsTest(1, (kind(6.0, canary=3),)))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.startswith("may still be chance: token has a new kind")


def test_lines_that_were_not_all_read_conclude_nothing():
    verdict = judge(complete=False)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason == "too many log lines to read all of them in time: token"


def test_too_few_requests_conclude_nothing():
    verdict = judge(canary_requests=1)
    assert verdict.reason == f"too few requests on canary: token 1 of {THRESHOLDS.minimum_requests}"
