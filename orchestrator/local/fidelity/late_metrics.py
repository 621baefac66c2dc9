"""The profile `aws-timing`: what is published becomes visible to queries and alarms late, and not in order.

AWS names no figure for custom metrics ("eventually consistent"); a new metric takes up to two minutes to be listed and
more to be read. https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/publishingMetrics.html
Here each published value is late by a time drawn between `SHORTEST_SECONDS` and `LONGEST_SECONDS`; it keeps the moment that
it was published for. In the profile `instant` nothing is late.
"""

from __future__ import annotations

import contextvars
import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrator.local.fidelity import metric_store
from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

PINNED: Mapping[str, str] = {}  # it delays our own store, nothing of MiniStack's

SHORTEST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 5.0

Publish = Callable[[], object]


def install(options: Options) -> None:
    """Put the mend in place, in this process, where the profile asks for it."""
    if options.profile != "aws-timing":
        return
    draw = random.Random(options.seed).uniform  # noqa: S311 - a delay, not a secret
    belt = _Belt()
    threading.Thread(target=belt.run, name="late-metrics", daemon=True).start()

    def delayed(original: Callable[..., None]) -> Callable[..., None]:
        def record(*given: Any, at: float | None = None, **named: Any) -> None:
            now = time.time()
            moment = now if at is None else at
            context = contextvars.copy_context()  # the account and region it is published in
            belt.put(
                now + draw(SHORTEST_SECONDS, LONGEST_SECONDS),
                lambda: context.run(original, *given, at=moment, **named),
            )

        return record

    wrap(metric_store, "record", delayed)


class _Belt:
    """Carries what was published to its time of arrival."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Publish]] = []
        self._numbers = itertools.count()  # of two that arrive at the same time
        self._changed = threading.Condition()

    def put(self, due: float, publish: Publish) -> None:
        """Publish it at `due`, epoch seconds."""
        with self._changed:
            heapq.heappush(self._waiting, (due, next(self._numbers), publish))
            if self._waiting[0][0] == due:
                self._changed.notify()

    def run(self) -> None:
        """Publish for ever, each at its time."""
        while True:
            with self._changed:
                now = time.time()
                while not self._waiting or self._waiting[0][0] > now:
                    self._changed.wait(self._waiting[0][0] - now if self._waiting else None)
                    now = time.time()
                _, _, publish = heapq.heappop(self._waiting)
            publish()
