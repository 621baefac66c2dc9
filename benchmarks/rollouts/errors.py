"""Numbers of failed requests by period, drawn with the dependence that `Clustering` names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.rollouts.labelled import Clustering

Counts = np.ndarray[Any, np.dtype[np.int64]]
Shares = np.ndarray[Any, np.dtype[np.float64]]

BURSTS = {Clustering.BURSTS_OF_5: 5, Clustering.BURSTS_OF_20: 20}
NEGATIVE_BINOMIAL_DISPERSION = 10.0
"""Variance over mean: errors come in clusters of sizes that follow a logarithmic distribution."""

CORRELATION, CORRELATED_SIGMA = 0.9, 0.5
"""Of the logarithm of both versions' rate, from minute to minute: their dependency has good and bad quarters of an hour."""


LONGEST_BURST_SECONDS = 60.0
"""A burst fails requests of its version that follow each other, and ends after a minute. At thin traffic it is shorter."""


@dataclass
class Burst:
    """The failures that a begun burst still has, of each of many versions, and the seconds since it began."""

    pending: Counts
    seconds: Shares

    @classmethod
    def none(cls, versions: int) -> Burst:
        """Return no burst."""
        return cls(np.zeros(versions, dtype=np.int64), np.zeros(versions))


def draw_failures(
    random: np.random.Generator,
    requests: Counts,
    shares: Shares,
    clustering: Clustering,
    burst: Burst,
    period_seconds: float = 10.0,
) -> Counts:
    """Draw the failed requests of many versions. The first axis is the version, the second the period.

    Args:
        random: the source of chance.
        requests: requests by version and period.
        shares: share of failures, from 0 to 1.
        clustering: how failures depend on each other.
        burst: what earlier periods have begun; it is changed.
        period_seconds: length of a period.
    """
    if clustering in BURSTS:
        size = BURSTS[clustering]
        begun = random.binomial(requests, np.minimum(1.0, shares / size)) * size
        if not burst.pending.any() and bool(np.all(begun <= requests)):
            return begun
        return _spread(requests, begun, burst, period_seconds)
    if clustering is Clustering.NEGATIVE_BINOMIAL:
        mean = requests * shares
        draws = random.negative_binomial(
            np.maximum(mean / (NEGATIVE_BINOMIAL_DISPERSION - 1), 1e-12), 1 / NEGATIVE_BINOMIAL_DISPERSION
        )
        return np.minimum(requests, np.where(mean > 0, draws, 0))
    return random.binomial(requests, np.minimum(1.0, shares))


def _spread(requests: Counts, begun: Counts, burst: Burst, period_seconds: float) -> Counts:
    """Let bursts last into the following periods where a period has too few requests for them."""
    failed = np.empty_like(requests)
    for period in range(requests.shape[1]):
        new = begun[:, period]
        burst.seconds = np.where(new > 0, 0.0, burst.seconds + period_seconds)
        burst.pending = np.where(burst.seconds < LONGEST_BURST_SECONDS, burst.pending, 0) + new
        failed[:, period] = np.minimum(requests[:, period], burst.pending)
        burst.pending = burst.pending - failed[:, period]
    return failed


def draw_calls(random: np.random.Generator, calls: Counts, share: float, clustering: Clustering) -> Counts:
    """Draw how many of consecutive synthetic calls fail. They begin at a random time, in the middle of a burst or not."""
    size = BURSTS.get(clustering, 1)
    pending = np.zeros(calls.shape, dtype=np.int64)
    if size > 1:
        in_burst = random.random(calls.shape) < share * (size - 1) / size
        pending = np.where(in_burst, random.integers(1, size, calls.shape), 0)
    bursts = random.binomial(np.maximum(calls - pending, 0), min(1.0, share / size))
    # The last burst may outlast the calls.
    last = np.minimum(size, calls - (random.random(calls.shape) * calls).astype(np.int64))
    begun = np.where(bursts > 0, last + (bursts - 1) * size, 0)
    return np.asarray(np.minimum(calls, pending + begun))


def correlated_minutes(random: np.random.Generator, minutes: int) -> Shares:
    """Return factors of the error rate by minute, with mean 1: the exponential of an AR(1) process."""
    steps = random.normal(size=minutes)
    states = np.empty(minutes)
    states[0] = steps[0]
    innovation = np.sqrt(1 - CORRELATION**2)
    for minute in range(1, minutes):
        states[minute] = CORRELATION * states[minute - 1] + innovation * steps[minute]
    return np.exp(CORRELATED_SIGMA * states - CORRELATED_SIGMA**2 / 2)
