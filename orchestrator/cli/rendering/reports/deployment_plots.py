"""The plots of a deployment, from its record, its decisions and its events. A plot without recorded values is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf, log
from typing import Any

from orchestrator.domain.analysis.confidence_sequence import confidence_interval
from orchestrator.domain.analysis.odds import odds_in_words
from orchestrator.domain.analysis.sequential_testing import Tally
from orchestrator.domain.analysis.spending import FALSE_ALARM
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.record import DecisionEntry, Deployment, EventRecord, Rollback
from orchestrator.domain.plots.time_plot import Callout, Level, Moment, Point, Series, TimePlot
from orchestrator.domain.texts import percent, two_digits
from orchestrator.domain.verdict import Evidence

ERROR_PROBABILITY = 0.05
"""That an interval of a confidence sequence misses the rate."""

PROVED_PERCENT = 100.0

METRICS, PERFORMANCE, ALARMS = "metrics", "performance", "alarms"
MEASURES = {
    METRICS: "request metrics",
    PERFORMANCE: "latency",
    "logs": "kinds of log errors",
    "health": "health checks",
    "security": "security checks",
    "flows": "OAuth flows",
    ALARMS: "alarms",
    "custom_checks": "own checks",
}
"""The probes that gather evidence, in words. Their place is the number of their style."""

DECIDERS = {
    "alarm": "an alarm whose evaluation blamed the release",
    "person": "an operator",
    "verdict": "the canary analysis",
    "error": "a failed task",
    "execution": "the end of its execution",
    "gate": "a gate that did not pass",
}
"""Who decides a rollback, by the source of its trigger."""

MOST_ALARMS = 6
MOST_CROSSINGS = 2


@dataclass(frozen=True)
class Odds:
    """The evidence of one probe at one evaluation: odds against the canary so far, and the odds that a rollback needs."""

    at: datetime
    probe: str
    evidence: float
    needed: float

    @property
    def crossed(self) -> bool:
        """Whether the evidence reached what a rollback needs."""
        return self.evidence >= self.needed

    @property
    def percent_of_proof(self) -> float:
        """The logarithm of the evidence in percent of the logarithm that a rollback needs."""
        return PROVED_PERCENT * log(self.evidence) / log(self.needed) if self.evidence > 0 else -inf

    @property
    def words(self) -> str:
        """Value and threshold, such as ``5,200 to 1, a rollback needs 130 to 1``."""
        return f"{odds_in_words(self.evidence)} to 1, a rollback needs {odds_in_words(self.needed)} to 1"


@dataclass(frozen=True)
class DeploymentFacts:
    """What the ledger has about one deployment; events are newest first."""

    deployment: Deployment
    decisions: Sequence[DecisionEntry]
    events: Sequence[EventRecord] = ()

    @property
    def judged(self) -> list[DecisionEntry]:
        """The evaluations of the canary. A rollback's verification of stable is none."""
        return [entry for entry in self.decisions if entry.evidence and entry.decision.action is not Action.REVERT]


def decider(rollback: Rollback) -> str:
    """Return who decided a rollback, in words."""
    return DECIDERS.get(rollback.trigger.source, rollback.trigger.source)


def deployment_plots(facts: DeploymentFacts) -> tuple[TimePlot, ...]:
    """Return all plots that the recorded values allow, the evidence first."""
    function = function_in_focus(facts)
    drawn = [
        evidence_plot(facts),
        weights_plot(facts.deployment, moments_of(facts)),
        *(errors_plot(facts, function, *kind) for kind in ERROR_KINDS),
        latency_plot(facts, function),
        requests_plot(facts, function),
    ]
    return tuple(plot for plot in drawn if plot is not None)


def odds_of(entry: DecisionEntry) -> list[Odds]:
    """Return the evidence of every probe at one evaluation."""
    found = [_odds(entry.at, one.probe, one.figures.get(FALSE_ALARM)) for one in entry.evidence]
    return [odds for odds in found if odds is not None]


