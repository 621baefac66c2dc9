"""Health probe: does every function's canary respond as itself, and does the API reach the expected versions?

The checks of the canary are repeated if they fail (`orchestrator.probes.checks`). The API draws the version of each
request, so its responses are tallied by version and judged by a sequential test over the whole deployment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from math import log

from orchestrator.domain.analysis.observations import VERSION_HEADER, HttpRequest
from orchestrator.domain.analysis.odds import odds_in_words, odds_of_log
from orchestrator.domain.analysis.repeated_checks import (
    ProbeTests,
    needed_evidence,
    spent_by_probe,
)
from orchestrator.domain.analysis.running_tests import ComparedRate, RunningTest, RunningTests
from orchestrator.domain.analysis.sequential_testing import Margin, Tally, limit_at
from orchestrator.domain.deployment.strategy import FULL_PERCENT
from orchestrator.domain.verdict import Evidence, Json, Outcome, Verdict
from orchestrator.probes.checks import (
    CLIENT_ID,
    REDIRECT_URI,
    SERVER_ERRORS_FROM,
    UNKNOWN_CODE,
    VERIFIER,
    Check,
    CheckRun,
    ProbeRun,
    check_figures,
    expect_in_body,
    expect_status,
    run_checks,
    run_in_parallel,
)
from orchestrator.probes.context import ProbeContext
from orchestrator.probes.ports import HttpClient, Invoker, Pace

PROBE = "health"
EDGE = "edge"
"""Name of the test of the API's responses, in the probe's tests and in those of the security probe."""
EDGE_ROUNDS = 3
"""How often each request is sent through the API: enough to see that it works. Metrics measure the canary's share."""
WHOLE_DEPLOYMENT = datetime.fromtimestamp(0, UTC)
"""The window of the API's responses: their totals are those of all evaluations."""

# An unknown code makes `token` read its table; a forbidden challenge method makes `authorize` read its clients.
TOKEN_REQUEST = HttpRequest(
    "POST",
    "/token",
    form={
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "code": UNKNOWN_CODE,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
    },
)
AUTHORIZE_REQUEST = HttpRequest(
    "GET",
    "/authorize",
    query={
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT_URI,
        "code_challenge": VERIFIER,
        "code_challenge_method": "plain",
    },
)

CHECKS = (
    Check("health", "public", HttpRequest("GET", "/health"), expect_status(200)),
    Check("deep health", "public", HttpRequest("GET", "/health/deep"), expect_status(200)),
    Check("version", "public", HttpRequest("GET", "/version"), expect_status(200)),
    Check("unknown code", "token", TOKEN_REQUEST, expect_in_body("invalid_grant")),
    Check("authorization", "authorize", AUTHORIZE_REQUEST, expect_status(303)),
)
EDGE_REQUESTS: Mapping[str, HttpRequest] = {
    "public": HttpRequest("GET", "/health"),
    "token": TOKEN_REQUEST,
    "authorize": AUTHORIZE_REQUEST,
}


@dataclass(frozen=True)
class EdgeAnswer:
    """One response through the API: function, version and status."""

    function: str
    version: str
    status: int

    @property
    def failed(self) -> bool:
        """Whether it is a 5xx."""
        return self.status >= SERVER_ERRORS_FROM


def run(
    context: ProbeContext, invoker: Invoker, http: HttpClient, pace: Pace | None = None, *, at_the_edge: bool = True
) -> ProbeRun:
    """Call both versions directly, and the API as clients do.

    Args:
        context: the subject of the evaluation.
        invoker: direct invocation.
        http: calls through the API.
        pace: the clock of repetitions.
        at_the_edge: False before traffic, while the API leads only to stable.

    Raises:
        Throttled, Unreachable: the functions or the API could not be called at all.
    """
    answers = call_api(context, http) if at_the_edge else ()
    tests = ProbeTests.from_json(context.prior.get(PROBE), (EDGE,))
    rates = edge_rates(context, tests.rates[EDGE], [(one.function, one.version, one.failed) for one in answers])
    tests = tests.with_rates(EDGE, tests.rates[EDGE].update(WHOLE_DEPLOYMENT, rates))
    checked = run_checks(CHECKS, context, invoker, tests, pace or Pace())
    evidence = Evidence(
        probe=PROBE,
        verdict=judge(context, checked, answers, rates),
        versions=context.versions,
        window=context.window,
        source="lambda:Invoke of both versions" + (f" and {context.service.api_url}" if at_the_edge else ""),
        samples=checked.calls + len(answers),
        figures={
            "checks": check_figures(checked.answers),
            "edge": edge_figures(answers),
            "false_alarm": spent_by_probe(context.thresholds, checked.tests.log_evidence),
        },
    )
    return ProbeRun(evidence, checked.tests, checked.result.note)


def call_api(context: ProbeContext, http: HttpClient) -> tuple[EdgeAnswer, ...]:
    """Send each of `EDGE_REQUESTS` a few times through the API.

    Raises:
        Unreachable: the API did not respond.
    """
    names = [function.name for function in context.functions if function.name in EDGE_REQUESTS]
    return tuple(run_in_parallel(partial(call_api_once, context, http), names * EDGE_ROUNDS))


