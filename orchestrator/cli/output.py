"""How things are shown: one JSON object for programs, plain words for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli.observed import StepSeen, error_percent
from orchestrator.cli.story import Line

TONES = {"good": "green", "bad": "red", "": ""}
WHAT_WIDTH = 21
LOG_WIDTH = 400


def console() -> Console:
    """Where people read; colours and width are the terminal's, and NO_COLOR is respected. A log gets long lines whole."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)


def as_json(value: object) -> None:
    """Print exactly one JSON object, and nothing else."""
    sys.stdout.write(f"{json.dumps(msgspec.to_builtins(value), indent=2, sort_keys=False)}\n")


def clock(at: datetime) -> str:
    """A time of day, local to the reader."""
    return f"{at.astimezone():%H:%M:%S}"


def line(told: Line) -> Table:
    """One line of a story; a long one goes on under itself."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(style="bold", no_wrap=True, width=WHAT_WIDTH)
    grid.add_column(style=TONES[told.tone], overflow="fold")
    grid.add_row(clock(told.at), told.what, Text(told.text))
    return grid


def step_line(seen: StepSeen) -> str:
    """A step as asked and as observed."""
    observed = "-" if seen.observed_percent is None else f"{seen.observed_percent:.1f} %"
    return (
        f"asked {seen.weight_percent} %, observed {observed} of {seen.requests} requests; "
        f"5xx canary {error_percent(seen.canary):.1f} %, stable {error_percent(seen.stable):.1f} %"
    )


def steps_table(steps: Sequence[StepSeen]) -> Table:
    """All steps so far."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("step", "asked", "observed", "requests", "5xx canary", "5xx stable", "seconds"):
        table.add_column(name, justify="right")
    for seen in steps:
        observed = "-" if seen.observed_percent is None else f"{seen.observed_percent:.1f} %"
        table.add_row(
            str(seen.step + 1),
            f"{seen.weight_percent} %",
            observed,
            str(seen.requests),
            f"{error_percent(seen.canary):.1f} %",
            f"{error_percent(seen.stable):.1f} %",
            f"{(seen.until - seen.since).total_seconds():.0f}",
        )
    return table


def table_of(columns: Sequence[str], rows: Sequence[Sequence[Any]], whole: Sequence[str] = ()) -> Table:
    """A plain table; the columns named in `whole` are never broken into lines, because people copy from them."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name in whole)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table