def odds_of_event(event: EventRecord) -> Odds | None:
    """Return the evidence of an alarm's evaluation, at the time of the alarm; None if it was not evaluated."""
    return _odds(event.at, ALARMS, event.false_alarm)


def _odds(at: datetime, probe: str, spent: Any) -> Odds | None:
    numbers = [spent.get(key) for key in ("evidence", "needed")] if isinstance(spent, Mapping) else [None]
    known = probe in MEASURES and all(_counts(number) for number in numbers) and spent["needed"] > 1
    return Odds(at, probe, float(spent["evidence"]), float(spent["needed"])) if known else None


def strongest(entry: DecisionEntry) -> Odds | None:
    """Return the evidence that is nearest to a rollback; None if no probe recorded any."""
    return max(odds_of(entry), key=lambda odds: odds.percent_of_proof, default=None)


def moments_of(facts: DeploymentFacts) -> tuple[Moment, ...]:
    """Return what the plots mark: alarms, the start of the rollback, and its end."""
    rollback = facts.deployment.rollback
    alarms = [event for event in reversed(facts.events) if event.source == "alarm" and "changed to" not in event.why]
    moments = [
        Moment(event.at, f"alarm {event.name}{'' if event.acted else ', no rollback'}")
        for event in alarms[:MOST_ALARMS]
    ]
    if rollback is not None:
        moments.append(Moment(rollback.trigger.at, f"rollback, decided by {decider(rollback)}"))
    if rollback is not None and rollback.reverted_at:
        version = rollback.traffic_to.lower()
        moments.append(Moment(rollback.reverted_at, f"every alias points at its {version} version"))
    return tuple(sorted(moments, key=lambda moment: moment.at))


def evidence_plot(facts: DeploymentFacts) -> TimePlot | None:
    """Return the evidence of every measure over time, and where it reaches what a rollback needs."""
    recorded = [odds for entry in facts.judged for odds in odds_of(entry)]
    recorded += [odds for event in facts.events if (odds := odds_of_event(event)) is not None]
    recorded.sort(key=lambda odds: odds.at)
    if not recorded:
        return None
    by_probe = {probe: [odds for odds in recorded if odds.probe == probe] for probe in MEASURES}
    series = tuple(
        Series(
            f"{MEASURES[probe]}: {odds_in_words(listed[-1].evidence)} to 1, needs {odds_in_words(listed[-1].needed)}",
            tuple(Point(odds.at, max(0.0, odds.percent_of_proof)) for odds in listed),
            style=place,
            stepped=True,
        )
        for place, (probe, listed) in enumerate(by_probe.items())
        if listed
    )
    first = [next((odds for odds in listed if odds.crossed), None) for listed in by_probe.values()]
    crossings = sorted((odds for odds in first if odds is not None), key=lambda odds: odds.at)
    callouts = tuple(
        Callout(odds.at, odds.percent_of_proof, f"{odds.at:%H:%M:%S}  {MEASURES[odds.probe]}: {odds.words}")
        for odds in crossings[:MOST_CROSSINGS]
    )
    crossed = "; ".join(callout.words for callout in callouts) or "no measure reached what a rollback needs"
    return TimePlot(
        title="Evidence that the canary is worse than stable",
        unit="% of the evidence that a rollback needs (logarithms of the odds)",
        description=f"Evidence of each measure at each evaluation. At 100 % it rolls the release back: {crossed}.",
        series=series,
        levels=(Level(PROVED_PERCENT, "100 %: proved, rolls back"),),
        moments=moments_of(facts),
        callouts=callouts,
        note="Each step is one evaluation. Odds below 1 to 1, which speak for the canary, are drawn at 0 %.",
    )


