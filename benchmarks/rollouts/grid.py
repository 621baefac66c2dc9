"""Equal versions: how often is a whole deployment rolled back by chance?

One changed function has all the traffic. Errors, of both versions alike, reach the request metrics, the alarms' evaluation
and the synthetic checks; latency and logs are simulated apart. The sources' shares add up to the upper limit of the whole
(a union bound), because each row counts any of them.

Traffic and synthetic calls are drawn with numpy, and the tests are the twins of the product's (`twin.py`). The flows run
the product's own code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

from benchmarks.rollouts.alarm_twin import AlarmTests
from benchmarks.rollouts.errors import CORRELATED_SIGMA, CORRELATION, Burst, draw_failures
from benchmarks.rollouts.labelled import Clustering
from benchmarks.rollouts.pipeline import prod_plan
from benchmarks.rollouts.sources import outcomes_of_paired_flows
from benchmarks.rollouts.twin import Array, Dispersions, PairSums, RateTests, mean_log_evidence, sum_pairs
from benchmarks.rollouts.world import ALARM_DATAPOINTS, ALARM_PERIODS, ALARM_REQUESTS, ALARM_SHARE
from orchestrator.domain.analysis.request_metrics import (
    DRIFT,
    SOURCE,
    WEIGHTS,
    WORST_MINUTES,
    trend_deviations,
)
from orchestrator.domain.deployment.plan import Plan, evaluations_within
from orchestrator.domain.verdict import Outcome

ERROR_SHARES = (0.0, 0.001, 0.005, 0.01, 0.02)
REQUESTS_PER_SECOND = (0.1, 1.0, 10.0, 100.0)
STRATEGIES = ("canary-10-50", "all-at-once", "linear-10")
PERIOD_SECONDS, PERIODS = 10, 6
MINUTES_BEFORE = 60
HISTORY_PERIODS, HISTORY_SECONDS = 288, 300
RATES = ("server_errors", "server_error_limit", "deaths")
"""The rates of a function that issues no grants."""


@dataclass(frozen=True)
class Cell:
    """One cell of the grid."""

    error_share: float
    requests_per_second: float
    clustering: Clustering
    strategy: str

    @property
    def name(self) -> str:
        """The cell in words."""
        return f"{100 * self.error_share:g} %, {self.requests_per_second:g}/s, {self.clustering.value}, {self.strategy}"


@dataclass(frozen=True)
class CellResult:
    """The share of deployments that each source rolled back, and of those that wait for a person."""

    cell: Cell
    runs: int
    sources: Mapping[str, float]
    paused: float

    @property
    def whole(self) -> float:
        """The upper limit of the share that any source rolled back."""
        return sum(self.sources.values())


def cells(error_shares: Sequence[float] = ERROR_SHARES) -> list[Cell]:
    """Return all cells of these error shares."""
    return [
        Cell(share, rate, clustering, strategy)
        for strategy in STRATEGIES
        for clustering in Clustering
        for rate in REQUESTS_PER_SECOND
        for share in error_shares
    ]


class Traffic:
    """The requests and errors of both versions in many deployments."""

    def __init__(self, cell: Cell, runs: int, random: np.random.Generator) -> None:
        self.cell, self.runs, self.random = cell, runs, random
        self._bursts = {"stable": Burst.none(runs), "canary": Burst.none(runs)}
        self._state = random.normal(size=runs)

    def minute(self, weight: float) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Serve clients for a minute; return canary's and stable's requests and errors by deployment and period."""
        self._state = CORRELATION * self._state + np.sqrt(1 - CORRELATION**2) * self.random.normal(size=self.runs)
        requests = self._arrivals(PERIODS, PERIOD_SECONDS)
        canary = self.random.binomial(requests, weight)
        return (self._serve("canary", canary), self._serve("stable", requests - canary))

    def before(self) -> tuple[tuple[Array, Array], PairSums]:
        """Return stable's hour before by minute, and how its errors cluster in the day before, by five minutes."""
        day = self._stretch(HISTORY_PERIODS, HISTORY_SECONDS)
        return self._stretch(MINUTES_BEFORE, 60), sum_pairs(*day, HISTORY_SECONDS)

    def _stretch(self, periods: int, seconds: float) -> tuple[Array, Array]:
        """Serve clients by stable alone; a correlated rate has forgotten itself after some periods of five minutes."""
        requests = self._arrivals(periods, seconds)
        factors = np.ones(requests.shape)
        if self.cell.clustering is Clustering.CORRELATED_MINUTES:
            kept = CORRELATION ** (seconds / 60)
            for period in range(periods):
                fresh = self.random.normal(size=self.runs)
                self._state = kept * self._state + np.sqrt(1 - kept**2) * fresh
                factors[:, period] = np.exp(CORRELATED_SIGMA * self._state - CORRELATED_SIGMA**2 / 2)
        shares = np.minimum(1.0, self.cell.error_share * factors)
        bad = draw_failures(self.random, requests, shares, self.cell.clustering, self._bursts["stable"], seconds)
        return requests, bad

    def _arrivals(self, periods: int, seconds: float) -> Array:
        return self.random.poisson(self.cell.requests_per_second * seconds, (self.runs, periods))

    def _serve(self, side: str, requests: Array) -> tuple[Array, Array]:
        factors = np.ones(self.runs)
        if self.cell.clustering is Clustering.CORRELATED_MINUTES:
            factors = np.exp(CORRELATED_SIGMA * self._state - CORRELATED_SIGMA**2 / 2)
        shares = np.minimum(1.0, self.cell.error_share * factors)[:, None] * np.ones(requests.shape)
        bad = draw_failures(self.random, requests, shares, self.cell.clustering, self._bursts[side])
        return requests, bad


