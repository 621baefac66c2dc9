"""A report as Markdown for a comment on a pull request: GitHub removes images and SVG, so its plots are tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from orchestrator.cli.rendering.reports.report import Plot, Report
from orchestrator.domain.plots.gantt import Gantt
from orchestrator.domain.plots.svg import short_number
from orchestrator.domain.plots.time_plot import Point
from orchestrator.domain.printable import one_line

SIGNS = {"good": "✅", "bad": "❌", "open": "⏳"}
MOST_PLOTTED = 12
"""Of a series with more points, so many are listed."""

_MARKUP = re.compile(r"([\\`*_\[\]<>#|~@&!])")


def render_markdown(report: Report) -> str:
    """Return the Markdown of a report. Text of the record is escaped, and mentions no user of GitHub."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield f"## {SIGNS[report.tone]} {escaped(report.headline)}"
    yield ""
    yield escaped(report.sentence)
    yield ""
    if report.facts:
        rows = [(fact.name, fact.value, fact.details) for fact in report.facts]
        yield from _table(("figure", "value", "compared with"), rows)
    for note in report.missing:
        yield f"> {escaped(note)}"
        yield ""
    for plot in report.plots:
        yield from _plot(plot)
    for one in report.tables:
        yield f"### {escaped(one.title)}"
        yield ""
        yield escaped(one.caption)
        yield ""
        yield from _table(one.columns, one.rows)
    yield "### How to see the same in the ledger"
    yield ""
    for command, purpose in report.commands.items():
        yield f"- {_code(command)} {purpose}"


def escaped(words: str) -> str:
    """Return text in which no character is markup, and no line ends."""
    # A zero-width space after @ keeps GitHub from notifying the user of that name.
    return _MARKUP.sub(r"\\\1", one_line(words)).replace("\\@", "@\u200b")


def _plot(plot: Plot) -> Iterator[str]:
    yield f"### {escaped(plot.title)}"
    yield ""
    yield escaped(plot.description)
    yield ""
    if isinstance(plot, Gantt):
        return
    rows = [
        (one.name, " ".join(f"{short_number(point.value)} at {point.at:%H:%M:%S}," for point in _few(one.points))[:-1])
        for one in plot.series
    ]
    yield from _table(("series", f"{plot.unit}, UTC"), rows)


def _few(points: Sequence[Point]) -> Sequence[Point]:
    step = max(1, -(-len(points) // MOST_PLOTTED))
    return [*points[:-1:step], points[-1]] if points else points


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(map(escaped, columns))} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(escaped(cell) for cell in row)} |"
    yield ""


def _code(command: str) -> str:
    return f"`{one_line(command).replace('`', '')}`"
