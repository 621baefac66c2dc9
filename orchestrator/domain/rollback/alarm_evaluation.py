"""Is the deployment to blame for an alarm?

An alarm is pooled over versions and looks at ten requests: it says that clients see failures, not why. So it starts an
evaluation, and only that decides. It counts failures by minute and by version, for every rate that an alarm may be
about: 5xx, exceptions and timeouts, refused known grants, slow requests, and failures that only API Gateway counted.

- **While both versions serve clients** they are compared with each other, minute by minute, by the sequential test that
  judges a canary (`sequential_testing.py`). Both have the same dependencies at the same time, so an outage that both
  see is no evidence.
- **Once the canary has all traffic** there is no other version. Its minutes since the promotion are compared with the
  stable version's hour before the deployment: the null hypothesis is that its rate is at most the upper confidence
  limit of that hour's rate, plus the tolerated increase, and at most `max_error_percent`. Rates drift, so the limit is
  at least `DRIFT` times the hour's worst five minutes (`request_metrics.highest_before`).

The evidence begins at the first shift, or at the promotion, and is computed from all minutes since, at every evaluation
anew. A sequential test may be looked at as often as one likes, and at whatever moment an alarm chooses (Ville's
inequality). So the number of evaluations costs nothing, an evaluation that is repeated has the same answer, and the
evaluation of an alarm whose event was lost needs no state.

The alarms' probability p of a false alarm (`Thresholds.false_alarm_probability`) is divided by four (`PARTS`): for the
comparison of the versions in either direction, for the test against the hour before, and for the confidence limits of
that hour, again divided by the number of rates.

What is assumed: within a minute, the failures of one version are at most as overdispersed as the stable version's were
before the deployment (`AlarmRate.dispersion`); in the rollback window, also that its rate drifts no more than in the day
before (`drift_dispersion`). An outage in the rollback window that no version caused can therefore roll a release back, as
every alarm could before.

Three cases need no proof, because waiting harms clients more than a rollback:

- **catastrophic**: the canary failed at least `catastrophic_error_percent` of the newest minute's requests, and these
  are at least `CATASTROPHIC_REQUESTS` independent ones. If the stable version fails as often, neither is healthy;
- **unreadable**: the evidence could not be read in time, or no version counted a request, although the first ones
  must have arrived;
- **no baseline**: nothing was counted in the hour before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import zip_longest
from math import inf, log, sqrt

from orchestrator.domain.analysis.dispersion import Periods
from orchestrator.domain.analysis.odds import MOST_ODDS_SHOWN, bounded_odds_text, log_sum, odds_of_log
from orchestrator.domain.analysis.request_metrics import highest_before
from orchestrator.domain.analysis.sequential_testing import (
    ALTERNATIVES,
    GUESSED_BAD,
    GUESSED_TRIALS,
    REMEMBERED_TRIALS,
    Limit,
    Margin,
    Null,
    Tally,
    limit_at,
    log_factors,
    total_of,
)
from orchestrator.domain.deployment.policy import Thresholds
from orchestrator.domain.texts import percent
from orchestrator.domain.verdict import Json

CATASTROPHIC_REQUESTS = 20
"""The fewest requests of the newest minute in which a share is catastrophic, times the dispersion."""


MINUTE_SECONDS = 60.0
"""The periods of `AlarmRate.before`."""

PARTS = 4
"""The parts of the probability: that canary is worse than stable, that stable is worse than canary, that canary is worse
than the hour before, and that this hour's confidence limits are wrong. The evidence of each needs this many times 1/p."""


class AlarmOutcome(StrEnum):
    """The outcome of an evaluation. Only NOT_TO_BLAME rolls nothing back."""

    CANARY_WORSE = "CANARY_WORSE"
    CATASTROPHIC = "CATASTROPHIC"
    STABLE_WORSE = "STABLE_WORSE"  # a rollback starts, and sends the traffic to the canary (`destination.py`)
    NEITHER_HEALTHY = "NEITHER_HEALTHY"
    UNREADABLE = "UNREADABLE"
    NO_BASELINE = "NO_BASELINE"
    NOT_TO_BLAME = "NOT_TO_BLAME"


