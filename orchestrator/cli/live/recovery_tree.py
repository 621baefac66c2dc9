"""A drill, a restore or a failback as a drawing: its phases, its checks, and how much of the RTO is used."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text

from orchestrator.cli.live.drawing import Drawing, Section
from orchestrator.cli.live.layout import BarRow, Flow, Glyphs, duration
from orchestrator.cli.live.phase_rows import phase_rows
from orchestrator.cli.live.snapshots import RecoverySnapshot
from orchestrator.cli.rendering.local_times import local_minute, local_time
from orchestrator.domain.printable import one_line
from orchestrator.domain.progress.phases import (
    ObjectiveState,
    ObjectiveUse,
    PhaseState,
    expected_end,
    recovery_phases,
    recovery_time_used,
)
from orchestrator.domain.recovery.record import CheckResult, Recovery, RecoveryOutcome
from orchestrator.domain.texts import percent
from orchestrator.domain.verdict import Outcome

_STYLES = {
    ObjectiveState.MET: "green",
    ObjectiveState.NEARLY_USED: "yellow",
    ObjectiveState.MISSED: "bold red",
}


def draw_recovery(snapshot: RecoverySnapshot, glyphs: Glyphs, *, compact: bool = False) -> Drawing:
    """Return the drawing of a recovery at one moment.

    Args:
        snapshot: the records.
        glyphs: the characters to draw with.
        compact: leave out the phases that have ended.
    """
    recovery, now = snapshot.recovery, snapshot.now
    phases = recovery_phases(recovery, snapshot.earlier, now)
    listed = [phase for phase in phases if phase.state is not PhaseState.DONE] if compact else phases
    ends = expected_end(phases, now)
    lines: list[Flow] = [_about(recovery, glyphs)]
    if ends is not None:
        lines.append(Flow([Text(f"ends about {local_time(ends)}, in {duration(ends - now)}")]))
    sections = [
        Section(Text("phases", "bold"), phase_rows(listed, glyphs) or [Text("none has ended yet", "dim")]),
        Section(_objective(recovery_time_used(recovery, now), glyphs)),
        Section(Text("checks", "bold"), _checks(recovery, glyphs)),
    ]
    return Drawing(_title(snapshot, glyphs), lines, sections, ())


def _title(snapshot: RecoverySnapshot, glyphs: Glyphs) -> Text:
    recovery = snapshot.recovery
    state = recovery.outcome or "IN PROGRESS"
    style = "bold cyan"
    if recovery.outcome is not None:
        style = "bold green" if recovery.outcome is RecoveryOutcome.SUCCEEDED else "bold red"
    elapsed = duration((recovery.ended_at or snapshot.now) - recovery.requested_at)
    return Text.assemble((one_line(recovery.id), "bold"), "  ", (state, style), (f" {glyphs.dot} {elapsed}", "dim"))


def _about(recovery: Recovery, glyphs: Glyphs) -> Flow:
    what = f"failback of {recovery.failback_of}" if recovery.failback_of else str(recovery.kind)
    fault = [Text(f"with the injected fault {recovery.fault}", "yellow")] if recovery.fault else []
    pieces = [
        Text(
            f"{what} of {recovery.environment}, by {one_line(recovery.requested_by)} at {local_minute(recovery.requested_at)}"
        ),
        Text(f"recovery point {recovery.point.isoformat(timespec='seconds')}"),
        *fault,
    ]
    return Flow(pieces, separator=f" {glyphs.dot} ", indent=2)


def _objective(use: ObjectiveUse, glyphs: Glyphs) -> BarRow:
    name = Text("RTO used", "bold")
    objective = duration(use.objective)
    if use.used is None or use.share is None:
        words = Text(f"{glyphs.none} of {objective}")
    else:
        words = Text(f"{duration(use.used)} of {objective} ({percent(use.share)})")
    share = use.share or 0.0
    widths = cell_len(name.plain), cell_len(words.plain)
    return BarRow(name, min(1.0, share), words, *widths, glyphs, _STYLES[use.state])


def _checks(recovery: Recovery, glyphs: Glyphs) -> list[Text]:
    results = recovery.check_results
    passed = [result for result in results if result.verdict.outcome is Outcome.PASS]
    lines = [_failed(result) for result in results if result not in passed]
    if passed:
        lines.append(Text(f"{glyphs.done} {len(passed)} of {len(results)} passed", "green"))
    return lines or [Text("none yet", "dim")]


def _failed(result: CheckResult) -> Text:
    style = "bold red" if result.verdict.outcome is Outcome.FAIL else "yellow"
    note = "" if result.decides else " (informational)"
    return Text.assemble(
        (f"{result.verdict.outcome} ", style), one_line(f"{result.check}: {result.verdict.reason}{note}")
    )
