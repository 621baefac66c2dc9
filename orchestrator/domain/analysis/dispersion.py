"""How much more the errors of one version vary than independent errors would: their dispersion, φ ≥ 1.

The likelihood of a rate assumes that requests fail independently. They often do not: a client repeats its request, a
sandbox loses a connection, a dependency fails for a second. Errors then come in bursts, and twenty errors are as little
evidence as one. So the logarithm of the evidence of a sequential test is divided by φ, the variance of the errors'
counts over the variance of independent errors (quasi-likelihood: Wedderburn, 1974; McCullagh and Nelder, *Generalized
Linear Models*, 1989, chapter 9). If all bursts have b errors, φ is b, and the divided evidence is exactly the evidence of
the bursts. For other counts (negative binomial ones, bursts of different lengths) φ corrects mean and variance, not the
whole distribution; `benchmarks/verdict.py` measures what that is worth.

**Pairs of neighbours.** Two neighbouring blocks of one version with nA and nB requests have kA and kB errors, K together.
With f = nA / (nA + nB) and v = f·(1 - f), independent errors make

    S = (kA - K·f)² / v      with the mean K and the variance V = 2·K² + K·(1/v - 6)

because kA is binomial (K, f), given K. Over all pairs of neighbours, ΣS / ΣK estimates φ: it is 1 for independent errors
and b for bursts of b. Neighbours share a rate that drifts slowly, so neither a drift nor a difference between the
versions counts as dispersion. A burst may be longer than a period, so blocks of 1, 2, 4, … periods are compared, until
a block lasts `LONGEST_BURST_SECONDS` and holds twice the `LARGEST_BURST`; the largest estimate counts.

A few errors that meet by chance are no burst. The estimate's distance from 1, in standard deviations of independent
errors, is z = (ΣS - ΣK) / √(2·ΣV), where 2 is for the two pairs that each block is in. Only what exceeds chance counts:

    φ = 1 + (ΣS / ΣK - 1) · max(0, 1 - (CHANCE / z)²)        (the garrote of Breiman, 1995), at most LARGEST_DISPERSION

**Clusters of few errors.** Up to `LARGEST_BURST` errors of the canary may all be one burst, of which neither version has
shown any before, and which may have begun before the canary's first request. So while canary has no more errors than
that, more than `CHANCE_MEETING` errors in consecutive periods count as one: φ is at least errors over clusters.

The largest estimate of all counts: of stable before the deployment, of stable now, and of canary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from functools import cached_property
from itertools import pairwise, zip_longest
from typing import Any

from orchestrator.domain.analysis.sequential_testing import Tally, total_of
from orchestrator.domain.verdict import Json

LARGEST_BURST = 20
"""Bursts of up to this many errors raise no more false alarms than independent errors."""

LONGEST_BURST_SECONDS = 60.0
"""Blocks are compared at least up to this length, however many requests a shorter one holds."""

LARGEST_DISPERSION = 40.0
"""Twice the largest burst. Without an upper limit, an outage before the deployment would make the test blind."""

CHANCE = 2.0
"""Standard deviations by which independent errors may seem to cluster."""

CHANCE_MEETING = 2
"""So many errors meet in consecutive periods by chance."""

LEAST_SHARE = 0.1
"""Neighbours of which one has a smaller share of the requests are not compared: their variance says little."""

DECIMALS = 3


@dataclass(frozen=True)
class Periods:
    """The counts of one version, period by period, ascending. Periods without requests may be missing.

    Attributes:
        seconds: length of a period.
    """

    seconds: float = 1.0
    tallies: tuple[Tally, ...] = ()

    @property
    def total(self) -> Tally:
        """The trials of all periods."""
        return total_of(self.tallies)


NO_PERIODS = Periods()
"""Of what was not read period by period."""


@dataclass(frozen=True)
class PairSums:
    """Sums over the pairs of neighbouring blocks of one length: ΣK, ΣS and ΣV of the module's docstring."""

    errors: float = 0.0
    squares: float = 0.0
    variance: float = 0.0

    def __add__(self, other: PairSums) -> PairSums:
        """Add the pairs of another window."""
        return PairSums(self.errors + other.errors, self.squares + other.squares, self.variance + other.variance)

    def carried(self) -> PairSums:
        """Return what the ledger carries."""
        return PairSums(
            float(round(self.errors, DECIMALS)),
            float(round(self.squares, DECIMALS)),
            float(round(self.variance, DECIMALS)),
        )

    @property
    def dispersion(self) -> float:
        """The estimate of φ; 1 without errors."""
        excess = self.squares - self.errors
        if excess <= 0:
            return 1.0
        chance = CHANCE**2 * 2 * self.variance / excess**2
        return 1 + excess / self.errors * max(0.0, 1 - chance)


