"""What the metrics of a look come to.

FAIL        the running tests prove that canary is worse in something (orchestrator.domain.sequential); this needs no minimum of
            requests: 12 refused grants of 12 prove it
INCONCLUSIVE the versions cannot be told apart, canary had fewer requests than the minimum, or something leans the wrong way
            without being proved
PASS        otherwise, with enough requests in every function that changed

A rate is held against stable's in the same window. Where stable is idle (or gone, after the promotion), it is held against
stable's in the time before the deployment, and where there was nothing then either, against the absolute limits alone;
the verdict's reason says which. Clients' own mistakes fall on both versions, so refusals are compared and never counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import exp, sqrt

from orchestrator.domain.observation import GRANTING, ISSUED, REFUSALS, Compared, Measurements
from orchestrator.domain.policy import Thresholds
from orchestrator.domain.sequential import Limit, Margin, Null, Tally
from orchestrator.domain.verdict import Json, Verdict
from orchestrator.domain.watch import Measure, Watches

FALSE_ALARM_SHARE = 0.5
"""The metrics' part of the tolerated false alarms; latency (orchestrator.domain.latency) has the other half."""

REFUSED_WITHOUT_BASELINE = 0.5
"""Where nobody knows what share of grants clients get refused by their own fault, half of all is the service's."""

LEANS_BY_DEVIATIONS = 2.0
"""Beyond its margin by this many standard deviations a rate is not proved worse, but is nothing to advance on either."""

NEARLY_NOTHING, NEARLY_ALL = 1e-6, 0.999
MOST_EVIDENCE_SHOWN = 1e9


def measures_of(compared: Compared, thresholds: Thresholds) -> tuple[Measure, ...]:
    """Everything in which one function's canary may be worse. Always the same names, whatever was measured."""
    stable, canary, before = compared.stable, compared.canary, _enough(compared.before, thresholds)
    allowed = thresholds.max_error_percent / 100
    margin = thresholds.tolerated_increase_percent / 100

    def measure(
        what: str, says: str, tally: Callable[[Measurements], Tally], otherwise: float | None = None
    ) -> Measure:
        null = _null(tally(stable), tally(before), margin, otherwise)
        return Measure(f"{compared.name}/{what}", f"{compared.name} {says}", tally(canary), tally(stable), null)

    # A limit that stable breaks as well is not canary's doing: the fix of a broken release must be able to ship.
    broken_by_stable = stable.requests >= thresholds.minimum_requests and stable.errors.share > allowed
    limit = Measure(
        name=f"{compared.name}/server_error_limit",
        says=f"{compared.name} answers 5xx to more than {thresholds.max_error_percent:g} %",
        canary=canary.errors,
        stable=stable.errors,
        null=None if broken_by_stable else _limit(allowed),
    )
    found = [
        measure("server_errors", "answers 5xx", lambda one: one.errors),
        limit,
        measure("deaths", "dies of an exception or a timeout", lambda one: one.deaths, allowed),
    ]
    if compared.name == GRANTING:
        found.append(measure("refused", "refuses a grant", _refused, REFUSED_WITHOUT_BASELINE))
        found += [measure(result, f"answers {result}", _counting(result)) for result in REFUSALS]
        found.append(measure("no_result", "answers without a known result", _ungranted))
    return tuple(found)


def judge(
    functions: tuple[Compared, ...], thresholds: Thresholds, watches: Watches, measures: tuple[Measure, ...]
) -> Verdict:
    """Judge a look at the functions that changed.

    Args:
        functions: the measurements, since the step's shift.
        thresholds: what they are held against.
        watches: the running tests, after this look.
        measures: `measures_of` all functions, which `watches` has counted.
    """
    if watches.proves(thresholds.false_alarm_percent / 100 * FALSE_ALARM_SHARE):
        return Verdict.failed(_proof(watches, measures, functions))
    mixed_up = [compared for compared in functions if not compared.told_apart]
    if mixed_up:
        seen = ", ".join(f"{one.name} has {one.pooled_requests} requests" for one in mixed_up)
        return Verdict.inconclusive(f"cannot tell the versions apart: {seen} and none by version")
    few = [one for one in functions if one.canary.requests < thresholds.minimum_requests]
    if few:
        counts = ", ".join(f"{one.name} {one.canary.requests}" for one in few)
        return Verdict.inconclusive(f"too few requests on canary: {counts} of {thresholds.minimum_requests}")
    broken = [one for one in functions if one.canary.errors.share > thresholds.max_error_percent / 100]
    if broken:
        counts = ", ".join(f"{one.name} {_of(one.canary.errors)} (stable {_of(one.stable.errors)})" for one in broken)
        limit = f"{thresholds.max_error_percent:g} %"
        return Verdict.inconclusive(f"more than {limit} 5xx on canary, but not proved its own: {counts}")
    leaning = [measure for measure in measures if leans(measure)]
    if leaning:
        return Verdict.inconclusive(f"leans the wrong way, not proved: {_told(watches.worst(tuple(leaning)))}")
    return Verdict.passed(_praise(functions, thresholds))


