"""Is canary worse than stable? A test that may be looked at as often as one likes.

A canary is judged look after look, so a test of fixed size, repeated, raises false alarms. Here every comparison
is a bet against "canary is no worse": the capital starts at 1 and each look multiplies it by an e-variable, whose
mean is at most 1 while canary is healthy. Capital that reaches 1/alpha happens to a healthy canary with probability at
most alpha, however often one looked (Ville's inequality). Rates may change from look to look as long as both versions'
do; nothing is assumed about how many requests come when.

Sources: Turner, Ly, Grünwald, *Safe tests for 2x2 contingency tables*, and Turner, Grünwald, *Exact anytime-valid
confidence intervals for contingency tables* (the e-variable and its projection on a convex null); Lindon, Sanden,
Shirikian, *Rapid Regression Detection in Software Deployments through Sequential Testing*, KDD 2022 (the use).

Why one look's factor has mean ≤ 1. Let (s*, c*) be the rates that we bet on and (s°, c°) the point of the null that is
nearest to them in n_s·KL(s*‖s) + n_c·KL(c*‖c). The factor is the likelihood under the first over that under the
second. Its mean at (s, c) is f(s)^n_s · g(c)^n_c with f, g linear and 1 at the projection, so its logarithm is concave,
0 at the projection, and rises in no direction that stays within the null, because the projection is a minimum.

The bets are a mixture over how much worse canary may be (`ALTERNATIVES`) and over when it begins to fail
(`START_SHARE`): a weighted mean of capitals is a capital.

What is assumed: within a look, requests of one version fail independently at one rate; what is not independent is
accounted for by the dispersion, by which the logarithm of every bet is divided (`dispersion.py`). A bet divided by the
dispersion is at most the larger of the bet and 1. So the division itself, whatever it is estimated from, raises the
probability of a false alarm at most from alpha to alpha / (1 - alpha). Which version a request reaches is drawn by
Lambda for each request, so one client's repeated mistakes fall on both in proportion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from math import floor, inf, log, log1p
from typing import NamedTuple

from orchestrator.domain.analysis.odds import log_sum

ALTERNATIVES = ((0.003, 0.08), (0.01, 0.28), (0.04, 0.28), (0.08, 0.28), (0.3, 0.04), (0.9, 0.04))
"""How much worse canary may be, as shares of the range between the allowed rate and 100 %, and their weights, whose sum is
1. There is one bet for each, so that the test needs no guess of how broken a release is. Most of the capital is on small
excesses: a large one is soon proved with little capital."""

START_SHARE = 0.9
"""The share of the capital that is in play from the first evaluation, because most broken releases are broken from the
start. The rest begins at evaluation 2, 3, 4, 6, 8, 12, 16, …: 1/j - 1/(j+1) of it at the j-th of these. So a bet that was
lost early does not hide a failure that begins late; and the number of bets grows with the logarithm of the evaluations."""

GUESSED_BAD, GUESSED_TRIALS = 0.1, 10.0
"""Stable's assumed rate before the first request: 1 %, which real requests soon outweigh, and which is never quite 0."""

REMEMBERED_TRIALS = 4000.0
"""Stable's earlier requests count for the believed rate as so many at most, because rates drift during a day."""

NEWTON_STEPS = 60
"""Newton's method takes about ten steps; halving alone would take 50."""

PRECISION = 1e-12

RESOLUTION = 1e6
"""Bets are rounded down to a millionth, because the ledger keeps them as text."""


class Tally(NamedTuple):
    """Numbers of trials and of bad trials. Never negative, bad ≤ trials.

    A tuple, because an evaluation creates, compares and hashes hundreds of them.
    """

    trials: int = 0
    bad: int = 0

    @property
    def share(self) -> float:
        """Bad trials over trials, from 0 to 1; 0 without trials."""
        return self.bad / self.trials if self.trials else 0.0

    def since(self, before: Tally) -> Tally:
        """Return what was added since an earlier tally. Late or corrected data never make a count negative."""
        trials = max(0, self.trials - before.trials)
        return Tally(trials, min(trials, max(0, self.bad - before.bad)))


NO_TRIALS = Tally()


def total_of(tallies: Sequence[Tally]) -> Tally:
    """Return the trials of all tallies."""
    if len(tallies) <= 1:
        return tallies[0] if tallies else NO_TRIALS
    return Tally(sum(one.trials for one in tallies), sum(one.bad for one in tallies))


@dataclass(frozen=True)
class Margin:
    """The null: canary's rate is at most stable's plus `points` (a share from 0 to below 1)."""

    points: float


