"""The labelled set: rollouts with the right answer, drawn by seed.

The right answer follows from how a rollout was drawn, and from no judge:

- PROMOTE if the canary is no worse than stable;
- EITHER if it is worse within the tolerated margin, or beyond it by less than the deployment's own traffic can show:
  the log likelihood ratio that an oracle expects, which knows both rates and all requests until the end of the
  deployment, is below `PROVABLE_NATS`;
- ROLL_BACK otherwise.

One half is drawn from `TUNED_SEED`; the product may be tuned on it. The other is drawn from `HELD_BACK_SEED`, by the
same rules: it is for the benchmark alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import erfc, exp, log, log1p, sqrt
from random import Random

from orchestrator.domain.deployment.policy import Thresholds

TUNED_SEED, HELD_BACK_SEED = 14, 20_261_129
PER_HALF = 162

PROVABLE_NATS = 40.0
"""The expected evidence from which a fault can be proved: e^40 to 1. Each test needs a hundredth of a per cent of it in
odds, and the rest is for the price of testing at every look and in every rate, and for bad luck."""

FUNCTIONS = ("authorize", "public", "token")
CANARY_SECONDS = 0.1 * 600 + 0.5 * 600 + 180
"""Seconds of full traffic that the canary gets in canary-10-50 until the end of the deployment."""

REFUSED_SHARE = 0.02
"""Clients' own mistakes: the share of known grants that both versions refuse. All requests to `token` are grants."""


class Answer(StrEnum):
    """The right end of a rollout."""

    PROMOTE = "promote"
    ROLL_BACK = "roll back"
    EITHER = "either"


class Clustering(StrEnum):
    """How the errors of one version depend on each other."""

    INDEPENDENT = "independent"
    BURSTS_OF_5 = "bursts of 5"
    BURSTS_OF_20 = "bursts of 20"
    NEGATIVE_BINOMIAL = "negative binomial"
    CORRELATED_MINUTES = "AR(1) 0.9"


DISPERSIONS: Mapping[Clustering, float] = {
    Clustering.INDEPENDENT: 1.0,
    Clustering.BURSTS_OF_5: 5.0,
    Clustering.BURSTS_OF_20: 20.0,
    Clustering.NEGATIVE_BINOMIAL: 10.0,
    Clustering.CORRELATED_MINUTES: 1.0,
}
"""Variance of the errors' counts of one version over that of independent errors, at a constant rate of both."""


class Signal(StrEnum):
    """What a fault of the canary changes."""

    NOTHING = "nothing"
    ERRORS = "handled 5xx"
    REFUSED = "refused grants"
    RESULT = "one OAuth result"
    DEATHS = "exceptions and timeouts"
    LOG_KIND = "a new kind of error in the log"
    LATENCY = "latency"


@dataclass(frozen=True)
class Rollout:
    """One deployment of a release, and the right answer.

    Attributes:
        kind: how it was drawn.
        changed: functions with a canary version; `faulty` are those whose canary differs from stable.
        requests_per_second: of each changed function.
        error_share: share of 5xx of stable, and of the canary apart from its fault.
        signal, fault_share: what the fault changes, and the share of the canary's requests that it hits.
        leak_seconds: the fault's share grows from 0 for so long after the first shift; 0: it is there from the start.
        seen_by_checks: whether synthetic requests meet the fault, too.
        stable_error_share: of a broken stable whose fix this is; otherwise the same as `error_share`.
        median_ms, sigma, latency_ratio: lognormal latency of stable; canary's is `latency_ratio` times as long.
        drifts: traffic and error rate triple within the first half hour, in both versions.
        cold_starts: share of the canary's first 100 requests that start an execution environment.
        log_kinds: kinds of errors in the log of both versions, by Zipf's law.
        own_kind: whether a fault's errors are logged as a kind of their own.
    """

    number: int
    seed: int
    kind: str
    changed: tuple[str, ...]
    faulty: tuple[str, ...]
    requests_per_second: float
    error_share: float
    clustering: Clustering = Clustering.INDEPENDENT
    signal: Signal = Signal.NOTHING
    fault_share: float = 0.0
    leak_seconds: float = 0.0
    seen_by_checks: bool = False
    stable_error_share: float = -1.0
    median_ms: float = 60.0
    sigma: float = 0.5
    latency_ratio: float = 1.0
    drifts: bool = False
    cold_starts: float = 0.0
    log_kinds: int = 5
    own_kind: bool = False
    answer: Answer = Answer.PROMOTE

    @property
    def stable_errors(self) -> float:
        """The share of 5xx of stable, from 0 to 1."""
        return self.error_share if self.stable_error_share < 0 else self.stable_error_share

    def fault_share_at(self, seconds: float) -> float:
        """Return the share of the canary's requests that the fault hits, so long after the first shift."""
        if not self.leak_seconds:
            return self.fault_share
        return self.fault_share * min(1.0, max(0.0, seconds / self.leak_seconds))


