"""Phases of a recovery or a rollback as rows: state, name, elapsed and expected duration."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from orchestrator.cli.live.layout import Glyphs, Row, duration, widths_of
from orchestrator.cli.rendering.deployment_timeline import spaced
from orchestrator.domain.printable import one_line
from orchestrator.domain.progress.phases import PhaseProgress, PhaseState

COLUMNS = ("", "took", "expected")
STYLES = {PhaseState.DONE: "green", PhaseState.RUNNING: "bold cyan", PhaseState.PENDING: "dim"}


def phase_rows(phases: Sequence[PhaseProgress], glyphs: Glyphs) -> list[Row]:
    """Return a row of headings and a row for each phase."""
    marks = {PhaseState.DONE: glyphs.done, PhaseState.RUNNING: glyphs.running, PhaseState.PENDING: glyphs.pending}
    headings = [Text(""), *(Text(name, "dim") for name in COLUMNS[1:])]
    rows = [
        [
            Text(f"{marks[phase.state]} {one_line(spaced(phase.name))}", STYLES[phase.state]),
            Text(glyphs.none if phase.elapsed is None else duration(phase.elapsed)),
            Text(glyphs.none if phase.expected is None else duration(phase.expected), "dim"),
        ]
        for phase in phases
    ]
    widths = widths_of([headings, *rows])
    return [Row(headings, (), widths), *(Row(cells, COLUMNS, widths) for cells in rows)] if rows else []