@dataclass(frozen=True)
class Limit:
    """The null: canary's rate is at most `share` (above 0, below 1), whatever stable's is."""

    share: float


LOWEST_LIMIT, HIGHEST_LIMIT = 1e-6, 0.999


def limit_at(share: float) -> Limit:
    """Return the limit at a share, or at the nearest one that a limit may have."""
    return Limit(min(HIGHEST_LIMIT, max(LOWEST_LIMIT, share)))


Null = Margin | Limit


@dataclass(frozen=True)
class SequentialTest:
    """The sequential test of one rate: its bets.

    Attributes:
        evaluations: evaluations so far with canary requests.
        bets: natural logarithms of the likelihood ratios since every start (evaluation 1, 2, 3, 4, 6, …), one per
            `ALTERNATIVES`; empty before the first evaluation.
        stable_bad, stable_trials: stable's requests so far, as `REMEMBERED_TRIALS` at most; they give the rate to bet
            on. Before the first evaluation: those of the time before the deployment.
    """

    evaluations: int = 0
    bets: tuple[tuple[float, ...], ...] = ()
    stable_bad: float = 0.0
    stable_trials: float = 0.0

    def __hash__(self) -> int:
        """Return the hash, which is computed once: the test of many rates is looked up at each evaluation."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.evaluations, self.bets, self.stable_bad, self.stable_trials))

    @property
    def log_evidence(self) -> float:
        """Natural logarithm of the capital, in play and not yet in play, if errors are independent."""
        return self.log_evidence_at(1.0)

    def log_evidence_at(self, dispersion: float) -> float:
        """Return the natural logarithm of the capital if counts vary `dispersion` (≥ 1) times as much as independent ones."""
        if not self.bets:
            return 0.0
        known = self._evidence.get(dispersion)
        if known is None:
            known = self._evidence[dispersion] = self._log_evidence_at(dispersion)
        return known

    @cached_property
    def _evidence(self) -> dict[float, float]:
        """The logarithm of the capital by dispersion, as far as it was needed."""
        return {}

    def _log_evidence_at(self, dispersion: float) -> float:
        capital = [log(_share_in_reserve(len(self.bets)))]
        for number, since_start in enumerate(self.bets):
            capital += [
                began + bet / dispersion for began, bet in zip(_log_capital_of(number), since_start, strict=True)
            ]
        return log_sum(capital)

    def update(self, canary: Tally, stable: Tally, null: Null) -> SequentialTest:
        """Bet on the requests since the previous evaluation.

        Args:
            canary: canary's new requests.
            stable: stable's new requests.
            null: canary's allowed rate. It may depend on earlier requests and on stable, but not on `canary`.
        """
        if not canary.trials:
            return SequentialTest(self.evaluations, self.bets, *self._updated_baseline(stable))
        evaluation = self.evaluations + 1
        starts = self.bets
        if _is_start(evaluation):
            starts = (*starts, (0.0,) * len(ALTERNATIVES))
        rate = (self.stable_bad + GUESSED_BAD) / (self.stable_trials + GUESSED_TRIALS)
        factors = log_factors(rate, canary, stable, null)
        bets = tuple(
            tuple(_rounded_down(bet + factor) for bet, factor in zip(start, factors, strict=True)) for start in starts
        )
        return SequentialTest(evaluation, bets, *self._updated_baseline(stable))

    def know_before(self, before: Tally) -> SequentialTest:
        """Return the test that believes in stable's rate before the deployment, if nothing else is known yet."""
        if self.evaluations or self.stable_trials:
            return self
        return SequentialTest(stable_bad=float(before.bad), stable_trials=float(before.trials))

    def _updated_baseline(self, stable: Tally) -> tuple[float, float]:
        weight = min(1.0, REMEMBERED_TRIALS / self.stable_trials) if self.stable_trials else 1.0
        return (
            _rounded_down(self.stable_bad * weight + stable.bad),
            _rounded_down(self.stable_trials * weight + stable.trials),
        )


