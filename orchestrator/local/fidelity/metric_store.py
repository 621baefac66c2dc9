"""Where the mends write metrics to and read them from: MiniStack's own place for them, by account and region.

Whoever calls is in the context of an account and a region, as everywhere in MiniStack.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.local.fidelity.metric_series import MINUTE_SECONDS, Series, Statistics

FURTHEST_PAST_SECONDS: Final = 14 * 24 * 3600
FURTHEST_FUTURE_SECONDS: Final = 2 * 3600


def record(
    namespace: str,
    name: str,
    dimensions: Mapping[str, str],
    value: float | Statistics,
    *,
    unit: str = "None",
    at: float | None = None,
    resolution_seconds: int = MINUTE_SECONDS,
) -> None:
    """Publish to a metric.

    Args:
        namespace: of the metric, such as ``AWS/Lambda``.
        name: of the metric.
        dimensions: of the metric; other dimensions are another metric.
        value: one value, or statistics.
        unit: as CloudWatch spells units.
        at: epoch seconds; now where there is none.
        resolution_seconds: 1 for a high-resolution metric, 60 for a standard one.
    """
    if isinstance(value, Statistics):
        statistics = value
    else:
        statistics = Statistics()
        statistics.add(float(value))
    cloudwatch = _cloudwatch()
    key = (namespace, name, cloudwatch._dims_key(dimensions))
    series: Series = cloudwatch._metrics.get(key) or cloudwatch._metrics.setdefault(key, Series(dict(dimensions), unit))
    series.add(time.time() if at is None else at, statistics, resolution_seconds)


def find(namespace: str, name: str, dimensions: Mapping[str, str]) -> Series | None:
    """Return a metric; None where nothing was ever published to it."""
    cloudwatch = _cloudwatch()
    found: Series | None = cloudwatch._metrics.get((namespace, name, cloudwatch._dims_key(dimensions)))
    return found


def everything() -> list[tuple[str, str, Series]]:
    """Return all metrics of the account and region: namespace, name, series."""
    return [(namespace, name, series) for (namespace, name, _), series in _cloudwatch()._metrics.items()]


def accepts(at: float, now: float) -> bool:
    """Whether CloudWatch takes data for that moment: two weeks back, two hours ahead. Epoch seconds.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
    """
    return now - FURTHEST_PAST_SECONDS <= at <= now + FURTHEST_FUTURE_SECONDS


def _cloudwatch() -> Any:
    return importlib.import_module("ministack.services.cloudwatch")
