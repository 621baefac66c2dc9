"""Paired flows: if traffic is too thin to judge the canary, run the same OAuth flows against both versions.

They continue the sequential tests of the flows probe: flows that fail on the canary more often than on stable are
repeated (`orchestrator.domain.analysis.repeated_checks`), and the latencies of flows that ran at the same time are
compared. If the canary is no slower than tolerated, then at most half of the pairs are slower than tolerated, whatever
the distribution of latencies is.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from statistics import mean

from orchestrator.domain.analysis.latency_lines import tolerated_ms
from orchestrator.domain.analysis.odds import odds_in_words, odds_of_log
from orchestrator.domain.analysis.repeated_checks import (
    EpisodeResult,
    ProbeTests,
    add_answers,
    spent_by_probe,
)
from orchestrator.domain.analysis.running_tests import ComparedRate
from orchestrator.domain.analysis.sequential_testing import Limit, Tally
from orchestrator.domain.verdict import Evidence, Json, Outcome, Verdict
from orchestrator.probes.checks import EPISODES_SECONDS, ProbeRun, check_figures
from orchestrator.probes.context import ProbeContext
from orchestrator.probes.oauth_flows import (
    ALL_CANARY,
    LATENCY,
    PROBE,
    RATES,
    REQUESTS_A_FLOW,
    Flow,
    repeat_flows,
    rounds_of,
    run_side_by_side,
)
from orchestrator.probes.ports import ProbeClients

MAX_FLOWS = 60
"""Flows of each version. At 60 ms a request and eight in parallel this takes some 6 s; a task has 60 s."""

PAIRS_A_ROUND = 8
"""Pairs of flows whose ends are one round: those that run at the same time, or soon after each other in a burst."""

SLOWER_SHARE = 0.5
"""The share of the pairs in which a canary that is no slower than tolerated may exceed it."""

Pairs = Sequence[tuple[Flow, Flow | None]]


def run(context: ProbeContext, clients: ProbeClients) -> ProbeRun:
    """Run as many flows against the canary alone and stable alone as the minimum of requests needs, and compare them.

    Raises:
        Throttled, Unreachable: Lambda or KMS could not be called.
    """
    deadline = clients.pace.now() + EPISODES_SECONDS
    count = min(MAX_FLOWS, max(1, ceil(context.thresholds.minimum_requests / REQUESTS_A_FLOW)))
    pairs = run_side_by_side(context, clients, [ALL_CANARY] * count)
    rounds = rounds_of(pairs, PAIRS_A_ROUND)
    tests = ProbeTests.from_json(context.prior.get(PROBE), RATES)
    if not context.separate_tables:  # without stable, only flows that failed can be judged
        for answers in rounds:
            tests = tests.count(answers)
    rates = tuple(_slower_pairs(context, function.name, pairs) for function in context.changed)
    tests = tests.with_rates(LATENCY, tests.rates[LATENCY].update(context.now, rates))
    result, tests = repeat_flows(context, clients, add_answers(*rounds), tests, deadline)
    evidence = Evidence(
        probe=PROBE,
        verdict=_judge(count, rates, tests, result),
        versions=context.versions,
        window=context.window,
        source=f"{count} synthetic OAuth flows of each version by lambda:Invoke",
        samples=sum(len(flow.steps) for flow, _ in pairs),
        figures={
            "flows_of_each": count,
            "repeated": check_figures(result.repeated),
            "functions": {function.name: _figures(function.name, pairs) for function in context.changed},
            "false_alarm": spent_by_probe(context.thresholds, tests.log_evidence),
        },
    )
    return ProbeRun(evidence, tests, result.note)


def _slower_pairs(context: ProbeContext, function: str, pairs: Pairs) -> ComparedRate:
    """Return the pairs of completed flows, and those in which the canary was slower than tolerated."""
    slower = [
        _mean_ms(function, flow) > tolerated_ms(_mean_ms(function, control), context.thresholds)
        for flow, control in pairs
        if control and not flow.problem and not control.problem
    ]
    return ComparedRate(
        f"{function}/{LATENCY}", f"{function} is slower", Tally(len(slower), sum(slower)), Tally(), Limit(SLOWER_SHARE)
    )


def _judge(count: int, rates: Sequence[ComparedRate], tests: ProbeTests, result: EpisodeResult) -> Verdict:
    slower = [rate for rate in rates if rate.canary.bad - SLOWER_SHARE * rate.canary.trials > sqrt(rate.canary.trials)]
    described = "; ".join(
        f"{rate.description} than tolerated in {rate.canary.bad} of {rate.canary.trials} pairs of flows"
        for rate in slower
    )
    if result.proved and slower and tests.rates[LATENCY].log_evidence > tests.checks.log_evidence:
        return Verdict.failed(
            f"{described}; evidence {odds_in_words(odds_of_log(tests.log_evidence))} to 1 against chance"
        )
    verdict = result.verdict(before_traffic=False)
    if verdict.outcome is not Outcome.PASS:
        return verdict
    if slower:
        return Verdict.inconclusive(f"not proved: {described}")
    note = f"; {verdict.reason}" if verdict.reason else ""
    return Verdict.passed(f"{count} flows of each version completed, latency within its limits{note}")


def _mean_ms(function: str, flow: Flow) -> float:
    return mean([step.elapsed_ms for step in flow.steps if step.function == function] or [0.0])


def _figures(function: str, pairs: Pairs) -> Json:
    sides = {"canary": [flow for flow, _ in pairs], "stable": [control for _, control in pairs if control]}
    return {
        side: {
            "flows": len(flows),
            "failed": sum(bool(flow.problem) for flow in flows),
            "mean_ms": round(mean([_mean_ms(function, flow) for flow in flows]), 1) if flows else None,
        }
        for side, flows in sides.items()
    }
