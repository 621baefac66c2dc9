"""A plot of values over time: series with marks and bands, levels, moments and callouts.

A value is drawn only where one was recorded. A stepped series keeps its value until the next one, so a level is crossed
at the time at which the value was recorded, not before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from math import inf

from orchestrator.domain.plots.style import DASHES
from orchestrator.domain.plots.svg import (
    FONT_PIXELS,
    Scale,
    TimeScale,
    document,
    element,
    finite,
    fitting,
    is_number,
    short_number,
    text,
    value_ticks,
    width_of,
)

WIDTH, PLOT_HEIGHT = 760.0, 250.0
LEFT, RIGHT = 70.0, 16.0
TOP = 34.0
"""The space above the plot, for the letters of the moments."""

LINE_PIXELS = 18.0
HEADROOM = 1.08
FLAG_PIXELS = 16.0
MARK = 4.0
BOX_PIXELS = 22.0
MOST_POINTS, MOST_MARKS = 120, 30
"""Of a series with more points, so many are drawn, and so many have a mark: the first, the last, and points evenly between."""

LEVEL_TEXT_AFTER = 6.0


@dataclass(frozen=True)
class Point:
    """One value. `low` and `high`: the ends of its interval. `begins`: no line leads to it from the point before."""

    at: datetime
    value: float
    low: float | None = None
    high: float | None = None
    begins: bool = False


@dataclass(frozen=True)
class Series:
    """Points in order of time. `style`: the number of its colour, dash and mark. `stepped`: a value stays until the next."""

    name: str
    points: tuple[Point, ...]
    style: int = 0
    stepped: bool = False


@dataclass(frozen=True)
class Level:
    """A horizontal line with its name, such as a threshold."""

    value: float
    name: str


@dataclass(frozen=True)
class Moment:
    """A vertical line: what happened, and when."""

    at: datetime
    name: str


@dataclass(frozen=True)
class Callout:
    """A point that the reader must not miss, with its sentence."""

    at: datetime
    value: float
    words: str


@dataclass(frozen=True)
class TimePlot:
    """A plot of values over time.

    Attributes:
        unit: what the vertical axis shows, with its unit.
        description: what a reader who does not see the plot has to know.
        highest: the end of the vertical axis at least, such as 100 for percentages of a whole.
        note: how to read it, below the plot.
    """

    title: str
    unit: str
    description: str
    series: tuple[Series, ...]
    levels: tuple[Level, ...] = ()
    moments: tuple[Moment, ...] = ()
    callouts: tuple[Callout, ...] = ()
    highest: float = 0.0
    note: str = ""


def render_time_plot(plot: TimePlot) -> str:
    """Return a plot as SVG text. It has at least one point, or one moment."""
    series = [_drawable(one) for one in plot.series]
    times = [point.at for one in series for point in one.points] + [moment.at for moment in plot.moments]
    across = TimeScale.over(times, LEFT, WIDTH - RIGHT)
    up = Scale(0.0, _top(plot, series), TOP + PLOT_HEIGHT, TOP)
    legend = list(_legend(plot, series, TOP + PLOT_HEIGHT + 3.2 * LINE_PIXELS))
    height = TOP + PLOT_HEIGHT + (3.2 + len(legend)) * LINE_PIXELS
    body = [
        *_axes(plot, across, up),
        *_levels(plot, up),
        *_moments(plot, across),
        *(part for one in series for part in _bands(one, across, up)),
        *(part for one in series for part in _lines(one, across, up)),
        *_callouts(plot, across, up),
        *legend,
    ]
    return document(plot.title, plot.description, WIDTH, height, body)


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> tuple[Point, ...]:
    """Return at most so many of the points, evenly; the first and the last stay.

    A line that begins at a point that is left out begins at the next one that stays.
    """
    if len(points) <= most:
        return tuple(points)
    step = (len(points) - 1) / (most - 1)
    places = [round(number * step) for number in range(most)]
    return tuple(
        replace(points[place], begins=any(point.begins for point in points[before + 1 : place + 1]))
        for before, place in pairwise([-1, *places])
    )


def _drawable(series: Series) -> Series:
    points = [point for point in series.points if is_number(point.value)]
    return Series(series.name, thinned(points), series.style % len(DASHES), series.stepped)


def _top(plot: TimePlot, series: Sequence[Series]) -> float:
    values = [value for one in series for point in one.points for value in (point.value, point.high or 0.0)]
    levels = [level.value for level in plot.levels]
    top = max(finite([*values, *levels, plot.highest]), default=0.0)
    return (top or 1.0) * HEADROOM


def _axes(plot: TimePlot, across: TimeScale, up: Scale) -> Iterator[str]:
    bottom = TOP + PLOT_HEIGHT
    for value in value_ticks(up.low, up.high):
        y = up(value)
        yield element("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y)
        yield text(short_number(value), LEFT - 8, y + 4, "quiet", "end")
    for x, label in across.ticks():
        yield element("line", class_="axis", x1=x, x2=x, y1=bottom, y2=bottom + 5)
        yield text(label, min(x, WIDTH - RIGHT - width_of(label) / 2), bottom + LINE_PIXELS, "quiet", "middle")
    yield element("line", class_="axis", x1=LEFT, x2=WIDTH - RIGHT, y1=bottom, y2=bottom)
    yield text(fitting(plot.unit, WIDTH - RIGHT), 2, FONT_PIXELS, "strong")
    yield text(f"time (UTC, {across.since:%Y-%m-%d})", WIDTH - RIGHT, bottom + 2 * LINE_PIXELS, "quiet", "end")


def _levels(plot: TimePlot, up: Scale) -> Iterator[str]:
    for level in plot.levels:
        y = up(level.value)
        yield element("line", class_="limit", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y)
        above = y - LEVEL_TEXT_AFTER
        below = y + FONT_PIXELS + 2
        yield text(
            fitting(level.name, WIDTH - LEFT - RIGHT), LEFT + 4, above if above > TOP + FONT_PIXELS else below, "alert"
        )


def _moments(plot: TimePlot, across: TimeScale) -> Iterator[str]:
    taken = -inf
    for number, moment in enumerate(plot.moments):
        x = across(moment.at)
        yield element("line", class_="moment", x1=x, x2=x, y1=TOP - 2, y2=TOP + PLOT_HEIGHT)
        # Letters of moments that are close to each other stand side by side, to the right of the first.
        at = min(WIDTH - FLAG_PIXELS / 2, max(x, taken + FLAG_PIXELS + 1))
        taken = at
        yield element(
            "rect", class_="flag", x=at - FLAG_PIXELS / 2, y=TOP - 18, width=FLAG_PIXELS, height=FLAG_PIXELS, rx=3
        )
        yield text(_letter(number), at, TOP - 6, "letter", "middle")


def _bands(series: Series, across: TimeScale, up: Scale) -> Iterator[str]:
    for points in _segments(series.points):
        interval = [(point.at, point.low, point.high) for point in points]
        known = [(across(at), up(low), up(high)) for at, low, high in interval if low is not None and high is not None]
        if len(known) > 1:
            edge = [(x, y) for x, _, y in known] + [(x, y) for x, y, _ in reversed(known)]
            yield element("polygon", class_=f"band band-{series.style}", points=_coordinates(edge))
        elif known:
            x, low, high = known[0]
            yield element("rect", class_=f"band band-{series.style}", x=x - 3, y=high, width=6, height=low - high)


def _lines(series: Series, across: TimeScale, up: Scale) -> Iterator[str]:
    for points in _segments(series.points):
        places = [(across(point.at), up(point.value)) for point in points]
        corners = _stepped(places) if series.stepped else places
        yield element("polyline", class_=f"line line-{series.style}", points=_coordinates(corners))
    for point in thinned(series.points, MOST_MARKS):
        yield _mark(series.style, across(point.at), up(point.value))


def _segments(points: Sequence[Point]) -> list[list[Point]]:
    segments: list[list[Point]] = []
    for point in points:
        if point.begins or not segments:
            segments.append([])
        segments[-1].append(point)
    return segments


def _stepped(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    corners = [places[0]]
    for x, y in places[1:]:
        corners += [(x, corners[-1][1]), (x, y)]
    return corners


def _coordinates(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in places)


def _mark(style: int, x: float, y: float) -> str:
    """Return the mark of a point: a circle, a square, a diamond or a triangle, by the style."""
    class_, half = f"mark-{style}", MARK
    if style % 4 == 0:
        return element("circle", class_=class_, cx=x, cy=y, r=half)
    corners = {
        1: ((-half, -half), (half, -half), (half, half), (-half, half)),
        2: ((0.0, -1.3 * half), (1.3 * half, 0.0), (0.0, 1.3 * half), (-1.3 * half, 0.0)),
        3: ((0.0, -1.2 * half), (1.2 * half, half), (-1.2 * half, half)),
    }[style % 4]
    return element("polygon", class_=class_, points=_coordinates([(x + right, y + down) for right, down in corners]))


def _callouts(plot: TimePlot, across: TimeScale, up: Scale) -> Iterator[str]:
    """Yield the callouts below each other. The box of none covers a level."""
    free = TOP + 4
    for callout in plot.callouts:
        top = max(free, up(callout.value) + 14)
        for level in sorted(up(level.value) for level in plot.levels):
            if top - 4 <= level <= top + BOX_PIXELS + 4:
                top = level + 6
        top = min(top, TOP + PLOT_HEIGHT - BOX_PIXELS - 4)
        yield from _callout(callout, top, across, up)
        free = top + BOX_PIXELS + 4


def _callout(callout: Callout, top: float, across: TimeScale, up: Scale) -> Iterator[str]:
    """Yield a ring around the point, and its sentence in a box next to it, inside the plot."""
    x, y = across(callout.at), up(callout.value)
    words = fitting(callout.words, WIDTH - LEFT - RIGHT - 24)
    width = width_of(words) + 12
    left = min(max(LEFT + 4, x - width - 14), WIDTH - RIGHT - width - 2)
    yield element("line", class_="leader", x1=x, y1=y, x2=min(max(x, left), left + width), y2=top)
    yield element("circle", class_="ring", cx=x, cy=y, r=7)
    yield element("rect", class_="box", x=left, y=top, width=width, height=BOX_PIXELS, rx=4)
    yield text(words, left + 6, top + 15, "alert")


def _legend(plot: TimePlot, series: Sequence[Series], top: float) -> Iterator[str]:
    """Yield one element a row: the series next to each other, then one row for every moment, then the note."""
    rows: list[str] = []
    x, row = LEFT, ""
    for one in (one for one in series if one.points):
        words = fitting(one.name, WIDTH - LEFT - RIGHT - 40)
        width = 44 + width_of(words)
        if row and x + width > WIDTH - RIGHT:
            rows.append(row)
            x, row = LEFT, ""
        y = top + len(rows) * LINE_PIXELS
        row += element("line", class_=f"line line-{one.style}", x1=x, x2=x + 26, y1=y - 4, y2=y - 4)
        row += _mark(one.style, x + 13, y - 4) + text(words, x + 32, y)
        x += width
    if row:
        rows.append(row)
    for number, moment in enumerate(plot.moments):
        y = top + len(rows) * LINE_PIXELS
        words = fitting(f"{moment.at:%H:%M:%S}  {moment.name}", WIDTH - LEFT - RIGHT - 32)
        flag = element("rect", class_="flag", x=LEFT, y=y - 13, width=FLAG_PIXELS, height=FLAG_PIXELS, rx=3)
        rows.append(flag + text(_letter(number), LEFT + 8, y - 1, "letter", "middle") + text(words, LEFT + 32, y))
    if plot.note:
        rows.append(text(fitting(plot.note, WIDTH - LEFT - RIGHT), LEFT, top + len(rows) * LINE_PIXELS, "quiet"))
    yield from rows


def _letter(number: int) -> str:
    return chr(ord("A") + number % 26)
