"""Stable probe: after a rollback, does every alias lead to its stable version, and does that version respond?

A function that returns a 5xx is called again. It is broken if most of its responses are 5xx.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from orchestrator.domain.analysis.observations import VERSION_HEADER
from orchestrator.domain.verdict import Evidence, Verdict
from orchestrator.probes.checks import run_in_parallel
from orchestrator.probes.context import ProbeContext
from orchestrator.probes.health import EDGE_REQUESTS, EDGE_ROUNDS, EdgeAnswer, call_api_once, edge_figures
from orchestrator.probes.ports import HttpClient, Invoker, Pace

PROBE = "stable"
LAMBDA, API = "Lambda", "the API"
Target = tuple[str, str]
"""The route of a call, LAMBDA or API, and the function."""
REPETITIONS, PAUSE_SECONDS = 24, 0.1
"""How often a function that returned a 5xx is called again: longer than a burst of errors, in 4 s at 60 ms a call."""


def run(context: ProbeContext, invoker: Invoker, http: HttpClient, pace: Pace | None = None) -> Evidence:
    """Call every function through its alias, by Lambda and through the API; call those again that return a 5xx.

    Args:
        context: the subject of the verification.
        invoker: direct invocation.
        http: calls through the API.
        pace: the clock of repetitions.

    Raises:
        Throttled, Unreachable: the functions or the API could not be called.
    """
    alias = context.service.alias
    functions = {function.name: function for function in context.functions if function.name in EDGE_REQUESTS}
    clock = pace or Pace()

    def call(target: Target) -> EdgeAnswer:
        route, name = target
        if route == API:
            return call_api_once(context, http, name)
        response = invoker.invoke(functions[name].function_name, alias, EDGE_REQUESTS[name])
        return EdgeAnswer(name, response.version or response.header(VERSION_HEADER), response.status)

    def call_again(target: Target) -> list[tuple[Target, EdgeAnswer]]:
        repeated = []
        for _ in range(REPETITIONS):
            clock.sleep(PAUSE_SECONDS)
            repeated.append((target, call(target)))
        return repeated

    targets = [(LAMBDA, name) for name in functions] + [(API, name) for name in functions] * EDGE_ROUNDS
    answers = list(zip(targets, run_in_parallel(call, targets), strict=True))
    failed = sorted({target for target, answer in answers if answer.failed})
    answers += [one for repeated in run_in_parallel(call_again, failed) for one in repeated]
    return Evidence(
        probe=PROBE,
        verdict=_judge(context, answers),
        versions=context.versions,
        window=context.window,
        source=f"lambda:Invoke of {alias} and {context.service.api_url}",
        samples=len(answers),
        figures={"answers": edge_figures([answer for _, answer in answers])},
    )


def _judge(context: ProbeContext, answers: Sequence[tuple[Target, EdgeAnswer]]) -> Verdict:
    stable = {function.name: function.stable_version for function in context.functions}
    # A 5xx of the API itself names no version.
    other = sorted(
        {
            f"{answer.function}:{answer.version}".rstrip(":")
            for _, answer in answers
            if answer.version != stable[answer.function] and (answer.version or not answer.failed)
        }
    )
    if other:
        return Verdict.failed(f"responses came from {', '.join(other)}, not from stable")
    calls = Counter(target for target, _ in answers)
    errors = Counter(target for target, answer in answers if answer.failed)
    counts = [
        f"{name}:{stable[name]} through {route} in {errors[route, name]} of {calls[route, name]}"
        for route, name in sorted(errors)
    ]
    if any(2 * count >= calls[target] for target, count in errors.items()):
        return Verdict.failed(f"stable itself returns 5xx: {', '.join(counts)}")
    note = f"; 5xx from {', '.join(counts)}" if counts else ""
    return Verdict.passed(f"{len(answers)} responses, each from its function's stable version{note}")
