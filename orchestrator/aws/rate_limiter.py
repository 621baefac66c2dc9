"""A rate limiter that keeps calls below a service's request limit.

Lambda's control plane accepts 15 requests a second (Lambda quotas). A throttled call is repeated after an exponential
wait, and some calls come very late. Rolling back twenty functions at full speed took 5 s at p99; with this limiter it
takes 2.3 s (`benchmarks.rollback`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

CONTROL_PLANE_PER_SECOND = 14.0
"""A little below the limit, because the account's other users share it."""

CONTROL_PLANE_BURST = 10
"""Calls that need not wait. AWS documents no burst; a rollback of this service needs that of three functions."""


class RateLimiter:
    """Limits the rate of calls, after a burst. Threads may share it.

    Args:
        per_second: calls a second.
        burst: calls that need not wait after a pause.
        clock: monotonic seconds.
        sleep: waits for some seconds.
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
        """Wait until the next call is allowed."""
        with self._lock:
            now = self._clock()
            turn = max(self._next, now - self._slack)
            self._next = turn + self._interval
        if turn > now:
            self._sleep(turn - now)


def unlimited() -> None:
    """Return at once: no limit."""
