"""Judge the latency of an evaluation, by counts of slow requests.

For each line L of a function (`latency_lines.py`), canary's requests over the tolerated latency M(L) are compared with
stable's over L at the same time. If canary is no slower than tolerated, the share of the first is at most that of the
second, whatever the distribution, its tail and its drift: a two-sample test of rates with margin 0
(`sequential_testing.py`). One more rate holds the absolute limit `max_p99_ms`: canary exceeds it in at most 1 % more of
its requests than stable does.

While canary has all traffic, there is no stable at the same time, and the hour, the load and the mix of requests may
be the cause of a difference. Then only two things fail: a latency over the absolute limit in more than 1 % of requests,
and a median over all that stable ever was: half of canary's requests take longer than stable's slowest 1 % in the worst
five minutes of the hour before the deployment.

FAIL          the running tests prove that canary is slower
INCONCLUSIVE  the versions cannot be distinguished, canary has fewer warm requests than the minimum, nothing has been
              compared yet, or canary is slower without being proved so
PASS          otherwise

The first request of an execution environment (a cold start) is not judged. It is reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise

from orchestrator.domain.analysis.dispersion import LARGEST_BURST, Periods
from orchestrator.domain.analysis.latency_lines import PERCENTILES, tolerated_ms
from orchestrator.domain.analysis.observations import Measurements, VersionComparison
from orchestrator.domain.analysis.odds import MOST_LOG_ODDS_IN_REASONS, odds_of_log
from orchestrator.domain.analysis.request_metrics import trend_deviations, trending_worse
from orchestrator.domain.analysis.running_tests import ComparedRate, RunningTests
from orchestrator.domain.analysis.sequential_testing import NO_TRIALS, Limit, Margin, Null, Tally
from orchestrator.domain.deployment.policy import Thresholds
from orchestrator.domain.texts import percent, two_digits
from orchestrator.domain.verdict import Verdict

SOURCE = "latency"
"""The source's name in `FalseAlarmShares`."""

LIMIT = "limit"
"""The name of the rate of requests over the absolute limit, next to those of the percentiles."""

WEIGHTS: Mapping[str, float] = {"p50": 3, "p90": 4, "p99": 2, LIMIT: 1}
"""How the rates divide the false alarm probability. A release that is slower throughout shows first in its p90: enough
requests are over that line, and few enough of stable's."""

MEDIAN = "p50"
SHARE_OVER_P99 = 0.01
"""What a 99th percentile means: 1 % of requests may be slower."""

GUESSED_FROM_REQUESTS = 1000
"""So many requests weighs the first guess of stable's share over a line, which soon gives way to what is counted."""

ENOUGH_SLOW = 10 * LARGEST_BURST
"""From so many slow requests of stable on, what slows both versions down at once can be distinguished from bursts."""

"""Natural logarithm of the highest odds that a reason states."""


def latency_rates(function: VersionComparison, thresholds: Thresholds) -> tuple[ComparedRate, ...]:
    """Return the rates of one function's slow requests: by line, and over the limit. The names are always the same."""
    lines = tuple(_line_rate(function, percentile, thresholds) for percentile in PERCENTILES)
    return (*lines, _limit_rate(function, thresholds))


def judge_latency(
    functions: tuple[VersionComparison, ...],
    thresholds: Thresholds,
    tests: RunningTests,
    rates: tuple[ComparedRate, ...],
) -> Verdict:
    """Judge the latency of the changed functions; arguments as for `request_metrics.judge_request_metrics`."""
    if tests.proves_worse(thresholds.false_alarm_probability(SOURCE)):
        odds = two_digits(odds_of_log(tests.log_evidence, MOST_LOG_ODDS_IN_REASONS))
        slowest = _describe(tests.worst_rate(rates), functions)
        return Verdict.failed(f"{slowest}; evidence {odds} to 1 against chance")
    unidentified = [function.name for function in functions if not function.versions_identified]
    if unidentified:
        return Verdict.inconclusive(f"cannot distinguish the versions: {', '.join(unidentified)}")
    few = [function for function in functions if function.canary.timed < thresholds.minimum_requests]
    if few:
        counts = ", ".join(f"{_canary(function)} {function.canary.timed}" for function in few)
        return Verdict.inconclusive(f"too few warm requests on canary: {counts} of {thresholds.minimum_requests}")
    fresh = [function.name for function in functions if lines_are_fresh(function)]
    if fresh:
        return Verdict.inconclusive(
            f"stable was measured for the first time, nothing is compared yet: {', '.join(fresh)}"
        )
    weights = sum(rate.weight for rate in rates)
    slow = [
        rate
        for rate in rates
        if trending_worse(rate, trend_deviations(rate.weight, weights), tests.tests[rate.name].dispersion.of_neighbours)
    ]
    if slow:
        return Verdict.inconclusive(f"slower, not proved: {'; '.join(_describe(rate, functions) for rate in slow)}")
    return Verdict.passed("; ".join(_summary(function, rates) for function in functions))