def weights_plot(deployment: Deployment, moments: tuple[Moment, ...]) -> TimePlot | None:
    """Return the canary's weight over time; None without a shift."""
    if not deployment.shifts:
        return None
    points = [Point(deployment.requested_at, 0.0)]
    points += [Point(shift.at, float(shift.weight_percent)) for shift in deployment.shifts]
    rollback = deployment.rollback
    if rollback is not None and rollback.reverted_at:
        points.append(Point(rollback.reverted_at, 100.0 if deployment.keeps_canary else 0.0))
    if deployment.ended_at and deployment.ended_at > points[-1].at:
        points.append(Point(deployment.ended_at, points[-1].value))
    shifts = ", ".join(f"{shift.weight_percent} % at {shift.at:%H:%M:%S}" for shift in deployment.shifts)
    return TimePlot(
        title="Traffic that the canary was given",
        unit="% of requests to the canary (weight)",
        description=f"The weight of the canary over time: {shifts} UTC.",
        series=(Series("weight of the canary", tuple(points), style=1, stepped=True),),
        moments=moments,
        highest=100.0,
    )


ERROR_KINDS = (
    ("5xx responses", "server_errors", "requests"),
    ("Refused known grants", "refused_grants", "known_grants"),
)
"""Rates of the metrics probe: title, bad trials, trials."""


def errors_plot(facts: DeploymentFacts, function: str, title: str, bad: str, trials: str) -> TimePlot | None:
    """Return the share of bad trials by version; None if nothing was counted, or no grant was refused.

    The counts of a step begin at its shift, and with them the confidence sequence.
    """
    counted = [
        (entry, side, _tally(figures[side], bad, trials))
        for entry, figures in _figures(facts, METRICS, function)
        for side in SIDES
    ]
    known = [(entry, side, tally) for entry, side, tally in counted if tally is not None and tally.trials]
    if not known or (bad != "server_errors" and not any(tally.bad for _, _, tally in known)):
        return None
    series = tuple(
        _series_by_step(
            f"{side}: {_last(known, side)}", style, [(entry, tally) for entry, one, tally in known if one == side]
        )
        for style, side in enumerate(SIDES)
        if any(one == side for _, one, _ in known)
    )
    limit = facts.deployment.plan.limits.thresholds.max_error_percent
    levels = (Level(limit, f"max_error_percent: {limit:g} %"),) if bad == "server_errors" else ()
    return TimePlot(
        title=f"{title} of {function} by version",
        unit=f"{title.lower()}, % since the step's shift",
        description=f"{title} of {function} at each evaluation: {'; '.join(one.name for one in series)}.",
        series=series,
        levels=levels,
        moments=moments_of(facts),
        note="Shaded: 95 % confidence sequence of each step's counts, if requests fail independently.",
    )


def latency_plot(facts: DeploymentFacts, function: str) -> TimePlot | None:
    """Return the median and the 99th percentile by version; None if no latency was measured."""
    measured = list(_figures(facts, PERFORMANCE, function))
    styles = {("stable", "p50"): 0, ("stable", "p99"): 4, ("canary", "p50"): 1, ("canary", "p99"): 5}
    series = []
    for (side, quantile), style in styles.items():
        points = _points_by_step((entry, figures[side].get(f"{quantile}_ms")) for entry, figures in measured)
        if points:
            name = f"{side} {quantile}: {two_digits(points[-1].value)} ms"
            series.append(Series(name, tuple(points), style=style))
    if not series:
        return None
    return TimePlot(
        title=f"Latency of {function} by version",
        unit="ms, of warm requests since the step's shift",
        description=f"Latency of {function} at the last evaluation: {'; '.join(one.name for one in series)}.",
        series=tuple(series),
        moments=moments_of(facts),
    )


