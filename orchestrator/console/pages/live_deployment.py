"""One deployment at one moment: the snapshot of the live view (ADR 54) as sections. Every number is from the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.cli.live.layout import significant
from orchestrator.cli.live.snapshots import DeploymentSnapshot
from orchestrator.cli.rendering.deployment_timeline import deployment_timeline, short_digest
from orchestrator.cli.rendering.reports.deployment_plots import DeploymentFacts, deployment_plots
from orchestrator.cli.rendering.reports.report import BAD, GOOD, OPEN, Fact
from orchestrator.console.actions import deployment_links
from orchestrator.console.pages.words import ABSENT, clock, lasted, moment, sentence, text_or_absent
from orchestrator.console.sections import (
    PLAIN,
    Bar,
    Bars,
    Facts,
    Heading,
    Link,
    Links,
    Notes,
    Plots,
    Section,
    Table,
    present,
)
from orchestrator.domain.deployment.record import Deployment, DeploymentPhase, EventRecord
from orchestrator.domain.deployment.release import STABLE_OUTCOMES
from orchestrator.domain.progress.deployment_progress import (
    FunctionTraffic,
    Measure,
    MeasuredBy,
    VersionTraffic,
    alarms_of,
    measures_of,
    traffic_of,
    who_may_act,
)
from orchestrator.domain.progress.forecast import Forecast, forecast
from orchestrator.domain.progress.phases import PhaseProgress, rollback_phases
from orchestrator.domain.texts import percent

MOST_ENTRIES = 40
"""So many of the newest entries of the time line are shown; the report has the rest."""

NEARLY = 0.5
"""Evidence that has come this part of the way to its threshold is a warning, as in the live view."""

TRAFFIC_COLUMNS = ("function", "version", "weight", "observed", "requests", "5xx", "p50", "p99", "grants")


def live_sections(snapshot: DeploymentSnapshot) -> tuple[Section, ...]:
    """Return the sections of a deployment without its plots."""
    deployment, decisions = snapshot.deployment, snapshot.decisions
    traffic, measured = traffic_of(deployment, decisions)
    expected = forecast(deployment, decisions, snapshot.pause, snapshot.now)
    act = who_may_act(deployment, snapshot.approvals)
    waits = _waits(expected)
    return present(
        _heading(snapshot),
        Notes((*((text, OPEN) for text in waits), *(((f"May act: {act}.", PLAIN),) if act else ())))
        if waits or act
        else None,
        Links("Actions", links) if (links := deployment_links(deployment)) else None,
        Facts(_facts(deployment, expected)),
        _traffic(traffic, measured),
        _evidence(measures_of(deployment, decisions), measured),
        _alarms(snapshot),
        phases_table("rollback", "Rollback", rollback_phases(deployment, snapshot.earlier, snapshot.now))
        if deployment.rollback is not None
        else None,
        _time_line(snapshot),
        Links("Related pages", (Link("Report with every evaluation", f"/deployments/{deployment.id}/report"),), "more"),
    )


def plots_of(snapshot: DeploymentSnapshot, events: Sequence[EventRecord]) -> Plots | None:
    """Return the plots of a deployment; None if nothing is recorded that could be drawn."""
    about = [event for event in events if event.deployment == snapshot.deployment.id]
    plots = deployment_plots(DeploymentFacts(snapshot.deployment, snapshot.decisions, about))
    return Plots(plots) if plots else None


def state_in_words(deployment: Deployment) -> str:
    """Return the state of a deployment in one line."""
    state = str(deployment.phase if deployment.under_way else deployment.outcome or deployment.phase)
    if deployment.under_way and deployment.shifts and deployment.phase is DeploymentPhase.SHIFTING:
        shift = deployment.shifts[-1]
        return f"{state}, step {shift.step + 1} of {len(deployment.plan.steps)}, {shift.weight_percent} % to canary"
    return state


def tone_of(deployment: Deployment) -> str:
    """Return whether the deployment goes well."""
    if deployment.phase is DeploymentPhase.ROLLING_BACK:
        return BAD
    if deployment.under_way:
        return OPEN
    return GOOD if deployment.outcome in STABLE_OUTCOMES else BAD


def phases_table(identifier: str, title: str, phases: Sequence[PhaseProgress]) -> Table:
    """Return the phases of a rollback or a recovery, with their expected durations."""
    rows = tuple((phase.name, str(phase.state), lasted(phase.elapsed), lasted(phase.expected)) for phase in phases)
    caption = "Expected: the median of earlier runs."
    return Table(identifier, title, ("phase", "state", "took", "expected"), rows, caption, "No phase has ended yet.")


def _heading(snapshot: DeploymentSnapshot) -> Heading:
    deployment = snapshot.deployment
    since = f"requested {deployment.requested_at:%Y-%m-%d %H:%M:%S} UTC by {deployment.requested_by}"
    if deployment.under_way or deployment.ended_at is None:
        sentences: tuple[str, ...] = (sentence(since),)
    else:
        took = lasted(deployment.ended_at - deployment.requested_at)
        sentences = (f"It ended after {took}, {since}: {deployment.reason}",)
    return Heading(
        deployment.id,
        f"release {short_digest(deployment.release.digest)}, strategy {deployment.plan.strategy}",
        state_in_words(deployment),
        tone_of(deployment),
        sentences,
    )


def _waits(expected: Forecast) -> list[str]:
    waits = []
    if expected.waits_for:
        waits.append(f"It waits for {expected.waits_for}.")
    if expected.deadline is not None:
        waits.append(f"Without an answer it is rolled back at {moment(expected.deadline)}.")
    return waits


def _facts(deployment: Deployment, expected: Forecast) -> tuple[Fact, ...]:
    weight = deployment.shifts[-1].weight_percent if deployment.shifts else 0
    facts = [Fact("Weight that was asked", f"{weight} %", deployment.exposure)]
    if expected.next_evaluation is not None:
        facts.append(Fact("Next evaluation", clock(expected.next_evaluation)))
    if expected.ends_at is not None:
        name = "Ends not before" if expected.waits_for else "Ends about"
        facts.append(Fact(name, moment(expected.ends_at), "if all evaluations pass"))
    if deployment.ended_at is not None:
        facts.append(Fact("Ended", moment(deployment.ended_at)))
    rollback = deployment.rollback
    if rollback is not None and rollback.reverted_at is not None:
        took = (rollback.reverted_at - rollback.trigger.at).total_seconds()
        facts.append(Fact("Trigger to stable", f"{took:.1f} s", "until every alias read back"))
    return tuple(facts)


def _traffic(traffic: Sequence[FunctionTraffic], measured: MeasuredBy | None) -> Table:
    rows = tuple(_cells(function.name, version) for function in traffic for version in function.versions)
    return Table("traffic", "Traffic by function and version", TRAFFIC_COLUMNS, rows, _evaluated(measured))


def _evaluated(measured: MeasuredBy | None) -> str:
    if measured is None:
        return "No evaluation with client traffic yet."
    weight = "" if measured.weight_percent is None else f" at {measured.weight_percent} %"
    return (
        f"Evaluated {clock(measured.at)}{weight}; requests from {clock(measured.since)} to {clock(measured.until)}, "
        "since the step's shift."
    )


def _cells(function: str, version: VersionTraffic) -> tuple[str, ...]:
    grants = sorted((version.grants or {}).items(), key=lambda item: -item[1])
    return (
        function,
        f"{version.side.lower()} {version.version}",
        f"{version.weight_percent} %",
        ABSENT if version.observed_percent is None else f"{version.observed_percent:.1f} %",
        text_or_absent(version.requests),
        _errors(version),
        ABSENT if version.p50_ms is None else f"{version.p50_ms:g} ms",
        ABSENT if version.p99_ms is None else f"{version.p99_ms:g} ms",
        ", ".join(f"{result} {count}" for result, count in grants) or ABSENT,
    )


def _errors(version: VersionTraffic) -> str:
    if version.server_errors is None or not version.requests:
        return ABSENT
    if not version.server_errors:
        return "0"
    return f"{version.server_errors} ({percent(version.server_errors / version.requests)})"


def _evidence(measures: Sequence[Measure], measured: MeasuredBy | None) -> Bars:
    caption = "Odds that the canary is worse, on their way to the odds with which it is rolled back."
    caption += "" if measured is None else f" Evaluated {clock(measured.at)}."
    return Bars("evidence", "Evidence against the canary", tuple(_bar(one) for one in measures), caption)


def _bar(measure: Measure) -> Bar:
    odds = ABSENT if measure.odds is None else significant(measure.odds)
    words = f"odds {odds} of {significant(measure.needed)}{', leads' if measure.leading else ''}"
    tone = BAD if measure.filled >= 1 else OPEN if measure.filled >= NEARLY else GOOD
    filled = None if measure.odds is None else measure.filled
    return Bar(measure.name, filled, words, tone, measure.rate if measure.leading else "")


def _alarms(snapshot: DeploymentSnapshot) -> Table:
    rows = tuple(
        (alarm.name, alarm.state or "not evaluated yet", "since before the deployment" if alarm.preexisting else "")
        for alarm in alarms_of(snapshot.deployment, snapshot.decisions)
    )
    caption = "States at the newest evaluation."
    return Table("alarms", "Alarms", ("alarm", "state", "note"), rows, caption, "The service has no alarms.")


def _time_line(snapshot: DeploymentSnapshot) -> Table:
    entries = deployment_timeline(snapshot.deployment, snapshot.decisions, snapshot.pause)
    shown = list(reversed(entries[-MOST_ENTRIES:]))
    earlier = len(entries) - len(shown)
    caption = "Newest first." + (f" {earlier} earlier entries are in the report." if earlier else "")
    rows = tuple((f"{entry.at:%H:%M:%S}", entry.name, entry.text) for entry in shown)
    return Table("timeline", "Time line", ("time (UTC)", "what", "details"), rows, caption)
