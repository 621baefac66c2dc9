"""The output of the command line: what the terminal cannot show, and a reader that stops reading."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from orchestrator.domain.printable import printable

OUTPUT_NOT_WRITTEN = 4
"""Exit code if the output could not be written, for example because its reader closed the pipe.

What the command started or changed is not affected by it.
"""


class OutputNotWritten(SystemExit):
    """The output could not be written. It passes every handler of errors, so no other exit code replaces it."""

    def __init__(self) -> None:
        super().__init__(OUTPUT_NOT_WRITTEN)


class Output:
    """A text stream whose errors of writing end the program with `OUTPUT_NOT_WRITTEN`.

    It has no `buffer`: click would write past it where the encoding is ASCII.

    Args:
        stream: the stream to write to.
        escaped: escape control characters. Only for a stream without colours.
    """

    def __init__(self, stream: TextIO, *, escaped: bool) -> None:
        self._stream, self._escaped = stream, escaped

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            raise AttributeError(name)
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, with `?` for characters that the encoding lacks."""
        with _ending_the_program():
            self._stream.write(printable(text) if self._escaped else text)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        with _ending_the_program():
            self._stream.flush()


@contextmanager
def guarded_output() -> Iterator[None]:
    """Guard standard output and standard error of the program while it runs, and write what is buffered at its end."""
    former = sys.stdout, sys.stderr
    for stream in former:
        # A character that the terminal lacks must not end a command after half of its output.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.stdout = Output(former[0], escaped=False) if former[0] else former[0]
    sys.stderr = Output(former[1], escaped=True) if former[1] else former[1]
    try:
        try:
            yield
        finally:
            for output in (sys.stdout, sys.stderr):
                if output:
                    output.flush()
    except OutputNotWritten as error:
        if not isinstance(error.__cause__, BrokenPipeError):
            with suppress(OSError):
                former[1].write(f"the output could not be written: {error.__cause__}\n")
        discard(former)
        raise
    finally:
        sys.stdout, sys.stderr = former


@contextmanager
def _ending_the_program() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputNotWritten from error


def discard(streams: Sequence[TextIO]) -> None:
    """Let the interpreter write to nowhere what is still buffered, as the documentation of `signal` (SIGPIPE) advises."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
        with suppress(OSError, ValueError, AttributeError):
            os.dup2(nowhere, stream.fileno())
