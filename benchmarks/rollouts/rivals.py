"""The rules of other tools, written from their public documentation and the behaviour of their sources.

Each looks at what its documented example looks at: the share of 5xx of the canary's requests (exceptions and timeouts
count as 5xx, as a load balancer sees them) and its latency. None reads logs or OAuth results. All shift traffic as the
product's default strategy does: 10 % for ten minutes, 50 % for ten minutes, then all. None looks at the release after
its promotion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import lgamma, log

import numpy as np

from benchmarks.rollouts.labelled import Rollout
from benchmarks.rollouts.mann_whitney import confidence_interval
from benchmarks.rollouts.run import End, Judge, RunResult, minutes_of, result, serve_rollback_window
from benchmarks.rollouts.world import CANARY, PERIODS_A_MINUTE, STABLE, World, pooled_alarms
from orchestrator.domain.analysis.sequential_testing import Tally

STEPS = ((10, 10), (50, 10))
"""Weight in percent and minutes of each step."""

WINDOW_SECONDS = 180 + 3600
"""The promoted release is observed for as long as the product observes its own."""

MinuteRule = Callable[[World, int], str]
"""Looks at a world after every minute, at the weight in percent. Returns why it rolls back, or an empty text."""


def failures(world: World, version: str, minutes: int = 1) -> Tally:
    """Return the requests of a version in the newest minutes, and those that failed, over all changed functions."""
    first = max(0, world.period - minutes * PERIODS_A_MINUTE)
    trials = bad = 0
    for function in world.rollout.changed:
        series = world.series[function, version]
        trials += series.sum("Invocations", first, world.period)
        bad += series.sum("ServerErrors", first, world.period) + series.sum("Errors", first, world.period)
    return Tally(trials, bad)


def _run(rollout: Rollout, rule: MinuteRule, by_period: Callable[[World], str] | None = None) -> RunResult:
    world = World(rollout)
    for weight in minutes_of(STEPS):
        for _ in range(PERIODS_A_MINUTE):
            world.advance(weight)
            if by_period and (reason := by_period(world)):
                return result(world, End.ROLLED_BACK, reason)
        if reason := rule(world, weight):
            return result(world, End.ROLLED_BACK, reason)
    serve_rollback_window(world, WINDOW_SECONDS)
    return result(world, End.PROMOTED)


# Argo Rollouts -------------------------------------------------------------------------------------------------------

ARGO_SUCCESS_SHARE, ARGO_FAILURE_LIMIT, ARGO_CONSECUTIVE_ERROR_LIMIT = 0.95, 3, 4


@dataclass
class _Argo:
    """A background analysis run.

    A measurement succeeds or fails by its condition. One without a value is an error: the condition reads the first
    element of an empty result. More failures than `failureLimit`, or more errors in a row than `consecutiveErrorLimit`
    (4 by default), abort the rollout. Source: https://argo-rollouts.readthedocs.io/en/stable/features/analysis/, with
    its example's condition `result[0] >= 0.95` and `failureLimit: 3`, measured every minute over the last minute.
    """

    failed: int = 0
    errors_in_a_row: int = 0

    def measure(self, world: World, _: int) -> str:
        tally = failures(world, CANARY)
        if not tally.trials:
            self.errors_in_a_row += 1
            return "no data" if self.errors_in_a_row > ARGO_CONSECUTIVE_ERROR_LIMIT else ""
        self.errors_in_a_row = 0
        self.failed += 1 - tally.share < ARGO_SUCCESS_SHARE
        return "failureLimit" if self.failed > ARGO_FAILURE_LIMIT else ""


def argo(rollout: Rollout) -> RunResult:
    """Run a rollout by Argo Rollouts' rules."""
    return _run(rollout, _Argo().measure)


# Flagger -------------------------------------------------------------------------------------------------------------

FLAGGER_SUCCESS_PERCENT, FLAGGER_P99_MS, FLAGGER_THRESHOLD = 99.0, 500.0, 5


def flagger(rollout: Rollout) -> RunResult:
    """Run a rollout by Flagger's rules.

    Every interval the success rate must be at least 99 % and the p99 at most 500 ms. A check that fails, or finds no
    data, halts the advancement and counts; the fifth rolls back, and no check resets the count. Ten good checks make a
    step here. Source: https://docs.flagger.app/usage/metrics and https://docs.flagger.app/usage/how-it-works, with the
    example's `interval: 1m`, `threshold: 5`.
    """
    world, failed = World(rollout), 0
    for weight, minutes in STEPS:
        good = 0
        while good < minutes:
            world.advance(weight, PERIODS_A_MINUTE)
            if _flagger_check(world):
                good += 1
                continue
            failed += 1
            if failed >= FLAGGER_THRESHOLD:
                return result(world, End.ROLLED_BACK, "threshold of failed checks")
    serve_rollback_window(world, WINDOW_SECONDS)
    return result(world, End.PROMOTED)


def _flagger_check(world: World) -> bool:
    tally = failures(world, CANARY)
    if not tally.trials or 100 * (1 - tally.share) < FLAGGER_SUCCESS_PERCENT:
        return False
    latencies = newest_latencies(world, CANARY)
    return not len(latencies) or float(np.percentile(latencies, 99)) <= FLAGGER_P99_MS


def newest_latencies(world: World, version: str) -> np.ndarray:
    """Return the latencies of the newest minute, over all changed functions."""
    periods = range(max(0, world.period - PERIODS_A_MINUTE), world.period)
    return np.concatenate(
        [world.latencies(function, version, period) for function in world.rollout.changed for period in periods]
    )


# Kayenta -------------------------------------------------------------------------------------------------------------