def call_api_once(context: ProbeContext, http: HttpClient, name: str) -> EdgeAnswer:
    """Send the request of one function through the API. Raises Unreachable."""
    response = http.send(context.service.api_url, EDGE_REQUESTS[name])
    return EdgeAnswer(name, response.header(VERSION_HEADER), response.status)


def edge_rates(
    context: ProbeContext,
    before: RunningTests,
    answers: Sequence[tuple[str, str, bool]],
    called: Collection[str] = frozenset(EDGE_REQUESTS),
) -> tuple[ComparedRate, ...]:
    """Return the rates of bad responses through the API, by function, as totals of the whole deployment.

    After the promotion no response is stable's any more. Then the canary's rate is compared with the highest allowed one.

    Args:
        context: the subject of the evaluation.
        before: the running tests, with the totals before this evaluation.
        answers: function, version, and whether the response was bad.
        called: the functions that are called through the API.
    """
    null = (
        limit_at(context.thresholds.max_error_percent / 100) if context.weight_percent == FULL_PERCENT else Margin(0.0)
    )
    rates = []
    for function in context.changed:
        if function.name not in called:
            continue
        rate_name = f"{function.name}/{EDGE}"
        known = before.tests.get(rate_name, RunningTest())
        canary, stable = (
            _add(total, [bad for name, by, bad in answers if (name, by) == (function.name, version)])
            for total, version in ((known.canary, function.canary_version), (known.stable, function.stable_version))
        )
        description = f"{function.name}:{function.canary_version}"
        rates.append(ComparedRate(rate_name, description, canary, stable, null))
    return tuple(rates)


def edge_failure(tests: ProbeTests, rates: tuple[ComparedRate, ...], bad: str) -> str:
    """Return the reason for a failure that the API's responses proved.

    Args:
        tests: the probe's tests after the evaluation.
        rates: `edge_rates`, with which they were updated.
        bad: what is wrong with a bad response, such as ``returned 5xx``.
    """
    worst = tests.rates[EDGE].worst_rate(rates)
    return (
        f"through the API, {worst.description} {bad} in {worst.canary.bad} of {worst.canary.trials}, "
        f"stable {worst.stable.bad} of {worst.stable.trials}; evidence {odds_in_words(odds_of_log(tests.log_evidence))} to 1 against chance"
    )


def proved_at_the_edge(context: ProbeContext, tests: ProbeTests) -> bool:
    """Return whether the API's responses are most of a proof that the canary is worse."""
    edge = tests.rates[EDGE].log_evidence
    return tests.log_evidence >= log(needed_evidence(context.thresholds)) and edge > tests.checks.log_evidence


def judge(
    context: ProbeContext,
    checked: CheckRun,
    answers: Sequence[EdgeAnswer],
    rates: tuple[ComparedRate, ...],
) -> Verdict:
    """Judge the direct responses, then the API's. A problem that stable has, too, does not fail the canary."""
    if proved_at_the_edge(context, checked.tests):
        return Verdict.failed(edge_failure(checked.tests, rates, "returned 5xx"))
    verdict = checked.result.verdict(before_traffic=not context.weight_percent)
    if verdict.outcome is Outcome.FAIL:
        return verdict
    unidentified = ", ".join(f"{answer.function} {answer.status}" for answer in answers if not answer.version)
    if unidentified:
        return Verdict.inconclusive(f"cannot tell the versions apart: responses without a version: {unidentified}")
    if verdict.outcome is not Outcome.PASS:
        return verdict
    canary = {function.name: function.canary_version for function in context.changed}
    if context.weight_percent == FULL_PERCENT:
        outdated = sorted(
            {
                f"{answer.function}:{answer.version}"
                for answer in answers
                if answer.version != canary.get(answer.function, answer.version)
            }
        )
        if outdated:
            return Verdict.inconclusive(f"promoted, but the API still reaches {', '.join(outdated)}")
    reached = ", ".join(f"{name} {count} times" for name, count in sorted(_count_by_version(answers).items()))
    through_api = f"; through the API {reached}" if reached else ""
    note = f"; {verdict.reason}" if verdict.reason else ""
    return Verdict.passed(f"{len(checked.answers)} checks of the canary passed{note}{through_api}")


def edge_figures(answers: Sequence[EdgeAnswer]) -> Json:
    """Return the number of responses through the API by function and version, and how many of them were 5xx."""
    return {
        "answers": dict(_count_by_version(answers)),
        "server_errors": dict(_count_by_version([answer for answer in answers if answer.failed])),
    }


def _count_by_version(answers: Sequence[EdgeAnswer]) -> Counter[str]:
    return Counter(f"{answer.function}:{answer.version or 'unknown'}" for answer in answers)


def _add(total: Tally, bad: Sequence[bool]) -> Tally:
    return Tally(total.trials + len(bad), total.bad + sum(bad))
