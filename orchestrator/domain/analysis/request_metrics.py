"""Judge the request metrics of an evaluation.

FAIL          the running tests prove that canary is worse in some rate (`sequential_testing.py`). This needs no
              minimum number of requests: 21 refused grants of 21 prove it
INCONCLUSIVE  the versions cannot be distinguished, canary has fewer requests than the minimum, or a rate trends worse
              without being proved worse
PASS          otherwise, with enough requests in every changed function

A rate is compared with stable's rate in the same window. If stable is idle (or gone, after the promotion), the limit is
`DRIFT` times stable's worst `WORST_MINUTES` minutes before the deployment, because rates drift and nothing shows by how
much; and if there was no traffic before, the absolute limits alone hold. The reason of the verdict names the comparison.

The tests share the source's false alarm probability by fixed weights (`WEIGHTS`). Their evidence is divided by the
dispersion of the errors (`dispersion.py`), so that bursts of errors are no more evidence than single ones.

That holds for what the service is responsible for: its 5xx, its failures, the known grants that it refuses. Visitors
(by garbage), clients (by mistakes) and upstream identity providers cause every other rate. It reaches both versions in
proportion, because Lambda draws the version of each request; so such a rate is compared with stable's in the same
window, and with nothing else. Otherwise a visitor could undo a release after its promotion, by sending more garbage
than there was before (docs/reference/security.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from statistics import NormalDist

from orchestrator.domain.analysis.dispersion import NO_PERIODS, Periods
from orchestrator.domain.analysis.observations import (
    GRANT_FUNCTION,
    REFUSALS,
    UPSTREAM_FUNCTION,
    Measurements,
    Sample,
    VersionComparison,
)
from orchestrator.domain.analysis.odds import bounded_odds_text, odds_of_log
from orchestrator.domain.analysis.running_tests import ComparedRate, RunningTests
from orchestrator.domain.analysis.sequential_testing import Limit, Margin, Null, Tally, limit_at
from orchestrator.domain.deployment.policy import Thresholds
from orchestrator.domain.texts import percent
from orchestrator.domain.verdict import Json, Verdict

SOURCE = "request_metrics"
"""The source's name in `FalseAlarmShares`."""

WEIGHTS: Mapping[str, float] = {
    "server_errors": 20,
    "server_error_limit": 1,
    "deaths": 2,
    "upstream_errors": 1,
    "refused": 4,
    "no_result": 0.1,
    **dict.fromkeys(REFUSALS, 0.1),
}
"""How the rates divide the false alarm probability, the same for every changed function. A share delays a rate's proof
by its logarithm: little for what breaks many requests at once, such as a grant's results. So nearly all of it goes to
server errors, whose excess may be small."""

REFUSED_WITHOUT_BASELINE = 0.5
"""The assumed share of refused known grants without a baseline: clients' own mistakes may cause half of them."""

TREND_DEVIATIONS = 2.0
"""A rate that exceeds its margin by this many standard deviations trends worse: not proved, but inconclusive."""

TREND_PROBABILITY = 0.05
"""The probability that an equal canary trends worse in an evaluation, in any rate. The rates divide it by their weights."""

DRIFT = 2.0
"""How much higher than in stable's worst minutes before the deployment a rate may be while stable is idle. A log-normal
drift with a standard deviation of 0.5 exceeds it in less than 1 % of deployments."""

WORST_MINUTES = 5


DESCRIPTIONS: Mapping[str, str] = {
    "server_errors": "returns 5xx",
    "server_error_limit": "returns 5xx to more than {max_error_percent:g} %",
    "deaths": "fails with an exception or timeout",
    "upstream_errors": "fails at the identity provider",
    "refused": "refuses a known grant",
    "no_result": "returns no known result",
    **{result: f"returns {result}" for result in REFUSALS},
}


@dataclass(frozen=True)
class Count:
    """What a rate counts of one version: in total, and period by period."""

    total: Tally
    periods: Periods


