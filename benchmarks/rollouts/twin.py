"""The sequential test of a rate and its dispersion for many deployments at once, with numpy.

The product computes one test in plain numbers. 10,000 deployments of 300 cells would take days that way, so the
false-alarm grid uses this twin. `tests/unit/test_rollouts.py` holds it equal to the product on random looks.
Arrays have one row per deployment; a test's bets have the axes deployment, start, alternative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from orchestrator.domain.analysis import dispersion as product_dispersion
from orchestrator.domain.analysis.sequential_testing import (
    ALTERNATIVES,
    GUESSED_BAD,
    GUESSED_TRIALS,
    REMEMBERED_TRIALS,
    START_SHARE,
    Limit,
    SequentialTest,
    Tally,
)

Array = np.ndarray[Any, Any]
WORSE = np.array([worse for worse, _ in ALTERNATIVES])
LOG_WEIGHTS = np.log([weight for _, weight in ALTERNATIVES])
MOST_EVALUATIONS = 800
"""No simulated deployment has more evaluations: ten steps of an hour, and the time after them."""


def _count_starts() -> list[int]:
    """Return how many starts the product has in play after each number of evaluations."""
    test, counts = SequentialTest(), [0]
    for _ in range(MOST_EVALUATIONS):
        test = test.update(Tally(1), Tally(1), Limit(0.5))
        counts.append(len(test.bets))
    return counts


STARTS = np.array(_count_starts())
MOST_STARTS = int(STARTS[-1])

NEWTON_STEPS, PRECISION = 40, 1e-8
"""The factor has its minimum at the projection, so an error of 1e-8 in it is none of the factor."""


class RateTests:
    """One sequential test in each of many deployments."""

    def __init__(self, deployments: int, known_bad: Array | float = 0.0, known_trials: Array | float = 0.0) -> None:
        self.evaluations = np.zeros(deployments, dtype=np.int64)
        self.bets = np.zeros((deployments, MOST_STARTS, len(WORSE)))
        self.stable_bad = np.zeros(deployments) + known_bad
        self.stable_trials = np.zeros(deployments) + known_trials

    def update(
        self,
        canary: tuple[Array, Array],
        stable: tuple[Array, Array],
        *,
        margin: float | None = None,
        limit: Array | float | None = None,
        where: Array | None = None,
    ) -> None:
        """Count one look of trials and bad trials. Exactly one of the nulls is set.

        Args:
            canary: canary's new trials and bad trials.
            stable: stable's.
            margin: the null `Margin`, the same for all.
            limit: the null `Limit`, of each.
            where: deployments in which there is something to compare with; None for all.
        """
        compared = np.ones(len(self.evaluations), dtype=bool) if where is None else where
        tested = compared & (canary[0] > 0)
        self.evaluations += tested
        rows = np.flatnonzero(tested)  # at thin traffic, few
        rate = (self.stable_bad[rows] + GUESSED_BAD) / (self.stable_trials[rows] + GUESSED_TRIALS)
        limits = None if limit is None else (np.zeros(len(tested)) + limit)[rows]
        sides = ((canary[0][rows], canary[1][rows]), (stable[0][rows], stable[1][rows]))
        factors = log_factors(rate, *sides, margin=margin, limit=limits)
        in_play = np.arange(MOST_STARTS)[None, :] < starts_in_play(self.evaluations[rows])[:, None]
        self.bets[rows] += np.where(in_play[:, :, None], factors[:, None, :], 0.0)
        remembered = np.minimum(1.0, REMEMBERED_TRIALS / np.maximum(self.stable_trials, 1e-300))
        weight = np.where(self.stable_trials > 0, remembered, 1.0)
        self.stable_bad = np.where(compared, self.stable_bad * weight + stable[1], self.stable_bad)
        self.stable_trials = np.where(compared, self.stable_trials * weight + stable[0], self.stable_trials)

    def take(self, rows: Array) -> RateTests:
        """Return the tests of some deployments, as a copy."""
        part = RateTests(len(rows))
        part.evaluations, part.bets = self.evaluations[rows], self.bets[rows]
        part.stable_bad, part.stable_trials = self.stable_bad[rows], self.stable_trials[rows]
        return part

    def put(self, rows: Array, part: RateTests) -> None:
        """Put tests back where they were taken."""
        self.evaluations[rows], self.bets[rows] = part.evaluations, part.bets
        self.stable_bad[rows], self.stable_trials[rows] = part.stable_bad, part.stable_trials

    def log_evidence(self, dispersion: Array | float = 1.0) -> Array:
        """Return the natural logarithm of the capital of each."""
        phi = np.zeros(len(self.evaluations)) + dispersion
        starts = starts_in_play(self.evaluations)
        numbers = np.arange(MOST_STARTS)
        shares = np.where(numbers == 0, START_SHARE, (1 - START_SHARE) / np.maximum(1, numbers * (numbers + 1)))
        logs = np.log(shares)[None, :, None] + LOG_WEIGHTS + self.bets / phi[:, None, None]
        logs = np.where((numbers[None, :] < starts[:, None])[:, :, None], logs, -np.inf)
        reserve = np.log((1 - START_SHARE) / np.maximum(1, starts))
        everything = np.concatenate([logs.reshape(len(starts), -1), reserve[:, None]], axis=1)
        top = everything.max(axis=1)
        evidence = top + np.log(np.exp(everything - top[:, None]).sum(axis=1))
        return np.where(starts > 0, evidence, 0.0)


def starts_in_play(evaluations: Array) -> Array:
    """Return how many starts are in play."""
    return STARTS[np.minimum(evaluations, MOST_EVALUATIONS)]


def log_factors(
    rate: Array,
    canary: tuple[Array, Array],
    stable: tuple[Array, Array],
    *,
    margin: float | None,
    limit: Array | float | None,
) -> Array:
    """Return one look's logarithms of the factors, by deployment and alternative."""
    trials, bad = (np.asarray(one, dtype=float)[:, None] for one in canary)
    if limit is not None:
        nearest = (np.zeros(len(rate)) + limit)[:, None]
        return _gain(trials, bad, nearest + WORSE * (1 - nearest), nearest)
    assert margin is not None, "a null is a margin or a limit"
    others, bad_others = (np.asarray(one, dtype=float)[:, None] for one in stable)
    believed = np.minimum(rate, 0.999 * (1 - margin))[:, None]
    alternative = believed + margin + WORSE * (1 - believed - margin)
    nearest = _projection(believed, alternative, trials, others, margin)
    return _gain(trials, bad, alternative, nearest + margin) + _gain(others, bad_others, believed, nearest)


