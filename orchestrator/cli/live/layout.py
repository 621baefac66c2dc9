"""Rows, bars and flowing text that no width of a terminal cuts in the middle of a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

GAP = 2
INDENT = 4
"""The columns that a level of a tree takes."""

NARROWEST_BAR, WIDEST_BAR = 8, 32
MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True)
class Glyphs:
    """The characters of a view, which the encoding of the output has."""

    full: str
    empty: str
    none: str
    dot: str
    more: str
    done: str
    running: str
    pending: str
    leading: str

    @classmethod
    def of(cls, encoding: str) -> Glyphs:
        """Return the characters for an encoding: ASCII if it lacks one of the others."""
        try:
            "".join(vars(UNICODE).values()).encode(encoding)
        except (UnicodeEncodeError, LookupError):
            return ASCII
        return UNICODE


UNICODE = Glyphs("━", "─", "\N{EN DASH}", "·", "…", "✔", "●", "○", "◀")
ASCII = Glyphs("#", "-", "-", "-", "...", "+", "*", ".", "<")


@dataclass(frozen=True)
class Flow:
    """Pieces of text, next to each other as far as the width allows. No piece is cut that fits into a line."""

    pieces: Sequence[Text]
    separator: str = "  "
    indent: int = 0

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the lines."""
        line, used, fresh = Text(), 0, True
        for piece in self.pieces:
            length = cell_len(piece.plain)
            if not fresh and used + cell_len(self.separator) + length > options.max_width:
                yield line
                line, used, fresh = Text(" " * self.indent), self.indent, True
            if not fresh:
                line.append(self.separator, "dim")
                used += cell_len(self.separator)
            line.append_text(piece)
            used, fresh = used + length, False
        if self.pieces:
            yield line


@dataclass(frozen=True)
class Row:
    """Cells in columns, the first to the left and the others to the right; too wide for a terminal, they flow.

    Attributes:
        names: of the columns; a flowing cell is preceded by its name. Empty for a row of headings.
        widths: of the columns, the same in all rows that stand below each other.
    """

    cells: Sequence[Text]
    names: Sequence[str]
    widths: Sequence[int]

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Render one line, or the pieces of a flow."""
        if sum(self.widths) + GAP * (len(self.widths) - 1) <= options.max_width:
            line = Text(no_wrap=True)
            for number, (cell, width) in enumerate(zip(self.cells, self.widths, strict=True)):
                padding = " " * (width - cell_len(cell.plain))
                line.append(" " * GAP if number else "")
                line.append_text(Text.assemble(padding, cell) if number else Text.assemble(cell, padding))
            line.rstrip()
            yield line
        elif self.names:
            first, *others = zip(self.names, self.cells, strict=True)
            pieces = [Text.assemble((f"{name} ", "dim"), cell) for name, cell in others]
            yield Flow([first[1], *pieces], indent=GAP)
        else:
            yield self.cells[0]


@dataclass(frozen=True)
class BarRow:
    """A name, a bar, and what the bar shows, in words.

    Attributes:
        filled: the part of the bar, from 0 to 1; None for a row without a bar.
        name_width, words_width: the longest of all rows.
    """

    name: Text
    filled: float | None
    words: Text
    name_width: int
    words_width: int
    glyphs: Glyphs
    style: str

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Render one line; on a narrow terminal without the bar."""
        room = options.max_width - self.name_width - self.words_width - 2 * GAP
        name = Text.assemble(self.name, " " * (self.name_width - cell_len(self.name.plain)))
        if room < NARROWEST_BAR:
            yield Flow([self.name, self.words], indent=GAP)
            return
        width = min(room, WIDEST_BAR)
        yield Text.assemble(name, " " * GAP, self._bar(width), " " * GAP, self.words, no_wrap=True)

    def _bar(self, width: int) -> Text:
        if self.filled is None:
            return Text(" " * width)
        # A bar is full only at its limit, and empty only at nothing.
        parts = min(int(self.filled * width), width - 1) if self.filled < 1 else width
        parts = max(parts, 1) if self.filled > 0 else 0
        return Text.assemble((self.glyphs.full * parts, self.style), (self.glyphs.empty * (width - parts), "dim"))


def widths_of(rows: Sequence[Sequence[Text]]) -> tuple[int, ...]:
    """Return the widths of the columns."""
    return tuple(max(cell_len(cell.plain) for cell in column) for column in zip(*rows, strict=True))


def duration(length: timedelta) -> str:
    """Return a duration with its two largest units: ``7 s``, ``2 min 35 s``, ``1 h 04 min``, ``2 d 3 h``."""
    seconds = max(0, round(length.total_seconds()))
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min {seconds % MINUTE:02} s"
    if seconds < DAY:
        return f"{seconds // HOUR} h {seconds % HOUR // MINUTE:02} min"
    return f"{seconds // DAY} d {seconds % DAY // HOUR} h"


def significant(value: float) -> str:
    """Return a number with three significant digits and without an exponent: 133.333 is ``133``."""
    text = f"{float(f'{value:.3g}'):,.10f}"
    return text.rstrip("0").rstrip(".")