@dataclass(frozen=True)
class AlarmRate:
    """One rate of failures, by minute.

    Attributes:
        description: the version and what a failure is, such as ``token:2 returns 5xx``.
        canary: canary's requests and failures since the shift began (or since the promotion), by minute, ascending.
        stable: stable's in the same minutes; empty where the versions cannot be distinguished.
        before: stable's before the deployment, by minute.
        newest_canary, newest_stable: the same of the newest minute.
        dispersion: the variance of stable's failures, over that of independent ones; at least 1. Once the canary has all
            traffic, it includes the drift of stable's rate during a day.
        otherwise: the highest tolerated share where nothing was counted before.
    """

    description: str
    canary: Sequence[Tally]
    stable: Sequence[Tally] = ()
    before: Sequence[Tally] = ()
    newest_canary: Tally = Tally()  # noqa: RUF009 - immutable
    newest_stable: Tally = Tally()  # noqa: RUF009 - immutable
    dispersion: float = 1.0
    otherwise: float = 0.5


@dataclass(frozen=True)
class AlarmEvaluation:
    """What an evaluation decided.

    Attributes:
        reason: one sentence with the numbers.
        odds: the evidence against the canary so far, as odds against chance.
        needed: the odds that prove it.
        share_percent: the probability in percent that the alarms roll a healthy deployment back.
        suspicious: the evidence speaks against the canary, but does not prove it.
    """

    outcome: AlarmOutcome
    reason: str
    odds: float = 0.0
    needed: float = 0.0
    share_percent: float = 0.0
    suspicious: bool = False

    @property
    def rolls_back(self) -> bool:
        """Whether a rollback starts."""
        return self.outcome is not AlarmOutcome.NOT_TO_BLAME

    @property
    def false_alarm_figures(self) -> Mapping[str, Json]:
        """Return what the evaluation spent of the deployment's false alarms, for `Evidence.figures`."""
        return {
            "percent": self.share_percent,
            "evidence": float(f"{min(self.odds, MOST_ODDS_SHOWN):.4g}"),
            "needed": self.needed,
        }


def unread_evaluation(error: str) -> AlarmEvaluation:
    """Return the evaluation if the evidence could not be read in time: roll back."""
    return AlarmEvaluation(AlarmOutcome.UNREADABLE, f"the evidence could not be read, so it rolls back: {error}")


def not_evaluated(thresholds: Thresholds) -> AlarmEvaluation:
    """Return the evaluation while no alarm has fired: nothing of the probability is spent."""
    probability = thresholds.false_alarm_probability("alarms")
    return AlarmEvaluation(
        AlarmOutcome.NOT_TO_BLAME, "no alarm has fired", needed=1 / probability, share_percent=100 * probability
    )


def evaluate_split(rates: Sequence[AlarmRate], thresholds: Thresholds, *, arriving: bool = False) -> AlarmEvaluation:
    """Evaluate an alarm while both versions serve clients.

    Args:
        rates: every rate. Their number must not depend on the data.
        thresholds: the plan's thresholds of a canary.
        arriving: the first metrics since the shift may not have arrived yet. The alarm fired for what was before.
    """
    if not any(tally.trials for rate in rates for tally in (*rate.canary, *rate.stable)):
        return _without_requests(thresholds, arriving=arriving)
    margin = Margin(thresholds.tolerated_increase_percent / 100)

    def null_of(rate: AlarmRate) -> Null:
        return margin if rate.stable else _limit_before(rate, thresholds, len(rates))

    capitals = [_log_capital(rate, null_of(rate)) for rate in rates]
    decided = _decide_on_canary(rates, capitals, thresholds, split=True)
    if decided.rolls_back:
        return decided
    swapped = [replace(rate, canary=rate.stable, stable=rate.canary, before=()) for rate in rates if rate.stable]
    reverse = [_log_capital(rate, margin) for rate in swapped]
    if swapped and _odds(reverse) >= decided.needed:
        worst = _strongest(swapped, reverse)
        reason = f"stable is proved worse: {worst.description}: {_ratio(total_of(worst.stable))}, stable {_ratio(total_of(worst.canary))}"
        return _with(decided, AlarmOutcome.STABLE_WORSE, reason)
    return decided