@dataclass(frozen=True)
class Counts:
    """What a rate counts of canary, of stable, and of stable before the deployment (None if it was not read)."""

    canary: Count
    stable: Count
    before: Count | None


def request_rates(function: VersionComparison, thresholds: Thresholds) -> tuple[ComparedRate, ...]:
    """Return all rates in which one function's canary may be worse. The names are always the same."""
    return tuple(_rate(function, name, counts, thresholds) for name, counts in count_rates(function).items())


@cache
def rate_names(function: str) -> tuple[str, ...]:
    """Return the names of a function's rates, as `count_rates` has them."""
    upstream = ("upstream_errors",) if function == UPSTREAM_FUNCTION else ()
    grants = ("refused", *REFUSALS, "no_result") if function == GRANT_FUNCTION else ()
    return ("server_errors", "server_error_limit", "deaths", *upstream, *grants)


def count_rates(function: VersionComparison) -> Mapping[str, Counts]:
    """Return what the rates of one function count, by the name of the rate. It depends on no threshold."""
    results = _count_results(function) if function.name == GRANT_FUNCTION else {}
    return {name: results.get(name) or count_rate(function, name) for name in rate_names(function.name)}


def count_rate(function: VersionComparison, name: str) -> Counts:
    """Return what one of the function's rates counts."""
    match name:
        case "server_errors" | "server_error_limit":
            return _by_sample(function, lambda one: Tally(one.requests, min(one.requests, one.server_errors)))
        case "deaths":
            return _counts(function, lambda one: Count(one.function_failures, Periods(60.0, one.minutes)))
        case "upstream_errors":
            return _by_sample(function, lambda one: Tally(one.requests, min(one.requests, one.upstream_errors)))
        case "refused":
            return _by_sample(function, lambda one: Tally(one.known_grants, min(one.known_grants, one.refused_grants)))
        case "no_result":
            return _by_sample(function, _without_result)
        case _:
            return _by_sample(function, lambda one: Tally(sum(one.grants.values()), one.grants.get(name, 0)))


def null_of(
    name: str, function: VersionComparison, counts: Callable[[], Counts], thresholds: Thresholds
) -> Null | None:
    """Return the null hypothesis of a rate; None if there is nothing to compare with.

    Args:
        name: of the rate, without the function's.
        function: both versions.
        counts: returns what the rate counts of them; it is not called if the null depends on no count.
        thresholds: the thresholds.
    """
    if name == "server_error_limit":
        return _absolute_limit(function, thresholds)
    counted = counts()
    match name:
        case "server_errors":
            return _null(function, counted, thresholds, None)
        case "deaths":
            return _null(function, counted, thresholds, thresholds.max_error_percent / 100)
        case "refused":
            return _null(function, counted, thresholds, REFUSED_WITHOUT_BASELINE)
        case _:
            # Visitors, clients or providers cause it: it has no limit without stable in the same window.
            return margin_of(thresholds) if counted.stable.total.trials else None


def describe_rate(function: str, name: str, thresholds: Thresholds) -> str:
    """Return a bad trial of a rate in words, such as ``token returns 5xx``."""
    return _described(function, name, thresholds.max_error_percent)


@cache  # of a few rates and settings
def _described(function: str, name: str, max_error_percent: float) -> str:
    return f"{function} {DESCRIPTIONS[name].format(max_error_percent=max_error_percent)}"


def _rate(function: VersionComparison, name: str, counts: Counts, thresholds: Thresholds) -> ComparedRate:
    return ComparedRate(
        name=f"{function.name}/{name}",
        description=describe_rate(function.name, name, thresholds),
        canary=counts.canary.total,
        stable=counts.stable.total,
        null=null_of(name, function, lambda: counts, thresholds),
        canary_periods=counts.canary.periods,
        stable_periods=counts.stable.periods,
        before_periods=NO_PERIODS if counts.before is None else counts.before.periods,
        weight=WEIGHTS[name],
    )


