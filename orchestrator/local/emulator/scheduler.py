"""A scheduler that calls functions after a delay. The `aws-timing` patches delay deliveries with it."""

from __future__ import annotations

import contextvars
import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

Action = Callable[[], object]

_log = logging.getLogger(__name__)


class Scheduler:
    """Calls each function at its time, in one thread, in the account and region of the code that scheduled it.

    Args:
        name: name of the thread.
    """

    def __init__(self, name: str) -> None:
        self._waiting: list[tuple[float, int, Action]] = []
        self._numbers = itertools.count()  # orders actions with the same time
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def call_later(self, after_seconds: float, action: Action) -> None:
        """Call a function after a number of seconds."""
        context = contextvars.copy_context()
        due = time.monotonic() + after_seconds
        with self._changed:
            heapq.heappush(self._waiting, (due, next(self._numbers), lambda: context.run(action)))
            self._changed.notify()

    def _run(self) -> None:
        while True:
            action = self._next()
            try:
                action()
            except Exception:  # noqa: BLE001 - one failed action must not prevent the others
                _log.exception("a scheduled action failed")

    def _next(self) -> Action:
        with self._changed:
            while True:
                left_seconds = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if left_seconds is not None and left_seconds <= 0:
                    return heapq.heappop(self._waiting)[2]
                self._changed.wait(left_seconds)
