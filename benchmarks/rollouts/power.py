"""How soon are given differences proved? Ten looks at 10 % of the traffic, then ten at 50 %.

The product's figures are those of the request metrics alone, at its real share of the false alarms, unless a row says
otherwise. The oracle is the uniformly most powerful test of two rates that are not known: given all errors so far, those
of the canary are binomial while the versions are equal. It looks only once, and it has no margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import comb, exp, lgamma, log
from random import Random

import numpy as np

from benchmarks.rollouts.labelled import FUNCTIONS, Clustering, Rollout, Signal
from benchmarks.rollouts.pipeline import Pipeline, prod_plan
from benchmarks.rollouts.rivals import KAYENTA_LEAST_MINUTES, SMT_ALPHA, is_high, log_bayes_factor
from benchmarks.rollouts.sources import share_over
from benchmarks.rollouts.synthetic import SyntheticClient
from benchmarks.rollouts.twin import Array, Dispersions, RateTests, mean_log_evidence
from benchmarks.rollouts.world import START
from orchestrator.domain.analysis.latency import SOURCE as LATENCY_SOURCE
from orchestrator.domain.analysis.request_metrics import SOURCE, WEIGHTS
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import context as contexts
from orchestrator.probes import health, oauth_flows, security

WEIGHTS_OF_LOOKS = (0.1,) * 10 + (0.5,) * 10
SHOWN_LOOKS = (5, 10, 20)
PERIODS = 6
RATES = ("server_errors", "server_error_limit", "deaths")


@dataclass(frozen=True)
class Case:
    """Rates of stable and of the canary, and the requests of a look (a minute), of both versions together."""

    stable: float
    canary: float
    requests: int

    @property
    def name(self) -> str:
        """The case in words."""
        return f"{100 * self.stable:g} → {100 * self.canary:g} %, {self.requests:,} requests a look"


CASES = (
    Case(0.0, 0.005, 6000),
    Case(0.005, 0.015, 600),
    Case(0.005, 0.015, 6000),
    Case(0.01, 0.02, 600),
    Case(0.01, 0.02, 6000),
    Case(0.001, 0.05, 60),
    Case(0.001, 0.01, 6000),
)


@dataclass(frozen=True)
class Counts:
    """Requests and errors by run, look and period."""

    canary: tuple[Array, Array]
    stable: tuple[Array, Array]


def draw(case: Case, runs: int, random: np.random.Generator) -> Counts:
    """Draw the counts of many runs."""
    requests = random.poisson(case.requests / PERIODS, (runs, len(WEIGHTS_OF_LOOKS), PERIODS))
    canary = random.binomial(requests, np.array(WEIGHTS_OF_LOOKS)[None, :, None])
    stable = requests - canary
    return Counts((canary, random.binomial(canary, case.canary)), (stable, random.binomial(stable, case.stable)))


def product_power(case: Case, counts: Counts) -> list[float]:
    """Return the share of runs that the product's request metrics have proved by `SHOWN_LOOKS`."""
    runs, looks = counts.canary[0].shape[:2]
    thresholds = prod_plan().limits.thresholds
    hour = 60 * case.requests
    known = np.random.default_rng(3).binomial(hour, case.stable, runs)
    errors, limits = RateTests(runs, known, hour), RateTests(runs, known, hour)
    dispersions, rows = Dispersions(runs), np.arange(runs)
    proved_at = np.full(runs, 10**6)
    for look in range(looks):
        if look == WEIGHTS_OF_LOOKS.index(0.5):
            dispersions.next_window()
        first = 0 if look < 10 else 10  # a window begins with its step
        mine, theirs = (_periods(side, first, look + 1) for side in (counts.canary, counts.stable))
        phi = dispersions.update(rows, mine, theirs, 10.0)
        canary, stable = (
            (side[0][:, look].sum(axis=1), side[1][:, look].sum(axis=1)) for side in (counts.canary, counts.stable)
        )
        errors.update(canary, stable, margin=thresholds.tolerated_increase_percent / 100)
        limits.update(canary, stable, limit=thresholds.max_error_percent / 100)
        evidence = mean_log_evidence(
            [
                (errors.log_evidence(phi), WEIGHTS["server_errors"]),
                (limits.log_evidence(phi), WEIGHTS["server_error_limit"]),
                (np.full(runs, -30.0), WEIGHTS["deaths"]),
            ]
        )
        newly = (evidence >= -log(thresholds.false_alarm_probability(SOURCE))) & (proved_at > look)
        proved_at = np.where(newly & (proved_at == 10**6), look + 1, proved_at)
    return [float((proved_at <= look).mean()) for look in SHOWN_LOOKS]


def _periods(side: tuple[Array, Array], first: int, last: int) -> tuple[Array, Array]:
    trials, bad = (one[:, first:last].reshape(len(one), -1) for one in side)
    return trials, bad


def multinomial_power(counts: Counts) -> list[float]:
    """Return the same for Lindon's test at 1 %."""
    proved_at = []
    for canary, stable in zip(counts.canary[1].sum(axis=2), counts.stable[1].sum(axis=2), strict=True):
        proved_at.append(_first_look(_bayes_factors(canary.tolist(), stable.tolist())))
    return [sum(at <= look for at in proved_at) / len(proved_at) for look in SHOWN_LOOKS]


def _bayes_factors(canary: Sequence[int], stable: Sequence[int]) -> list[bool]:
    earlier, proved = 0.0, []
    for first, share in ((0, 0.1), (10, 0.5)):
        mine = theirs = 0
        value = 0.0
        for look in range(first, first + 10):
            mine, theirs = mine + canary[look], theirs + stable[look]
            value = log_bayes_factor((mine, theirs), share)
            proved.append(earlier + value >= -log(SMT_ALPHA))
        earlier += value
    return proved


