"""Checks: what is wrong with a response, and which function is asked again first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.analysis.observations import HttpRequest, HttpResponse
from orchestrator.domain.analysis.repeated_checks import MAX_ROUNDS, CheckAnswers, Episode, ProbeTests
from orchestrator.domain.analysis.sequential_testing import Tally
from orchestrator.domain.verdict import Outcome
from orchestrator.probes.checks import (
    EPISODES_SECONDS,
    ROUND_SECONDS,
    Check,
    check_figures,
    expect_all,
    expect_in_body,
    expect_status,
    find_problem,
    repeat_checks,
    run_checks,
)
from orchestrator.probes.context import before_traffic
from tests.fakes.two_versions import CANARY, STABLE, SimulatedTime, TwoVersions
from tests.samples import NOW, deployment

CHECK = Check("health", "public", HttpRequest("GET", "/health"), expect_status(200))
CONTEXT = before_traffic(deployment(), NOW)


def response(status=200, version="2", unhandled="", body=""):
    headers = {"x-ib-oauth-version": (version,)} if version else {}
    return HttpResponse(status, headers, body, 1.0, version, unhandled)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (response(), ""),
        (response(502, "", "ImportError"), "raised ImportError"),
        (response(503), "returned 503 instead of 200"),
        (response(504, ""), "returned 504"),
        (response(version="3"), "identifies itself as version 3"),
        (response(500, "3"), "identifies itself as version 3"),
        (response(version=""), "identifies itself as version unknown"),
    ],
)
def test_a_response_has_the_status_and_the_version_that_are_expected(answer, problem):
    assert find_problem(CHECK, "2", answer) == problem


def test_a_check_of_headers_does_not_pass_a_500_that_names_no_version():
    lenient = replace(CHECK, find_problem=lambda _: "")
    assert find_problem(lenient, "2", response(500, "")) == "returned 500"


def test_several_expectations_report_the_first_that_is_not_met():
    both = expect_all(expect_status(400), expect_in_body("invalid_grant"))
    assert both(response(400, body="invalid_grant")) == ""
    assert both(response(400, body="secret")) == "returned 400 without invalid_grant"
    assert both(response(200, body="secret")) == "returned 200 instead of 400"


def test_an_episode_waits_between_rounds_and_ends_at_its_deadline():
    time, tests = SimulatedTime(), ProbeTests()
    always = (CheckAnswers("token:2 unknown code", Tally(8, 8), Tally(8, 8), "returned 500"),)
    worse = (CheckAnswers("token:2 unknown code", Tally(8, 8), Tally(8, 0), "returned 500"),)
    _, episode = repeat_checks(lambda: (always,), tests, 9.0, Episode(), time.pace, EPISODES_SECONDS)
    assert time.seconds == pytest.approx((episode.rounds - 1) * ROUND_SECONDS)
    late = SimulatedTime()
    _, episode = repeat_checks(lambda: (worse,), tests, 1e9, Episode(), late.pace, 1.0)
    assert 1.0 <= late.seconds < 1.0 + 2 * ROUND_SECONDS
    assert episode.rounds < MAX_ROUNDS


def test_a_check_that_failed_is_repeated_even_if_the_first_calls_took_all_the_time():
    """A cold function on a busy machine: its first response is late and a 503, and all others are right."""
    time, answered = SimulatedTime(), []

    class ColdVersions:
        def invoke(self, _function_name, version, _request):
            answered.append(version)
            if version == CANARY and answered.count(CANARY) == 1:
                time.pace.sleep(EPISODES_SECONDS + 1)
                return response(503, version)
            return response(version=version)

    run = run_checks([CHECK], CONTEXT, ColdVersions(), ProbeTests(), time.pace)
    assert run.answers[0].canary.bad == 1
    assert run.answers[0].canary.trials > 1
    assert run.result.verdict(before_traffic=True).outcome is Outcome.PASS


def test_both_versions_get_every_check_alike_and_unchanged_functions_none():
    functions = tuple(
        replace(function, canary_version=function.stable_version) if function.name == "token" else function
        for function in CONTEXT.functions
    )
    service = TwoVersions()
    other = Check("unknown code", "token", HttpRequest("POST", "/token", form={}), expect_status(400))
    run = run_checks((CHECK, other), replace(CONTEXT, functions=functions), service, ProbeTests(), service.time.pace)
    assert service.calls == {CANARY: 2, STABLE: 2}
    assert check_figures(run.answers) == [
        {"check": "public:2 health", "calls": 2, "failed": 0, "stable_calls": 2, "stable_failed": 0, "wrong": ""}
    ]
    assert run.calls == 2


def test_slow_checks_are_sent_once_only():
    class Slow(TwoVersions):
        def invoke(self, *arguments):
            self.time.pass_by(3.0)
            return super().invoke(*arguments)

    service = Slow()
    run_checks((CHECK,), CONTEXT, service, ProbeTests(), service.time.pace)
    assert service.calls == {CANARY: 1, STABLE: 1}


def test_a_deployment_that_changes_no_function_sends_nothing():
    unchanged = tuple(replace(function, canary_version=function.stable_version) for function in CONTEXT.functions)
    service = TwoVersions()
    run = run_checks((CHECK,), replace(CONTEXT, functions=unchanged), service, ProbeTests(), service.time.pace)
    assert (run.answers, run.tests, run.result.note) == ((), ProbeTests(), "")
    assert not service.calls
