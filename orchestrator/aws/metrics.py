"""CloudWatch metrics: many series in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from orchestrator.aws.clients import narrowed
from orchestrator.domain.errors import Throttled
from orchestrator.domain.observation import Query
from orchestrator.domain.verdict import Window

QUERIES_IN_A_CALL = 500
"""GetMetricData takes no more (API reference)."""


class Metrics:
    """CloudWatch metrics.

    Args:
        client: botocore's CloudWatch client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def read(self, queries: Sequence[Query], window: Window) -> Mapping[str, Mapping[datetime, float]]:
        """Read the queries' values by id and period start; a period without data is absent.

        Raises:
            Throttled: CloudWatch could not answer completely.
            Unreachable: it did not answer.
        """
        found: dict[str, dict[datetime, float]] = {query.id: {} for query in queries}
        for first in range(0, len(queries), QUERIES_IN_A_CALL):
            batch = queries[first : first + QUERIES_IN_A_CALL]
            names = {f"q{number}": query for number, query in enumerate(batch)}
            for result in self._results(names, window):
                if result.get("StatusCode", "Complete") not in {"Complete", "PartialData"}:
                    raise Throttled(f"CloudWatch answered {result['StatusCode']} for {names[result['Id']]}")
                values = zip(result["Timestamps"], result["Values"], strict=True)
                found[names[result["Id"]].id].update({at.astimezone(UTC): value for at, value in values})
        return found

    def _results(self, names: Mapping[str, Query], window: Window) -> list[Any]:
        asked = {
            "MetricDataQueries": [_spelt(name, query) for name, query in names.items()],
            "StartTime": window.start,
            "EndTime": window.end,
            "ScanBy": "TimestampAscending",
        }
        results: list[Any] = []
        with narrowed():
            # Pages carry PartialData until the last one of a series.
            for page in self._client.get_paginator("get_metric_data").paginate(**asked):
                results += page["MetricDataResults"]
        return results


def _spelt(name: str, query: Query) -> dict[str, Any]:
    dimensions = [{"Name": key, "Value": value} for key, value in query.dimensions.items()]
    metric = {"Namespace": query.namespace, "MetricName": query.name, "Dimensions": dimensions}
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": query.period_seconds, "Stat": query.statistic}}