def labelled_set(seed: int, thresholds: Thresholds, count: int = PER_HALF) -> list[Rollout]:
    """Return one half of the labelled set; every kind has the same number of rollouts."""
    random = Random(seed)
    rollouts = []
    for number in range(count):
        kind, draw = KINDS[number % len(KINDS)]
        changed = (random.choice(FUNCTIONS),)
        blank = Rollout(
            number=number,
            seed=random.getrandbits(48),
            kind=kind,
            changed=changed,
            faulty=changed,
            requests_per_second=_log_uniform(random, 1, 100),
            error_share=random.choice((0.0, 0.001, 0.005, 0.01, 0.02)),
            clustering=random.choice((Clustering.INDEPENDENT, *Clustering)),
            seen_by_checks=random.random() < 0.5,
            own_kind=random.random() < 0.5,
        )
        rollout = draw(blank, random)
        rollouts.append(replace(rollout, answer=right_answer(rollout, thresholds)))
    return rollouts


def right_answer(rollout: Rollout, thresholds: Thresholds) -> Answer:
    """Return the right answer by the rules of the module's docstring."""
    if rollout.signal is Signal.NOTHING:
        return Answer.PROMOTE
    if rollout.seen_by_checks and rollout.fault_share >= 1 and rollout.signal not in {Signal.LATENCY, Signal.LOG_KIND}:
        return Answer.ROLL_BACK
    return Answer.ROLL_BACK if expected_evidence(rollout, thresholds) >= PROVABLE_NATS else Answer.EITHER


def expected_evidence(rollout: Rollout, thresholds: Thresholds) -> float:
    """Return the log likelihood ratio, in nats, that an oracle expects against the best case within the margin."""
    canary = rollout.requests_per_second * CANARY_SECONDS
    stable = rollout.requests_per_second * (0.9 * 600 + 0.5 * 600 + 3600)
    margin = thresholds.tolerated_increase_percent / 100
    if rollout.signal is Signal.LATENCY:
        return max(
            divergence(slow, allowed, canary, stable, 0.0) for slow, allowed in _slow_shares(rollout, thresholds)
        )
    base = {
        Signal.ERRORS: rollout.error_share,
        Signal.DEATHS: 0.0,
        Signal.REFUSED: REFUSED_SHARE,
        Signal.RESULT: 0.0,
        Signal.LOG_KIND: 0.0,
        Signal.NOTHING: rollout.error_share,
    }[rollout.signal]
    if rollout.signal is Signal.LOG_KIND:
        # What a toss with the known odds wins: canary's periods with the error, at weights of 10 and 50 %.
        periods = 60 * (1 - exp(-rollout.fault_share * rollout.requests_per_second))
        return periods * log(10) + periods * log(2)
    share = rollout.fault_share if not rollout.leak_seconds else rollout.fault_share * 0.5
    seconds = canary if not rollout.leak_seconds else rollout.requests_per_second * 3600
    return divergence(base + share * (1 - base), base, seconds, stable, margin) / DISPERSIONS[rollout.clustering]


def divergence(canary: float, stable: float, canary_trials: float, stable_trials: float, margin: float) -> float:
    """Return the expected log likelihood ratio of two rates against the nearest pair whose difference is the margin."""
    if canary <= stable + margin:
        return 0.0
    low, high = max(stable, 1e-9), min(canary - margin, 1 - margin - 1e-9)

    def distance(rate: float) -> float:
        return canary_trials * _kl(canary, rate + margin) + stable_trials * _kl(stable, rate)

    for _ in range(60):
        third = (high - low) / 3
        low, high = (low, high - third) if distance(low + third) < distance(high - third) else (low + third, high)
    return distance((low + high) / 2)


def _kl(rate: float, other: float) -> float:
    other = min(1 - 1e-12, max(1e-12, other))
    bad = rate * log(rate / other) if rate > 0 else 0.0
    return bad + ((1 - rate) * (log1p(-rate) - log1p(-other)) if rate < 1 else 0.0)


def _slow_shares(rollout: Rollout, thresholds: Thresholds) -> list[tuple[float, float]]:
    """Return canary's share of requests over the tolerated latency, and stable's over its own, by percentile."""
    shares = []
    for z, over in ((0.0, 0.5), (1.2816, 0.1), (2.3263, 0.01)):
        line = rollout.median_ms * exp(rollout.sigma * z)
        allowed = max(line * thresholds.max_latency_ratio, line + thresholds.latency_floor_ms)
        slow = share_slower_than(allowed, rollout.median_ms * rollout.latency_ratio, rollout.sigma)
        shares.append((slow, over))
    return shares


def share_slower_than(ms: float, median_ms: float, sigma: float) -> float:
    """Return the share of a lognormal distribution above a bound."""
    return erfc(log(ms / median_ms) / sigma / sqrt(2)) / 2


