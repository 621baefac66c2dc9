"""A Gantt chart of phases, one bar a row, with a limit as a vertical line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.plots.svg import FONT_PIXELS, TimeScale, document, element, fitting, text, width_of
from orchestrator.domain.plots.time_plot import LINE_PIXELS, RIGHT, WIDTH

NAMES = 190.0
"""The space for the names of the phases."""

ROW_PIXELS = 22.0
BAR_PIXELS = 14.0
TOP = 30.0
WITHIN_SIGHT = 0.5
"""A limit is drawn if it is at most this share of the whole time after the end; a later one is named only."""


@dataclass(frozen=True)
class Bar:
    """One phase, with its duration in words."""

    name: str
    began: datetime
    ended: datetime
    words: str


@dataclass(frozen=True)
class Limit:
    """When something had to be complete, from a beginning on.

    Attributes:
        name: such as ``RTO 120 min``.
        since: when the time began to count.
        measured: how long it took, in words.
    """

    name: str
    since: datetime
    at: datetime
    measured: str


@dataclass(frozen=True)
class Gantt:
    """Phases in order, and the limit of their time; None if nothing was measured."""

    title: str
    description: str
    bars: tuple[Bar, ...]
    limit: Limit | None = None


def render_gantt(gantt: Gantt) -> str:
    """Return a Gantt chart as SVG text. It has at least one bar."""
    begin = min(bar.began for bar in gantt.bars)
    end = max(bar.ended for bar in gantt.bars)
    limit = gantt.limit
    visible = limit is not None and limit.at <= end + max(end - begin, timedelta(seconds=1)) * WITHIN_SIGHT
    times = [begin, end, *([limit.at] if limit is not None and visible else [])]
    across = TimeScale.over(times, NAMES, WIDTH - RIGHT)
    bottom = TOP + ROW_PIXELS * len(gantt.bars)
    rows = [part for number, bar in enumerate(gantt.bars) for part in _row(bar, number, across)]
    body = [*_axis(across, bottom), *rows, *_limit(limit, across, bottom, visible=visible)]
    return document(gantt.title, gantt.description, WIDTH, bottom + 3.6 * LINE_PIXELS, body)


def _axis(across: TimeScale, bottom: float) -> Iterator[str]:
    for x, label in across.ticks():
        yield element("line", class_="grid", x1=x, x2=x, y1=TOP, y2=bottom)
        yield text(label, min(x, WIDTH - RIGHT - width_of(label) / 2), bottom + LINE_PIXELS, "quiet", "middle")
    yield element("line", class_="axis", x1=NAMES, x2=WIDTH - RIGHT, y1=bottom, y2=bottom)
    yield text("phase", 2, FONT_PIXELS, "strong")
    yield text(f"time (UTC, {across.since:%Y-%m-%d})", WIDTH - RIGHT, FONT_PIXELS, "quiet", "end")


def _row(bar: Bar, number: int, across: TimeScale) -> Iterator[str]:
    y = TOP + number * ROW_PIXELS
    first, last = across(bar.began), across(bar.ended)
    width = max(2.0, last - first)
    yield text(fitting(bar.name, NAMES - 12), 2, y + 15)
    yield element("rect", class_="mark-0", x=min(first, WIDTH - RIGHT - width), y=y + 4, width=width, height=BAR_PIXELS)
    words = width_of(bar.words)
    after = last + 6
    if after + words <= WIDTH - RIGHT:
        yield text(bar.words, after, y + 15, "quiet")
    else:
        yield text(bar.words, max(NAMES + words, first - 6), y + 15, "quiet", "end")


def _limit(limit: Limit | None, across: TimeScale, bottom: float, *, visible: bool) -> Sequence[str]:
    if limit is None:
        return ()
    clock = f"{limit.at:%H:%M:%S}"
    words = f"{limit.name} ends at {clock}{'' if visible else ', beyond the right edge'}; measured {limit.measured}"
    line = text(fitting(words, WIDTH - RIGHT - 4), 2, bottom + 2.6 * LINE_PIXELS, "alert")
    if not visible:
        return (line,)
    x = across(limit.at)
    return (element("line", class_="limit", x1=x, x2=x, y1=TOP - 6, y2=bottom), line)