KAYENTA_TOLERANCE, KAYENTA_CONFIDENCE, KAYENTA_MARGINAL, KAYENTA_PASS = 0.25, 0.98, 75.0, 95.0
KAYENTA_LEAST_MINUTES = 5


@dataclass
class _Kayenta:
    """The Netflix judge on two metrics by minute, the share of 5xx and the mean latency, each with half of the score.

    A metric is High if the whole confidence interval (98 %) of the Mann-Whitney shift is above the tolerance, a quarter
    of the estimated shift; equal series pass. A score below the marginal threshold (75) fails an interim judgement, and
    one below the pass threshold (95) the last one. Minutes without data are left out. Sources: the classes
    NetflixACAJudge, MannWhitneyClassifier and MannWhitney of https://github.com/spinnaker/kayenta, and
    https://spinnaker.io/docs/guides/user/canary/best-practices/. Each minute of a step is an interim judgement.
    """

    series: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    weight: int = 0

    def judge(self, world: World, weight: int) -> str:
        if weight != self.weight:
            self.weight = weight
            self.series = {name: {STABLE: [], CANARY: []} for name in ("errors", "latency")}
        for version in (STABLE, CANARY):
            tally, latencies = failures(world, version), newest_latencies(world, version)
            if tally.trials:
                self.series["errors"][version].append(tally.share)
            if len(latencies):
                self.series["latency"][version].append(float(latencies.mean()))
        if min(len(one) for one in self.series["errors"].values()) < KAYENTA_LEAST_MINUTES:
            return ""
        score = sum(50.0 for one in self.series.values() if not is_high(one[CANARY], one[STABLE]))
        last = len(self.series["errors"][CANARY]) >= dict(STEPS)[weight]
        return f"score {score:g}" if score < (KAYENTA_PASS if last else KAYENTA_MARGINAL) else ""


def is_high(canary: Sequence[float], stable: Sequence[float]) -> bool:
    """Return whether Kayenta classifies the canary's values as High."""
    if not canary or not stable or list(canary) == list(stable):
        return False
    interval = confidence_interval(np.array(canary), np.array(stable), KAYENTA_CONFIDENCE)
    return interval is not None and interval[0] > KAYENTA_TOLERANCE * abs(interval[2])


def kayenta(rollout: Rollout) -> RunResult:
    """Run a rollout by Kayenta's rules."""
    return _run(rollout, _Kayenta().judge)


# AWS CodeDeploy ------------------------------------------------------------------------------------------------------


def code_deploy(rollout: Rollout) -> RunResult:
    """Run a rollout by CodeDeploy's rule: an alarm of the deployment group that is in ALARM stops it and rolls it back.

    The alarms are pooled over versions, 5 % of at least ten requests in two of the newest periods of ten seconds. Source:
    https://docs.aws.amazon.com/codedeploy/latest/userguide/deployments-rollback-and-redeploy.html. The alarms are not
    monitored after the deployment.
    """
    return _run(rollout, lambda *_: "", lambda world: ", ".join(pooled_alarms(world)))


# Lindon's sequential multinomial test --------------------------------------------------------------------------------

SMT_ALPHA, SMT_CONCENTRATION = 0.01, 100.0


def log_bayes_factor(counts: tuple[int, int], canary_share: float, concentration: float = SMT_CONCENTRATION) -> float:
    """Return the logarithm of the Bayes factor of the sequential multinomial test.

    Under the null, an error falls on the canary with the share of traffic that it was assigned. The alternative is a
    Dirichlet mixture around it. Source: Lindon, Malek, *Anytime-Valid Inference For Multinomial Count Data*, NeurIPS
    2022; Lindon, Sanden, Shirikian, KDD 2022.

    Args:
        counts: errors of the canary and of stable since the weight was set.
        canary_share: the assigned share, above 0 and below 1.
        concentration: the sum of the Dirichlet's parameters, 100 in the authors' code.
    """
    shares = (canary_share, 1 - canary_share)
    alphas = [concentration * share for share in shares]
    value = lgamma(concentration) - lgamma(concentration + sum(counts))
    for count, alpha, share in zip(counts, alphas, shares, strict=True):
        value += lgamma(alpha + count) - lgamma(alpha) - count * log(share)
    return value


@dataclass
class _Multinomial:
    """The test at every minute. A new weight begins another factor; the product of the factors is a Bayes factor again."""

    weight: int = 0
    earlier: float = 0.0
    counts: tuple[int, int] = (0, 0)

    def judge(self, world: World, weight: int) -> str:
        if weight != self.weight:
            self.earlier = self._log_evidence() if self.weight else 0.0
            self.weight, self.counts = weight, (0, 0)
        canary, stable = failures(world, CANARY), failures(world, STABLE)
        self.counts = (self.counts[0] + canary.bad, self.counts[1] + stable.bad)
        more = self.counts[0] > sum(self.counts) * weight / 100
        return "sequential multinomial test" if more and self._log_evidence() >= -log(SMT_ALPHA) else ""

    def _log_evidence(self) -> float:
        return self.earlier + log_bayes_factor(self.counts, self.weight / 100)


def multinomial(rollout: Rollout) -> RunResult:
    """Run a rollout by Lindon's sequential multinomial test, at 1 %, without a margin."""
    return _run(rollout, _Multinomial().judge)


RIVALS: Mapping[str, Judge] = {
    "Argo Rollouts": argo,
    "Flagger": flagger,
    "Kayenta": kayenta,
    "CodeDeploy alarm": code_deploy,
    "Lindon SMT": multinomial,
}
"""The other tools' rules by name."""
