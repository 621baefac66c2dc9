"""A drawing: a title with lines, sections as a tree, and a time line; and how it fits into the height of a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.text import Text
from rich.tree import Tree

from orchestrator.cli.live.layout import INDENT, Flow, Glyphs
from orchestrator.cli.live.operator_keys import OperatorKeys
from orchestrator.cli.rendering.deployment_timeline import TimelineEntry
from orchestrator.cli.rendering.output import timeline_row
from orchestrator.domain.printable import one_line

FEWEST = 3
"""A low terminal shows at least so many of the newest entries of the time line."""

SHORT = 150
"""The most characters of an entry of the time line while it is live. `explain` and the end have all of it."""


@dataclass(frozen=True)
class Section:
    """A branch of the tree: its label, lines of its own, and branches."""

    label: RenderableType
    lines: Sequence[RenderableType] = ()
    branches: Sequence[Section] = ()


@dataclass(frozen=True)
class Drawing:
    """What a view shows. `entries`: the time line, earliest first; `last`: lines below the tree."""

    title: Text
    lines: Sequence[RenderableType]
    sections: Sequence[Section]
    entries: Sequence[TimelineEntry]
    last: Sequence[RenderableType] = ()


Lines = list[list[Segment]]


class EntryLines:
    """The rendered entries of a time line, by width: they are the same in every frame, and there may be hundreds."""

    def __init__(self, glyphs: Glyphs) -> None:
        self._glyphs = glyphs
        self._rendered: dict[tuple[TimelineEntry, int, bool], Lines] = {}

    def render(self, entry: TimelineEntry, console: Console, options: ConsoleOptions, *, short: bool) -> Lines:
        """Return the lines of an entry, indented as a branch of the tree."""
        key = (entry, options.max_width, short)
        if key not in self._rendered:
            inner = options.update(width=max(1, options.max_width - INDENT))
            row = timeline_row(_shortened(entry, self._glyphs) if short else entry)
            self._rendered[key] = [[Segment(" " * INDENT), *line] for line in _lines(console, inner, row)]
        return self._rendered[key]


@dataclass(frozen=True)
class Frame:
    """A drawing for a terminal.

    Attributes:
        compact: returns the same with fewer lines, for a low terminal.
        keys: with their question or notice; None where no keys are read.
        height: lines of the terminal; None to show everything, as at the end.
    """

    drawing: Drawing
    compact: Callable[[], Drawing]
    glyphs: Glyphs
    entries: EntryLines
    keys: OperatorKeys | None = None
    height: int | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the frame. If it is too high, the earliest entries of the time line are left out first."""
        options = options.update(height=None)
        below = _lines(console, options, Group(*self.drawing.last, *_footer(self.keys)))
        if self.height is None:
            yield from _joined([*self._body(self.drawing, None, 0, console, options), *below])
            yield Segment.line()
            return
        room = self.height - len(below)
        body = self._body(self.drawing, room, FEWEST, console, options)
        if not body:
            compact = self.compact()
            body = self._body(compact, room, FEWEST, console, options)
            body = body or self._body(compact, room, 1, console, options)
            body = body or self._cut(compact, room, console, options)
        yield from _joined([*body, *below])

    def _body(
        self, drawing: Drawing, room: int | None, fewest: int, console: Console, options: ConsoleOptions
    ) -> Lines:
        """Return the lines with as many of the newest entries as there is room for; none if not even the fewest fit.

        Args:
            drawing: the drawing.
            room: lines; None for no limit.
            fewest: entries that have to fit.
            console: where it is drawn.
            options: the width.
        """
        tree = _lines(console, options, _tree(drawing))
        left = None if room is None else room - len(tree)
        shown: list[Lines] = []
        for entry in reversed(drawing.entries):
            lines = self.entries.render(entry, console, options, short=room is not None)
            if left is not None:
                left -= len(lines)
                if left < 0:
                    break
            shown.append(lines)
        if left is not None and left < 0 and len(shown) < max(1, min(fewest, len(drawing.entries))):
            return []
        if drawing.entries:
            hidden = len(drawing.entries) - len(shown)
            earlier = f", {hidden} earlier: `orchestrator explain`" if hidden else ""
            label = Text.assemble(("time line", "bold"), (earlier, "dim"), no_wrap=True)
            tree[-1] = [*tree[-1], *_lines(console, options, label)[0]]
        return [*tree, *(line for lines in reversed(shown) for line in lines)]

    def _cut(self, drawing: Drawing, room: int, console: Console, options: ConsoleOptions) -> Lines:
        lines = self._body(replace(drawing, entries=drawing.entries[-1:]), None, 0, console, options)
        kept = max(0, room - 1)
        more = f"{self.glyphs.more} {len(lines) - kept} more lines: enlarge the terminal"
        return [*lines[:kept], *_lines(console, options, Text(more, "dim", no_wrap=True))]


def _tree(drawing: Drawing) -> Tree:
    """Return the tree; its last branch is empty, for the label of the time line if there are entries."""
    tree = Tree(Group(drawing.title, *drawing.lines), guide_style="dim")
    for section in drawing.sections:
        _grow(tree, section)
    if drawing.entries:
        tree.add(Text(""))
    return tree


def _grow(tree: Tree, section: Section) -> None:
    branch = tree.add(Group(section.label, *section.lines))
    for inner in section.branches:
        _grow(branch, inner)


def _footer(keys: OperatorKeys | None) -> list[RenderableType]:
    if keys is None:
        return []
    lines: list[RenderableType] = []
    if keys.notice is not None:
        lines.append(Text(one_line(keys.notice.text), "red" if keys.notice.bad else "green"))
    if keys.unconfirmed is not None:
        question = Text(one_line(keys.unconfirmed.question), "bold yellow")
        return [*lines, Text.assemble(question, " ", ("y", "bold reverse"), "/", ("n", "bold reverse"))]
    pieces = [Text.assemble((key, "bold reverse"), f" {label}") for key, label in keys.legend]
    return [*lines, Flow(pieces, separator="   ")]


def _shortened(entry: TimelineEntry, glyphs: Glyphs) -> TimelineEntry:
    """Return an entry with a text that is shortened at a word, and in one line."""
    text = one_line(" ".join(entry.text.split()))
    if len(text) <= SHORT:
        return replace(entry, text=text)
    return replace(entry, text=f"{text[:SHORT].rpartition(' ')[0]} {glyphs.more}")


def _lines(console: Console, options: ConsoleOptions, renderable: RenderableType) -> Lines:
    return console.render_lines(renderable, options, pad=False)


def _joined(lines: Sequence[Sequence[Segment]]) -> RenderResult:
    for number, line in enumerate(lines):
        if number:
            yield Segment.line()
        yield from line
