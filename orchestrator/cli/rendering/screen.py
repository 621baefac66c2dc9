"""The console of the command line: it prints text from people, AWS or the upstream as text, never as a command."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Span, Text

from orchestrator.domain.printable import printable


class Screen(Console):
    """A console without markup, emoji names and highlighting, which escapes control characters.

    Text is escaped before it is wrapped. Rich's own control sequences, such as colours, are not text.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text to render, with its control characters escaped."""
        return super().render_str(printable(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render a renderable, with the control characters of a text escaped."""
        if isinstance(renderable, Text) and printable(renderable.plain) != renderable.plain:
            renderable = _printable_text(renderable)
        return super().render(renderable, options)

    def on_broken_pipe(self) -> None:
        """Leave the end of the program to `orchestrator.cli.streams`, which has an exit code for it."""
        raise BrokenPipeError


def _printable_text(text: Text) -> Text:
    """Return a text with its control characters escaped and its styles kept."""

    def offset(at: int) -> int:
        return len(printable(text.plain[:at]))

    escaped = text.blank_copy(printable(text.plain))
    escaped.spans = [Span(offset(span.start), offset(span.end), span.style) for span in text.spans]
    return escaped