def log_factors(rate: float, canary: Tally, stable: Tally, null: Null) -> tuple[float, ...]:
    """Return the natural logarithm of one look's factor for each alternative: the core of the test, in plain numbers.

    For the null `Margin(m)` and an alternative `worse`, with s the believed rate, n and k trials and bad trials:

        c  = s + m + worse·(1 - s - m)
        x  = argmin n_s·KL(s‖x) + n_c·KL(c‖x + m);  if m = 0, x = (n_s·s + n_c·c) / (n_s + n_c)
        ln = k_c·ln(c/(x+m)) + (n_c-k_c)·ln((1-c)/(1-x-m)) + k_s·ln(s/x) + (n_s-k_s)·ln((1-s)/(1-x))

    For `Limit(l)`: c = l + worse·(1 - l), and only canary's two terms, with l instead of x + m.

    Args:
        rate: stable's believed rate, above 0 and below 1. It may depend on earlier looks only.
        canary: canary's trials of this look.
        stable: stable's trials of this look.
        null: canary's allowed rate.
    """
    if isinstance(null, Limit):
        nearest = null.share
        return tuple(_gain(canary, nearest + worse * (1 - nearest), nearest) for worse, _ in ALTERNATIVES)
    # If stable's rate leaves no room above the margin, nothing can be proved: bet as if there were a little room.
    believed = min(rate, 0.999 * (1 - null.points))
    return tuple(_margin_gain(believed, worse, canary, stable, null.points) for worse, _ in ALTERNATIVES)


def mean_log_evidence(evidence: Iterable[tuple[float, float]]) -> float:
    """Return the natural logarithm of the weighted mean of several capitals. It is a capital, however they depend.

    It is never less than what Bonferroni's correction, with these weights, would leave of the best test. Neither the
    number of tests nor their weights may depend on the data; a test without requests counts 1. Without tests there is no
    evidence, 0.

    Args:
        evidence: pairs of the natural logarithm of a capital and its weight above 0.
    """
    listed = list(evidence)
    if not listed:
        return 0.0
    return log_sum([capital + log(weight) for capital, weight in listed]) - log(sum(weight for _, weight in listed))


def _is_start(evaluation: int) -> bool:
    """Return whether an evaluation is a power of two, or three times one."""
    odd = evaluation
    while odd % 2 == 0:
        odd //= 2
    return odd in {1, 3}


def _share_of_start(number: int) -> float:
    """Return the share of the capital that begins at the start with this number, from 0."""
    return START_SHARE if number == 0 else (1 - START_SHARE) / (number * (number + 1))


@cache
def _log_capital_of(number: int) -> tuple[float, ...]:
    """Return the natural logarithm of the capital of a start's bet on each alternative, before the bet."""
    started = log(_share_of_start(number))
    return tuple(started + log(weight) for _, weight in ALTERNATIVES)


def _share_in_reserve(starts: int) -> float:
    """Return the share of the capital that is not in play after so many starts (1 or more)."""
    return (1 - START_SHARE) / starts


def _margin_gain(rate: float, worse: float, canary: Tally, stable: Tally, margin: float) -> float:
    alternative = rate + margin + worse * (1 - rate - margin)
    nearest = _projection(rate, alternative, float(canary.trials), float(stable.trials), margin)
    return _gain(canary, alternative, nearest + margin) + _gain(stable, rate, nearest)


def _projection(rate: float, alternative: float, canary_trials: float, stable_trials: float, margin: float) -> float:
    """Return stable's rate at the null's point nearest to (rate, alternative); canary's rate is higher by the margin.

    Without a margin it is the mean of the rates, weighted by the trials. Otherwise the derivative of the distance rises
    along the null's border, from below 0 at `rate` to at least 0 at `alternative - margin`: Newton's method finds its
    zero, from the mean, and halves the interval where it would leave it.
    """
    low, high = rate, alternative - margin
    nearest = (canary_trials * high + stable_trials * low) / (canary_trials + stable_trials)
    if not margin:
        return nearest
    before, steps = inf, NEWTON_STEPS
    # Without an integer among the operands: Python multiplies two floats in half the time.
    while steps and abs(nearest - before) > PRECISION * nearest:
        steps -= 1
        other = nearest + margin
        variance, other_variance = nearest * (1.0 - nearest), other * (1.0 - other)
        slope = stable_trials * (nearest - rate) / variance + canary_trials * (other - alternative) / other_variance
        if slope < 0.0:
            low = nearest
        else:
            high = nearest
        bend = stable_trials * (rate * (1.0 - 2.0 * nearest) + nearest**2) / variance**2
        bend += canary_trials * (alternative * (1.0 - 2.0 * other) + other**2) / other_variance**2
        before, step = nearest, nearest - slope / bend
        nearest = step if low < step < high else (low + high) / 2
    return nearest


def _gain(seen: Tally, bet_on: float, nearest: float) -> float:
    """Return the log likelihood ratio of a tally under two rates between 0 and 1."""
    good = seen.trials - seen.bad
    won = seen.bad * log(bet_on / nearest) if seen.bad else 0.0
    return won + (good * (log1p(-bet_on) - log1p(-nearest)) if good else 0.0)


def _rounded_down(value: float) -> float:
    return floor(value * RESOLUTION) / RESOLUTION
