"""A report: one sentence, facts, plots and tables. Every number in it is one that `orchestrator explain --json` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.plots.gantt import Gantt, render_gantt
from orchestrator.domain.plots.time_plot import TimePlot, render_time_plot

Plot = TimePlot | Gantt

GOOD, BAD, OPEN = "good", "bad", "open"

MOST_ROWS = 60
"""Of a longer table the first rows and the last ones are shown, so that a page stays below 150 kB."""

MOST_CELL = 400


@dataclass(frozen=True)
class Fact:
    """One figure of the summary: its name, its value, and what it is compared with."""

    name: str
    value: str
    details: str = ""


@dataclass(frozen=True)
class ReportTable:
    """A table with its caption; `omitted` rows in the middle are left out."""

    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    omitted: int = 0


@dataclass(frozen=True)
class Report:
    """What happened to one deployment or recovery.

    Attributes:
        kind: deployment, drill or restore.
        outcome: of the record; RUNNING while it has none.
        tone: good, bad or open.
        headline: what happened, in a few words.
        sentence: what happened, why, by which value against which threshold, who decided, and how long clients were
            exposed.
        missing: what is not in the report, and why.
        commands: how to see the same from the ledger, each with its purpose.
    """

    kind: str
    id: str
    environment: str
    outcome: str
    tone: str
    headline: str
    sentence: str
    facts: tuple[Fact, ...] = ()
    plots: tuple[Plot, ...] = ()
    tables: tuple[ReportTable, ...] = ()
    missing: tuple[str, ...] = ()
    commands: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> Mapping[str, Any]:
        """Return the report with the values of its plots, and without markup."""
        return {
            "kind": self.kind,
            "id": self.id,
            "environment": self.environment,
            "outcome": self.outcome,
            "headline": self.headline,
            "sentence": self.sentence,
            "facts": self.facts,
            "plots": self.plots,
            "tables": self.tables,
            "missing": self.missing,
            "commands": self.commands,
        }


def table(title: str, caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> ReportTable:
    """Return a table of at most `MOST_ROWS` rows, the first third and the rest from the end."""
    cells = [tuple(cell if len(cell) <= MOST_CELL else f"{cell[: MOST_CELL - 1]}…" for cell in row) for row in rows]
    if len(cells) <= MOST_ROWS:
        return ReportTable(title, caption, tuple(columns), tuple(cells))
    first = MOST_ROWS // 3
    shown = [*cells[:first], *cells[first - MOST_ROWS :]]
    return ReportTable(title, caption, tuple(columns), tuple(shown), len(cells) - MOST_ROWS)


def render_plot(plot: Plot) -> str:
    """Return a plot as SVG."""
    return render_gantt(plot) if isinstance(plot, Gantt) else render_time_plot(plot)
