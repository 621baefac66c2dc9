"""The patches' access to metrics: stored in MiniStack's own dictionary, by account and region.

Callers run in the context of an account and a region, as everywhere in MiniStack.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.local.emulator.cloudwatch.statistics import MINUTE_SECONDS, Series, Statistics

FURTHEST_PAST_SECONDS: Final = 14 * 24 * 3600
FURTHEST_FUTURE_SECONDS: Final = 2 * 3600


def put_metric(
    namespace: str,
    name: str,
    dimensions: Mapping[str, str],
    value: float | Statistics,
    *,
    unit: str = "None",
    at: float | None = None,
    resolution_seconds: int = MINUTE_SECONDS,
) -> None:
    """Publish a value to a metric.

    Args:
        namespace: the metric's namespace, such as ``AWS/Lambda``.
        name: the metric's name.
        dimensions: the metric's dimensions; other dimensions are another metric.
        value: one value, or statistics.
        unit: a unit in CloudWatch's spelling.
        at: epoch seconds; None for now.
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


def find_series(namespace: str, name: str, dimensions: Mapping[str, str]) -> Series | None:
    """Return a metric; None if nothing was ever published to it."""
    cloudwatch = _cloudwatch()
    series: Series | None = cloudwatch._metrics.get((namespace, name, cloudwatch._dims_key(dimensions)))
    return series


def list_series() -> list[tuple[str, str, Series]]:
    """Return all metrics of the account and region: namespace, name, series."""
    return [(namespace, name, series) for (namespace, name, _), series in _cloudwatch()._metrics.items()]


def accepts_timestamp(at: float, now: float) -> bool:
    """Return whether CloudWatch accepts data for a time: up to two weeks back and two hours ahead. Epoch seconds.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
    """
    return now - FURTHEST_PAST_SECONDS <= at <= now + FURTHEST_FUTURE_SECONDS


def _cloudwatch() -> Any:
    return importlib.import_module("ministack.services.cloudwatch")
