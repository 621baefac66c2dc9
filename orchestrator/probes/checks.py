"""Checks with one correct response, sent to versions of the service. The health and security probes consist of them.

Every check is sent to canary and stable equally often. One that fails on the canary is repeated on both, until a
sequential test has decided whether that was chance (`orchestrator.domain.analysis.repeated_checks`).

Every request is the synthetic identity's or carries its client id, so that none counts in the business metrics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import ceil, log
from typing import TypeVar

from orchestrator.domain.analysis.observations import VERSION_HEADER, HttpRequest, HttpResponse
from orchestrator.domain.analysis.repeated_checks import (
    CALLS_A_ROUND,
    CheckAnswers,
    Episode,
    EpisodeResult,
    ProbeTests,
    Round,
    add_answers,
    needed_evidence,
)
from orchestrator.domain.analysis.sequential_testing import Tally
from orchestrator.domain.deployment.plan import Function
from orchestrator.domain.verdict import Evidence, Json
from orchestrator.probes.context import ProbeContext
from orchestrator.probes.ports import Invoker, Pace

A = TypeVar("A")
B = TypeVar("B")

SERVER_ERRORS_FROM = 500
REPETITIONS = 2
"""How often each evaluation sends each check to each version, until one fails. With more, a canary that fails few calls is
found earlier; two find one that returns 5xx to 5 % of its calls within ten evaluations."""
ROUND_SECONDS = 0.15
"""The shortest time between two rounds, so that a proof takes some 3 s and a hiccup of a second is none."""
EPISODES_SECONDS = 20.0
"""When the last round of an evaluation may begin. A task has 60 s, and a function that hangs answers after ten."""
REPETITIONS_SECONDS = 5.0
"""If the first repetition took longer, there is no second one: the task has other probes, too."""
PARALLEL_CALLS = 8
PARALLEL_CHECKS = 4
"""Calls at the same time while all checks are sent. Each needs an execution environment of its function and version,
and the canary has none yet."""

CLIENT_ID = "synthetic"
REDIRECT_URI = "https://synthetic.invalid/callback"
UNKNOWN_CODE = f"ibcs_{'A' * 43}"
"""An authorization code of the synthetic identity that was never issued. The service looks it up like any other."""
VERIFIER = "A" * 43


@dataclass(frozen=True)
class Check:
    """A request to one function, and a function that returns the problem of a response (empty if there is none)."""

    name: str
    function: str
    request: HttpRequest
    find_problem: Callable[[HttpResponse], str]


@dataclass(frozen=True)
class ProbeRun:
    """A probe's evidence, its tests after the evaluation, and what it could not prove (empty if nothing)."""

    evidence: Evidence
    tests: ProbeTests
    note: str = ""


@dataclass(frozen=True)
class CheckRun:
    """The checks of one evaluation.

    Attributes:
        answers: the responses to every check, repetitions included.
        tests: the probe's tests after it.
        result: what the repetitions found.
    """

    answers: tuple[CheckAnswers, ...]
    tests: ProbeTests
    result: EpisodeResult

    @property
    def calls(self) -> int:
        """The calls of the canary."""
        return sum(one.canary.trials for one in self.answers)


def run_checks(
    checks: Iterable[Check], context: ProbeContext, invoker: Invoker, tests: ProbeTests, pace: Pace
) -> CheckRun:
    """Send checks to both versions of the changed functions by direct invocation, and repeat those that fail.

    Args:
        checks: checks of functions that the deployment does not change are left out.
        context: the subject of the evaluation.
        invoker: calls the functions.
        tests: the probe's tests before this evaluation.
        pace: the clock of the rounds.

    Raises:
        Throttled, Unreachable: the functions could not be invoked.
    """
    functions = {function.name: function for function in context.changed}
    listed = [check for check in checks if check.function in functions]
    log_needed = log(needed_evidence(context.thresholds))
    send = partial(_send_round, functions=functions, invoker=invoker, alone=context.separate_tables)
    started = pace.now()
    answers: tuple[CheckAnswers, ...] = ()
    for _ in range(REPETITIONS):
        first = send(listed, at_once=PARALLEL_CHECKS)
        if not context.separate_tables:  # without stable, only the checks that failed can be judged
            tests = tests.count(first)
        answers = add_answers(answers, first)
        if any(one.canary.bad for one in first) or pace.now() > started + REPETITIONS_SECONDS:
            break
    episodes: list[Episode] = []
    for failed in _failed_by_function(listed, answers):
        repeated = failed * ceil(CALLS_A_ROUND / len(failed))
        ask = partial(_send_rounds, partial(send, repeated))
        tests, episode = repeat_checks(ask, tests, log_needed, Episode(len(repeated)), pace, started + EPISODES_SECONDS)
        episodes.append(episode)
        if episode.broken:  # it is no PASS, whatever the other functions do
            break
    answers = add_answers(answers, *(episode.answers for episode in episodes))
    failed_answers = tuple(one for one in answers if one.canary.bad)
    newest = add_answers(*(answers for episode in episodes for answers in episode.newest))
    return CheckRun(answers, tests, EpisodeResult(failed_answers, newest, tests.log_evidence, log_needed))


