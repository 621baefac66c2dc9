"""The profile `aws-timing`: log events become readable late, and events of different streams out of order.

AWS says of CloudWatch Logs that events are available "within a few seconds" and guarantees nothing; a reader has to
read again. https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/WhatIsCloudWatchLogs.html
Here each batch is delayed by a time between `SHORTEST_SECONDS` and `LONGEST_SECONDS`. Its events keep their timestamps.
In the profile `instant`, as on stock MiniStack, there is no delay.

Embedded metrics in the events are not affected: `delays.metrics` delays those.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from orchestrator.local.emulator.delays import delayed
from orchestrator.local.emulator.options import Options

PINNED = {
    "ministack.services.cloudwatch_logs._append_log_events": "e47cae7a15a4cc46",
}

SHORTEST_SECONDS: Final = 0.5
LONGEST_SECONDS: Final = 3.0


def install(options: Options) -> None:
    """Install the patch in this process if the profile is `aws-timing`."""
    from ministack.services import cloudwatch_logs  # noqa: PLC0415 - only in the server process

    delayed(
        options, cloudwatch_logs, "_append_log_events", SHORTEST_SECONDS, LONGEST_SECONDS, prepare=_set_ingestion_time
    )


def _set_ingestion_time(original: Callable[..., Any]) -> Callable[..., Callable[[], object]]:
    """Return a function that returns the late call, which sets the events' ingestion time."""

    def prepare(stream: Any, events: Sequence[dict[str, Any]]) -> Callable[[], object]:
        def append() -> None:
            now_ms = int(time.time() * 1000)
            original(stream, [{**event, "ingestionTime": now_ms} for event in events])

        return append

    return prepare
