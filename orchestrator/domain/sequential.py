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

What is assumed: within a look, requests of one version fail independently at one rate. Which version a request reaches
is drawn by Lambda for each request, so one client's repeated mistakes fall on both in proportion.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, inf, log, log1p

ALTERNATIVES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.95)
"""How much worse canary may be, as shares of what there is between the allowed rate and 100 %. One bet each, so that the
test needs no guess of how broken a release is; for that it pays ln(8) of evidence."""

GUESSED_BAD, GUESSED_TRIALS = 0.5, 50.0
"""What stable is taken to have shown before anything was seen: a rate of 1 %, given up quickly and never quite 0."""

MEMORY = 0.5
"""How much of stable's earlier requests still counts at the next look: rates drift over a day."""

BISECTIONS = 40
"""They leave an error of 1e-12."""


@dataclass(frozen=True)
class Tally:
    """How many trials there were, and how many of them were bad. Both counts, never negative, bad ≤ trials."""

    trials: int = 0
    bad: int = 0

    @property
    def share(self) -> float:
        """Bad over trials, from 0 to 1; 0 where there were none."""
        return self.bad / self.trials if self.trials else 0.0

    def since(self, before: Tally) -> Tally:
        """What came on top of an earlier reading; late or corrected data never make a count negative."""
        trials = max(0, self.trials - before.trials)
        return Tally(trials, min(trials, max(0, self.bad - before.bad)))


@dataclass(frozen=True)
class Margin:
    """The null: canary's rate is at most stable's plus `points` (a share from 0 to below 1)."""

    points: float


@dataclass(frozen=True)
class Limit:
    """The null: canary's rate is at most `share` (above 0, below 1), whatever stable's is."""

    share: float


Null = Margin | Limit


@dataclass(frozen=True)
class Stream:
    """One measure's bets.

    A release may begin to fail at any look (at a higher weight, say), so a part of the capital, 1/t - 1/(t+1), is put
    in play at look t; a bet that was lost early does not hide a failure that begins late.

    Attributes:
        looks: looks so far that had canary requests.
        bets: natural logarithms of the capital in play, one for each of `ALTERNATIVES`; empty before the first look.
        stable_bad, stable_trials: stable's requests so far, older ones counting less; they give the rate to bet on.
    """

    looks: int = 0
    bets: tuple[float, ...] = ()
    stable_bad: float = 0.0
    stable_trials: float = 0.0

    @property
    def log_evidence(self) -> float:
        """Natural logarithm of the capital: in play, and not yet in play."""
        return _log_sum([*self.bets, -log(self.looks + 1)])

    def look(self, canary: Tally, stable: Tally, null: Null) -> Stream:
        """Bet on what is new since the look before.

        Args:
            canary: canary's new requests.
            stable: stable's new requests.
            null: what canary's rate may be. It may depend on what was seen before and on stable, not on `canary`.
        """
        if not canary.trials:
            return Stream(self.looks, self.bets, *self._learned(stable))
        number = self.looks + 1
        added = -log(number * (number + 1)) - log(len(ALTERNATIVES))
        before = self.bets or (-inf,) * len(ALTERNATIVES)
        rate = (self.stable_bad + GUESSED_BAD) / (self.stable_trials + GUESSED_TRIALS)
        factors = _factors(rate, canary, stable, null)
        bets = tuple(_log_sum([bet, added]) + factor for bet, factor in zip(before, factors, strict=True))
        return Stream(number, bets, *self._learned(stable))

    def _learned(self, stable: Tally) -> tuple[float, float]:
        kept = MEMORY if stable.trials else 1.0
        return self.stable_bad * kept + stable.bad, self.stable_trials * kept + stable.trials


def mean_log_evidence(streams: Iterable[Stream]) -> float:
    """Natural logarithm of the mean capital of several streams, which is a capital again however they depend on each other.

    It is never less than what Bonferroni's correction would leave of the best of them. The number of streams must
    not depend on what was seen; one without requests counts 1. No stream at all is no evidence, 0.
    """
    listed = [stream.log_evidence for stream in streams]
    return _log_sum(listed) - log(len(listed)) if listed else 0.0


def _factors(rate: float, canary: Tally, stable: Tally, null: Null) -> tuple[float, ...]:
    """The logarithm of the look's factor for each alternative."""
    if isinstance(null, Limit):
        nearest = null.share
        return tuple(_gain(canary, nearest + worse * (1 - nearest), nearest) for worse in ALTERNATIVES)
    # Where stable's rate leaves no room above the margin, nothing can be shown: bet as if there were a little.
    believed = min(rate, 0.999 * (1 - null.points))
    return tuple(_compared(believed, worse, canary, stable, null.points) for worse in ALTERNATIVES)


def _compared(rate: float, worse: float, canary: Tally, stable: Tally, margin: float) -> float:
    alternative = rate + margin + worse * (1 - rate - margin)
    nearest = _projection(rate, alternative, canary.trials, stable.trials, margin)
    return _gain(canary, alternative, nearest + margin) + _gain(stable, rate, nearest)


def _projection(rate: float, alternative: float, canary_trials: int, stable_trials: int, margin: float) -> float:
    """Stable's rate at the null's point nearest to (rate, alternative); canary's there is higher by the margin.

    The distance's derivative rises along the null's border, from below 0 at `rate` to 0 or more at `alternative - margin`.
    """
    low, high = rate, alternative - margin
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        slope = stable_trials * (middle - rate) / (middle * (1 - middle))
        there = middle + margin
        slope += canary_trials * (there - alternative) / (there * (1 - there))
        low, high = (middle, high) if slope < 0 else (low, middle)
    return (low + high) / 2


def _gain(seen: Tally, bet_on: float, nearest: float) -> float:
    """Log of the likelihood of what was seen under one rate over that under another; both between 0 and 1."""
    good = seen.trials - seen.bad
    won = seen.bad * log(bet_on / nearest) if seen.bad else 0.0
    return won + (good * (log1p(-bet_on) - log1p(-nearest)) if good else 0.0)


def _log_sum(logs: list[float]) -> float:
    top = max(logs)
    return top + log(sum(exp(one - top) for one in logs)) if top > -inf else -inf