def _joined(minutes: Sequence[tuple[Array, Array]], rows: Array) -> tuple[Array, Array]:
    """Return the trials and bad trials of some deployments over all periods of several minutes."""
    trials, bad = (np.concatenate([minute[part][rows] for minute in minutes], axis=1) for part in (0, 1))
    return trials, bad


def sum_of(side: tuple[Array, Array]) -> tuple[Array, Array]:
    """Return trials and bad trials over all periods."""
    return side[0].sum(axis=1), side[1].sum(axis=1)


class Deployments:
    """Many deployments of one cell, and what has become of them."""

    def __init__(self, cell: Cell, runs: int, random: np.random.Generator) -> None:
        self.plan: Plan = prod_plan(cell.strategy)
        self.thresholds = self.plan.limits.thresholds
        self.margin = self.thresholds.tolerated_increase_percent / 100
        self.allowed = self.thresholds.max_error_percent / 100
        self.traffic = Traffic(cell, runs, random)
        self.before, history = self.traffic.before()
        known_trials, known_bad = sum_of(self.before)
        pairs_before = sum_pairs(*self.before, 60.0)
        self.errors, self.limits = RateTests(runs, known_bad, known_trials), RateTests(runs, known_bad, known_trials)
        self.dispersions = Dispersions(runs, pairs_before)
        self.highest_before = highest_before(self.before, self.thresholds.minimum_requests)
        phi = np.minimum(40.0, np.maximum(pairs_before.dispersion, history.dispersion))
        self.alarms = AlarmTests(self.thresholds, phi, (known_trials, known_bad), self.highest_before)
        self.failed = np.zeros(runs, dtype=bool)
        self.alarmed = np.zeros(runs, dtype=bool)
        self.paused = np.zeros(runs, dtype=bool)
        self.refused_by_flows = np.zeros(runs, dtype=bool)
        self._waiting = np.zeros(runs, dtype=bool)
        self._breaching = np.zeros((runs, 0), dtype=bool)
        self.unproved = np.zeros(runs, dtype=bool)
        self.active = np.ones(runs, dtype=bool)

    def run(self) -> None:
        """Run every step, the time after the promotion, and the rollback window."""
        limits = self.plan.limits
        longest = int(limits.max_bake.total_seconds() / 60)
        for step in self.plan.steps:
            evaluations = evaluations_within(step.bake, limits.evaluation_interval)
            self._bake(step.weight_percent / 100, evaluations, longest)
            drawn = self._ask_paired_flows()
            open_still = drawn == Outcome.INCONCLUSIVE.value
            self.paused |= open_still
            self.refused_by_flows |= self._waiting & ~open_still & (drawn != Outcome.PASS.value)
            self.active &= ~(self._waiting & (drawn != Outcome.PASS.value))
        self._bake(1.0, int(limits.after_bake.total_seconds() / 60), longest)
        self.unproved |= self._waiting & (self._ask_paired_flows() != Outcome.PASS.value)
        self.active &= ~self.unproved
        for _ in range(int(limits.rollback_window.total_seconds() / 60)):
            canary, stable = self.traffic.minute(1.0)
            self._evaluate_alarms(canary, stable, 1.0)

    def _bake(self, weight: float, evaluations: int, longest: int) -> None:
        """Bake until every deployment has passed the last evaluation, is proved worse, or has baked for the longest time."""
        self.dispersions.next_window()
        self._waiting = self.active.copy()
        windows: list[tuple[tuple[Array, Array], tuple[Array, Array]]] = []
        seen = 0
        for minute in range(1, longest + 1):
            windows.append(self.traffic.minute(weight))
            self._evaluate_alarms(*windows[-1], weight)
            self._waiting &= self.active
            # Metrics arrive a minute late. After the promotion, nothing is evaluated before `after_bake`.
            if minute == 1 or (weight == 1.0 and minute < evaluations):
                continue
            rows = np.flatnonzero(self._waiting)
            if not len(rows):
                break
            passed = self._evaluate(rows, windows[: minute - 1], seen, weight)
            seen = minute - 1
            if minute >= evaluations:
                self._waiting[rows[passed]] = False
            self._waiting &= self.active
            if not self._waiting.any():
                break

    def _ask_paired_flows(self) -> Array:
        """Draw how the paired flows end where the longest bake left it open; '' elsewhere."""
        self._waiting &= self.active
        if not self._waiting.any():
            return np.full(len(self.active), "")
        cell = self.traffic.cell
        shares = outcomes_of_paired_flows(cell.error_share, cell.clustering)
        drawn = self.traffic.random.choice(
            [one.value for one in shares], p=list(shares.values()), size=len(self.active)
        )
        return np.where(self._waiting, drawn, "")

    def _evaluate(self, rows: Array, window: Sequence[Any], seen: int, weight: float) -> Array:
        """Count what is new, mark the deployments that are proved worse, and return which of the rows pass."""
        canary, stable = (_joined([minute[side] for minute in window], rows) for side in (0, 1))
        new_canary, new_stable = (
            (one[0][:, seen * PERIODS :].sum(axis=1), one[1][:, seen * PERIODS :].sum(axis=1))
            for one in (canary, stable)
        )
        total, other = sum_of(canary), sum_of(stable)
        phi = self.dispersions.update(rows, canary, stable, PERIOD_SECONDS)
        errors, limits = self.errors.take(rows), self.limits.take(rows)
        highest = self.highest_before[rows]
        if weight == 1.0:
            errors.update(new_canary, new_stable, limit=np.clip(highest + self.margin, 1e-6, 0.999))
        else:
            errors.update(new_canary, new_stable, margin=self.margin, where=other[0] > 0)
        broken_by_stable = (other[0] >= self.thresholds.minimum_requests) & (other[1] > self.allowed * other[0])
        limits.update(new_canary, new_stable, limit=self.allowed, where=~broken_by_stable)
        self.errors.put(rows, errors)
        self.limits.put(rows, limits)
        evidence = mean_log_evidence(
            [
                (errors.log_evidence(phi), WEIGHTS["server_errors"]),
                (limits.log_evidence(phi), WEIGHTS["server_error_limit"]),
                (np.zeros_like(phi), WEIGHTS["deaths"]),  # not a single one: its capital is below 1
            ]
        )
        proved = rows[evidence >= -log(self.thresholds.false_alarm_probability(SOURCE))]
        self.failed[proved], self.active[proved] = True, False
        enough = total[0] >= self.thresholds.minimum_requests
        trending = self._trending(total, other, phi, highest if weight == 1.0 else None)
        return np.asarray(enough & (total[1] <= self.allowed * total[0]) & ~trending)

    def _trending(
        self, canary: tuple[Array, Array], stable: tuple[Array, Array], phi: Array, highest: Array | None
    ) -> Array:
        deviations = trend_deviations(WEIGHTS["server_errors"], sum(WEIGHTS[name] for name in RATES))
        share, variance = _estimate(canary)
        if highest is not None:
            return np.asarray(share - (highest + self.margin) > deviations * np.sqrt(phi * variance))
        other, other_variance = _estimate(stable)
        excess = share - other - self.margin
        return np.asarray((stable[0] > 0) & (excess > deviations * np.sqrt(phi * (variance + other_variance))))

    def _evaluate_alarms(self, canary: tuple[Array, Array], stable: tuple[Array, Array], weight: float) -> None:
        """Evaluate the alarm of the pooled errors where it is in ALARM at the end of the minute."""
        requests, errors = canary[0] + stable[0], canary[1] + stable[1]
        breaching = (requests >= ALARM_REQUESTS) & (errors > ALARM_SHARE * requests)
        self._breaching = np.concatenate([self._breaching, breaching], axis=1)[:, -ALARM_PERIODS:]
        firing = self._breaching.sum(axis=1) >= ALARM_DATAPOINTS
        rolls_back = self.alarms.evaluate(sum_of(canary), sum_of(stable), promoted=weight == 1.0) & firing
        self.alarmed |= rolls_back & self.active
        self.active &= ~rolls_back


