"""The profile `aws-timing`: published metrics become visible to queries and alarms late and out of order.

AWS names no figure for custom metrics ("eventually consistent"). A new metric takes up to two minutes to be listed and
longer to be readable. https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/publishingMetrics.html
Here each published value is delayed by a time between `SHORTEST_SECONDS` and `LONGEST_SECONDS`. It keeps the timestamp
for which it was published. In the profile `instant`, as on stock MiniStack, there is no delay.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrator.local.emulator.cloudwatch import metric_store
from orchestrator.local.emulator.delays import delayed
from orchestrator.local.emulator.options import Options

PINNED: Mapping[str, str] = {}  # delays our own metric store and relies on no internal of MiniStack

SHORTEST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 5.0


def install(options: Options) -> None:
    """Install the patch in this process if the profile is `aws-timing`."""
    delayed(options, metric_store, "put_metric", SHORTEST_SECONDS, LONGEST_SECONDS, prepare=_keep_timestamp)


def _keep_timestamp(original: Callable[..., Any]) -> Callable[..., Callable[[], object]]:
    """Return a function that returns the late call, with the timestamp of the call that was made."""

    def prepare(*args: Any, at: float | None = None, **kwargs: Any) -> Callable[[], object]:
        timestamp = time.time() if at is None else at
        return lambda: original(*args, at=timestamp, **kwargs)

    return prepare
