"""Drills, restores and failbacks: the list, the trend of their objectives, and one at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from orchestrator.cli.actions.reports.report import read_report
from orchestrator.cli.context import Context
from orchestrator.cli.live.snapshots import RecoverySnapshot
from orchestrator.cli.rendering.recovery_timeline import check_rows, recovery_outcome_line
from orchestrator.cli.rendering.reports.recovery_report import recovery_report
from orchestrator.cli.rendering.reports.report import BAD, GOOD, OPEN, Fact
from orchestrator.console.actions import link_to
from orchestrator.console.pages.deployments import path_of
from orchestrator.console.pages.live_deployment import phases_table
from orchestrator.console.pages.words import ABSENT, lasted, minute, moment
from orchestrator.console.sections import (
    Bar,
    Bars,
    Cell,
    Commands,
    Facts,
    Heading,
    Link,
    Links,
    Page,
    Plots,
    Section,
    Table,
    of_report,
    present,
)
from orchestrator.domain.objectives.scenarios import scenario_of
from orchestrator.domain.plots.time_plot import Level, Point, Series, TimePlot
from orchestrator.domain.progress.phases import (
    ObjectiveState,
    ObjectiveUse,
    expected_end,
    recovery_phases,
    recovery_time_used,
)
from orchestrator.domain.recovery.record import Recovery, RecoveryOutcome
from orchestrator.domain.texts import percent

PLACE = "Recoveries"
LISTED = 60
_TONES = {ObjectiveState.MET: GOOD, ObjectiveState.NEARLY_USED: OPEN, ObjectiveState.MISSED: BAD}


def recoveries_page(context: Context) -> Page:
    """Return the page of the newest drills and restores with the trend of their objectives."""
    recoveries = context.cloud.drills.newest_records(LISTED)
    trend = objectives_trend(recoveries)
    heading = Heading("Drills and restores", f"the newest {len(recoveries)} of {context.name}")
    start = Links("Actions", (link_to("drill", context.name),))
    return Page(
        "Drills and restores",
        PLACE,
        present(heading, start, Plots(trend) if trend else None, recoveries_table(recoveries)),
    )


def recoveries_table(recoveries: Sequence[Recovery], title: str = "History") -> Table:
    """Return a table of recoveries in the given order."""
    columns = (
        "recovery", "kind", "requested (UTC)", "outcome", "recovery time", "RTO", "data loss", "RPO", "cost", "reason",
    )  # fmt: skip
    empty = "There is no drill yet: `orchestrator drill` starts one."
    return Table("recoveries", title, columns, tuple(_row(one) for one in recoveries), empty=empty)


def _row(one: Recovery) -> tuple[Cell, ...]:
    return (
        Link(one.id, path_of(one.id)),
        f"failback of {one.failback_of}" if one.failback_of else str(one.kind),
        minute(one.requested_at),
        str(one.outcome or "IN PROGRESS"),
        lasted(one.measured.recovery_time),
        lasted(one.objectives.recovery_time),
        lasted(one.measured.data_loss),
        lasted(one.objectives.data_loss),
        f"{one.cost.usd:.2f} USD",
        one.reason,
    )


def objectives_trend(recoveries: Sequence[Recovery]) -> tuple[TimePlot, ...]:
    """Return the measured recovery time and data loss of every recovery that measured them, with their objectives.

    Scenarios may have different objectives: each has a line of its own. A drill with an injected fault measures nothing
    that an objective is about.
    """
    ended = sorted(
        (one for one in recoveries if one.ended_at is not None and not one.fault), key=lambda one: one.requested_at
    )
    plots = (
        _trend(
            "Recovery time", "RTO", [(one, one.measured.recovery_time, one.objectives.recovery_time) for one in ended]
        ),
        _trend("Data loss", "RPO", [(one, one.measured.data_loss, one.objectives.data_loss) for one in ended]),
    )
    return tuple(plot for plot in plots if plot is not None)


def _trend(
    title: str, short: str, recoveries: Sequence[tuple[Recovery, timedelta | None, timedelta]]
) -> TimePlot | None:
    measured = [(one, length, objective) for one, length, objective in recoveries if length is not None]
    if not measured:
        return None
    points = tuple(Point(one.requested_at, length.total_seconds(), begins=True) for one, length, _ in measured)
    scenarios: dict[float, set[str]] = {}
    for one, _, objective in measured:
        scenarios.setdefault(objective.total_seconds(), set()).add(scenario_of(one))
    several, last = len(scenarios) > 1, f"{points[-1].value:,.0f} s"
    levels = tuple(
        Level(allowed, f"{short}{' of ' + ', '.join(sorted(names)) if several else ''}: {allowed:,.0f} s")
        for allowed, names in sorted(scenarios.items())
    )
    return TimePlot(
        title=f"{title} of drills and restores",
        unit="seconds",
        description=f"{title} of {len(points)} recoveries; the last one measured {last}.",
        series=(Series(f"{title.lower()}: last {last}", points),),
        levels=levels,
        note="One mark is one recovery, at the time of its request.",
    )


def live_sections(snapshot: RecoverySnapshot) -> tuple[Section, ...]:
    """Return the sections of a recovery at one moment."""
    recovery, now = snapshot.recovery, snapshot.now
    phases = recovery_phases(recovery, snapshot.earlier, now)
    ends = expected_end(phases, now)
    report = recovery_report(recovery)
    facts = report.facts if ends is None else (Fact("Ends about", moment(ends)), *report.facts)
    return present(
        _heading(recovery),
        Facts(facts) if facts else None,
        Bars("objective", "Recovery time objective", (_objective(recovery_time_used(recovery, now)),)),
        phases_table("phases", "Phases", phases),
        Table("checks", "Checks", ("check", "verdict", "reason"), tuple(check_rows(recovery)), empty="None yet."),
        Plots(report.plots) if report.plots else None,
        Links("Related pages", (Link("Report", f"/recoveries/{recovery.id}/report"),), "more"),
        Commands(tuple(report.commands.items())),
    )


def report_page(context: Context, name: str) -> Page:
    """Return the report of a drill or a restore.

    Raises:
        Refused: there is no such recovery.
    """
    report = read_report(context, name)
    links = (Link("Live page", path_of(name)), Link("Evidence", f"/evidence/{name}"))
    return Page(f"Report of {name}", PLACE, of_report(report, *links))


def _heading(recovery: Recovery) -> Heading:
    tone = OPEN
    if recovery.outcome is not None:
        tone = GOOD if recovery.outcome is RecoveryOutcome.SUCCEEDED else BAD
    what = f"failback of {recovery.failback_of}" if recovery.failback_of else str(recovery.kind)
    fault = f", with the injected fault {recovery.fault}" if recovery.fault else ""
    point = recovery.point.isoformat(timespec="seconds")
    requested = f"Requested {minute(recovery.requested_at)} UTC by {recovery.requested_by}; recovery point {point}."
    return Heading(
        recovery.id,
        f"{what} of {recovery.environment}{fault}",
        str(recovery.outcome or "IN PROGRESS"),
        tone,
        (recovery_outcome_line(recovery), requested),
    )


def _objective(use: ObjectiveUse) -> Bar:
    objective = lasted(use.objective)
    if use.used is None or use.share is None:
        return Bar("RTO used", None, f"{ABSENT} of {objective}")
    words = f"{lasted(use.used)} of {objective} ({percent(use.share)})"
    return Bar("RTO used", min(1.0, use.share), words, _TONES[use.state])
