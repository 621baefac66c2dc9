"""The profile `aws-timing`: what is published becomes visible to queries and alarms late, and not in order.

AWS names no figure for custom metrics ("eventually consistent"); a new metric takes up to two minutes to be listed and
more to be read. https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/publishingMetrics.html
Here each published value is late by a time drawn between `SHORTEST_SECONDS` and `LONGEST_SECONDS`; it keeps the moment that
it was published for. In the profile `instant` nothing is late.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrator.local.fidelity import metric_store
from orchestrator.local.fidelity.belt import Belt
from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

PINNED: Mapping[str, str] = {}  # it delays our own store, nothing of MiniStack's

SHORTEST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 5.0


def install(options: Options) -> None:
    """Put the mend in place, in this process, where the profile asks for it."""
    if options.profile != "aws-timing":
        return
    draw = random.Random(options.seed).uniform  # noqa: S311 - a delay, not a secret
    belt = Belt("late-metrics")

    def delayed(original: Callable[..., None]) -> Callable[..., None]:
        def record(*given: Any, at: float | None = None, **named: Any) -> None:
            moment = time.time() if at is None else at
            belt.put(
                draw(SHORTEST_SECONDS, LONGEST_SECONDS),
                lambda: original(*given, at=moment, **named),
            )

        return record

    wrap(metric_store, "record", delayed)
