"""Output formats: one JSON object with --json, one a line with --watch as well, otherwise text and tables."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.cli.rendering.deployment_timeline import TimelineEntry
from orchestrator.cli.rendering.local_times import local_time
from orchestrator.cli.rendering.step_metrics import StepMetrics, error_percent
from orchestrator.domain.deployment.freeze import Freeze
from orchestrator.domain.printable import printable

# Rich is imported where something is drawn: it takes a tenth of the start, and --json draws nothing.
if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
    from rich.table import Table

TONES = {"good": "green", "bad": "red", "": ""}
NAME_WIDTH = 24
LOG_WIDTH = 400
NARROW_WIDTH = 72
"""Terminals with fewer columns get a list in place of the columns of a timeline."""

READABLE_WIDTH = 16
"""A cell that wraps needs this many columns to be readable, and as many as its longest word."""

INDENT = 2

GAP = 2
"""The blanks that Rich puts between two columns of a table."""


def console() -> Console:
    """Return the console: the terminal's colours and width, NO_COLOR and COLUMNS respected.

    Without a terminal and without COLUMNS, lines are long.
    """
    from orchestrator.cli.rendering.screen import Screen  # noqa: PLC0415

    fixed = None if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal() else LOG_WIDTH
    return Screen(width=fixed)


def notes_console() -> Console:
    """Return the console of standard error, for notes on a table that standard output has alone."""
    from orchestrator.cli.rendering.screen import Screen  # noqa: PLC0415

    return Screen(stderr=True, width=LOG_WIDTH)


def show_freeze(screen: Console, freeze: Freeze | None) -> None:
    """Print that the environment is frozen, if it is."""
    if freeze and freeze.is_active:
        screen.print(f"{freeze.description}; new deployments are rejected", style="bold", markup=False)


def print_json(value: object) -> None:
    """Print exactly one JSON object, and nothing else. A number that JSON cannot state is null, as in the ledger."""
    _write_json(value, indent=2)


def print_json_line(value: object) -> None:
    """Print a JSON object in a line of its own, at once: its reader waits for it."""
    _write_json(value, indent=None)
    sys.stdout.flush()


def print_csv(text: str) -> None:
    """Print a table as CSV, whose cells have no control characters, and nothing else on standard output."""
    sys.stdout.write(text)


def _write_json(value: object, indent: int | None) -> None:
    sys.stdout.write(f"{json.dumps(finite(msgspec.to_builtins(value)), indent=indent, allow_nan=False)}\n")


def finite(value: Any) -> Any:
    """Return a JSON value with null in place of the numbers that JSON cannot state."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not isfinite(value) else value


@dataclass(frozen=True)
class TimelineRow:
    """One entry of a timeline: in columns, or on a narrow terminal as a heading with its text below."""

    entry: TimelineEntry

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the entry for the width of the terminal; long text wraps in its own column."""
        from rich.padding import Padding  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        entry, at = self.entry, local_time(self.entry.at)
        text = Text(printable(entry.text), style=TONES[entry.tone], overflow="fold")
        if options.max_width < NARROW_WIDTH:
            yield Text.assemble((at, "dim"), " ", (entry.name, "bold"))
            yield Padding(text, (0, 0, 0, INDENT))
            return
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(style="bold", no_wrap=True, width=NAME_WIDTH)
        grid.add_column(overflow="fold")
        grid.add_row(at, entry.name, text)
        yield grid


def timeline_row(entry: TimelineEntry) -> TimelineRow:
    """Return one entry of a timeline as a row."""
    return TimelineRow(entry)


def step_line(metrics: StepMetrics) -> str:
    """Return the requested weight of a step and the observed traffic as text."""
    observed = "-" if metrics.observed_percent is None else f"{metrics.observed_percent:.1f} %"
    return (
        f"requested {metrics.weight_percent} %, observed {observed} of {metrics.requests} requests; "
        f"5xx canary {error_percent(metrics.canary):.1f} %, stable {error_percent(metrics.stable):.1f} %"
    )


def steps_table(steps: Sequence[StepMetrics]) -> TextTable:
    """Return a table of all steps so far."""
    columns = ("step", "requested", "observed", "requests", "5xx canary", "5xx stable", "seconds")
    rows = [
        (
            str(metrics.step + 1),
            f"{metrics.weight_percent} %",
            "-" if metrics.observed_percent is None else f"{metrics.observed_percent:.1f} %",
            str(metrics.requests),
            f"{error_percent(metrics.canary):.1f} %",
            f"{error_percent(metrics.stable):.1f} %",
            f"{(metrics.until - metrics.since).total_seconds():.0f}",
        )
        for metrics in steps
    ]
    return TextTable(columns, rows, columns, "right")


@dataclass(frozen=True)
class TextTable:
    """A plain table; on a terminal that is too narrow for it, a list with one line a cell.

    Attributes:
        unwrapped: columns that never wrap, so that their values can be copied.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    unwrapped: Sequence[str] = ()
    justify: JustifyMethod = "left"

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the rows for the width of the terminal."""
        from rich.padding import Padding  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        if self._needed_width() <= options.max_width:
            yield self._table()
            return
        for row in self.rows:
            first, *others = zip(self.columns, row, strict=True)
            yield Text(f"{first[0]}: {first[1]}", style="bold", overflow="fold")
            for name, cell in others:
                yield Padding(Text(f"{name}: {cell}", overflow="fold"), (0, 0, 0, INDENT))

    def _needed_width(self) -> int:
        """Return the columns of the terminal that the table needs to be readable."""
        return sum(self._needed(number) for number in range(len(self.columns))) + GAP * (len(self.columns) - 1)

    def _needed(self, number: int) -> int:
        from rich.cells import cell_len  # noqa: PLC0415

        name = self.columns[number]
        lines = [line for cell in ([name], *self.rows_of(number)) for line in cell]
        natural = max(map(cell_len, lines))
        longest_word = max(cell_len(word) for line in lines for word in (line.split() or [""]))
        return natural if name in self.unwrapped else min(natural, max(READABLE_WIDTH, longest_word))

    def rows_of(self, number: int) -> list[list[str]]:
        """Return the lines of every cell of a column."""
        return [str(row[number]).splitlines() or [""] for row in self.rows]

    def _table(self) -> Table:
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in self.columns:
            table.add_column(name, overflow="fold", no_wrap=name in self.unwrapped, justify=self.justify)
        for row in self.rows:
            table.add_row(*(Text(str(cell)) for cell in row))
        return table


def text_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], unwrapped: Sequence[str] = ()) -> TextTable:
    """Return a plain table. The columns in `unwrapped` never wrap, so that their values can be copied."""
    cells = [tuple(printable(str(cell)) for cell in row) for row in rows]
    return TextTable(tuple(printable(name) for name in columns), cells, unwrapped)