def evaluate_promoted(rates: Sequence[AlarmRate], thresholds: Thresholds, *, arriving: bool = False) -> AlarmEvaluation:
    """Evaluate an alarm when the canary has all traffic; arguments as for `evaluate_split`."""
    if not any(tally.trials for rate in rates for tally in rate.canary):
        return _without_requests(thresholds, arriving=arriving)
    if all(total_of(rate.before).trials < thresholds.minimum_requests for rate in rates):
        reason = "there is no baseline: too few requests were counted in the hour before the deployment"
        return AlarmEvaluation(AlarmOutcome.NO_BASELINE, f"{reason}, so it rolls back")
    capitals = [_log_capital(rate, _limit_before(rate, thresholds, len(rates))) for rate in rates]
    return _decide_on_canary(rates, capitals, thresholds, split=False)


def _without_requests(thresholds: Thresholds, *, arriving: bool) -> AlarmEvaluation:
    if not arriving:
        return unread_evaluation("no request was counted by version")
    reason = "the alarm fired before the first metrics since the shift can have arrived"
    return replace(not_evaluated(thresholds), reason=reason, suspicious=True)


def catastrophic(tally: Tally, dispersion: float, thresholds: Thresholds) -> bool:
    """Return whether the newest minute's failures roll back without proof."""
    return (
        tally.trials >= CATASTROPHIC_REQUESTS * dispersion
        and tally.share >= thresholds.catastrophic_error_percent / 100
    )


def _decide_on_canary(
    rates: Sequence[AlarmRate], capitals: Sequence[float], thresholds: Thresholds, *, split: bool
) -> AlarmEvaluation:
    probability = thresholds.false_alarm_probability("alarms")
    needed, odds = 1 / probability, _odds(capitals)
    describe = _describe_split if split else _describe_promoted
    strongest = describe(_strongest(rates, capitals))
    evidence = f"evidence {bounded_odds_text(odds)} to 1, needed {bounded_odds_text(needed)}"
    plain = AlarmEvaluation(
        outcome=AlarmOutcome.NOT_TO_BLAME,
        reason=f"the release is not proved to be the cause: {strongest}; {evidence}",
        odds=odds,
        needed=needed,
        share_percent=100 * probability,
        suspicious=max(capitals) > 0,
    )
    if odds >= needed:
        return _with(plain, AlarmOutcome.CANARY_WORSE, f"the canary is proved worse: {strongest}; {evidence}")
    for rate in rates:
        if not catastrophic(rate.newest_canary, rate.dispersion, thresholds):
            continue
        other = rate.newest_stable if rate.stable else total_of(rate.before)
        if not catastrophic(other, rate.dispersion, thresholds):
            reason = (
                f"catastrophic, without further proof: {rate.description}: {_ratio(rate.newest_canary)} in a minute"
            )
            return _with(plain, AlarmOutcome.CATASTROPHIC, reason)
        if split:
            reason = (
                f"neither version is healthy: {rate.description}: {_ratio(rate.newest_canary)}, stable {_ratio(other)}"
            )
            return _with(plain, AlarmOutcome.NEITHER_HEALTHY, reason)
    return plain


def _log_capital(rate: AlarmRate, null: Null) -> float:
    """Return the natural logarithm of the evidence against the canary's minutes: the capital of bets on every excess.

    A fault may begin at any minute, so a part of the capital, 1/t - 1/(t+1), comes into play at minute t; it is divided
    equally among the excesses. The product of the minutes' factors is a capital, and so is the sum of these parts.
    """
    known = total_of(rate.before)
    believed = _remembered(known.bad, known.trials)
    bets = [-inf] * len(ALTERNATIVES)
    number = 0
    for canary, stable in zip_longest(rate.canary, rate.stable, fillvalue=Tally()):
        if canary.trials:
            number += 1
            begun = -log(number * (number + 1) * len(ALTERNATIVES))
            factors = log_factors((believed[0] + GUESSED_BAD) / (believed[1] + GUESSED_TRIALS), canary, stable, null)
            bets = [log_sum([bet, begun]) + factor / rate.dispersion for bet, factor in zip(bets, factors, strict=True)]
        believed = _remembered(believed[0] + stable.bad, believed[1] + stable.trials)
    return log_sum([*bets, -log(number + 1)])


def _remembered(bad: float, trials: float) -> tuple[float, float]:
    """Return stable's failures and requests as at most `REMEMBERED_TRIALS` requests: the rate to bet on drifts."""
    kept = min(1.0, REMEMBERED_TRIALS / trials) if trials else 1.0
    return bad * kept, trials * kept


