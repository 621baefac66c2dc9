"""The terminal: whether it can show a live view, and the keys that an operator presses."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from rich.console import Console

NARROWEST = 60
"""A terminal with fewer columns gets lines in place of the live view."""

SLICE_SECONDS = 0.1
"""How soon a key takes effect."""

MOST_BYTES = 256
ESCAPE = b"\x1b"
SIGNALS = (signal.SIGTERM, signal.SIGHUP)
SIGNAL_CODES = 128
"""A program that a signal ends has this exit code plus the signal's number, as in a shell."""


def supports_live(screen: Console) -> bool:
    """Return whether a live view is possible: a terminal of 60 columns with cursor movement and colours."""
    return (
        screen.is_terminal
        and not screen.is_dumb_terminal
        and not screen.no_color
        and screen.width >= NARROWEST
        # FORCE_COLOR makes a pipe a terminal for Rich, but it has no cursor.
        and screen.file.isatty()
    )


def keyboard_of(screen: Console, sleep: Callable[[float], None]) -> Keyboard | None:
    """Return the keyboard of the terminal; None if standard input or the output is no terminal, or not ours.

    A job in the background would be stopped if it read from the terminal.
    """
    try:
        descriptor = sys.stdin.fileno()
        ours = os.isatty(descriptor) and screen.file.isatty() and _in_foreground(descriptor)
    except (OSError, ValueError, AttributeError):
        return None
    return Keyboard(descriptor, sleep) if ours else None


class Keyboard:
    """The keys of a terminal, without echo and without waiting for a line, while it is open.

    The terminal has its former settings again however the block ends.

    Args:
        descriptor: of the terminal.
        sleep: waits for some seconds.
    """

    def __init__(self, descriptor: int, sleep: Callable[[float], None]) -> None:
        self._descriptor, self._sleep = descriptor, sleep

    @contextmanager
    def open(self) -> Iterator[None]:
        """Read single keys in this block."""
        former = termios.tcgetattr(self._descriptor)
        try:
            tty.setcbreak(self._descriptor, termios.TCSANOW)
            yield
        finally:
            # The shell has restored the settings itself if it has moved the job to the background.
            with suppress(termios.error, OSError):
                if _in_foreground(self._descriptor):
                    termios.tcsetattr(self._descriptor, termios.TCSADRAIN, former)

    def wait(self, seconds: float) -> str:
        """Wait for a key; return it, or an empty text after some seconds without one."""
        remaining = seconds
        while remaining > 0:
            if key := self._read():
                return key
            self._sleep(min(SLICE_SECONDS, remaining))
            remaining -= SLICE_SECONDS
        return self._read()

    def _read(self) -> str:
        """Return a key that was pressed. What was typed or pasted after it is dropped: it answered no question yet."""
        try:
            if not _in_foreground(self._descriptor) or not select.select([self._descriptor], [], [], 0)[0]:
                return ""
            typed = os.read(self._descriptor, MOST_BYTES)
        except OSError:
            return ""  # The terminal is gone; its hang-up signal ends the program.
        return "" if typed.startswith(ESCAPE) else typed[:1].decode("ascii", "ignore")


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let a signal that ends the program end this block first, so that the terminal is restored."""

    def end(number: int, _frame: FrameType | None) -> None:
        sys.exit(SIGNAL_CODES + number)

    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread may set handlers.
        return
    heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # not under nohup
    former = {number: signal.signal(number, end) for number in heeded}
    try:
        yield
    finally:
        for number, action in former.items():
            signal.signal(number, action)


def _in_foreground(descriptor: int) -> bool:
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return True  # It does not control this session, so it stops no job of it.
