"""Keeping below a request limit instead of running into it.

Lambda's control plane takes 15 requests a second (Lambda quotas). Calls that are refused come back after an exponential wait, and the unlucky ones
late: twenty functions restored at full speed had a p99 of 5 s, paced it is 2.3 s (`benchmarks.rollback`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

CONTROL_PLANE_PER_SECOND = 14.0
"""A little below the limit, which the account's other users share."""

CONTROL_PLANE_BURST = 10
"""Calls that go at once. AWS documents no burst; three functions' worth is what a rollback of this service needs."""


class Pace:
    """Lets calls through at a rate, after a burst. Safe to share by threads.

    Args:
        per_second: calls a second.
        burst: calls that need not wait after a rest.
        clock: monotonic seconds.
        sleep: waits seconds.
    """

    def __init__(
        self,
        per_second: float = CONTROL_PLANE_PER_SECOND,
        burst: int = CONTROL_PLANE_BURST,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval, self._slack = 1 / per_second, (burst - 1) / per_second
        self._clock, self._sleep = clock, sleep
        self._next, self._lock = clock() - self._slack, Lock()

    def wait(self) -> None:
        """Return when the next call may go."""
        with self._lock:
            now = self._clock()
            turn = max(self._next, now - self._slack)
            self._next = turn + self._interval
        if turn > now:
            self._sleep(turn - now)


def unpaced() -> None:
    """No limit."""