def _first_look(proved: Sequence[bool]) -> int:
    return next((look for look, one in enumerate(proved, start=1) if one), 10**6)


def kayenta_power(counts: Counts, runs: int) -> list[float]:
    """Return the same for Kayenta, judged at every look of a step."""
    found = []
    for run in range(min(runs, len(counts.canary[0]))):
        shares = [
            (side[1][run].sum(axis=1) / np.maximum(1, side[0][run].sum(axis=1))).tolist()
            for side in (counts.canary, counts.stable)
        ]
        high = []
        for look in range(len(WEIGHTS_OF_LOOKS)):
            first = 0 if look < 10 else 10  # as above
            enough = look + 1 - first >= KAYENTA_LEAST_MINUTES
            high.append(enough and is_high(shares[0][first : look + 1], shares[1][first : look + 1]))
        found.append(_first_look(high))
    return [sum(at <= look for at in found) / len(found) for look in SHOWN_LOOKS]


def oracle_power(case: Case, looks: int) -> float:
    """Return the power of the oracle after some looks, at the request metrics' share of the false alarms.

    Given K errors in all, it rejects for the largest numbers of canary's errors, and at the border by a coin, so that its
    level is exact. It is the best that any test of clients' requests can do at this look without knowing stable's rate.
    """
    alpha = prod_plan().limits.thresholds.false_alarm_probability(SOURCE)
    canary = round(sum(WEIGHTS_OF_LOOKS[:looks]) * case.requests)
    stable = looks * case.requests - canary
    share = canary / (canary + stable)
    most = int(canary * case.canary + stable * case.stable + 60)
    # Both numbers are nearly Poisson; K is small enough to add up every case.
    canary_mean, stable_mean = canary * case.canary, stable * case.stable
    power = 0.0
    for total in range(most + 1):
        tail, left = 0.0, alpha
        for mine in range(total, -1, -1):
            chance = comb(total, mine) * share**mine * (1 - share) ** (total - mine)
            rejected = min(1.0, left / chance) if chance > 0 else 1.0
            power += rejected * _poisson(mine, canary_mean) * _poisson(total - mine, stable_mean)
            left -= chance
            tail += chance
            if left <= 0:
                break
    return power


def _poisson(count: int, mean: float) -> float:
    if mean == 0:
        return float(count == 0)
    return exp(count * log(mean) - mean - lgamma(count + 1))


def latency_power(ratio: float, requests_per_second: float, looks: int, runs: int) -> float:
    """Return the share of runs in which a slower canary is proved within some looks at 10 %: median 150 ms, sigma 0.5."""
    random = np.random.default_rng(9)
    thresholds, sigma, median = prod_plan().limits.thresholds, 0.5, 150.0
    lines = [median * exp(sigma * z) for z in (0.0, 1.2816, 2.3263)]
    tests = [RateTests(runs) for _ in range(len(lines) + 1)]
    medians = np.full(runs, median)
    proved = np.zeros(runs, dtype=bool)
    for _ in range(looks):
        canary, stable = (random.poisson(60 * requests_per_second * share, runs) for share in (0.1, 0.9))
        for test, line in zip(tests, lines, strict=False):
            allowed = max(line * thresholds.max_latency_ratio, line + thresholds.latency_floor_ms)
            slow = random.binomial(canary, share_over(allowed, medians * ratio, sigma))
            test.update((canary, slow), (stable, random.binomial(stable, share_over(line, medians, sigma))), margin=0.0)
        evidence = mean_log_evidence([(test.log_evidence(), 1.0) for test in tests])
        proved |= evidence >= -log(thresholds.false_alarm_probability(LATENCY_SOURCE))
    return float(proved.mean())


def pipeline_power(case: Case, runs: int) -> float:
    """Return the share of deployments that the whole pipeline stops within ten looks; synthetic checks meet the fault, too.

    The requests of a look go to one of the three functions. Checks run in every evaluation, as in prod.
    """
    stopped = 0
    for seed in range(runs):
        rollout = Rollout(
            number=seed,
            seed=seed,
            kind=case.name,
            changed=("public",),
            faulty=("public",),
            requests_per_second=case.requests / 60,
            error_share=case.stable,
            signal=Signal.ERRORS,
            fault_share=(case.canary - case.stable) / (1 - case.stable),
            seen_by_checks=True,
        )
        result = Pipeline.start(rollout).run(evaluations=10)
        stopped += result.stopped
    return stopped / runs


def seconds_to_refuse(runs: int) -> float:
    """Return the longest time in seconds in which checks before traffic refused a canary that fails every request."""
    longest = 0.0
    for seed in range(runs):
        rollout = Rollout(seed, seed, "always 500", FUNCTIONS, FUNCTIONS, 1.0, 0.0, Clustering.INDEPENDENT)
        broken = replace(rollout, signal=Signal.ERRORS, fault_share=1.0, seen_by_checks=True)
        client = SyntheticClient(_Broken(broken), Random(seed))
        context = contexts.before_traffic(Pipeline.plan_deployment(broken, prod_plan()), START)
        refused = []
        for probe in (health.PROBE, security.PROBE, oauth_flows.PROBE):
            client.seconds = 0.0
            verdict, _ = client.run(probe, context)
            if verdict.outcome is Outcome.FAIL:
                refused.append(client.seconds)
        longest = max(longest, min(refused, default=float("inf")))
    return longest


@dataclass(frozen=True)
class _Broken:
    """A service whose canary fails always."""

    rollout: Rollout

    def failing_share(self, _function: str, version: str) -> float:
        """Return the share of calls that fail."""
        return 1.0 if version != "1" else 0.0

    def refusing_share(self, _function: str, _version: str) -> float:
        """Return the share of grants with a wrong result."""
        return 0.0