def _null(function: VersionComparison, counts: Counts, thresholds: Thresholds, otherwise: float | None) -> Null | None:
    """Return the null hypothesis: stable now, stable before, or an absolute share if there is one."""
    if counts.stable.total.trials and not function.canary_has_all_traffic:
        return margin_of(thresholds)
    baseline, before = function.before, counts.before
    if baseline and before and before.total.trials and baseline.requests >= thresholds.minimum_requests:
        highest = highest_before(before.periods, before.total, thresholds.minimum_requests)
        return limit_at(highest + margin_of(thresholds).points)
    return None if otherwise is None else limit_at(otherwise)


def _absolute_limit(function: VersionComparison, thresholds: Thresholds) -> Null | None:
    """Return the limit of the 5xx rate. If stable exceeds it too, the fix of a broken release must be deployable."""
    allowed, stable = thresholds.max_error_percent / 100, function.stable
    broken_by_stable = stable.requests >= thresholds.minimum_requests and stable.errors.share > allowed
    return None if broken_by_stable else limit_at(allowed)


def highest_before(periods: Periods, total: Tally, minimum_trials: int) -> float:
    """Return `DRIFT` times the highest share of bad trials in any `WORST_MINUTES`, and one more in the whole time.

    Args:
        periods: stable's minutes before the deployment; without them, the share of the whole time counts.
        total: at least one trial in the whole time.
        minimum_trials: a stretch with fewer trials than this is longer than `WORST_MINUTES`.
    """
    worst = total.share
    tallies = periods.tallies
    for end in range(WORST_MINUTES, len(tallies) + 1):
        start = end - WORST_MINUTES
        while start and sum(tally.trials for tally in tallies[start:end]) < minimum_trials:
            start -= 1
        worst = max(worst, Periods(periods.seconds, tallies[start:end]).total.share)
    return DRIFT * worst + 1 / total.trials


def judge_request_metrics(
    functions: tuple[VersionComparison, ...],
    thresholds: Thresholds,
    tests: RunningTests,
    rates: tuple[ComparedRate, ...],
) -> Verdict:
    """Judge an evaluation of the changed functions.

    Args:
        functions: the measurements since the step's shift.
        thresholds: the thresholds.
        tests: the running tests, updated with this evaluation.
        rates: `request_rates` of all functions, with which `tests` were updated.
    """
    if tests.proves_worse(thresholds.false_alarm_probability(SOURCE)):
        return Verdict.failed(_evidence_summary(tests, rates, functions))
    unidentified = [function for function in functions if not function.versions_identified]
    if unidentified:
        requests = ", ".join(f"{function.name} has {function.pooled_requests} requests" for function in unidentified)
        return Verdict.inconclusive(f"cannot distinguish the versions: {requests} and none by version")
    few = [function for function in functions if function.canary.requests < thresholds.minimum_requests]
    if few:
        return Verdict.inconclusive(describe_few_requests(few, thresholds))
    broken = [function for function in functions if function.canary.errors.share > thresholds.max_error_percent / 100]
    if broken:
        counts = ", ".join(
            f"{_canary(function)} {_ratio(function.canary.errors)} ({_stable(function)} {_ratio(function.stable.errors)})"
            for function in broken
        )
        limit = f"{thresholds.max_error_percent:g} %"
        return Verdict.inconclusive(f"more than {limit} 5xx on canary, but not proved to be its own: {counts}")
    weights = sum(rate.weight for rate in rates)
    trending = [
        rate
        for rate in rates
        if trending_worse(rate, trend_deviations(rate.weight, weights), tests.tests[rate.name].dispersion.of_neighbours)
    ]
    if trending:
        worst = tests.worst_rate(tuple(trending))
        return Verdict.inconclusive(f"trending worse, not proved: {_describe(worst, functions)}")
    return Verdict.passed(_pass_reason(functions, thresholds))


