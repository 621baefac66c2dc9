"""A belt: carries what is to happen to the moment when it is to happen. What the profile `aws-timing` delays with."""

from __future__ import annotations

import contextvars
import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

Act = Callable[[], object]

_log = logging.getLogger(__name__)


class Belt:
    """Does each thing at its time, in one thread of its own, in the account and region in which it was put.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._waiting: list[tuple[float, int, Act]] = []
        self._numbers = itertools.count()  # of two that are due at the same time
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def put(self, after_seconds: float, act: Act) -> None:
        """Do it after so many seconds."""
        context = contextvars.copy_context()
        due = time.monotonic() + after_seconds
        with self._changed:
            heapq.heappush(self._waiting, (due, next(self._numbers), lambda: context.run(act)))
            self._changed.notify()

    def _run(self) -> None:
        while True:
            act = self._next()
            try:
                act()
            except Exception:  # noqa: BLE001 - whatever it is, the rest is still to be done
                _log.exception("something that was to happen later failed")

    def _next(self) -> Act:
        with self._changed:
            while True:
                left_seconds = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if left_seconds is not None and left_seconds <= 0:
                    return heapq.heappop(self._waiting)[2]
                self._changed.wait(left_seconds)
