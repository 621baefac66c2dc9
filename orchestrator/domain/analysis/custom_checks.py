"""Judge the environment's own checks (`orchestrator.domain.deployment.custom_checks`).

FAIL          the running tests prove that the canary is worse in some check
ERROR         the source of a check could not be read; the reason names the check
INCONCLUSIVE  a check has too few trials, nothing to compare with, or trends worse without being proved worse
PASS          otherwise

The null of a check, which decides what the probability of a false alarm means:

- Counts by version: the canary's share of bad trials is at most stable's in the same window plus the margin. If stable
  had no trials in the window, it is at most an upper bound of stable's share in the hour before the deployment, plus
  the margin.
- Counts of both versions together: their share is at most an upper bound of their share in the hour before, plus the
  margin.
- A value of each evaluation: the share of evaluations at which it is beyond its line is at most the margin.

The upper bound is Chernoff's: with n trials and a share s, the largest p with n·KL(s‖p) ≤ ln(1/d). The true share
exceeds it with probability at most d (Hoeffding, *Probability inequalities for sums of bounded random variables*, 1963,
theorem 1). All bounds together have a tenth of the checks' probability, and the tests have the rest. So the sum of both
is at most the checks' share of the tolerated false alarms, if trials are independent, or come in bursts that the periods
of CloudWatch show (`dispersion.py`), and the share of a healthy service
does not drift away from the hour before. The tests are those of `sequential_testing.py`, in equal parts over all checks
that decide: their evidence is averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf, log, log1p

from orchestrator.domain.analysis.dispersion import Periods
from orchestrator.domain.analysis.odds import MOST_LOG_ODDS_IN_REASONS, odds_of_log
from orchestrator.domain.analysis.request_metrics import trending_worse
from orchestrator.domain.analysis.running_tests import ComparedRate, RunningTests
from orchestrator.domain.analysis.sequential_testing import Limit, Margin, Null, Tally
from orchestrator.domain.deployment.custom_checks import CustomCheck
from orchestrator.domain.texts import percent, two_digits
from orchestrator.domain.verdict import Json, Verdict, worst

BOUND_SHARE = 0.1
"""The part of the checks' probability for upper bounds that are below the truth; the tests have the rest."""

"""Natural logarithm of the highest odds that are stated."""

_LARGEST_SHARE, _BISECTIONS = 0.999, 40


@dataclass(frozen=True)
class CheckCounts:
    """The trials of one side. `periods`: the same period by period; empty if the source has only totals."""

    total: Tally = field(default_factory=Tally)
    periods: Periods = field(default_factory=Periods)


@dataclass(frozen=True)
class CheckReading:
    """What a check has counted, or why it could not be read.

    Attributes:
        canary: the canary's trials since the start of the window; of both versions if they are not distinguished.
        stable: stable's trials in the same window; none if the versions are not distinguished.
        before: the trials in the hour before the deployment, of stable or of all versions; None if they were not read.
        canary_periods, stable_periods: the same period by period, which show how bad trials cluster; empty if the
            source has only totals.
        problem: why the source could not be read; empty if it was read.
    """

    check: CustomCheck
    canary: Tally = field(default_factory=Tally)
    stable: Tally = field(default_factory=Tally)
    before: Tally | None = None
    canary_periods: Periods = field(default_factory=Periods)
    stable_periods: Periods = field(default_factory=Periods)
    problem: str = ""