def requests_plot(facts: DeploymentFacts, function: str) -> TimePlot | None:
    """Return the requests that each version served since the step's shift; None if none was counted."""
    measured = list(_figures(facts, METRICS, function))
    series = []
    for style, side in enumerate(SIDES):
        points = _points_by_step((entry, figures[side].get("requests")) for entry, figures in measured)
        if points:
            name = f"{side} {_version(measured, side)}: {points[-1].value:,.0f} requests"
            series.append(Series(name, tuple(points), style=style))
    if not series:
        return None
    return TimePlot(
        title=f"Requests to {function} by version",
        unit="requests since the step's shift",
        description=f"Requests to {function}, counted at the last evaluation: {'; '.join(one.name for one in series)}.",
        series=tuple(series),
        moments=moments_of(facts),
        note="The counts begin again with each shift. They end `metric_delay_seconds` before the evaluation.",
    )


SIDES = ("stable", "canary")


def function_in_focus(facts: DeploymentFacts) -> str:
    """Return the function that the decisive reason names, or else the one with most requests on the canary."""
    changed = [function for function in facts.deployment.functions if function.changed]
    reasons = " ".join([facts.deployment.reason, *(entry.decision.reason for entry in reversed(facts.judged))])
    places = {function.name: reasons.find(f"{function.name}:{function.canary_version}") for function in changed}
    named = [(place, name) for name, place in places.items() if place >= 0]
    if named:
        return min(named)[1]
    requests = {
        function.name: sum(
            count
            for _, figures in _figures(facts, METRICS, function.name)
            if _counts(count := figures["canary"].get("requests"))
        )
        for function in changed
    }
    return max(requests, key=lambda name: requests[name], default="")


def figures_by_function(evidence: Evidence) -> Mapping[str, Mapping[str, Any]]:
    """Return the figures of each function that a probe recorded with both versions."""
    functions: Any = evidence.figures.get("functions")
    if not isinstance(functions, Mapping):
        return {}
    return {
        name: figures
        for name, figures in functions.items()
        if isinstance(figures, Mapping) and all(isinstance(figures.get(side), Mapping) for side in SIDES)
    }


def _figures(facts: DeploymentFacts, probe: str, function: str) -> Iterator[tuple[DecisionEntry, Mapping[str, Any]]]:
    for entry in facts.judged:
        for one in entry.evidence:
            if one.probe == probe and function in (by_function := figures_by_function(one)):
                yield entry, by_function[function]


def _series_by_step(name: str, style: int, counted: Sequence[tuple[DecisionEntry, Tally]]) -> Series:
    intervals = [confidence_interval(tally, ERROR_PROBABILITY) for _, tally in counted]
    points = _points_by_step((entry, 100 * tally.share) for entry, tally in counted)
    return Series(
        name,
        tuple(
            Point(point.at, point.value, 100 * low, 100 * high, point.begins)
            for point, (low, high) in zip(points, intervals, strict=True)
        ),
        style,
    )


def _points_by_step(values: Iterable[tuple[DecisionEntry, Any]]) -> list[Point]:
    """Return points of which each step's begin a line of their own, because its counts begin again."""
    points: list[Point] = []
    step: object = None
    for entry, value in values:
        if _counts(value):
            window = entry.evidence[0].window.start
            points.append(Point(entry.at, float(value), begins=window != step))
            step = window
    return points


def _tally(side: Mapping[str, Any], bad: str, trials: str) -> Tally | None:
    counts = side.get(trials), side.get(bad)
    if not all(_counts(count) for count in counts):
        return None
    total = int(counts[0])  # type: ignore[arg-type]  # checked above
    return Tally(total, min(total, int(counts[1])))  # type: ignore[arg-type]  # checked above


def _last(known: Sequence[tuple[DecisionEntry, str, Tally]], side: str) -> str:
    tally = [tally for _, one, tally in known if one == side][-1]
    return f"{tally.bad:,} of {tally.trials:,} ({percent(tally.share)})"


def _version(measured: Sequence[tuple[DecisionEntry, Mapping[str, Any]]], side: str) -> str:
    return str(measured[-1][1][side].get("version", ""))


def _counts(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
