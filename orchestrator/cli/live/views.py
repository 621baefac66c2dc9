"""The views of what is followed: a live tree on a terminal, lines elsewhere, JSON lines with `--json`.

A view is a context that gets snapshots and waits between them. The loop that reads the ledger knows no more of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from rich.console import Console
from rich.live import Live
from rich.text import Text

from orchestrator.cli.live.drawing import Drawing, EntryLines, Frame
from orchestrator.cli.live.json_lines import Event
from orchestrator.cli.live.layout import Glyphs, duration
from orchestrator.cli.live.operator_keys import OperatorKeys, StoppedWatching
from orchestrator.cli.live.terminal import Keyboard, ended_by_signals
from orchestrator.cli.rendering.output import print_json_line
from orchestrator.cli.streams import OutputNotWritten
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.printable import one_line

CONTINUES = (KeyboardInterrupt, SystemExit, StoppedWatching, Throttled, Unreachable)
"""What ends a view while that which it shows continues."""


class Snapshot(Protocol):
    """A dataclass with the time at which it was read."""

    @property
    def now(self) -> datetime:
        """The time."""
        ...


S = TypeVar("S", bound=Snapshot)

S_contra = TypeVar("S_contra", bound=Snapshot, contravariant=True)


class Draw(Protocol[S_contra]):
    """Returns the drawing of a snapshot."""

    def __call__(self, snapshot: S_contra, glyphs: Glyphs, *, compact: bool = False) -> Drawing:
        """Draw a snapshot; with `compact`, in fewer lines."""
        ...


REDRAW_SECONDS = 1.0
"""How often a view is drawn again while nothing changes: its durations and times until an event go on."""


class View(ABC, Generic[S]):
    """Shows snapshots until what they are of has ended."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the view, also after an error."""

    @abstractmethod
    def show(self, snapshot: S) -> None:
        """Show a newer snapshot."""

    def show_outage(self, since: datetime, now: datetime, reason: str) -> None:
        """Show that the cloud does not answer, and that it is tried again."""

    def wait(self, seconds: float) -> None:
        """Wait until the next snapshot is due."""
        self._sleep(seconds)


class LineView(View[S]):
    """Prints what is new, a line for each event.

    Args:
        sleep: waits for some seconds.
        print_new: prints what a snapshot has that no earlier one had.
    """

    def __init__(self, sleep: Callable[[float], None], print_new: Callable[[S], None]) -> None:
        super().__init__(sleep)
        self._print_new = print_new

    def show(self, snapshot: S) -> None:
        """Print what is new."""
        self._print_new(snapshot)


class JsonView(View[S]):
    """Prints each event as a line of JSON.

    Args:
        sleep: waits for some seconds.
        events: returns what happened between two snapshots.
    """

    def __init__(self, sleep: Callable[[float], None], events: Callable[[S | None, S], Sequence[Event]]) -> None:
        super().__init__(sleep)
        self._events = events
        self._shown: S | None = None
        self._outage: datetime | None = None

    def show(self, snapshot: S) -> None:
        """Print the events since the previous snapshot."""
        for event in self._events(self._shown, snapshot):
            print_json_line(event)
        self._shown, self._outage = snapshot, None

    def show_outage(self, since: datetime, now: datetime, reason: str) -> None:
        """Print an event for each outage."""
        if self._outage is None:
            self._outage = since
            print_json_line({"time": now, "type": "unreachable", "reason": reason})


class LiveView(View[S]):
    """Draws the newest snapshot again and again in place, and lets an operator act by keys.

    Args:
        screen: the terminal.
        sleep: waits for some seconds.
        draw: returns the drawing of a snapshot.
        keys: what the keys mean.
        keyboard: reads them; None if they cannot be read.
        again: the command that follows the same again.
    """

    def __init__(
        self,
        screen: Console,
        sleep: Callable[[float], None],
        draw: Draw[S],
        keys: OperatorKeys,
        keyboard: Keyboard | None,
        again: str,
    ) -> None:
        super().__init__(sleep)
        self._screen, self._draw = screen, draw
        self._keys, self._keyboard, self._again = keys, keyboard, again
        self._glyphs = Glyphs.of(screen.encoding)
        self._entries = EntryLines(self._glyphs)
        self._live = Live(console=screen, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._shown: S | None = None
        self._outage = Text()
        self._undrawn_seconds = 0.0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Begin to draw, and to read keys."""
        with ExitStack() as stack:
            stack.enter_context(ended_by_signals())
            if self._keyboard is not None:
                stack.enter_context(self._keyboard.open())
            stack.enter_context(self._live)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the terminal, and leave the last drawing on it."""
        self._stack.__exit__(kind, error, trace)
        if self._shown is None or isinstance(error, OutputNotWritten):
            return
        drawing = self._draw(self._shown, self._glyphs)
        self._screen.print(Frame(drawing, lambda: drawing, self._glyphs, self._entries))
        if isinstance(error, CONTINUES):
            self._screen.print(Text(f"not followed any more; it continues: `{self._again}`", "dim"))

    def show(self, snapshot: S) -> None:
        """Draw a newer snapshot, at most once a second if only the time has changed."""
        shown: Any = self._shown
        changed = shown is None or replace(shown, now=snapshot.now) != snapshot or bool(self._outage.plain)
        self._shown, self._outage = snapshot, Text()
        if changed or self._undrawn_seconds >= REDRAW_SECONDS:
            self._refresh()

    def show_outage(self, since: datetime, now: datetime, reason: str) -> None:
        """Draw the last snapshot with a line that the cloud does not answer."""
        length = duration(now - since)
        self._outage = Text(f"the cloud has not answered for {length}, trying again: {one_line(reason)}", "bold red")
        self._refresh()

    def wait(self, seconds: float) -> None:
        """Wait, and act on the keys that are pressed meanwhile."""
        self._undrawn_seconds += seconds
        if self._keyboard is None:
            self._sleep(seconds)
        elif key := self._keyboard.wait(seconds):
            self._keys.press(key)
            self._refresh()

    def _refresh(self) -> None:
        self._undrawn_seconds = 0.0
        shown = self._shown
        if shown is None:
            return
        drawing = self._draw(shown, self._glyphs)
        if self._outage.plain:
            drawing = replace(drawing, last=[*drawing.last, self._outage])
        keys = self._keys if self._keyboard is not None else None
        frame = Frame(
            drawing,
            lambda: self._draw(shown, self._glyphs, compact=True),
            self._glyphs,
            self._entries,
            keys,
            # One line less than the terminal has, so that it never scrolls.
            self._screen.height - 1,
        )
        self._live.update(frame, refresh=True)


OUTAGE = timedelta(seconds=60)
"""How long an outage of the cloud is waited out before the command ends with it."""


class Patience:
    """Decides how long an outage is waited out while something is followed.

    Args:
        now: the time.
        view: shows the outage.
    """

    def __init__(self, now: Callable[[], datetime], view: View[Any]) -> None:
        self._now, self._view = now, view
        self._since: datetime | None = None

    def reset(self) -> None:
        """The cloud has answered."""
        self._since = None

    def bear(self, error: Exception) -> None:
        """Show an outage, or raise its error if it has lasted too long."""
        self._since = self._since or self._now()
        if self._now() - self._since >= OUTAGE:
            raise error
        self._view.show_outage(self._since, self._now(), str(error))
