"""SVG elements as text, and the scales of axes.

Every text is escaped, every coordinate is a finite number with at most two decimals. Colours are classes of
`style.PLOT_STYLE`, so that they follow the reader's light or dark scheme.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil, floor, inf, log10

from orchestrator.domain.printable import one_line
from orchestrator.domain.texts import shortened

FONT_PIXELS = 12
CHARACTER_PIXELS = 6.7
"""The width of a character of a sans-serif font of `FONT_PIXELS`, above the average, so that reserved space suffices."""

MOST_TICKS = 7

_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
"""The steps of a time axis; longer ones are whole days."""

_MINUTE, _DAY = 60, 86_400
_UNITS = ((1e9, " G"), (1e6, " M"), (1e3, " k"))


def element(name: str, content: str = "", **attributes: str | float) -> str:
    """Return an element. `content` is markup; `class_` is the attribute `class`, and `_` in a name stands for `-`."""
    named = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    written = "".join(f' {key}="{_attribute(value)}"' for key, value in named.items())
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def text(words: str, x: float, y: float, class_: str = "label", anchor: str = "start") -> str:
    """Return one line of text at a place, escaped; `anchor` is start, middle or end."""
    return element("text", escape(words), class_=class_, x=x, y=y, text_anchor=anchor)


def escape(words: str) -> str:
    """Return text for an SVG document: markup and what controls the direction of text are shown."""
    return html.escape(one_line(words))


def width_of(words: str) -> float:
    """Return about how many pixels a text is wide."""
    return len(words) * CHARACTER_PIXELS


def fitting(words: str, pixels: float) -> str:
    """Return a text that is at most so many pixels wide; a longer one ends with an ellipsis."""
    most = max(1, int(pixels / CHARACTER_PIXELS))
    return words if len(words) <= most else f"{words[: most - 1]}…"


def document(title: str, description: str, width: float, height: float, body: Iterable[str]) -> str:
    """Return a complete SVG element that a screen reader reads as one picture with a title and a description."""
    named = element("title", escape(title)) + element("desc", escape(shortened(description, 600)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" viewBox="0 0 {width:g} {height:g}" '
        f'aria-label="{escape(title)}">{named}{"".join(body)}</svg>'
    )


@dataclass(frozen=True)
class Scale:
    """A linear scale: values from `low` to `high` on pixels from `first` to `last`. A value outside is at its end."""

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        share = (min(self.high, max(self.low, value)) - self.low) / (self.high - self.low)
        return round(self.first + share * (self.last - self.first), 2)


@dataclass(frozen=True)
class TimeScale:
    """A scale of times, on pixels from `first` to `last`."""

    since: datetime
    until: datetime
    first: float
    last: float

    @classmethod
    def over(cls, times: Iterable[datetime], first: float, last: float) -> TimeScale:
        """Return the scale that holds all times, at least one, with a small margin."""
        listed = list(times)
        margin = max((max(listed) - min(listed)) * 0.02, timedelta(seconds=1))
        return cls(min(listed) - margin, max(listed) + margin, first, last)

    def __call__(self, at: datetime) -> float:
        """Return the pixel of a time; one outside is at the end of the scale."""
        return Scale(0, (self.until - self.since).total_seconds(), self.first, self.last)(
            (at - self.since).total_seconds()
        )

    def ticks(self) -> list[tuple[float, str]]:
        """Return the pixels of whole seconds, minutes or hours in UTC, with their labels."""
        span = (self.until - self.since).total_seconds()
        days = ceil(span / MOST_TICKS / _DAY) * _DAY
        step = next((seconds for seconds in _SECONDS if span / seconds <= MOST_TICKS), days)
        begin, end = self.since.timestamp(), self.until.timestamp()
        form = "%H:%M:%S" if step < _MINUTE else "%H:%M" if step < _DAY else "%m-%d"
        stamps = [number * step for number in range(ceil(begin / step), floor(end / step) + 1)]
        moments = [datetime.fromtimestamp(stamp, UTC) for stamp in stamps]
        return [(self(moment), f"{moment:{form}}") for moment in moments]


def value_ticks(low: float, high: float) -> list[float]:
    """Return round values from low to high, at most `MOST_TICKS`; high is above low."""
    rough = (high - low) / (MOST_TICKS - 1)
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return [number * step for number in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def short_number(value: float) -> str:
    """Return a number in at most about eight characters, such as ``12``, ``0.25`` or ``1.5 M``."""
    size = abs(value)
    factor, unit = next(((factor, unit) for factor, unit in _UNITS if size >= factor), (1.0, ""))
    return f"{value / factor:.4g}{unit}"


def is_number(value: float | None) -> bool:
    """Return whether a value can be drawn: infinity can, at the end of its axis."""
    return value is not None and value == value  # noqa: PLR0124 - NaN is the only number that differs from itself


def finite(values: Iterable[float]) -> list[float]:
    """Return the values that are finite."""
    return [value for value in values if -inf < value < inf]


def _attribute(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
