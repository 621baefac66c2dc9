"""The alarms' evaluation (`orchestrator.domain.rollback.alarm_evaluation`) of many deployments at once.

One rate has failures. The others of a function and the API's have none, so their capital is at most 1; it is taken as 1.
"""

from __future__ import annotations

from math import log

import numpy as np

from benchmarks.rollouts.twin import WORSE, Array, log_factors
from orchestrator.domain.analysis.sequential_testing import GUESSED_BAD, GUESSED_TRIALS, REMEMBERED_TRIALS
from orchestrator.domain.deployment.policy import Thresholds
from orchestrator.domain.rollback.alarm_evaluation import CATASTROPHIC_REQUESTS

RATES = 4
"""5xx, exceptions, slow requests, and what only the API counted."""
SPLIT_SHARE, BASELINE_SHARE = 4, 4
BISECTIONS = 40


class LogCapital:
    """The capital of one version's minutes against the other's, or against a limit."""

    def __init__(self, dispersion: Array, known: tuple[Array, Array]) -> None:
        self.dispersion = dispersion
        self.believed = _remembered(known[1].astype(float), known[0].astype(float))
        self.bets = np.full((len(dispersion), len(WORSE)), -np.inf)
        self.number = np.zeros(len(dispersion))

    def update(
        self,
        suspect: tuple[Array, Array],
        other: tuple[Array, Array],
        *,
        margin: float | None = None,
        limit: Array | None = None,
    ) -> None:
        """Count a minute."""
        counted = suspect[0] > 0
        self.number = self.number + counted
        begun = -np.log(np.maximum(1, self.number * (self.number + 1)) * len(WORSE))
        rate = (self.believed[0] + GUESSED_BAD) / (self.believed[1] + GUESSED_TRIALS)
        factors = log_factors(rate, suspect, other, margin=margin, limit=limit)
        bets = np.logaddexp(self.bets, begun[:, None]) + factors / self.dispersion[:, None]
        self.bets = np.where(counted[:, None], bets, self.bets)
        self.believed = _remembered(self.believed[0] + other[1], self.believed[1] + other[0])

    @property
    def log_capital(self) -> Array:
        """Natural logarithm of the capital, in play and not yet in play."""
        return np.logaddexp(np.logaddexp.reduce(self.bets, axis=1), -np.log(self.number + 1))


class AlarmTests:
    """The evaluation at every minute."""

    def __init__(
        self, thresholds: Thresholds, dispersion: Array, known: tuple[Array, Array], highest_before: Array
    ) -> None:
        nothing = (np.zeros_like(known[0]), np.zeros_like(known[1]))
        self.thresholds, self.dispersion = thresholds, dispersion
        self.margin = thresholds.tolerated_increase_percent / 100
        self.probability = thresholds.false_alarm_probability("alarms")
        self.split = LogCapital(dispersion, known)
        self.reverse = LogCapital(dispersion, nothing)
        self.promoted = LogCapital(dispersion, known)
        self.limit = limit_before(thresholds, dispersion, known, highest_before)

    def evaluate(self, canary: tuple[Array, Array], stable: tuple[Array, Array], *, promoted: bool) -> Array:
        """Count a minute and return the deployments that are rolled back."""
        nothing = (np.zeros_like(canary[0]), np.zeros_like(canary[1]))
        share = self.thresholds.catastrophic_error_percent / 100
        severe = _catastrophic(canary, self.dispersion, share)
        if promoted:
            self.promoted.update(canary, nothing, limit=self.limit)
            return severe | (self._odds(self.promoted, BASELINE_SHARE) >= 1 / self.probability)
        self.split.update(canary, stable, margin=self.margin)
        self.reverse.update(stable, canary, margin=self.margin)
        proved = self._odds(self.split, SPLIT_SHARE) >= 1 / self.probability
        # A stable that is proved worse is a false alarm, too: the versions are equal.
        return severe | proved | (self._odds(self.reverse, SPLIT_SHARE) >= 1 / self.probability)

    @staticmethod
    def _odds(capital: LogCapital, share: int) -> Array:
        return (np.exp(np.minimum(capital.log_capital, 50.0)) + RATES - 1) / RATES / share


def limit_before(thresholds: Thresholds, dispersion: Array, known: tuple[Array, Array], highest_before: Array) -> Array:
    """Return the limit of the canary's rate by the hour before."""
    trials, bad = (one.astype(float) for one in known)
    margin, otherwise = thresholds.tolerated_increase_percent / 100, thresholds.max_error_percent / 100
    share = bad / np.maximum(1.0, trials)
    allowed = log(BASELINE_SHARE * RATES / thresholds.false_alarm_probability("alarms")) * dispersion
    low, high = share.copy(), np.ones_like(share)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        fits = _divergence(trials, bad, share, middle) <= allowed
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    limit = np.minimum(low + margin, np.maximum(otherwise, share + margin))
    limit = np.maximum(limit, highest_before + margin)
    return np.clip(np.where(trials < thresholds.minimum_requests, otherwise, limit), 1e-6, 0.999)


def _divergence(trials: Array, bad: Array, share: Array, rate: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.where(bad > 0, bad * np.log(share / rate), 0.0)
        good = trials - bad
        return lost + np.where(good > 0, good * np.log((1 - share) / (1 - rate)), 0.0)


def _catastrophic(tally: tuple[Array, Array], dispersion: Array, share: float) -> Array:
    return np.asarray((tally[0] >= CATASTROPHIC_REQUESTS * dispersion) & (tally[1] >= share * tally[0]))


def _remembered(bad: Array, trials: Array) -> tuple[Array, Array]:
    kept = np.where(trials > 0, np.minimum(1.0, REMEMBERED_TRIALS / np.maximum(trials, 1e-300)), 1.0)
    return bad * kept, trials * kept
