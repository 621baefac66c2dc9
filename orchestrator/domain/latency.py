"""What a look at latency comes to.

CloudWatch gives percentiles by period, and percentiles do not add up. So each period is one trial: is canary's percentile of
it over the line? The line is stable's of the same period times `max_latency_ratio`, at least `latency_floor_ms` above it, and for
the 99th percentile at most `max_p99_ms`. A healthy canary is over in few periods; how few is what the running test is held
against, so that one period of cold starts proves nothing, and a release that is slower throughout is proved in four
periods by its median, in seven by its tail.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

from orchestrator.domain.observation import Compared, Measurements, Sample
from orchestrator.domain.policy import Thresholds
from orchestrator.domain.sequential import Limit, Tally
from orchestrator.domain.verdict import Verdict
from orchestrator.domain.watch import Measure, Watches

FALSE_ALARM_SHARE = 0.5
"""Latency's part of the tolerated false alarms; the metrics (orchestrator.domain.analysis) have the other half."""

REQUESTS_IN_A_PERIOD = 5
"""Canary requests without which a period's percentile is just one of them."""

OVER_BY_CHANCE = {"p50": Limit(0.05), "p99": Limit(0.2)}
"""In how many of its periods a healthy canary may be over the line: the median hardly, the tail now and then."""


@dataclass(frozen=True)
class Line:
    """What a percentile may be, in ms, and why: one of ``stable``, ``before``, ``limit``."""

    ms: float
    because: str


def measures_of(compared: Compared, thresholds: Thresholds) -> tuple[Measure, ...]:
    """The two ways in which one function's canary may be slower. Always the same names."""
    return tuple(
        Measure(
            f"{compared.name}/{percentile}",
            f"{compared.name} is over its {percentile} line",
            _over(compared, percentile, thresholds),
            Tally(),
            null,
        )
        for percentile, null in OVER_BY_CHANCE.items()
    )


def judge(
    functions: tuple[Compared, ...], thresholds: Thresholds, watches: Watches, measures: tuple[Measure, ...]
) -> Verdict:
    """Judge the latency of the functions that changed; arguments as in `orchestrator.domain.analysis.judge`."""
    if watches.proves(thresholds.false_alarm_percent / 100 * FALSE_ALARM_SHARE):
        worst = watches.worst(measures)
        odds = exp(min(watches.log_evidence, 20.0))
        counted = f"in {worst.canary.bad} of {worst.canary.trials} periods"
        name, _, percentile = worst.name.partition("/")
        compared = next(one for one in functions if one.name == name)
        said = _typical(compared, percentile, thresholds)
        return Verdict.failed(f"canary's {worst.says} {counted} ({said}); evidence {odds:,.0f} to 1 against chance")
    mixed_up = [one.name for one in functions if not one.told_apart]
    if mixed_up:
        return Verdict.inconclusive(f"cannot tell the versions apart: {', '.join(mixed_up)}")
    few = [one for one in functions if one.canary.requests < thresholds.minimum_requests]
    if few:
        counts = ", ".join(f"{one.name} {one.canary.requests}" for one in few)
        return Verdict.inconclusive(f"too few requests on canary: {counts} of {thresholds.minimum_requests}")
    slow = [
        f"{one.name} {_typical(one, percentile, thresholds)}"
        for one in functions
        for percentile in OVER_BY_CHANCE
        if _typically_over(one, percentile, thresholds)
    ]
    if slow:
        return Verdict.inconclusive(f"slower, not proved: {', '.join(slow)}")
    told = [f"{one.name} {_typical(one, percentile, thresholds)}" for one in functions for percentile in OVER_BY_CHANCE]
    return Verdict.passed(", ".join(told))


def line(percentile: str, stable_ms: float | None, before_ms: float | None, thresholds: Thresholds) -> Line | None:
    """What canary's percentile may be; None where there is nothing to hold it against.

    Args:
        percentile: ``p50`` or ``p99``.
        stable_ms: stable's in the same time.
        before_ms: stable's before the deployment, which counts where stable is idle.
        thresholds: ratio, floor and limit.
    """
    compared_ms, because = (stable_ms, "stable") if stable_ms is not None else (before_ms, "before")
    limit = Line(thresholds.max_p99_ms, "limit") if percentile == "p99" else None
    if compared_ms is None:
        return limit
    relative = Line(max(compared_ms * thresholds.max_latency_ratio, compared_ms + thresholds.latency_floor_ms), because)
    # A limit that stable breaks as well is not canary's doing.
    return limit if limit is not None and compared_ms <= limit.ms < relative.ms else relative


def _over(compared: Compared, percentile: str, thresholds: Thresholds) -> Tally:
    of_stable = {sample.start: sample for sample in compared.stable.samples}
    trials = bad = 0
    for sample in compared.canary.samples:
        value = _value(sample, percentile)
        beside = of_stable.get(sample.start)
        allowed = line(
            percentile, _value(beside, percentile) if beside else None, _of(compared.before, percentile), thresholds
        )
        if sample.requests < REQUESTS_IN_A_PERIOD or value is None or allowed is None:
            continue
        trials, bad = trials + 1, bad + (value > allowed.ms)
    return Tally(trials, bad)


def _typically_over(compared: Compared, percentile: str, thresholds: Thresholds) -> bool:
    value = _of(compared.canary, percentile)
    allowed = line(percentile, _of(compared.stable, percentile), _of(compared.before, percentile), thresholds)
    return value is not None and allowed is not None and value > allowed.ms


def _typical(compared: Compared, percentile: str, thresholds: Thresholds) -> str:
    value = _of(compared.canary, percentile)
    stable, before = _of(compared.stable, percentile), _of(compared.before, percentile)
    allowed = line(percentile, stable, before, thresholds)
    held = "nothing to compare with" if allowed is None else f"at most {allowed.ms:.0f} by {allowed.because}"
    return f"{percentile} {0 if value is None else value:.0f} ms, {held}"


def _of(measured: Measurements | None, percentile: str) -> float | None:
    if measured is None:
        return None
    return measured.p50_ms if percentile == "p50" else measured.p99_ms


def _value(sample: Sample, percentile: str) -> float | None:
    return sample.p50_ms if percentile == "p50" else sample.p99_ms
