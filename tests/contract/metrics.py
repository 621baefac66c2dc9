"""Metrics for contract tests: publishing them, and reading them back."""

from __future__ import annotations

import time
from typing import Any


def dimensions(**values: str) -> list[dict[str, str]]:
    """Dimensions as CloudWatch lists them."""
    return [{"Name": name, "Value": value} for name, value in values.items()]


def stat(namespace: str, metric: str, period: int = 60, statistic: str = "Sum", **of: str) -> dict[str, Any]:
    """A MetricStat."""
    return {
        "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": dimensions(**of)},
        "Period": period,
        "Stat": statistic,
    }


class Metrics:
    """The metrics of one namespace."""

    def __init__(self, cloud: Any, namespace: str | None = None) -> None:
        self.client = cloud.client("cloudwatch")
        self.namespace = namespace or cloud.name("Contract")

    def put(self, metric: str, value: float = 1.0, at: float | None = None, *, resolution: int = 1, **of: str) -> None:
        """Publish a value, by the second by default; `at` is epoch seconds."""
        datum = {"MetricName": metric, "Value": value, "Dimensions": dimensions(**of), "StorageResolution": resolution}
        self.put_data(datum | ({} if at is None else {"Timestamp": at}))

    def put_data(self, *data: dict[str, Any]) -> None:
        self.client.put_metric_data(Namespace=self.namespace, MetricData=list(data))

    def read(
        self,
        metric: str,
        period: int = 60,
        statistic: str = "Sum",
        window: tuple[float, float] | None = None,
        **of: str,
    ) -> dict[int, float]:
        """Values by the start of their period; of the last two minutes and the next one by default."""
        start, end = window or (time.time() - 120, time.time() + 60)
        (found,) = self.query(
            {"Id": "m", "MetricStat": stat(self.namespace, metric, period, statistic, **of)}, (start, end)
        )
        return values(found)

    def query(
        self, query: dict[str, Any], window: tuple[float, float], *more: dict[str, Any], **params: Any
    ) -> list[Any]:
        """Results of GetMetricData."""
        answer = self.client.get_metric_data(
            MetricDataQueries=[query, *more], StartTime=window[0], EndTime=window[1], **params
        )
        return answer["MetricDataResults"]

    def total(self, metric: str, statistic: str = "Sum", **of: str) -> float:
        """The sum over all periods; 0 where there is none."""
        return sum(self.read(metric, statistic=statistic, **of).values())


def values(result: dict[str, Any]) -> dict[int, float]:
    """Values of a result by the start of their period."""
    starts = [int(at.timestamp()) for at in result["Timestamps"]]
    return dict(zip(starts, result["Values"], strict=True))