def _estimate(tally: tuple[Array, Array]) -> tuple[Array, Array]:
    share = (tally[1] + 0.5) / (tally[0] + 1)
    return share, share * (1 - share) / (tally[0] + 1)


def simulate(cell: Cell, runs: int, seed: int) -> CellResult:
    """Simulate the sources that the errors of clients reach."""
    deployments = Deployments(cell, runs, np.random.default_rng((seed, hash_of(cell))))
    deployments.run()
    sources = {
        "metrics": float(deployments.failed.mean()),
        "alarms": float(deployments.alarmed.mean()),
        "flows after the longest bake": float(deployments.refused_by_flows.mean()),
        "no proof within an hour after the promotion, and none by flows": float(deployments.unproved.mean()),
    }
    return CellResult(cell, runs, sources, float(deployments.paused.mean()))


def hash_of(cell: Cell) -> int:
    """Return a number that is the same in every process."""
    return int.from_bytes(cell.name.encode(), "big") % (2**61 - 1)


def with_sources(result: CellResult, further: Mapping[str, float]) -> CellResult:
    """Return a result with sources that were simulated apart."""
    return CellResult(result.cell, result.runs, {**result.sources, **further}, result.paused)


def highest_before(before: tuple[Array, Array], minimum_requests: int) -> Array:
    """Return `DRIFT` times stable's worst minutes before the deployment, and one more error in the whole time."""
    trials, bad = before
    total, rows = trials.sum(axis=1), np.arange(len(trials))
    worst = bad.sum(axis=1) / np.maximum(1, total)
    sums = [np.concatenate([np.zeros((len(total), 1)), np.cumsum(one, axis=1)], axis=1) for one in before]
    for end in range(WORST_MINUTES, trials.shape[1] + 1):
        start = np.full(len(total), end - WORST_MINUTES)
        while True:
            few = (start > 0) & (sums[0][rows, end] - sums[0][rows, start] < minimum_requests)
            if not few.any():
                break
            start = start - few
        counted = np.maximum(1, sums[0][rows, end] - sums[0][rows, start])
        worst = np.maximum(worst, (sums[1][rows, end] - sums[1][rows, start]) / counted)
    return np.asarray(DRIFT * worst + 1 / np.maximum(1, total))