def _log_uniform(random: Random, low: float, high: float) -> float:
    return exp(random.uniform(log(low), log(high)))


Draw = Callable[[Rollout, Random], Rollout]


def _equal(rollout: Rollout, _: Random) -> Rollout:
    return replace(rollout, clustering=Clustering.INDEPENDENT)


def _equal_in_bursts(rollout: Rollout, random: Random) -> Rollout:
    clustering = random.choice([one for one in Clustering if one is not Clustering.INDEPENDENT])
    return replace(rollout, clustering=clustering, error_share=random.choice((0.001, 0.005, 0.01, 0.02)))


def _equal_thin(rollout: Rollout, random: Random) -> Rollout:
    return replace(rollout, requests_per_second=_log_uniform(random, 0.1, 1))


def _equal_drifting(rollout: Rollout, random: Random) -> Rollout:
    return replace(rollout, drifts=True, error_share=random.choice((0.001, 0.005, 0.01)))


def _equal_heavy_tails(rollout: Rollout, random: Random) -> Rollout:
    return replace(rollout, median_ms=random.choice((30.0, 150.0)), sigma=random.choice((1.0, 1.3)))


def _equal_rare_kinds(rollout: Rollout, random: Random) -> Rollout:
    return replace(rollout, log_kinds=1000, error_share=random.choice((0.005, 0.01, 0.02)))


def _fix(rollout: Rollout, random: Random) -> Rollout:
    return replace(rollout, stable_error_share=_log_uniform(random, 0.06, 0.6), clustering=Clustering.INDEPENDENT)


def _cold_starts(rollout: Rollout, random: Random) -> Rollout:
    return replace(rollout, cold_starts=random.uniform(0.3, 1.0))


def _fault(signal: Signal, low: float, high: float = 1.0) -> Draw:
    def draw(rollout: Rollout, random: Random) -> Rollout:
        share = 1.0 if random.random() < 0.2 and high == 1.0 else _log_uniform(random, low, high)
        changed = ("token",) if signal in {Signal.REFUSED, Signal.RESULT} else rollout.changed
        return replace(rollout, signal=signal, fault_share=share, changed=changed, faulty=changed)

    return draw


def _log_kind(rollout: Rollout, random: Random) -> Rollout:
    return replace(rollout, signal=Signal.LOG_KIND, fault_share=_log_uniform(random, 0.01, 0.2), seen_by_checks=False)


def _slow(rollout: Rollout, random: Random) -> Rollout:
    ratio, median = random.uniform(1.1, 3), random.choice((60.0, 150.0, 400.0))
    return replace(rollout, signal=Signal.LATENCY, latency_ratio=ratio, median_ms=median, fault_share=1.0)


def _thin(rollout: Rollout, random: Random) -> Rollout:
    share = random.choice((0.3, 0.6, 1.0, 1.0))
    rate = _log_uniform(random, 0.1, 1)
    signal = random.choice((Signal.ERRORS, Signal.DEATHS, Signal.ERRORS))
    return replace(rollout, signal=signal, fault_share=share, requests_per_second=rate)


def _leak(rollout: Rollout, random: Random) -> Rollout:
    share = random.uniform(0.2, 0.6)
    rate = _log_uniform(random, 3, 100)
    return replace(
        rollout,
        signal=Signal.ERRORS,
        fault_share=share,
        leak_seconds=2400.0,
        requests_per_second=rate,
        seen_by_checks=False,
    )


def _one_of_three(rollout: Rollout, random: Random) -> Rollout:
    share = _log_uniform(random, 0.05, 1)
    return replace(rollout, signal=Signal.ERRORS, fault_share=share, changed=FUNCTIONS, faulty=rollout.faulty)


def _barely_worse(rollout: Rollout, random: Random) -> Rollout:
    return replace(rollout, signal=Signal.ERRORS, fault_share=_log_uniform(random, 1e-4, 5e-3), seen_by_checks=False)


KINDS: Sequence[tuple[str, Draw]] = (
    ("equal", _equal),
    ("equal, errors in bursts", _equal_in_bursts),
    ("equal, thin traffic", _equal_thin),
    ("equal, diurnal drift", _equal_drifting),
    ("equal, heavy tails", _equal_heavy_tails),
    ("equal, 1,000 kinds of errors", _equal_rare_kinds),
    ("the fix of a broken stable", _fix),
    ("cold starts", _cold_starts),
    ("handled 5xx", _fault(Signal.ERRORS, 0.02)),
    ("refused grants", _fault(Signal.REFUSED, 0.05)),
    ("one OAuth result", _fault(Signal.RESULT, 0.02)),
    ("exceptions and timeouts", _fault(Signal.DEATHS, 0.02)),
    ("a new kind of error in the log", _log_kind),
    ("slower", _slow),
    ("thin traffic", _thin),
    ("slow leak", _leak),
    ("one of three functions", _one_of_three),
    ("barely worse", _barely_worse),
)
"""Every kind and how it is drawn."""
