"""The profile `aws-timing`: log lines can be read late, and those of different streams not in order.

AWS says of CloudWatch Logs that events are there "within a few seconds", and promises nothing: a reader asks again for
what it has read. https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/WhatIsCloudWatchLogs.html
Here each batch is late by a time drawn between `SHORTEST_SECONDS` and `LONGEST_SECONDS`; its events keep their
timestamps. In the profile `instant` nothing is late.

The embedded metrics in them are not late because of it: `late_metrics` delays those.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from orchestrator.local.fidelity.belt import Belt
from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

PINNED = {
    "ministack.services.cloudwatch_logs._append_log_events": "e47cae7a15a4cc4668b51832593f304d5bb88fecfa67de3b88c0c115883e987c",
}

SHORTEST_SECONDS: Final = 0.5
LONGEST_SECONDS: Final = 3.0


def install(options: Options) -> None:
    """Put the mend in place, in this process, where the profile asks for it."""
    if options.profile != "aws-timing":
        return
    from ministack.services import cloudwatch_logs  # noqa: PLC0415 - only in the server process

    draw = random.Random(options.seed).uniform  # noqa: S311 - a delay, not a secret
    belt = Belt("late-logs")

    def delayed(original: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
        def append_log_events(stream: Any, events: Sequence[dict[str, Any]]) -> None:
            def arrive() -> None:
                now_ms = int(time.time() * 1000)
                original(stream, [{**event, "ingestionTime": now_ms} for event in events])

            belt.put(draw(SHORTEST_SECONDS, LONGEST_SECONDS), arrive)

        return append_log_events

    wrap(cloudwatch_logs, "_append_log_events", delayed)
