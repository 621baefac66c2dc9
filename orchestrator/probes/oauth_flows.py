"""Flows probe: complete OAuth flows of the synthetic identity, by direct invocation of chosen versions.

During a shift a client may reach stable with one request and the canary with the next. What one version wrote, the
other must read: a login that one began and the other completes, a code, a refresh token, an access token. Before
traffic, every such mixture is run. One that fails is repeated next to flows of stable alone, until a sequential test has
decided whether that was chance (`orchestrator.domain.analysis.repeated_checks`); a version that fails it is never reached
by a client. If traffic is thin, flows of stable alone and of the canary alone are compared
(`orchestrator.probes.paired_flows`).

Only steps, HTTP statuses and OAuth error codes leave this module: no code, no token, no cookie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from math import log

from orchestrator.domain.analysis.observations import GRANT_FUNCTION, ISSUED, HttpRequest, HttpResponse
from orchestrator.domain.analysis.repeated_checks import (
    CheckAnswers,
    Episode,
    EpisodeResult,
    ProbeTests,
    Round,
    add_answers,
    needed_evidence,
    spent_by_probe,
)
from orchestrator.domain.analysis.sequential_testing import Tally
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.verdict import Evidence, Json, Outcome, Verdict
from orchestrator.probes import synthetic_client
from orchestrator.probes.checks import (
    EPISODES_SECONDS,
    ProbeRun,
    check_figures,
    repeat_checks,
    run_in_parallel,
)
from orchestrator.probes.context import ProbeContext
from orchestrator.probes.ports import Invoker, ProbeClients
from orchestrator.probes.synthetic_client import FlowFailed, SyntheticIdentity, oauth_error, refuse_unexpected

PROBE = "flows"
STABLE, CANARY = "stable", "canary"
LATENCY = "latency"
RATES = (LATENCY,)
"""Names of the tests of rates that `orchestrator.probes.paired_flows` continues."""
REQUESTS_A_FLOW = 2
"""Requests that one flow sends to each function: authorize and login, redeem and refresh, userinfo twice."""
FLOWS_A_ROUND, ROUNDS_AT_ONCE = 2, 2
"""Flows of each side in a round, and rounds that are sent at the same time. At 60 ms a request they take 0.36 s."""
FLOW_ATTEMPTS = 3
"""So often a flow is begun anew because the network failed. A response that was lost is no evidence."""

_MIXTURE_FIELDS: Mapping[str, str] = {
    "authorize": "authorize",
    "login": "login",
    "redeem": "token",
    "userinfo": "userinfo",
    "refresh": "refresh",
    "userinfo after refresh": "userinfo_again",
}
"""The steps of a flow, and the field of `Mixture` that names the side of each."""


@dataclass(frozen=True)
class Mixture:
    """The side that serves each step of a flow, STABLE or CANARY."""

    name: str
    authorize: str
    login: str
    token: str
    userinfo: str
    refresh: str
    userinfo_again: str


def _one_sided(name: str, side: str) -> Mixture:
    return Mixture(name, side, side, side, side, side, side)


ALL_STABLE = _one_sided("all stable", STABLE)
ALL_CANARY = _one_sided("all canary", CANARY)

# Each hand-over, where one version reads what the other wrote, occurs in one of these, in both directions.
MIXTURES = (
    ALL_CANARY,
    Mixture("stable authorizes, canary issues, stable refreshes", STABLE, STABLE, CANARY, STABLE, STABLE, CANARY),
    Mixture("canary authorizes, stable issues, canary refreshes", CANARY, CANARY, STABLE, CANARY, CANARY, STABLE),
    Mixture("login begun by stable, completed by canary", STABLE, CANARY, CANARY, STABLE, CANARY, STABLE),
    Mixture("login begun by canary, completed by stable", CANARY, STABLE, STABLE, CANARY, STABLE, CANARY),
)


@dataclass(frozen=True)
class FlowStep:
    """One request of a flow. `result` is ``issued`` or an OAuth error code for token requests, else empty."""

    name: str
    function: str
    side: str
    version: str
    status: int
    elapsed_ms: float
    result: str = ""


@dataclass(frozen=True)
class Flow:
    """A flow up to its last step. `problem` says what was wrong with that step; empty if the flow completed."""

    mixture: str
    steps: tuple[FlowStep, ...]
    problem: str = ""

    @property
    def summary(self) -> str:
        """One clause for a reason: the mixture, the step, its side and version, and the problem."""
        last = self.steps[-1]
        return f"{self.mixture}: {last.name} by {last.side} ({last.function}:{last.version}) {self.problem}"


@dataclass
class _RunningFlow:
    """A flow in progress: where its requests go, and the steps so far."""

    context: ProbeContext
    invoker: Invoker
    mixture: Mixture
    steps: list[FlowStep] = field(default_factory=list)

    def send(self, step: str, function_name: str, request: HttpRequest, expected: int) -> HttpResponse:
        side = getattr(self.mixture, _MIXTURE_FIELDS[step])
        function = next(function for function in self.context.functions if function.name == function_name)
        version = function.canary_version if side == CANARY else function.stable_version
        response = self.invoker.invoke(function.function_name, version, request)
        result = _grant_result(response) if function_name == GRANT_FUNCTION else ""
        elapsed_ms = round(response.elapsed_ms, 1)
        self.steps.append(FlowStep(step, function_name, side, version, response.status, elapsed_ms, result))
        return refuse_unexpected(response, expected)


def run(context: ProbeContext, clients: ProbeClients) -> ProbeRun:
    """Run a flow with every mixture of stable and canary, and repeat those that fail.

    Raises:
        Throttled, Unreachable: Lambda or KMS could not be called.
    """
    deadline = clients.pace.now() + EPISODES_SECONDS
    mixtures = (ALL_CANARY,) if context.separate_tables else MIXTURES
    flows = run_in_parallel(partial(run_patiently, context, clients), _distinct(context, mixtures))
    tests = ProbeTests.from_json(context.prior.get(PROBE), RATES)
    answers = [_answers_of(flow, None if context.separate_tables else Tally()) for flow in flows]
    result, tests = repeat_flows(context, clients, answers, tests, deadline)
    evidence = Evidence(
        probe=PROBE,
        verdict=_judge(context, flows, result),
        versions=context.versions,
        window=context.window,
        source="synthetic OAuth flows by lambda:Invoke of chosen versions",
        samples=sum(len(flow.steps) for flow in flows),
        figures={
            "flows": [_figures(flow) for flow in flows],
            "repeated": check_figures(result.repeated),
            "false_alarm": spent_by_probe(context.thresholds, tests.log_evidence),
        },
    )
    return ProbeRun(evidence, tests, result.note)


def run_live(context: ProbeContext, clients: ProbeClients, count: int) -> Evidence:
    """Run complete flows with stable. Those that fail are run once more, because one error is no evidence.

    Raises:
        Throttled, Unreachable: Lambda or KMS could not be called.
    """
    run_one = partial(run_patiently, context, clients)
    flows = run_in_parallel(run_one, [ALL_STABLE] * count)
    repeated = run_in_parallel(run_one, [ALL_STABLE] * sum(bool(flow.problem) for flow in flows))
    problems = [flow.summary for flow in repeated if flow.problem]
    if problems:
        verdict = Verdict.failed(f"{len(problems)} of {count} flows failed twice, the first with {problems[0]}")
    else:
        note = f"; {len(repeated)} at the second attempt" if repeated else ""
        verdict = Verdict.passed(f"{count} flows completed from login to refreshed token{note}")
    return Evidence(
        probe=PROBE,
        verdict=verdict,
        versions=context.versions,
        window=context.window,
        source="synthetic OAuth flows by lambda:Invoke of the live versions",
        samples=sum(len(flow.steps) for flow in (*flows, *repeated)),
        figures={"flows": [_figures(flow) for flow in (*flows, *repeated)]},
    )


def repeat_flows(
    context: ProbeContext, clients: ProbeClients, answers: Round, tests: ProbeTests, deadline: float
) -> tuple[EpisodeResult, ProbeTests]:
    """Repeat the mixtures that failed, each next to a flow of stable alone, until the tests have decided.

    Stable is no comparison if it uses other tables: after a cutover these accept no writes.

    Args:
        context: the subject of the evaluation.
        clients: calls the functions and KMS.
        answers: how the flows ended, by mixture.
        tests: the probe's tests so far.
        deadline: when the last round may begin, by the clients' clock.

    Raises:
        Throttled, Unreachable: Lambda or KMS could not be called.
    """
    log_needed = log(needed_evidence(context.thresholds))
    failed = [one for one in answers if one.canary.bad]
    newest: tuple[CheckAnswers, ...] = ()
    mixtures = [mixture for mixture in MIXTURES if mixture.name in {one.name for one in failed}]
    for first in range(0, len(mixtures), FLOWS_A_ROUND):
        ask = partial(_send_rounds, context, clients, mixtures[first : first + FLOWS_A_ROUND])
        episode = Episode(FLOWS_A_ROUND * REQUESTS_A_FLOW)
        tests, episode = repeat_checks(ask, tests, log_needed, episode, clients.pace, deadline)
        failed = list(add_answers(failed, episode.answers))
        newest = add_answers(newest, *episode.newest)
        if episode.broken:  # it is no PASS, whatever the other mixtures do
            break
    return EpisodeResult(tuple(failed), newest, tests.log_evidence, log_needed), tests


def _send_rounds(context: ProbeContext, clients: ProbeClients, mixtures: Sequence[Mixture]) -> Sequence[Round]:
    """Run the flows of `ROUNDS_AT_ONCE` rounds at the same time, because one flow takes six requests in a row.

    Of a single mixture, each round runs several flows.
    """
    chosen = [mixtures[number % len(mixtures)] for number in range(FLOWS_A_ROUND)] * ROUNDS_AT_ONCE
    return rounds_of(run_side_by_side(context, clients, chosen))


def run_side_by_side(
    context: ProbeContext, clients: ProbeClients, mixtures: Sequence[Mixture]
) -> list[tuple[Flow, Flow | None]]:
    """Run flows, each next to one of stable alone at the same time; without one if stable uses other tables.

    Raises:
        Throttled, Unreachable: Lambda or KMS could not be called.
    """
    run_one = partial(run_patiently, context, clients)
    if context.separate_tables:
        return [(flow, None) for flow in run_in_parallel(run_one, mixtures)]
    flows = run_in_parallel(run_one, [one for mixture in mixtures for one in (mixture, ALL_STABLE)])
    return list(zip(flows[::2], flows[1::2], strict=True))


def rounds_of(pairs: Sequence[tuple[Flow, Flow | None]], size: int = FLOWS_A_ROUND) -> list[Round]:
    """Return how flows ended, in rounds of so many pairs."""
    answers = [_answers_of(flow, _tally(control) if control else None) for flow, control in pairs]
    return [add_answers(answers[first : first + size]) for first in range(0, len(answers), size)]


def run_patiently(context: ProbeContext, clients: ProbeClients, mixture: Mixture) -> Flow:
    """Run one flow; if the network loses a response, run another one.

    Raises:
        Throttled, Unreachable: Lambda or KMS could not be called in `FLOW_ATTEMPTS` flows.
    """
    for remaining in reversed(range(FLOW_ATTEMPTS)):
        try:
            return run_flow(context, clients, mixture)
        except (Throttled, Unreachable):
            if not remaining:
                raise
    raise AssertionError("the last attempt returns or raises")


def run_flow(context: ProbeContext, clients: ProbeClients, mixture: Mixture) -> Flow:
    """Run one flow: authorize, log in, redeem, userinfo, refresh, userinfo with the new token.

    Raises:
        Throttled, Unreachable: Lambda or KMS could not be called.
    """
    running = _RunningFlow(context, clients.functions, mixture)
    identity = SyntheticIdentity(clients.macs, context.service.synthetic_key_id, context.environment)
    try:
        _send_all(running, identity)
    except FlowFailed as error:
        return Flow(mixture.name, tuple(running.steps), str(error))
    return Flow(mixture.name, tuple(running.steps))


def _send_all(running: _RunningFlow, identity: SyntheticIdentity) -> None:
    login = synthetic_client.begin_login(running.send)
    code = synthetic_client.complete_login(running.send, login, identity)
    tokens = synthetic_client.redeem_code(running.send, code)
    synthetic_client.check_userinfo(running.send, tokens.access)
    tokens = synthetic_client.refresh_tokens(running.send, tokens.refresh)
    synthetic_client.check_userinfo(running.send, tokens.access, "userinfo after refresh")


def _grant_result(response: HttpResponse) -> str:
    return ISSUED if response.status < HTTPStatus.BAD_REQUEST else oauth_error(response) or "no_result"


def _distinct(context: ProbeContext, mixtures: tuple[Mixture, ...]) -> list[Mixture]:
    """Return the mixtures that differ: an unchanged function has one version, whichever side serves the step."""
    changed = {function.name for function in context.changed}

    def sides_of(mixture: Mixture) -> tuple[str, ...]:
        sides: tuple[tuple[str, Callable[[Mixture], str]], ...] = (
            ("authorize", lambda steps: steps.authorize),
            ("authorize", lambda steps: steps.login),
            ("token", lambda steps: steps.token),
            ("public", lambda steps: steps.userinfo),
            ("token", lambda steps: steps.refresh),
            ("public", lambda steps: steps.userinfo_again),
        )
        return tuple(side(mixture) if function in changed else "" for function, side in sides)

    return list({sides_of(mixture): mixture for mixture in reversed(mixtures)}.values())[::-1]


def _judge(context: ProbeContext, flows: Sequence[Flow], result: EpisodeResult) -> Verdict:
    verdict = result.verdict(before_traffic=not context.weight_percent)
    if verdict.outcome is not Outcome.PASS:
        return verdict
    note = f"; {verdict.reason}" if verdict.reason else ""
    if len(flows) == 1:
        return Verdict.passed(f"{flows[0].mixture} completed from login to refreshed token{note}")
    return Verdict.passed(f"{len(flows)} mixtures of stable and canary completed from login to refreshed token{note}")


def _answers_of(flow: Flow, control: Tally | None) -> CheckAnswers:
    problem = flow.summary.removeprefix(f"{flow.mixture}: ") if flow.problem else ""
    return CheckAnswers(flow.mixture, _tally(flow), control, problem)


def _tally(flow: Flow) -> Tally:
    return Tally(1, int(bool(flow.problem)))


def _figures(flow: Flow) -> Json:
    return {
        "mixture": flow.mixture,
        "broke": flow.problem,
        "steps": [
            {
                "step": step.name,
                "version": f"{step.function}:{step.version}",
                "side": step.side,
                "status": step.status,
                "ms": step.elapsed_ms,
                "result": step.result,
            }
            for step in flow.steps
        ],
    }
