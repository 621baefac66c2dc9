"""The log probe's judgement: what is an error, which kinds are new, and when a new kind is the release's."""

from __future__ import annotations

import json

import pytest

from orchestrator.domain import log_errors
from orchestrator.domain.log_errors import Errors, LoggedError
from orchestrator.domain.observation import LogLine
from orchestrator.domain.verdict import Outcome
from tests.samples import NOW, policy

THRESHOLDS = policy().thresholds
STREAM = "2026/11/23/[7]0123456789abcdef"


def error(message, stream=STREAM):
    return log_errors.error_of(LogLine(NOW, stream, message))


def judge(*functions):
    return log_errors.judge(functions, THRESHOLDS)


def errors(canary=None, stable=None, canary_requests=100, stable_requests=900, **more):
    return Errors("token", stable or {}, canary or {}, stable_requests, canary_requests, **more)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("START RequestId: x", None),
        ("{not json", None),
        (json.dumps({"level": "INFO", "message": "request"}), None),
        (json.dumps({"level": "ERROR", "error": "ValueError"}), LoggedError("7", "ValueError")),
        (json.dumps({"level": "ERROR", "version": "9", "error": "E", "message": "m"}), LoggedError("9", "E: m")),
        (json.dumps({"level": "ERROR", "error": "E", "cause": "F", "message": "m"}), LoggedError("7", "E from F: m")),
        (json.dumps({"level": "FATAL", "errorType": "E", "errorMessage": "m"}), LoggedError("7", "E: m")),
        (json.dumps({"level": "CRITICAL", "exception_name": "E"}), LoggedError("7", "E")),
        (json.dumps({"level": "ERROR", "message": "m"}), LoggedError("7", "ERROR: m")),
        ("[ERROR] KeyError: 'sub'\nTraceback", LoggedError("7", "KeyError: *")),
        ("[ERROR] Runtime.ImportModuleError", LoggedError("7", "Runtime.ImportModuleError")),
        ("2026-11-23 x Task timed out after 3.00 seconds", LoggedError("7", "Task timed out")),
    ],
)
def test_errors_are_read_from_our_lines_and_from_lambda_s(message, expected):
    assert error(message) == expected


def test_a_stream_without_a_version_names_none():
    assert error("[ERROR] E: m", stream="other") == LoggedError("", "E: m")


def test_what_differs_between_occurrences_does_not_make_another_kind():
    one = error("[ERROR] E: request 0b1c2d3e-1111-2222-3333-444455556666 took 31.5 ms at 0x7f00 of 'ada'")
    other = error("[ERROR] E: request 1a2b3c4d-aaaa-bbbb-cccc-ddddeeeeffff took 8 ms at 0xdead of 'grace'")
    assert one == other
    assert one.kind == "E: request * took * ms at * of *"


def test_kinds_are_counted_by_version():
    lines = [LoggedError("1", "A"), LoggedError("2", "B"), LoggedError("2", "B"), LoggedError("2", "A")]
    assert log_errors.by_kind(lines, "2") == {"B": 2, "A": 1}


def test_no_errors_pass():
    verdict = judge(errors())
    assert verdict.outcome is Outcome.PASS
    assert verdict.reason == "no new kind of error on canary; errors logged: token 0 in 100 requests"


def test_kinds_that_stable_knows_or_knew_are_not_new():
    assert judge(errors({"A": 50, "B": 50}, {"A": 1}, before=frozenset({"B"}))).outcome is Outcome.PASS


def test_a_new_kind_again_and_again_is_the_release_s():
    verdict = judge(errors({"A": 5}))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason.endswith("5 times: A; stable knows none of it in 900 requests")


def test_one_odd_failure_among_many_is_noted_and_holds_nothing_up():
    verdict = judge(errors({"A": 1}, canary_requests=500, stable_requests=500))
    assert verdict.outcome is Outcome.PASS
    assert "new kind of error on canary, 1 times: A" in verdict.reason


def test_a_new_kind_that_may_still_be_chance_is_waited_for():
    verdict = judge(errors({"A": 2}))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.startswith("may be chance yet: token has a new kind")


def test_without_a_background_a_new_kind_counts_as_an_even_split():
    alone = errors({"A": 5}, canary_requests=100, stable_requests=0)
    assert judge(alone).outcome is Outcome.INCONCLUSIVE
    assert judge(errors({"A": 30}, canary_requests=0)).outcome is Outcome.FAIL


def test_lines_that_were_not_all_read_conclude_nothing():
    assert judge(errors(complete=False)).reason == "too many log lines to read all of them: token"


def test_too_few_requests_conclude_nothing():
    verdict = judge(errors(canary_requests=1))
    assert verdict.reason == f"too few requests on canary: token 1 of {THRESHOLDS.minimum_requests}"
