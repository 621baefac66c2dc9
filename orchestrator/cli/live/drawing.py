"""A drawing: a title with lines, sections as a tree, and a time line; and how it fits into the height of a terminal."""

from __future__ import annotations

from collections.abc import Sequence
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


@dataclass(frozen=True)
class Frame:
    """A drawing for a terminal.

    Attributes:
        compact: the same with fewer lines, for a low terminal.
        keys: with their question or notice; None where no keys are read.
        height: lines of the terminal; None to show everything, as at the end.
    """

    drawing: Drawing
    compact: Drawing
    glyphs: Glyphs
    keys: OperatorKeys | None = None
    height: int | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the frame. If it is too high, the earliest entries of the time line are left out first."""
        options = options.update(height=None)
        below = _lines(console, options, Group(*self.drawing.last, *_footer(self.keys)))
        if self.height is None:
            yield from _joined([*_lines(console, options, _tree(self.drawing, self.drawing.entries, 0)), *below])
            yield Segment.line()
            return
        room = self.height - len(below)
        short = [_shortened(entry, self.glyphs) for entry in self.drawing.entries]
        body = (
            _fitted(self.drawing, short, FEWEST, room, console, options)
            or _fitted(self.compact, short, FEWEST, room, console, options)
            or _fitted(self.compact, short, 1, room, console, options)
        )
        if not body:
            lines = _lines(console, options, _tree(self.compact, short[-1:], len(short[:-1])))
            kept = max(0, room - 1)
            more = f"{self.glyphs.more} {len(lines) - kept} more lines: enlarge the terminal"
            body = [*lines[:kept], *_lines(console, options, Text(more, "dim", no_wrap=True))]
        yield from _joined([*body, *below])


def _tree(drawing: Drawing, entries: Sequence[TimelineEntry], hidden: int) -> Tree:
    tree = Tree(Group(drawing.title, *drawing.lines), guide_style="dim")
    for section in drawing.sections:
        _grow(tree, section)
    if entries:
        earlier = f", {hidden} earlier: `orchestrator explain`" if hidden else ""
        label = Text.assemble(("time line", "bold"), (earlier, "dim"))
        tree.add(Group(label, *map(timeline_row, entries)))
    return tree


def _grow(tree: Tree, section: Section) -> None:
    branch = tree.add(Group(section.label, *section.lines))
    for inner in section.branches:
        _grow(branch, inner)


def _fitted(
    drawing: Drawing,
    entries: Sequence[TimelineEntry],
    fewest: int,
    room: int,
    console: Console,
    options: ConsoleOptions,
) -> list[list[Segment]]:
    """Return the lines with as many of the newest entries as there is room for; none if not even the fewest fit."""
    inner = options.update(width=max(1, options.max_width - INDENT))
    left = room - len(_lines(console, options, _tree(drawing, (), 0))) - (1 if entries else 0)
    shown = 0
    for entry in reversed(entries):
        left -= len(_lines(console, inner, timeline_row(entry)))
        if left < 0:
            break
        shown += 1
    if left < 0 and shown < min(max(1, fewest), max(1, len(entries))):
        return []
    hidden = len(entries) - shown
    return _lines(console, options, _tree(drawing, entries[hidden:], hidden))


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


def _lines(console: Console, options: ConsoleOptions, renderable: RenderableType) -> list[list[Segment]]:
    return console.render_lines(renderable, options, pad=False)


def _joined(lines: Sequence[Sequence[Segment]]) -> RenderResult:
    for number, line in enumerate(lines):
        if number:
            yield Segment.line()
        yield from line
