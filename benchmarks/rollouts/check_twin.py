"""The repeated checks of many deployments at once: health and security probes with their responses through the API."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.rollouts.errors import draw_calls
from benchmarks.rollouts.labelled import Clustering
from benchmarks.rollouts.synthetic import EDGE_CALLS
from benchmarks.rollouts.twin import Array, RateTests
from orchestrator.domain.analysis.repeated_checks import (
    ALTERNATIVES,
    BURST_CALLS,
    CALLS_A_ROUND,
    CHECKS_WEIGHT,
    MAX_ROUNDS,
    QUIET_ROUNDS,
    needed_evidence,
)
from orchestrator.domain.deployment.plan import evaluations_within
from orchestrator.probes import health, security
from orchestrator.probes.checks import REPETITIONS

if TYPE_CHECKING:
    from orchestrator.domain.deployment.plan import Plan

FUNCTION = "public"
"""The function with the most checks."""

CALLS = {
    health.PROBE: (health.CHECKS, health.EDGE_ROUNDS),
    security.PROBE: (security.checks_for("https://issuer.invalid"), EDGE_CALLS),
}
"""A probe's checks, and its calls of a function through the API."""

WON, LOST = np.log(2 * np.array(ALTERNATIVES)), np.log(2 * (1 - np.array(ALTERNATIVES)))


class RepeatedChecks:
    """The sequential test of one probe's checks in each of many deployments."""

    def __init__(self, deployments: int) -> None:
        self.bets = np.full((deployments, len(ALTERNATIVES)), log(0.5 / len(ALTERNATIVES)))
        self.episodes = np.zeros(deployments)

    def count(self, difference: Array, where: Array) -> None:
        """Count one round: the canary's failures minus stable's."""
        change = np.where((difference > 0)[:, None], WON, LOST)
        self.bets += np.where((where & (difference != 0))[:, None], change, 0.0)

    def begin_episode(self, where: Array) -> None:
        """Bring the next episode's share of the capital into play."""
        self.episodes += where
        share = 1 / ((self.episodes + 1) * (self.episodes + 2) * len(ALTERNATIVES))
        added = np.logaddexp(self.bets, np.log(share)[:, None])
        self.bets = np.where(where[:, None], added, self.bets)

    @property
    def log_evidence(self) -> Array:
        """Natural logarithm of the capital."""
        return np.logaddexp(np.logaddexp.reduce(self.bets, axis=1), -np.log(self.episodes + 2))


def false_rollbacks_by_checks(
    plan: Plan, share: float, clustering: Clustering, runs: int, random: np.random.Generator
) -> float:
    """Return the share of deployments that the health or the security probe rolls back."""
    failed = np.zeros(runs, dtype=bool)
    for listed, edge_calls in CALLS.values():
        calls = sum(check.function == FUNCTION for check in listed)
        failed |= _probe(plan, share, clustering, runs, random, calls, edge_calls)
    return float(failed.mean())


def _probe(
    plan: Plan,
    share: float,
    clustering: Clustering,
    runs: int,
    random: np.random.Generator,
    calls: int,
    edge_calls: int,
) -> Array:
    weights = [0.0]
    for step in plan.steps:
        weights += [step.weight_percent / 100] * evaluations_within(step.bake, plan.limits.evaluation_interval)
    weights += [1.0]
    checks, edge, failed = RepeatedChecks(runs), RateTests(runs), np.zeros(runs, dtype=bool)
    needed = log(needed_evidence(plan.limits.thresholds))
    allowed = plan.limits.thresholds.max_error_percent / 100
    for weight in weights:
        if weight:
            _call_api(edge, weight, edge_calls, share, clustering, allowed, random)
        found = np.zeros(runs, dtype=bool)
        for _ in range(REPETITIONS):
            of_canary, of_stable = _calls(runs, calls, share, clustering, random)
            checks.count(of_canary - of_stable, ~found)
            found |= of_canary > 0
        _episode(checks, edge, found, needed, share, clustering, random)
        failed |= _evidence(checks, edge) >= needed
    return failed


def _call_api(
    edge: RateTests,
    weight: float,
    calls: int,
    share: float,
    clustering: Clustering,
    allowed: float,
    random: np.random.Generator,
) -> None:
    runs = len(edge.evaluations)
    canary = random.binomial(np.full(runs, calls), weight)
    stable = calls - canary
    seen = (canary, draw_calls(random, canary, share, clustering))
    other = (stable, draw_calls(random, stable, share, clustering))
    edge.update(seen, other, limit=allowed) if weight == 1.0 else edge.update(seen, other, margin=0.0)


def _episode(
    checks: RepeatedChecks,
    edge: RateTests,
    active: Array,
    needed: float,
    share: float,
    clustering: Clustering,
    random: np.random.Generator,
) -> None:
    checks.begin_episode(active)
    quiet = np.zeros(len(active))
    for number in range(MAX_ROUNDS):
        active = active & (quiet < QUIET_ROUNDS) & (_evidence(checks, edge) < needed)
        if not active.any():
            return
        of_canary, of_stable = _calls(len(active), CALLS_A_ROUND, share, clustering, random)
        if number * CALLS_A_ROUND >= BURST_CALLS:
            checks.count(of_canary - of_stable, active)
        quiet = np.where(of_canary > of_stable, 0, quiet + 1)


def _calls(
    runs: int, calls: int, share: float, clustering: Clustering, random: np.random.Generator
) -> tuple[Array, Array]:
    counts = np.full(runs, calls)
    return draw_calls(random, counts, share, clustering), draw_calls(random, counts, share, clustering)


def _evidence(checks: RepeatedChecks, edge: RateTests) -> Array:
    own, of_edge = log(CHECKS_WEIGHT) + checks.log_evidence, log(1 - CHECKS_WEIGHT) + edge.log_evidence()
    return np.asarray(np.logaddexp(own, of_edge))