def judge_without_stable(functions: tuple[VersionComparison, ...], thresholds: Thresholds) -> Verdict:
    """Judge canary by its own server errors, after a cutover, when stable is no baseline.

    Errors are counted by version, so stable's responses while its tables were blocked do not count. Too few requests
    are no failure, because a restore is not rolled back for low traffic.
    """
    allowed, enough = thresholds.max_error_percent / 100, thresholds.minimum_requests
    counts = ", ".join(f"{_canary(function)} {_ratio(function.canary.errors)}" for function in functions)
    broken = [
        function
        for function in functions
        if function.canary.requests >= enough and function.canary.errors.share > allowed
    ]
    if broken:
        broken_counts = ", ".join(f"{_canary(function)} {_ratio(function.canary.errors)}" for function in broken)
        return Verdict.failed(f"more than {thresholds.max_error_percent:g} % 5xx on canary: {broken_counts}")
    return Verdict.passed(f"5xx on canary: {counts}, at most {thresholds.max_error_percent:g} %")


def trending_worse(rate: ComparedRate, deviations: float = TREND_DEVIATIONS, dispersion: float = 1.0) -> bool:
    """Return whether canary's rate exceeds its limit by more than chance usually causes in one evaluation.

    Args:
        rate: the totals of the window.
        deviations: the standard deviations that chance may cause.
        dispersion: the variance of the counts over that of independent trials.
    """
    if rate.null is None or not rate.canary.trials:
        return False
    canary, canary_variance = _estimate(rate.canary)
    if isinstance(rate.null, Limit):
        return canary - rate.null.share > deviations * sqrt(dispersion * canary_variance)
    stable, stable_variance = _estimate(rate.stable)
    excess = canary - stable - rate.null.points
    return excess > deviations * sqrt(dispersion * (canary_variance + stable_variance))


@cache  # of a few weights
def trend_deviations(weight: float, weights: float) -> float:
    """Return the deviations that a rate's share of `TREND_PROBABILITY` allows, by the normal distribution."""
    return NormalDist().inv_cdf(1 - TREND_PROBABILITY * weight / weights)


def figures_of(function: VersionComparison) -> Mapping[str, Json]:
    """Return one function's measurements, for the ledger."""
    before = function.before
    return {
        "stable": _figures(function.stable),
        "canary": _figures(function.canary),
        "before": None if before is None else _figures(before),
        "pooled_requests": function.pooled_requests,
        "observed_percent": _rounded(function.observed_percent),
    }


def _figures(measurements: Measurements) -> Mapping[str, Json]:
    return {
        "version": measurements.version,
        "requests": measurements.requests,
        "server_errors": measurements.errors.bad,
        "upstream_errors": measurements.upstream_failures.bad,
        "known_grants": measurements.known_grants.trials,
        "refused_grants": measurements.known_grants.bad,
        "grants": dict(measurements.grants),
        "invocations": measurements.invocations,
        "unhandled": measurements.unhandled,
        "p50_ms": _rounded(measurements.p50_ms),
        "p99_ms": _rounded(measurements.p99_ms),
    }


def _evidence_summary(
    tests: RunningTests, rates: tuple[ComparedRate, ...], functions: tuple[VersionComparison, ...]
) -> str:
    worst = tests.worst_rate(rates)
    new_results = _new_results(worst, functions)
    return f"{_describe(worst, functions)}{new_results}; evidence {bounded_odds_text(odds_of_log(tests.log_evidence))} to 1 against chance"


def describe_few_requests(few: Sequence[VersionComparison], thresholds: Thresholds) -> str:
    """Return which canary versions have fewer requests than an evaluation needs."""
    counts = ", ".join(f"{_canary(function)} {function.canary.requests}" for function in few)
    return f"too few requests on canary: {counts} of {thresholds.minimum_requests}"