def describe_rates(function: VersionComparison, thresholds: Thresholds) -> Mapping[str, str]:
    """Return what a slow request is in the rates of one function, by line and for the limit; it depends on no request."""
    described = {percentile: _describe_line(function, percentile, thresholds) for percentile in PERCENTILES}
    return {**described, LIMIT: f"{function.name} takes more than {thresholds.max_p99_ms:g} ms"}


def _describe_line(function: VersionComparison, percentile: str, thresholds: Thresholds) -> str:
    line_ms, highest_ms = _line_of_stable(function, percentile), _line_before(function, percentile)
    if line_ms is not None:
        bound_ms = tolerated_ms(line_ms, thresholds)
        return f"{function.name} takes more than {bound_ms:g} ms, stable more than {line_ms:g} ms"
    if highest_ms is not None:
        bound_ms = tolerated_ms(highest_ms, thresholds)
        return f"{function.name} takes more than {bound_ms:g} ms, more than stable's highest p99 before"
    return f"{function.name} has nothing to compare {percentile} with"


def _line_of_stable(function: VersionComparison, percentile: str) -> float | None:
    """Return the line in ms over which requests of stable are counted in the same window; None if they are not."""
    if function.lines is None or function.canary_has_all_traffic:
        return None
    return function.lines.usual.get(percentile)


def _line_before(function: VersionComparison, percentile: str) -> float | None:
    """Return stable's latency in ms before the deployment that canary is compared with instead; None if it is not."""
    if function.lines is None or not function.canary_has_all_traffic or percentile != MEDIAN:
        return None
    return function.lines.highest_p99_ms or None


def _line_rate(function: VersionComparison, percentile: str, thresholds: Thresholds) -> ComparedRate:
    lines = function.lines
    if lines is not None:
        line_ms, highest_ms = _line_of_stable(function, percentile), _line_before(function, percentile)
        if line_ms is not None:
            return _compare_with_stable(function, percentile, lines.fixed_at, line_ms, thresholds)
        if highest_ms is not None:
            return _compare_with_before(function, percentile, lines.fixed_at, highest_ms, thresholds)
    description = _describe_line(function, percentile, thresholds)
    return ComparedRate(
        f"{function.name}/{percentile}", description, NO_TRIALS, NO_TRIALS, None, weight=WEIGHTS[percentile]
    )


def _compare_with_stable(
    function: VersionComparison, percentile: str, fixed_at: datetime, line_ms: float, thresholds: Thresholds
) -> ComparedRate:
    bound_ms = tolerated_ms(line_ms, thresholds)
    canary, stable = function.canary.since(fixed_at), function.stable.since(fixed_at)
    stable_total = stable.slower_than(line_ms).total
    return ComparedRate(
        f"{function.name}/{percentile}",
        _describe_line(function, percentile, thresholds),
        canary.slower_than(bound_ms).total,
        stable_total,
        Margin(0.0) if stable_total.trials else None,
        canary_periods=_slow_on_canary(canary, bound_ms, stable, line_ms),
        before_periods=Periods(tallies=(_expected_over(percentile),)),
        weight=WEIGHTS[percentile],
    )


def _compare_with_before(
    function: VersionComparison, percentile: str, fixed_at: datetime, highest_ms: float, thresholds: Thresholds
) -> ComparedRate:
    canary = function.canary.since(fixed_at).slower_than(tolerated_ms(highest_ms, thresholds))
    return ComparedRate(
        f"{function.name}/{percentile}",
        _describe_line(function, percentile, thresholds),
        canary.total,
        NO_TRIALS,
        Limit(1 - PERCENTILES[percentile]),
        canary_periods=canary,
        weight=WEIGHTS[percentile],
    )


def _expected_over(percentile: str) -> Tally:
    """Return what a percentile says of stable's requests, as if some had been counted: a first guess, and no evidence."""
    return Tally(GUESSED_FROM_REQUESTS, round(GUESSED_FROM_REQUESTS * (1 - PERCENTILES[percentile])))