@dataclass(frozen=True)
class Clustering:
    """How the errors of one version cluster, as sums that can be added up over windows.

    Attributes:
        pairs: the sums for blocks of 1, 2, 4, … periods.
        errors: all errors.
        clusters: clusters of errors: more than `CHANCE_MEETING` of them in consecutive periods count as one.
    """

    pairs: tuple[PairSums, ...] = ()
    errors: int = 0
    clusters: int = 0

    def __add__(self, other: Clustering) -> Clustering:
        """Add another window of the same version."""
        if not other.pairs and not other.errors:
            return self
        if not self.pairs and not self.errors:
            return other
        pairs = zip_longest(self.pairs, other.pairs, fillvalue=PairSums())
        return Clustering(
            tuple(one + another for one, another in pairs),
            self.errors + other.errors,
            self.clusters + other.clusters,
        )

    def carried(self) -> Clustering:
        """Return what the ledger carries: rounded sums, and nothing without errors."""
        if not self.errors:
            return NOTHING_KNOWN
        return Clustering(tuple(sums.carried() for sums in self.pairs), self.errors, self.clusters)

    @property
    def dispersion(self) -> float:
        """The largest estimate of φ by pairs of neighbours."""
        return max((sums.dispersion for sums in self.pairs), default=1.0)

    @property
    def errors_a_cluster(self) -> float:
        """Errors over clusters while all of them may be one burst, otherwise 1."""
        return self.errors / self.clusters if 0 < self.errors <= LARGEST_BURST else 1.0


NOTHING_KNOWN = Clustering()