def judge_alone(functions: tuple[Compared, ...], thresholds: Thresholds) -> Verdict:
    """Judge canary by its own server errors, where stable is nothing to compare it with: after a cut-over to other tables.

    By version, so what stable answered while its tables were closed is not counted. Too few requests fail nothing: a restore is not
    undone because the night is quiet.
    """
    allowed, enough = thresholds.max_error_percent / 100, thresholds.minimum_requests
    counts = ", ".join(f"{one.name} {_of(one.canary.errors)}" for one in functions)
    broken = [one for one in functions if one.canary.requests >= enough and one.canary.errors.share > allowed]
    if broken:
        told = ", ".join(f"{one.name} {_of(one.canary.errors)}" for one in broken)
        return Verdict.failed(f"more than {thresholds.max_error_percent:g} % 5xx on canary: {told}")
    return Verdict.passed(f"5xx on canary: {counts}")


def leans(measure: Measure) -> bool:
    """Whether canary's share exceeds what it may be by more than chance usually does at one look."""
    if measure.null is None or not measure.canary.trials:
        return False
    canary, canary_variance = _estimate(measure.canary)
    if isinstance(measure.null, Limit):
        return canary - measure.null.share > LEANS_BY_DEVIATIONS * sqrt(canary_variance)
    stable, stable_variance = _estimate(measure.stable)
    excess = canary - stable - measure.null.points
    return excess > LEANS_BY_DEVIATIONS * sqrt(canary_variance + stable_variance)


def figures_of(compared: Compared) -> Mapping[str, Json]:
    """One function's numbers, for the ledger."""
    before = compared.before
    return {
        "stable": _figures(compared.stable),
        "canary": _figures(compared.canary),
        "before": None if before is None else _figures(before),
        "pooled_requests": compared.pooled_requests,
        "observed_percent": _rounded(compared.observed_percent),
    }


def _figures(measured: Measurements) -> Mapping[str, Json]:
    return {
        "version": measured.version,
        "requests": measured.requests,
        "server_errors": measured.errors.bad,
        "grants": dict(measured.grants),
        "invocations": measured.invocations,
        "unhandled": measured.unhandled,
        "p50_ms": _rounded(measured.p50_ms),
        "p99_ms": _rounded(measured.p99_ms),
    }


def _proof(watches: Watches, measures: tuple[Measure, ...], functions: tuple[Compared, ...]) -> str:
    odds = exp(min(watches.log_evidence, 50.0))
    shown = f"more than {MOST_EVIDENCE_SHOWN:.0e}" if odds > MOST_EVIDENCE_SHOWN else f"{odds:,.0f}"
    worst = watches.worst(measures)
    fresh = _new_results(worst, functions)
    return f"{_told(worst)}{fresh}; evidence {shown} to 1 against chance"


def _told(measure: Measure) -> str:
    held = "absolute limit" if isinstance(measure.null, Limit) else f"stable {_of(measure.stable)}"
    return f"canary's {measure.says}: {_of(measure.canary)}, {held}"


def _new_results(worst: Measure, functions: tuple[Compared, ...]) -> str:
    """Say which results canary alone gives, where grants are what failed: that is usually what somebody wants to know."""
    compared = next(one for one in functions if worst.name.startswith(f"{one.name}/"))
    known = set(compared.stable.grants) | set(compared.before.grants if compared.before else ())
    fresh = sorted(set(compared.canary.grants) - known)
    return f"; new results on canary: {', '.join(fresh)}" if fresh and compared.name == GRANTING else ""


def _praise(functions: tuple[Compared, ...], thresholds: Thresholds) -> str:
    told = [
        f"{one.name} {one.canary.errors.bad} 5xx of {one.canary.requests} (stable {_of(one.stable.errors)})"
        for one in functions
    ]
    idle = [one for one in functions if not one.stable.requests]
    known = [one for one in idle if one.before is not None and one.before.requests >= thresholds.minimum_requests]
    notes = [f"{one.name} held against the time before the deployment" for one in known]
    notes += [f"{one.name} held against absolute limits alone: no baseline" for one in idle if one not in known]
    return "; ".join([", ".join(told), *notes])


def _enough(before: Measurements | None, thresholds: Thresholds) -> Measurements:
    """Stable before the deployment, or nothing where that says too little."""
    return before if before is not None and before.requests >= thresholds.minimum_requests else Measurements("")


def _null(stable: Tally, before: Tally, margin: float, otherwise: float | None) -> Null | None:
    """What canary is held against: stable now, stable before, or an absolute share where there is one."""
    if stable.trials:
        return Margin(margin)
    if before.trials:
        return _limit(before.share + margin)
    return None if otherwise is None else _limit(otherwise)


def _refused(measured: Measurements) -> Tally:
    return measured.grants_that(lambda result: result != ISSUED)


def _counting(result: str) -> Callable[[Measurements], Tally]:
    return lambda measured: measured.grants_that(lambda given: given == result)


def _ungranted(measured: Measurements) -> Tally:
    granted = measured.grants_that(lambda _: True).trials
    return Tally(measured.requests, max(0, measured.requests - granted))


def _limit(share: float) -> Limit:
    return Limit(min(NEARLY_ALL, max(NEARLY_NOTHING, share)))


def _estimate(tally: Tally) -> tuple[float, float]:
    """Share and its variance, with half a success and half a failure added so that 0 of 3 does not count as certain."""
    share = (tally.bad + 0.5) / (tally.trials + 1)
    return share, share * (1 - share) / (tally.trials + 1)


def _of(tally: Tally) -> str:
    return f"{tally.bad} of {tally.trials}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