def _limit_rate(function: VersionComparison, thresholds: Thresholds) -> ComparedRate:
    limit_ms, alone = thresholds.max_p99_ms, function.canary_has_all_traffic
    canary, stable = function.canary.slower_than(limit_ms).total, function.stable.slower_than(limit_ms).total
    null: Null | None = None
    if stable.trials and not alone:
        null = Margin(SHARE_OVER_P99)
    elif not _stable_was_over(function, limit_ms):
        # If stable exceeded the limit, too, canary is not the cause: the fix of a slow release must be deployable.
        null = Limit(SHARE_OVER_P99)
    return ComparedRate(
        f"{function.name}/{LIMIT}",
        f"{function.name} takes more than {limit_ms:g} ms",
        canary,
        NO_TRIALS if alone else stable,
        null,
        canary_periods=_slow_on_canary(function.canary, limit_ms, function.stable, limit_ms),
        weight=WEIGHTS[LIMIT],
    )


def _slow_on_canary(canary: Measurements, canary_ms: float, stable: Measurements, stable_ms: float) -> Periods:
    """Return the slow requests of both versions by period, and those on canary: what dispersion is measured from.

    What slows both versions down at the same time is no dispersion of their difference, and cancels out here. Given all
    slow requests of two periods, those on canary are hypergeometric: they vary by the factor of stable's share of them
    less than the binomial counts that `dispersion` expects. So they are divided by that share. While stable has few slow
    requests, canary's own are measured.
    """
    on_canary = {sample.start: sample.slower_than(canary_ms).bad for sample in canary.samples}
    on_stable = {sample.start: sample.slower_than(stable_ms).bad for sample in stable.samples}
    both, of_stable = sum(on_canary.values()) + sum(on_stable.values()), sum(on_stable.values())
    if of_stable < ENOUGH_SLOW:
        return canary.slower_than(canary_ms)
    factor = both / of_stable
    starts = sorted({**on_canary, **on_stable})
    tallies = tuple(
        Tally(slow + on_stable.get(start, 0), round(factor * slow))
        for start, slow in ((start, on_canary.get(start, 0)) for start in starts)
    )
    seconds = min(((after - start).total_seconds() for start, after in pairwise(starts)), default=0.0)
    return Periods(seconds, tuple(tally for tally in tallies if tally.trials))


def _stable_was_over(function: VersionComparison, limit_ms: float) -> bool:
    lines = function.lines
    return lines is not None and max(lines.highest_p99_ms or 0.0, lines.usual.get("p99", 0.0)) > limit_ms


def lines_are_fresh(function: VersionComparison) -> bool:
    """Return whether the lines were fixed from this evaluation's requests, so that they have judged none yet."""
    lines, canary = function.lines, function.canary
    return lines is not None and all(sample.start < lines.fixed_at for sample in canary.samples)


def _describe(rate: ComparedRate, functions: tuple[VersionComparison, ...]) -> str:
    """Return a rate in words: canary's version, both shares, and what canary is allowed."""
    function = next(function for function in functions if rate.name.startswith(f"{function.name}/"))
    text = rate.description.removeprefix(f"{function.name} ")
    shares = f"{_share(rate.canary)} of its requests"
    if rate.null is None:
        return f"{_canary(function)} {text}"
    if isinstance(rate.null, Limit):
        return f"{_canary(function)} {text}: {shares}, at most {percent(rate.null.share)}"
    tolerated = f", tolerated {percent(rate.null.points)} more" if rate.null.points else ""
    return f"{_canary(function)} {text}: {shares}, {_share(rate.stable)} of stable's{tolerated}"


def _summary(function: VersionComparison, rates: tuple[ComparedRate, ...]) -> str:
    measured = f"{_canary(function)} {_percentiles(function.canary)} (stable {_percentiles(function.stable)})"
    lines = {f"{function.name}/{percentile}" for percentile in PERCENTILES}
    compared = any(rate.null is not None for rate in rates if rate.name in lines)
    return measured if compared else f"{measured}, nothing to compare with but the limit"


def _percentiles(measurements: Measurements) -> str:
    p50_ms, p99_ms = measurements.p50_ms, measurements.p99_ms
    return "no latency" if p50_ms is None or p99_ms is None else f"p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms"


def _share(tally: Tally) -> str:
    return f"{tally.bad} of {tally.trials} ({percent(tally.share)})" if tally.bad else f"0 of {tally.trials}"


def _canary(function: VersionComparison) -> str:
    return f"{function.name}:{function.canary.version}"
