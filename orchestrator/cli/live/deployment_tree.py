"""A deployment as a drawing: release, functions, both versions with their traffic, evidence, alarms, rollback, time line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.cells import cell_len
from rich.text import Text

from orchestrator.cli.live.drawing import Drawing, Section
from orchestrator.cli.live.layout import INDENT, BarRow, Flow, Glyphs, Row, duration, significant, widths_of
from orchestrator.cli.live.phase_rows import phase_rows
from orchestrator.cli.live.snapshots import DeploymentSnapshot
from orchestrator.cli.rendering.deployment_timeline import deployment_timeline, short_digest
from orchestrator.cli.rendering.local_times import local_minute, local_time
from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome, DeploymentPhase, Side
from orchestrator.domain.printable import one_line
from orchestrator.domain.progress.deployment_progress import (
    AlarmView,
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
from orchestrator.domain.progress.phases import rollback_phases
from orchestrator.domain.texts import percent

COLUMNS = ("", "weight", "observed", "requests", "5xx", "p50", "p99")
OK, IN_ALARM = "OK", "ALARM"
NEARLY = 0.5
"""Evidence that has come this part of the way to its threshold is a warning."""

GOOD_OUTCOMES = frozenset({DeploymentOutcome.SUCCEEDED, DeploymentOutcome.NOTHING_TO_SHIP})


def draw_deployment(snapshot: DeploymentSnapshot, glyphs: Glyphs, *, compact: bool = False) -> Drawing:
    """Return the drawing of a deployment at one moment.

    Args:
        snapshot: the records.
        glyphs: the characters to draw with.
        compact: leave out grants, and sources without evidence.
    """
    deployment, decisions = snapshot.deployment, snapshot.decisions
    expected = forecast(deployment, decisions, snapshot.pause, snapshot.now)
    traffic, measured = traffic_of(deployment, decisions)
    sections = [
        *_functions(traffic, glyphs, compact=compact),
        Section(
            Text.assemble(("evidence against the canary", "bold"), *_measured(measured)),
            _evidence(snapshot, glyphs, compact=compact),
        ),
        _alarms(alarms_of(deployment, decisions), glyphs),
    ]
    if deployment.rollback is not None:
        phases = rollback_phases(deployment, snapshot.earlier, snapshot.now)
        sections.append(Section(Text("rollback", "bold"), phase_rows(phases, glyphs)))
    act = who_may_act(deployment, snapshot.approvals)
    return Drawing(
        title=_title(snapshot, glyphs),
        lines=[_release(deployment, glyphs), *_times(expected, snapshot.now, glyphs)],
        sections=sections,
        entries=deployment_timeline(deployment, decisions, snapshot.pause),
        last=[Text.assemble(("may act: ", "dim"), one_line(act))] if act else [],
    )


def _title(snapshot: DeploymentSnapshot, glyphs: Glyphs) -> Text:
    deployment = snapshot.deployment
    state = deployment.phase if deployment.under_way else deployment.outcome or deployment.phase
    elapsed = (snapshot.now if deployment.under_way else deployment.ended_at or snapshot.now) - deployment.requested_at
    pieces: list[Text | str | tuple[str, str]] = [
        (one_line(deployment.id), "bold"),
        "  ",
        (state, _state_style(deployment)),
    ]
    steps = deployment.plan.steps
    if deployment.under_way and deployment.shifts and deployment.phase is DeploymentPhase.SHIFTING:
        shift = deployment.shifts[-1]
        pieces.append(f"  step {shift.step + 1} of {len(steps)}, {shift.weight_percent} % to canary")
    pieces.append((f" {glyphs.dot} {duration(elapsed)}", "dim"))
    return Text.assemble(*pieces)


def _state_style(deployment: Deployment) -> str:
    if deployment.phase is DeploymentPhase.ROLLING_BACK:
        return "bold red"
    if deployment.under_way:
        return "bold yellow" if deployment.phase is DeploymentPhase.PAUSED else "bold cyan"
    return "bold green" if deployment.outcome in GOOD_OUTCOMES else "bold red"


def _release(deployment: Deployment, glyphs: Glyphs) -> Flow:
    pieces = [
        Text.assemble("release ", (short_digest(deployment.release.digest), "bold")),
        Text(f"strategy {one_line(deployment.plan.strategy)}"),
        Text(
            f"in {deployment.environment}, by {one_line(deployment.requested_by)} at {local_minute(deployment.requested_at)}"
        ),
    ]
    return Flow(pieces, separator=f" {glyphs.dot} ")


def _times(expected: Forecast, now: datetime, glyphs: Glyphs) -> list[Flow]:
    pieces = []
    if expected.next_evaluation is not None:
        pieces.append(Text(f"next evaluation {_at(expected.next_evaluation, now)}"))
    if expected.deadline is not None:
        left = duration(expected.deadline - now)
        pieces.append(Text(f"rolled back at {local_time(expected.deadline)} without an answer, in {left}", "yellow"))
    if expected.ends_at is not None:
        earliest = "not before" if expected.waits_for else "about"
        condition = "" if expected.waits_for else " if all evaluations pass"
        pieces.append(Text(f"ends {earliest} {_at(expected.ends_at, now)}{condition}"))
    if expected.waits_for:
        pieces.append(Text(f"waits for {one_line(expected.waits_for)}", "yellow"))
    return [Flow(pieces, separator=f" {glyphs.dot} ", indent=2)] if pieces else []


def _at(at: datetime, now: datetime) -> str:
    left = at - now
    return f"{local_time(at)}, now due" if left <= timedelta(0) else f"{local_time(at)}, in {duration(left)}"


def _measured(measured: MeasuredBy | None) -> tuple[str | tuple[str, str], ...]:
    if measured is None:
        return ((" no evaluation with client traffic yet", "dim"),)
    weight = "" if measured.weight_percent is None else f" at {measured.weight_percent} %"
    return ((f" evaluated {local_time(measured.at)}{weight}", "dim"),)


def _functions(traffic: Sequence[FunctionTraffic], glyphs: Glyphs, *, compact: bool) -> list[Section]:
    changed = [function for function in traffic if len(function.versions) > 1]
    rows = {function.name: [_cells(version, glyphs) for version in function.versions] for function in changed}
    widths = widths_of([[Text(name) for name in COLUMNS], *(row for cells in rows.values() for row in cells)])
    # The label's row is one level higher than those of the versions.
    label_width = max([widths[0] + INDENT, *(cell_len(function.name) for function in traffic)])
    widths = (label_width - INDENT, *widths[1:])
    sections = []
    for function in traffic:
        name = Text(one_line(function.name), "bold")
        if function.name not in rows:
            padding = " " * (label_width - cell_len(name.plain))
            (version,) = function.versions
            sections.append(Section(Text.assemble(name, padding, "  ", (f"unchanged, {version.version}", "dim"))))
            continue
        heading = [name, *(Text(column, "dim") for column in COLUMNS[1:])]
        branches = [
            Section(Row(cells, COLUMNS, widths), [] if compact else _grants(version, glyphs))
            for version, cells in zip(function.versions, rows[function.name], strict=True)
        ]
        sections.append(Section(Row(heading, (), (label_width, *widths[1:])), (), branches))
    return sections


def _cells(version: VersionTraffic, glyphs: Glyphs) -> list[Text]:
    style = "cyan" if version.side is Side.CANARY else ""
    none = Text(glyphs.none, "dim")
    return [
        Text(f"{version.side.lower()} {version.version}", style),
        Text(f"{version.weight_percent} %"),
        none if version.observed_percent is None else Text(f"{version.observed_percent:.1f} %"),
        none if version.requests is None else Text(str(version.requests)),
        _errors(version, none),
        none if version.p50_ms is None else Text(f"{version.p50_ms:g} ms"),
        none if version.p99_ms is None else Text(f"{version.p99_ms:g} ms"),
    ]


def _errors(version: VersionTraffic, none: Text) -> Text:
    if version.server_errors is None or not version.requests:
        return none
    if not version.server_errors:
        return Text("0", "green")
    share = percent(version.server_errors / version.requests)
    return Text(f"{version.server_errors} ({share})", "bold red" if version.side is Side.CANARY else "red")


def _grants(version: VersionTraffic, glyphs: Glyphs) -> list[Flow]:
    if version.grants is None:
        return []
    pieces = [
        Text(f"{one_line(result)} {count}", "" if result == "issued" else "yellow")
        for result, count in sorted(version.grants.items(), key=lambda item: -item[1])
    ]
    first, *others = pieces
    return [Flow([Text.assemble(("grants: ", "dim"), first), *others], separator=f" {glyphs.dot} ", indent=2)]


def _evidence(snapshot: DeploymentSnapshot, glyphs: Glyphs, *, compact: bool) -> list[BarRow | Text]:
    measures = measures_of(snapshot.deployment, snapshot.decisions)
    silent = [measure for measure in measures if compact and not measure.filled]
    shown = [measure for measure in measures if measure not in silent]
    names = [Text(one_line(measure.name), "bold" if measure.leading else "") for measure in shown]
    words = [_odds(measure, glyphs) for measure in shown]
    name_width, words_width = (max((cell_len(text.plain) for text in texts), default=0) for texts in (names, words))
    rows: list[BarRow | Text] = []
    for measure, name, odds in zip(shown, names, words, strict=True):
        filled = None if measure.odds is None else measure.filled
        rows.append(BarRow(name, filled, odds, name_width, words_width, glyphs, _bar_style(measure)))
        if measure.leading and measure.rate:
            rows.append(Text(f"  {one_line(measure.rate)}", "yellow" if measure.filled < 1 else "red"))
    if silent:
        rows.append(Text(f"nothing against it: {', '.join(one_line(measure.name) for measure in silent)}", "dim"))
    return rows


def _odds(measure: Measure, glyphs: Glyphs) -> Text:
    odds = glyphs.none if measure.odds is None else significant(measure.odds)
    text = f"odds {odds} of {significant(measure.needed)}"
    return Text(f"{text} {glyphs.leading} leads" if measure.leading else text, "bold" if measure.leading else "")


def _bar_style(measure: Measure) -> str:
    if measure.filled >= 1:
        return "bold red"
    return "yellow" if measure.filled >= NEARLY else "green"


def _alarms(alarms: Sequence[AlarmView], glyphs: Glyphs) -> Section:
    quiet = [alarm for alarm in alarms if alarm.state == OK and not alarm.preexisting]
    unknown = [alarm for alarm in alarms if not alarm.state and not alarm.preexisting]
    lines = []
    for alarm in alarms:
        if alarm not in quiet and alarm not in unknown:
            note = ", since before the deployment" if alarm.preexisting else ""
            style = "bold red" if alarm.state == IN_ALARM and not alarm.preexisting else "yellow"
            lines.append(
                Flow([Text(alarm.state or glyphs.none, style), Text(f"{one_line(alarm.name)}{note}")], indent=2)
            )
    counts: list[tuple[str, str]] = []
    if quiet:
        counts.append((f"  {len(quiet)} of {len(alarms)} OK", "green"))
    if unknown:
        counts.append((f"  {len(unknown)} of {len(alarms)} not evaluated yet", "dim"))
    if not alarms:
        counts.append(("  the service has none", "dim"))
    return Section(Text.assemble(("alarms", "bold"), *counts), lines)
