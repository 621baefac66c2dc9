"""Read CloudWatch metrics, many series per call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from orchestrator.aws.clients import translate_errors
from orchestrator.domain.analysis.observations import MetricQuery
from orchestrator.domain.errors import Throttled
from orchestrator.domain.verdict import Window

QUERIES_IN_A_CALL = 500
"""GetMetricData accepts no more (API reference)."""


class Metrics:
    """CloudWatch metrics.

    Args:
        client: botocore's CloudWatch client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def read_metrics(self, queries: Sequence[MetricQuery], window: Window) -> Mapping[str, Mapping[datetime, float]]:
        """Return the queries' values by query id and period start; a period without data is absent.

        Raises:
            Throttled: CloudWatch returned an incomplete result.
            Unreachable: CloudWatch did not answer.
        """
        values_of: dict[str, dict[datetime, float]] = {query.id: {} for query in queries}
        for first in range(0, len(queries), QUERIES_IN_A_CALL):
            batch = queries[first : first + QUERIES_IN_A_CALL]
            names = {f"q{number}": query for number, query in enumerate(batch)}
            data_queries = [_metric_data_query(name, query) for name, query in names.items()]
            for result in read_results(self._client, data_queries, window):
                values = zip(result["Timestamps"], result["Values"], strict=True)
                values_of[names[result["Id"]].id].update({at.astimezone(UTC): value for at, value in values})
        return values_of


def read_results(client: Any, queries: Sequence[Mapping[str, Any]], window: Window) -> list[Any]:
    """Return the results of GetMetricData, ascending; a series may be in several of them.

    Args:
        client: botocore's CloudWatch client.
        queries: at most `QUERIES_IN_A_CALL`, in the form of the API.
        window: of the periods.

    Raises:
        Throttled: CloudWatch returned an incomplete result.
        Unreachable: CloudWatch did not answer.
    """
    params = {
        "MetricDataQueries": list(queries),
        "StartTime": window.start,
        "EndTime": window.end,
        "ScanBy": "TimestampAscending",
    }
    results: list[Any] = []
    with translate_errors():
        # The status is PartialData until the last page of a series.
        for page in client.get_paginator("get_metric_data").paginate(**params):
            results += page["MetricDataResults"]
    for result in results:
        if result.get("StatusCode", "Complete") not in {"Complete", "PartialData"}:
            raise Throttled(f"CloudWatch returned {result['StatusCode']} for {result.get('Label') or result['Id']}")
    return results


def _metric_data_query(name: str, query: MetricQuery) -> dict[str, Any]:
    dimensions = [{"Name": key, "Value": value} for key, value in query.dimensions.items()]
    metric = {"Namespace": query.namespace, "MetricName": query.name, "Dimensions": dimensions}
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": query.period_seconds, "Stat": query.statistic}}