@dataclass(frozen=True)
class JudgedChecks:
    """The checks of one group, which share one probability of a false alarm.

    Attributes:
        tests: their running tests after this evaluation.
        rates: what the tests compared, one a check.
        verdicts: one a check, in the same order.
        needed: the odds against chance that prove a canary worse.
    """

    readings: tuple[CheckReading, ...]
    tests: RunningTests
    rates: tuple[ComparedRate, ...]
    verdicts: tuple[Verdict, ...]
    needed: float

    @property
    def evidence(self) -> float:
        """The odds against chance so far."""
        return odds_of_log(self.tests.log_evidence, MOST_LOG_ODDS_IN_REASONS)

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the group."""
        return worst(self.verdicts)

    def figures(self) -> Mapping[str, Json]:
        """Return the numbers of each check, by its name."""
        checked = zip(self.readings, self.rates, self.verdicts, strict=True)
        return {reading.check.name: _figures(reading, rate, verdict) for reading, rate, verdict in checked}


def judge_checks(
    readings: tuple[CheckReading, ...], tests: RunningTests, window_start: datetime, probability: float
) -> JudgedChecks:
    """Count what the checks read, and judge each of them.

    Args:
        readings: of all checks that share the probability, also of those that could not be read.
        tests: their running tests after the previous evaluation.
        window_start: start of the window in which they counted.
        probability: of a false alarm by any of them in the whole deployment, above 0 and below 1.
    """
    rates = _compared_rates(readings, probability * BOUND_SHARE)
    updated = tests.update(window_start, rates)
    allowed = probability * (1 - BOUND_SHARE)
    proved = updated.worst_rate(rates).name if updated.proves_worse(allowed) else ""
    verdicts = tuple(
        _proved(reading, rate, updated) if rate.name == proved else _not_proved(reading, rate)
        for reading, rate in zip(readings, rates, strict=True)
    )
    return JudgedChecks(readings, updated, rates, verdicts, 1 / allowed)


def upper_bound(tally: Tally, probability: float) -> float:
    """Return a share that the true one exceeds with at most this probability, by Chernoff's bound.

    Args:
        tally: independent trials, at least one.
        probability: above 0 and below 1.
    """
    low, high = tally.share, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        near = tally.trials * _divergence(tally.share, middle) <= -log(probability)
        low, high = (middle, high) if near else (low, middle)
    return high


def _compared_rates(readings: Sequence[CheckReading], probability: float) -> tuple[ComparedRate, ...]:
    """Return the rates that the tests compare. A check without a null leaves its test and its weight as they were."""
    bound = probability / max(1, len(readings))
    return tuple(
        ComparedRate(
            name=reading.check.name,
            description=reading.check.name,
            canary=reading.canary,
            stable=reading.stable,
            null=_null_of(reading, bound),
            canary_periods=reading.canary_periods,
            stable_periods=reading.stable_periods,
        )
        for reading in readings
    )


def _null_of(reading: CheckReading, bound_probability: float) -> Null | None:
    check, margin = reading.check, reading.check.margin_percent / 100
    if reading.problem:
        return None
    if check.one_trial_an_evaluation:
        return Limit(margin)
    if reading.stable.trials:
        return Margin(margin)
    if reading.before is None or not reading.before.trials:
        return None
    return Limit(min(_LARGEST_SHARE, upper_bound(reading.before, bound_probability) + margin))


def _proved(reading: CheckReading, rate: ComparedRate, tests: RunningTests) -> Verdict:
    odds = two_digits(odds_of_log(tests.log_evidence, MOST_LOG_ODDS_IN_REASONS))
    return Verdict.failed(
        f"check {reading.check.name}: {_describe(reading, rate)}; evidence {odds} to 1 against chance"
    )


def _not_proved(reading: CheckReading, rate: ComparedRate) -> Verdict:
    check = reading.check
    if reading.problem:
        return Verdict.error(f"check {check.name} could not be read: {reading.problem}")
    numbers = _describe(reading, rate)
    if rate.null is None:
        return Verdict.inconclusive(f"check {check.name} has nothing to compare with: {numbers}")
    if reading.canary.trials < check.minimum_trials:
        return Verdict.inconclusive(f"check {check.name} has fewer than {check.minimum_trials} trials: {numbers}")
    if trending_worse(rate):
        return Verdict.inconclusive(f"check {check.name} trends worse, not proved: {numbers}")
    return Verdict.passed(f"{check.name}: {numbers}")


def _describe(reading: CheckReading, rate: ComparedRate) -> str:
    counted = f"{reading.canary.bad} of {reading.canary.trials} bad"
    if isinstance(rate.null, Margin):
        points = two_digits(100 * rate.null.points)
        return f"canary {counted}, stable {reading.stable.bad} of {reading.stable.trials}, margin {points} points"
    if reading.check.one_trial_an_evaluation:
        seen = f"beyond {reading.check.line:g} at {reading.canary.bad} of {reading.canary.trials} evaluations"
        return f"{seen}, at most {two_digits(reading.check.margin_percent)} %"
    subject = "canary" if reading.check.by_version else "both versions"
    return f"{subject} {counted}" + (f", at most {percent(rate.null.share)}" if rate.null else "")


def _figures(reading: CheckReading, rate: ComparedRate, verdict: Verdict) -> Mapping[str, Json]:
    check, limit = reading.check, rate.null.share if isinstance(rate.null, Limit) else None
    return {
        "kind": check.kind,
        "direction": check.direction,
        "dry_run": check.dry_run,
        "verdict": verdict.outcome,
        "reason": verdict.reason,
        "canary": {"trials": reading.canary.trials, "bad": reading.canary.bad},
        "stable": {"trials": reading.stable.trials, "bad": reading.stable.bad},
        "margin_percent": check.margin_percent,
        "limit_percent": None if limit is None else round(100 * limit, 6),
    }


def _divergence(share: float, other: float) -> float:
    """Return the Kullback-Leibler divergence of two Bernoulli distributions; `other` is above `share`, up to 1."""
    if other >= 1:
        return inf
    won = share * log(share / other) if share else 0.0
    return won + (1 - share) * (log1p(-share) - log1p(-other) if share < 1 else 0.0)