def _projection(rate: Array, alternative: Array, canary: Array, stable: Array, margin: float) -> Array:
    low = np.broadcast_to(rate, alternative.shape).copy()
    high = alternative - margin
    both = np.maximum(canary + stable, 1e-300)
    nearest = np.where(canary + stable > 0, (canary * high + stable * low) / both, low)
    if not margin:
        return nearest
    everything = (rate, alternative, canary, stable, low, high, nearest)
    flat = [np.broadcast_to(one, alternative.shape).ravel() for one in everything]
    found, places = flat[-1].copy(), np.arange(alternative.size)
    for _ in range(NEWTON_STEPS):
        flat, moved = _newton_step(flat, margin)
        found[places] = flat[-1]
        if not moved.any():
            break
        # Most are found after a few steps; only the others go on.
        places, flat = places[moved], [one[moved] for one in flat]
    return found.reshape(alternative.shape)


def _newton_step(state: list[Array], margin: float) -> tuple[list[Array], Array]:
    """Return the state after a step, and which of the projections moved by more than `PRECISION`."""
    rate, alternative, canary, stable, low, high, nearest = state
    other = nearest + margin
    variance, other_variance = nearest * (1 - nearest), other * (1 - other)
    slope = stable * (nearest - rate) / variance + canary * (other - alternative) / other_variance
    low, high = np.where(slope < 0, nearest, low), np.where(slope < 0, high, nearest)
    bend = stable * (rate * (1 - 2 * nearest) + nearest**2) / variance**2
    bend += canary * (alternative * (1 - 2 * other) + other**2) / other_variance**2
    step = nearest - slope / np.where(bend == 0, np.inf, bend)
    moved_to = np.where((low < step) & (step < high), step, (low + high) / 2)
    moved = np.abs(moved_to - nearest) > PRECISION * moved_to
    return [rate, alternative, canary, stable, low, high, moved_to], np.asarray(moved)


def _gain(trials: Array, bad: Array, bet_on: Array, nearest: Array) -> Array:
    good = trials - bad
    return np.asarray(bad * np.log(bet_on / nearest) + good * (np.log1p(-bet_on) - np.log1p(-nearest)))


def mean_log_evidence(evidence: list[tuple[Array, float]]) -> Array:
    """Return the logarithm of the weighted mean of several capitals."""
    logs = np.stack([capital + np.log(weight) for capital, weight in evidence])
    top = logs.max(axis=0)
    return np.asarray(top + np.log(np.exp(logs - top).sum(axis=0)) - np.log(sum(weight for _, weight in evidence)))


class PairSums:
    """The sums ΣK, ΣS and ΣV over pairs of neighbouring blocks, by deployment and length of a block."""

    LENGTHS = tuple(2**power for power in range(11))

    def __init__(self, deployments: int, sums: Array | None = None) -> None:
        self.sums = np.zeros((3, deployments, len(self.LENGTHS))) if sums is None else sums

    def __add__(self, other: PairSums) -> PairSums:
        """Add another window."""
        return PairSums(self.sums.shape[1], self.sums + other.sums)

    def take(self, rows: Array) -> PairSums:
        """Return the sums of some deployments, as a copy."""
        return PairSums(len(rows), self.sums[:, rows])

    @property
    def dispersion(self) -> Array:
        """The largest estimate of each deployment."""
        errors, squares, variance = self.sums
        excess = squares - errors
        safe = np.where(excess > 0, excess, 1.0)
        chance = product_dispersion.CHANCE**2 * 2 * variance / safe**2
        phi = 1 + safe / np.maximum(errors, 1e-300) * np.maximum(0.0, 1 - chance)
        return np.asarray(np.where(excess > 0, phi, 1.0).max(axis=1))