def _limit_before(rate: AlarmRate, thresholds: Thresholds, count: int) -> Limit:
    """Return the limit of the canary's rate: what the hour before may have had, plus the margin.

    It is at most the absolute limit. But a rate drifts after the hour as it did within it, so the limit is at least what
    the request metrics allow without a stable version to compare with (`highest_before`).
    """
    known, margin = total_of(rate.before), thresholds.tolerated_increase_percent / 100
    if known.trials < thresholds.minimum_requests:
        return limit_at(rate.otherwise)
    confidence = log(PARTS * count / thresholds.false_alarm_probability("alarms"))
    upper = upper_confidence_limit(known, rate.dispersion, confidence) + margin
    drifted = highest_before(Periods(MINUTE_SECONDS, tuple(rate.before)), known, thresholds.minimum_requests) + margin
    return limit_at(max(drifted, min(upper, max(rate.otherwise, known.share + margin))))


def upper_confidence_limit(known: Tally, dispersion: float, confidence: float) -> float:
    """Return the highest rate that the counts do not refute: trials · KL(share ‖ rate) ≤ confidence · dispersion.

    Chernoff's bound: a rate above it has probability exp(-confidence) at most. Dividing by the dispersion counts
    dependent trials as fewer independent ones.

    Args:
        known: trials, at least one, and bad ones.
        dispersion: at least 1.
        confidence: natural logarithm of 1 over the probability of an error.
    """
    low, high = known.share, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _divergence(known, middle) <= confidence * dispersion else (low, middle)
    return low


def drift_dispersion(tallies: Sequence[Tally], lengths: Sequence[int]) -> float:
    """Return how much more failures vary from block to block than they would at one constant rate; at least 1.

    It is Pearson's χ² over its degrees of freedom, less what chance causes (two standard deviations), for the block
    length where it is largest. Versions that are compared at the same time share a drift; a version that is compared
    with an earlier time does not. The variance of slow drifts grows with the length of the blocks.

    Args:
        tallies: successive periods.
        lengths: how many periods make up a block.
    """
    whole = total_of(tallies)
    estimates = [1.0]
    for length in lengths if whole.bad else ():
        blocks = [total_of(tallies[at : at + length]) for at in range(0, len(tallies), length)]
        expected = [(block, block.trials * whole.share) for block in blocks if block.trials]
        freedom = len(expected) - 1
        if freedom > 0:
            squares = sum((block.bad - mean) ** 2 / mean for block, mean in expected)
            estimates.append(squares / freedom - 2 * sqrt(2 / freedom))
    return max(estimates)


def _divergence(known: Tally, rate: float) -> float:
    """Return trials times the Kullback-Leibler divergence of the counted share from a rate between it and 1."""
    good = known.trials - known.bad
    lost = known.bad * log(known.share / rate) if known.bad else 0.0
    return lost + (good * log((1 - known.share) / (1 - rate)) if good else 0.0)


def _odds(capitals: Sequence[float]) -> float:
    """Return the mean capital, of which each part of the probability needs `PARTS` times 1/p. capitals: logarithms."""
    return sum(odds_of_log(capital) for capital in capitals) / len(capitals) / PARTS


def _strongest(rates: Sequence[AlarmRate], capitals: Sequence[float]) -> AlarmRate:
    """Return the rate with the most evidence, of those with failures if there are any."""
    ranked = zip(rates, capitals, strict=True)
    return max(ranked, key=lambda one: (total_of((*one[0].canary, *one[0].stable)).bad > 0, one[1]))[0]


def _with(evaluation: AlarmEvaluation, outcome: AlarmOutcome, reason: str) -> AlarmEvaluation:
    return AlarmEvaluation(outcome, reason, evaluation.odds, evaluation.needed, evaluation.share_percent)


def _describe_split(rate: AlarmRate) -> str:
    there = f"stable {_ratio(total_of(rate.stable))}" if rate.stable else f"before {_ratio(total_of(rate.before))}"
    return f"{rate.description}: {_ratio(total_of(rate.canary))}, {there}"


def _describe_promoted(rate: AlarmRate) -> str:
    return (
        f"{rate.description}: {_ratio(total_of(rate.canary))} since, {_ratio(total_of(rate.before))} in the hour before"
    )


def _ratio(tally: Tally) -> str:
    share = f" ({percent(tally.share)})" if tally.bad else ""
    return f"{tally.bad} of {tally.trials}{share}"
