"""The sources that the grid simulates apart: flows before traffic, flows that decide in the end, latency, logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from math import exp, log
from random import Random

import numpy as np

from benchmarks.rollouts.errors import CORRELATION
from benchmarks.rollouts.labelled import FUNCTIONS, Clustering, Rollout
from benchmarks.rollouts.pipeline import Pipeline, prod_plan
from benchmarks.rollouts.synthetic import SyntheticClient
from benchmarks.rollouts.twin import Array, RateTests, mean_log_evidence
from benchmarks.rollouts.world import CANARY, STABLE, START
from orchestrator.domain.analysis.latency import SOURCE as LATENCY_SOURCE
from orchestrator.domain.analysis.log_errors import LoggedError
from orchestrator.domain.analysis.log_kinds import KindsTest, Look
from orchestrator.domain.analysis.log_verdict import SOURCE as LOG_SOURCE
from orchestrator.domain.deployment.plan import Plan, evaluations_within
from orchestrator.domain.deployment.record import Shift
from orchestrator.domain.deployment.strategy import FULL_PERCENT
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import context as contexts
from orchestrator.probes import oauth_flows

KINDS, ZIPF = 1000, 1.2
"""Kinds of errors in the log, with the frequencies of Zipf's law: always some that were never seen."""

LINES_A_PERIOD = 20
SLOW_SIGMA = 0.3
"""Of the logarithm of both versions' latency, from minute to minute (AR(1), 0.9)."""


@dataclass(frozen=True)
class EqualService:
    """A service whose versions fail alike; all functions are changed."""

    rollout: Rollout

    def failing_share(self, _function: str, _version: str) -> float:
        """Return the share of calls that fail."""
        return self.rollout.error_share

    def refusing_share(self, _function: str, _version: str) -> float:
        """Return the share of grants with a wrong result."""
        return 0.0


def false_rollbacks_by_flows(share: float, clustering: Clustering, runs: int, seed: int) -> float:
    """Return the share of deployments that the flows before traffic refuse."""
    rollout = Rollout(0, seed, "equal", FUNCTIONS, (), 1.0, share, clustering)
    context = contexts.before_traffic(Pipeline.plan_deployment(rollout, prod_plan()), START)
    random = Random(seed)
    service = EqualService(rollout)
    refused = sum(
        SyntheticClient(service, random).run(oauth_flows.PROBE, context)[0].outcome is not Outcome.PASS
        for _ in range(runs)
    )
    return refused / runs


PAIRED_RUNS = 1000


@cache
def outcomes_of_paired_flows(share: float, clustering: Clustering) -> Mapping[Outcome, float]:
    """Return how often each outcome ends the paired flows, which decide what the longest bake left open.

    They call the versions directly, so that the weight is of no influence. They are simulated on their own: their tests
    start anew instead of at those of the flows before traffic.
    """
    if not share:
        return {Outcome.PASS: 1.0}
    rollout = Rollout(0, 0, "equal", FUNCTIONS, (), 1.0, share, clustering)
    deployment = Pipeline.plan_deployment(rollout, prod_plan())
    deployment = replace(deployment, shifts=(Shift(0, FULL_PERCENT, START),))
    context = contexts.since_newest_shift(deployment, START + deployment.plan.limits.max_bake)
    random, service = Random(rollout.seed), EqualService(rollout)
    counts = Counter(SyntheticClient(service, random).run("paired", context)[0].outcome for _ in range(PAIRED_RUNS))
    return {outcome: count / PAIRED_RUNS for outcome, count in counts.items()}


def weights_of(plan: Plan) -> list[float]:
    """Return the canary's weight at every evaluation while stable has traffic."""
    return [
        step.weight_percent / 100
        for step in plan.steps
        for _ in range(evaluations_within(step.bake, plan.limits.evaluation_interval))
    ]


def false_rollbacks_by_latency(
    plan: Plan, requests_per_second: float, sigma: float, runs: int, random: np.random.Generator
) -> float:
    """Return the share of deployments that the comparison of latencies rolls back.

    Both versions have the same lognormal latency, with a median of 150 ms that drifts from minute to minute.
    """
    thresholds = plan.limits.thresholds
    lines = [150 * exp(sigma * z) for z in (0.0, 1.2816, 2.3263)]
    tests = [RateTests(runs) for _ in (*lines, None)]
    state, failed = random.normal(size=runs), np.zeros(runs, dtype=bool)
    for weight in weights_of(plan):
        state = CORRELATION * state + np.sqrt(1 - CORRELATION**2) * random.normal(size=runs)
        medians = 150 * np.exp(SLOW_SIGMA * state)
        canary = random.poisson(60 * requests_per_second * weight, runs)
        stable = random.poisson(60 * requests_per_second * (1 - weight), runs)
        for test, line in zip(tests, [*lines, None], strict=True):
            if line is None:
                bounds, margin = (thresholds.max_p99_ms, thresholds.max_p99_ms), 0.01
            else:
                allowed = max(line * thresholds.max_latency_ratio, line + thresholds.latency_floor_ms)
                bounds, margin = (allowed, line), 0.0
            slow = [
                random.binomial(n, share_over(ms, medians, sigma))
                for n, ms in zip((canary, stable), bounds, strict=True)
            ]
            test.update((canary, slow[0]), (stable, slow[1]), margin=margin, where=stable > 0)
        evidence = mean_log_evidence([(test.log_evidence(), 1.0) for test in tests])
        failed |= evidence >= -log(thresholds.false_alarm_probability(LATENCY_SOURCE))
    return float(failed.mean())


def share_over(ms: float, medians: Array, sigma: float) -> Array:
    """Return the share of a lognormal distribution above a bound, by an approximation of erfc with an error of 1e-7."""
    z = np.log(ms / medians) / sigma / np.sqrt(2)
    t = 1 / (1 + 0.5 * np.abs(z))
    coefficients = (
        -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277
    )  # fmt: skip
    exponent = np.zeros_like(z)
    for coefficient in reversed(coefficients):
        exponent = exponent * t + coefficient
    tail = t * np.exp(-z * z + exponent)
    return np.asarray(np.where(z >= 0, tail, 2 - tail) / 2)


def false_rollbacks_by_logs(plan: Plan, errors_per_second: float, runs: int, seed: int) -> float:
    """Return the share of deployments that new kinds of errors in the log roll back."""
    random = np.random.default_rng((seed, 5))
    needed = -log(plan.limits.thresholds.false_alarm_probability(LOG_SOURCE))
    failed = 0
    for _ in range(runs):
        test = KindsTest().remember(
            _kind(number) for number in random.zipf(ZIPF, min(1000, int(3600 * errors_per_second)))
        )
        at = START
        for weight in weights_of(plan):
            errors = []
            for period in range(6):
                count = min(LINES_A_PERIOD, int(random.poisson(10 * errors_per_second)))
                on_canary = random.random(count) < weight
                errors += [
                    LoggedError(at + timedelta(seconds=10 * period + 5), CANARY if canary else STABLE, _kind(number))
                    for canary, number in zip(on_canary.tolist(), random.zipf(ZIPF, count).tolist(), strict=True)
                ]
            test = test.update(Look(errors, STABLE, CANARY, weight, plan.limits.period))
            at += timedelta(minutes=1)
            if test.log_evidence >= needed:
                failed += 1
                break
    return failed / runs


def _kind(number: int) -> str:
    return f"error {number % KINDS}"