def repeat_checks(
    ask: Callable[[], Sequence[Round]],
    tests: ProbeTests,
    log_needed: float,
    episode: Episode,
    pace: Pace,
    deadline: float,
) -> tuple[ProbeTests, Episode]:
    """Run one episode: repeat what failed until the tests prove it, or until another round is not worth while.

    Args:
        ask: sends one or several rounds.
        tests: the probe's tests before the episode.
        log_needed: natural logarithm of the evidence that is a proof.
        episode: the new episode.
        pace: the clock of the rounds.
        deadline: when the episode ends, by that clock, after one round at least.

    Raises:
        Throttled, Unreachable: the functions could not be invoked.
    """
    tests, started = tests.begin_episode(), pace.now()
    while not episode.over and tests.log_evidence < log_needed:
        # One round at least: the call that failed may have been the slow first one of a cold function.
        if episode.rounds and pace.now() >= deadline:
            break
        if episode.rounds:
            pace.sleep(max(0.0, started + ROUND_SECONDS - pace.now()))
        started = pace.now()
        for answers in ask():
            if episode.next_counts:
                tests = tests.count(answers)
            episode = episode.add(answers)
    return tests, episode


def _send_rounds(send: Callable[[], Round]) -> Sequence[Round]:
    return (send(),)


def _failed_by_function(checks: Sequence[Check], answers: Round) -> list[list[Check]]:
    """Return the checks that failed on the canary, by function; first the function with the plainest failure."""
    failed: dict[str, list[Check]] = {}
    excess: Counter[str] = Counter()
    for check, found in zip(checks, answers, strict=True):
        if found.canary.bad:
            failed.setdefault(check.function, []).append(check)
            excess[check.function] = max(excess[check.function], found.excess)
    return sorted(failed.values(), key=lambda one: -excess[one[0].function])


def _send_round(
    checks: Sequence[Check],
    *,
    functions: Mapping[str, Function],
    invoker: Invoker,
    alone: bool,
    at_once: int = PARALLEL_CALLS,
) -> tuple[CheckAnswers, ...]:
    """Send every check to both versions, or to the canary alone; return the responses by check."""

    def send(call: tuple[Check, bool]) -> CheckAnswers:
        check, to_canary = call
        function = functions[check.function]
        version = function.canary_version if to_canary else function.stable_version
        problem = find_problem(check, version, invoker.invoke(function.function_name, version, check.request))
        name = f"{check.function}:{function.canary_version} {check.name}"
        answer = Tally(1, int(bool(problem)))
        if to_canary:
            return CheckAnswers(name, answer, None if alone else Tally(), problem)
        return CheckAnswers(name, Tally(), answer)

    sides = (True,) if alone else (True, False)
    calls = [(check, to_canary) for check in checks for to_canary in sides]
    return add_answers(run_in_parallel(send, calls, at_once))


def find_problem(check: Check, version: str, response: HttpResponse) -> str:
    """Return what is wrong with the response of a version; empty if nothing is."""
    if response.unhandled:
        return f"raised {response.unhandled}"
    reported = response.header(VERSION_HEADER)
    if response.status >= SERVER_ERRORS_FROM and not reported:
        return f"returned {response.status}"
    return (
        check.find_problem(response) if reported == version else f"identifies itself as version {reported or 'unknown'}"
    )


def run_in_parallel(call: Callable[[A], B], items: Sequence[A], at_once: int = PARALLEL_CALLS) -> list[B]:
    """Call once for each item, in threads; return the results in order, and raise the first failure."""
    if not items:
        return []
    with ThreadPoolExecutor(min(at_once, len(items))) as threads:
        return list(threads.map(call, items))


def expect_status(expected: int) -> Callable[[HttpResponse], str]:
    """Return a check of the HTTP status."""

    def find_problem(response: HttpResponse) -> str:
        return "" if response.status == expected else f"returned {response.status} instead of {expected}"

    return find_problem


def expect_all(*checks: Callable[[HttpResponse], str]) -> Callable[[HttpResponse], str]:
    """Return a check that reports the first problem that several checks find."""

    def find_problem(response: HttpResponse) -> str:
        return next((problem for check in checks if (problem := check(response))), "")

    return find_problem


def expect_in_body(text: str) -> Callable[[HttpResponse], str]:
    """Return a check that the body contains a text. The problem does not quote the body, which may contain a token."""

    def find_problem(response: HttpResponse) -> str:
        return "" if text in response.body else f"returned {response.status} without {text}"

    return find_problem


def check_figures(answers: Iterable[CheckAnswers]) -> Json:
    """Return the responses to checks as JSON for the ledger."""
    return [
        {
            "check": one.name,
            "calls": one.canary.trials,
            "failed": one.canary.bad,
            "stable_calls": one.stable.trials if one.stable else 0,
            "stable_failed": one.stable.bad if one.stable else 0,
            "wrong": one.problem,
        }
        for one in answers
    ]