def _describe(rate: ComparedRate, functions: tuple[VersionComparison, ...]) -> str:
    """Return a rate in words: its version, its share, and the share that it is compared with."""
    function = next(function for function in functions if rate.name.startswith(f"{function.name}/"))
    text = rate.description.removeprefix(f"{function.name} ")
    return f"{_canary(function)} {text}: {_ratio(rate.canary)}, {_reference(rate, function)}"


def _reference(rate: ComparedRate, function: VersionComparison) -> str:
    if isinstance(rate.null, Limit):
        return f"at most {percent(rate.null.share)}"
    tolerated = f", tolerated {percent(rate.null.points)} more" if rate.null else ""
    return f"{_stable(function)} {_ratio(rate.stable)}{tolerated}"


def _canary(function: VersionComparison) -> str:
    return f"{function.name}:{function.canary.version}"


def _stable(function: VersionComparison) -> str:
    return f"{function.name}:{function.stable.version}"


def _new_results(worst: ComparedRate, functions: tuple[VersionComparison, ...]) -> str:
    """Return the results that only canary has, if grants failed: usually the first question of an operator."""
    function = next(function for function in functions if worst.name.startswith(f"{function.name}/"))
    known = set(function.stable.grants) | set(function.before.grants if function.before else ())
    new_results = sorted(set(function.canary.grants) - known)
    return (
        f"; new results on canary: {', '.join(new_results)}" if new_results and function.name == GRANT_FUNCTION else ""
    )


def _pass_reason(functions: tuple[VersionComparison, ...], thresholds: Thresholds) -> str:
    summaries = [
        f"{_canary(function)} {function.canary.errors.bad} 5xx of {function.canary.requests} "
        f"({_stable(function)} {_ratio(function.stable.errors)})"
        for function in functions
    ]
    idle = [function for function in functions if not function.stable.requests]
    known = [
        function
        for function in idle
        if function.before is not None and function.before.requests >= thresholds.minimum_requests
    ]
    notes = [f"{function.name} compared with the time before the deployment" for function in known]
    notes += [
        f"{function.name} compared with absolute limits only: no baseline" for function in idle if function not in known
    ]
    return "; ".join([", ".join(summaries), *notes])


def _counts(function: VersionComparison, count: Callable[[Measurements], Count]) -> Counts:
    before = None if function.before is None else count(function.before)
    return Counts(count(function.canary), count(function.stable), before)


def _by_sample(function: VersionComparison, count: Callable[[Sample], Tally]) -> Counts:
    """Return what is counted in every sample."""

    def by_sample(measurements: Measurements) -> Count:
        periods = measurements.periods(count)
        return Count(periods.total, periods)

    return _counts(function, by_sample)


def _count_results(function: VersionComparison) -> Mapping[str, Counts]:
    """Return the grants with each of the refusals. Most did not occur, and have the same counts: of none."""
    versions = (function.canary, function.stable, *([function.before] if function.before else []))
    occurred = {result for version in versions for sample in version.samples for result in sample.grants}
    none = _by_sample(function, lambda one: Tally(sum(one.grants.values()), 0))
    return {result: count_rate(function, result) if result in occurred else none for result in REFUSALS}


def _without_result(sample: Sample) -> Tally:
    return Tally(sample.requests, max(0, sample.requests - sum(sample.grants.values())))


def margin_of(thresholds: Thresholds) -> Margin:
    """Return the null hypothesis of a rate that is compared with stable's in the same window."""
    return _margin_at(thresholds.tolerated_increase_percent)


@cache  # of a few settings
def _margin_at(percent_more: float) -> Margin:
    return Margin(percent_more / 100)


def _estimate(tally: Tally) -> tuple[float, float]:
    """Return a share and its variance, with half a success and half a failure added, so that 0 of 3 is not certain."""
    share = (tally.bad + 0.5) / (tally.trials + 1)
    return share, share * (1 - share) / (tally.trials + 1)


def _ratio(tally: Tally) -> str:
    share = f" ({percent(tally.share)})" if tally.bad else ""
    return f"{tally.bad} of {tally.trials}{share}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