@dataclass(frozen=True)
class Dispersion:
    """What is known of the dispersion of one rate, carried from evaluation to evaluation.

    Attributes:
        before: stable before the deployment.
        earlier_canary, earlier_stable: the windows before the current one.
        canary, stable: the current window.
    """

    before: Clustering = NOTHING_KNOWN
    earlier_canary: Clustering = NOTHING_KNOWN
    earlier_stable: Clustering = NOTHING_KNOWN
    canary: Clustering = NOTHING_KNOWN
    stable: Clustering = NOTHING_KNOWN

    @property
    def has_errors(self) -> bool:
        """Whether any error is known, of which the dispersion could be estimated."""
        return self is not UNKNOWN and bool(
            self.before.errors
            or self.earlier_canary.errors
            or self.earlier_stable.errors
            or self.canary.errors
            or self.stable.errors
        )

    @property
    def value(self) -> float:
        """Return φ, from 1 to `LARGEST_DISPERSION`: the largest estimate."""
        if not self.has_errors:
            return 1.0
        canary = self.earlier_canary + self.canary
        return max(self.of_neighbours, canary.errors_a_cluster)

    @cached_property
    def of_neighbours(self) -> float:
        """Return the largest estimate of φ by pairs of neighbours."""
        if not self.has_errors:
            return 1.0
        versions = (self.before, self.earlier_stable + self.stable, self.earlier_canary + self.canary)
        return min(LARGEST_DISPERSION, max(version.dispersion for version in versions))

    def update(self, canary: Periods, stable: Periods, before: Periods) -> Dispersion:
        """Measure the current window again. Without new periods, what was measured earlier counts."""
        if not (canary.tallies or stable.tallies or before.tallies):
            return self
        measured = Dispersion(
            measure_clustering(before) if before.tallies else self.before,
            self.earlier_canary,
            self.earlier_stable,
            measure_clustering(canary) if canary.tallies else self.canary,
            measure_clustering(stable) if stable.tallies else self.stable,
        )
        return measured if measured.has_errors else UNKNOWN

    def in_window(self, window: Dispersion) -> Dispersion:
        """Return what is known with the clustering of the current window, and of stable before, that was measured."""
        if not self.has_errors:
            return window
        return Dispersion(window.before, self.earlier_canary, self.earlier_stable, window.canary, window.stable)

    def next_window(self) -> Dispersion:
        """Return what is known at the start of another window."""
        if not self.has_errors:
            return UNKNOWN
        return Dispersion(self.before, self.earlier_canary + self.canary, self.earlier_stable + self.stable)

    def carried(self) -> Dispersion:
        """Return what the ledger carries: `from_json` of `to_json`."""
        if not self.has_errors:
            return UNKNOWN
        # What was measured is rounded; sums of windows are not.
        canary, stable = self.earlier_canary.carried(), self.earlier_stable.carried()
        return Dispersion(self.before, canary, stable, self.canary, self.stable)

    def _parts(self) -> Iterable[tuple[str, Clustering]]:
        return ((one.name, getattr(self, one.name)) for one in fields(self))

    def to_json(self) -> Json:
        """Return the form in the ledger: by attribute, without those that know nothing."""
        return {
            name: [
                part.errors,
                part.clusters,
                *([round(one, DECIMALS) for one in astuple(sums)] for sums in part.pairs),
            ]
            for name, part in self._parts()
            if part.errors
        }

    @classmethod
    def from_json(cls, document: Any) -> Dispersion:
        """Read what `to_json` wrote."""
        if not document:
            return UNKNOWN
        return cls(
            **{
                name: Clustering(tuple(PairSums(*map(float, sums)) for sums in pairs), int(errors), int(clusters))
                for name, (errors, clusters, *pairs) in document.items()
            }
        )


UNKNOWN = Dispersion()
"""Of a rate without errors, as most are: one object, which shows at once that nothing of it changed."""


def measure_clustering(periods: Periods) -> Clustering:
    """Return how the errors of one version cluster in a window."""
    tallies = periods.tallies
    total = periods.total
    if not total.bad:
        return NOTHING_KNOWN
    return Clustering(_sum_pairs(periods, total.trials), total.bad, _count_clusters(tallies))


def _sum_pairs(periods: Periods, requests: int) -> tuple[PairSums, ...]:
    """Return the sums over all pairs of neighbouring blocks, for every length of a block."""
    blocks, count = list(periods.tallies), len(periods.tallies)
    sums: list[PairSums] = []
    length = 1
    while count >= 2 * length:
        sums.append(_compare_neighbours(blocks))
        if length * periods.seconds >= LONGEST_BURST_SECONDS and requests * length >= 2 * LARGEST_BURST * count:
            break
        blocks = [total_of(blocks[at : at + 2]) for at in range(0, len(blocks), 2)]
        length *= 2
    return tuple(sums)


def _compare_neighbours(blocks: Iterable[Tally]) -> PairSums:
    errors = squares = variance = 0.0
    for one, other in pairwise(blocks):
        bad = one.bad + other.bad
        share = one.trials / (one.trials + other.trials) if bad else 0.0
        if not LEAST_SHARE <= share <= 1 - LEAST_SHARE:
            continue
        v = share * (1 - share)
        errors += bad
        squares += (one.bad - bad * share) ** 2 / v
        variance += 2 * bad * bad + bad * (1 / v - 6)
    return PairSums(*(round(sums, DECIMALS) for sums in (errors, squares, variance)))


def _count_clusters(tallies: Sequence[Tally]) -> int:
    clusters = current = 0
    for bad in [*(tally.bad for tally in tallies if tally.trials), 0]:
        if bad:
            current += bad
        else:
            clusters += 1 if current > CHANCE_MEETING else current
            current = 0
    return clusters
