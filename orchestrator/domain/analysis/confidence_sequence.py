"""A confidence sequence for a rate: intervals that hold together at every look, however often one looks.

For n trials with k bad ones, the likelihood ratio of a mixture over all rates to one rate p is

    B(k + 1, n - k + 1) / (p^k · (1 - p)^(n - k))

Its mean under p is 1 at every look, so it reaches 1/alpha with probability at most alpha (Ville's inequality). The rates
for which it has not reached 1/alpha are the interval: the beta-binomial mixture of Robbins, *Statistical methods related
to the law of the iterated logarithm*, 1970, with the uniform mixture.

It is for pictures and decides nothing. It assumes that trials are independent and have one rate, so bursts of errors make
the true interval wider than the one that is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from math import lgamma, log, log1p

from orchestrator.domain.analysis.sequential_testing import Tally

BISECTIONS = 60


def confidence_interval(tally: Tally, error_probability: float) -> tuple[float, float]:
    """Return the lowest and the highest rate that the trials so far do not exclude; (0, 1) without trials.

    Args:
        tally: all trials since the sequence began.
        error_probability: that any interval of the sequence misses the rate, above 0 and below 1.
    """
    trials, bad = tally.trials, tally.bad
    mixture = lgamma(bad + 1) + lgamma(trials - bad + 1) - lgamma(trials + 2)
    most = mixture + log(error_probability)

    def excluded(rate: float) -> bool:
        likelihood = (bad * log(rate) if bad else 0.0) + ((trials - bad) * log1p(-rate) if trials > bad else 0.0)
        return likelihood <= most

    low = _border(0.0, tally.share, excluded) if bad else 0.0
    high = _border(1.0, tally.share, excluded) if trials > bad else 1.0
    return (low, high) if trials else (0.0, 1.0)


def _border(outside: float, inside: float, excluded: Callable[[float], bool]) -> float:
    """Return the border between an excluded end and the observed share, which is never excluded."""
    for _ in range(BISECTIONS):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if excluded(middle) else (outside, middle)
    return outside