def sum_pairs(trials: Array, bad: Array, seconds: float) -> PairSums:
    """Return the sums of windows of periods (the second axis). Periods without requests are left out, as CloudWatch does.

    Args:
        trials: by deployment and period.
        bad: bad trials of each.
        seconds: length of a period.
    """
    deployments, size = trials.shape
    sums = PairSums(deployments)
    empty = trials == 0
    if empty.any():
        order = np.argsort(empty, axis=1, kind="stable")
        trials, bad = np.take_along_axis(trials, order, axis=1), np.take_along_axis(bad, order, axis=1)
    count = size - empty.sum(axis=1)
    requests, errors = trials.sum(axis=1), bad.sum(axis=1)
    going_on = errors > 0
    for place, length in enumerate(PairSums.LENGTHS):
        going_on = going_on & (count >= 2 * length)
        if not going_on.any():
            break
        starts = np.arange(0, size, length)
        of_trials = np.add.reduceat(trials, starts, axis=1).astype(float)
        of_bad = np.add.reduceat(bad, starts, axis=1).astype(float)
        both, total = of_bad[:, :-1] + of_bad[:, 1:], of_trials[:, :-1] + of_trials[:, 1:]
        share = of_trials[:, :-1] / np.maximum(total, 1e-300)
        counts = (both > 0) & (share >= product_dispersion.LEAST_SHARE) & (share <= 1 - product_dispersion.LEAST_SHARE)
        v = np.where(counts, share * (1 - share), 1.0)
        counted = counts & going_on[:, None]
        sums.sums[0, :, place] = np.where(counted, both, 0.0).sum(axis=1)
        sums.sums[1, :, place] = np.where(counted, (of_bad[:, :-1] - both * share) ** 2 / v, 0.0).sum(axis=1)
        sums.sums[2, :, place] = np.where(counted, 2 * both**2 + both * (1 / v - 6), 0.0).sum(axis=1)
        if length * seconds >= product_dispersion.LONGEST_BURST_SECONDS:
            going_on = going_on & (requests * length < 2 * product_dispersion.LARGEST_BURST * count)
    return sums


class Dispersions:
    """What is known of the dispersion of one rate in each of many deployments."""

    def __init__(self, deployments: int, before: PairSums | None = None) -> None:
        self.before = (before or PairSums(deployments)).dispersion
        self._earlier = {side: PairSums(deployments) for side in ("canary", "stable")}
        self._current = {side: PairSums(deployments) for side in ("canary", "stable")}
        self._earlier_counts = np.zeros((2, deployments))
        self._counts = np.zeros((2, deployments))

    def update(self, rows: Array, canary: tuple[Array, Array], stable: tuple[Array, Array], seconds: float) -> Array:
        """Measure the current window of some deployments again, and return φ of each.

        Args:
            rows: the deployments.
            canary: trials and bad trials of each of them by period.
            stable: the same of stable.
            seconds: length of a period.
        """
        sides = []
        for side, (trials, bad) in (("canary", canary), ("stable", stable)):
            measured, some = PairSums(len(rows)), np.flatnonzero(bad.any(axis=1))  # without an error all sums are 0
            measured.sums[:, some] = sum_pairs(trials[some], bad[some], seconds).sums
            self._current[side].sums[:, rows] = measured.sums
            sides.append((self._earlier[side].take(rows) + measured).dispersion)
        errors = np.where(canary[0] > 0, canary[1], 0).sum(axis=1).astype(float)
        clusters, some = np.zeros(len(rows)), np.flatnonzero(errors)
        clusters[some] = count_clusters(canary[0][some], canary[1][some])
        self._counts[:, rows] = np.stack([errors, clusters])
        errors, clusters = (self._earlier_counts + self._counts)[:, rows]
        few = (errors > 0) & (errors <= product_dispersion.LARGEST_BURST)
        a_cluster = np.where(few, errors / np.maximum(clusters, 1e-300), 1.0)
        largest = np.maximum.reduce([self.before[rows], *sides, a_cluster])
        return np.asarray(np.minimum(product_dispersion.LARGEST_DISPERSION, largest))

    def next_window(self) -> None:
        """Begin another window."""
        for side, sums in self._current.items():
            self._earlier[side] = self._earlier[side] + sums
            self._current[side] = PairSums(sums.sums.shape[1])
        self._earlier_counts = self._earlier_counts + self._counts
        self._counts = np.zeros_like(self._counts)


def count_clusters(trials: Array, bad: Array) -> Array:
    """Return the clusters over the periods that have requests: a period without any does not end a cluster."""
    deployments, count = bad.shape
    clusters, current = np.zeros(deployments), np.zeros(deployments)
    for period in range(count + 1):
        some = trials[:, period] > 0 if period < count else np.ones(deployments, dtype=bool)
        new = bad[:, period] if period < count else np.zeros(deployments)
        quiet = some & (new == 0)
        clusters += np.where(quiet, np.where(current > product_dispersion.CHANCE_MEETING, 1.0, current), 0.0)
        current = np.where(quiet, 0.0, current + np.where(some, new, 0.0))
    return clusters
