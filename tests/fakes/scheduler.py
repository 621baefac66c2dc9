"""A scheduler that lets exactly one of several writers go on, from one point where it pauses to the next.

Writers are ordinary threads that hand a baton on, so that real adapters run unchanged and a schedule can be repeated. Time is
simulated: where all writers wait, the clock goes on to the first that wakes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.fakes.clock import SimulatedClock

A = TypeVar("A")
B = TypeVar("B")
Choose = Callable[[Sequence[str]], int]
"""Of the names of those that can go on, sorted as they were spawned, the number of the one that does."""

STUCK_SECONDS = 20.0


class Stuck(Exception):
    """A writer did not come back to the scheduler: it waits for something that is not simulated."""


@dataclass
class _Writer:
    name: str
    wakes_at: float = 0.0
    baton: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    done: bool = False
    result: Any = None
    error: BaseException | None = None


class Scheduler:
    """Runs writers by turns.

    Args:
        choose: who goes on.
        clock: the simulated time.
    """

    def __init__(self, choose: Choose, clock: SimulatedClock | None = None) -> None:
        self._choose, self._clock = choose, clock or SimulatedClock()
        self._writers: list[_Writer] = []
        self._back = threading.Semaphore(0)
        self._current = threading.local()
        self.turns: list[str] = []

    def spawn(self, name: str, write: Callable[[], Any]) -> _Writer:
        """Add a writer; it begins when it is first chosen."""
        writer = _Writer(name, self._clock.seconds())

        def run() -> None:
            self._current.writer = writer
            writer.baton.acquire()
            try:
                writer.result = write()
            except BaseException as error:  # noqa: BLE001 - kept, and raised or judged by the test
                writer.error = error
            writer.done = True
            self._back.release()

        threading.Thread(target=run, daemon=True).start()
        self._writers.append(writer)
        return writer

    def pause(self, seconds: float = 0.0) -> None:
        """Called by a writer: let others go on, for so long at least."""
        writer: _Writer | None = getattr(self._current, "writer", None)
        if writer is None:
            return
        writer.wakes_at = self._clock.seconds() + seconds
        self._back.release()
        writer.baton.acquire()

    def run(self) -> None:
        """Let all writers go on until none is left."""
        while waiting := [writer for writer in self._writers if not writer.done]:
            now = self._clock.seconds()
            ready = [writer for writer in waiting if writer.wakes_at <= now]
            if not ready:
                self._clock.advance(min(writer.wakes_at for writer in waiting) - now)
                first = min(writer.wakes_at for writer in waiting)
                ready = [writer for writer in waiting if writer.wakes_at <= first]
            chosen = ready[self._choose([writer.name for writer in ready])]
            self.turns.append(chosen.name)
            chosen.baton.release()
            if not self._back.acquire(timeout=STUCK_SECONDS):
                raise Stuck(chosen.name)

    def for_each(self, items: Iterable[A], call: Callable[[A], B], *, at_once: int) -> list[B]:
        """`orchestrator.application.cloud.for_each` on simulated threads; called by a writer."""
        listed = list(items)
        left, results = list(enumerate(listed)), dict[int, B]()

        def work() -> None:
            while left:
                number, item = left.pop(0)
                results[number] = call(item)

        workers = [self.spawn(f"worker {number}", work) for number in range(min(at_once, len(listed)))]
        while not all(worker.done for worker in workers):
            self.pause(0.001)
        for worker in workers:
            if worker.error:
                raise worker.error
        return [results[number] for number in range(len(listed))]
