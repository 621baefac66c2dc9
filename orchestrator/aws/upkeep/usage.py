"""Read what functions and tables used within a window: memory from Lambda's REPORT lines, all else from metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from orchestrator.aws.cloudwatch.metrics import Metrics
from orchestrator.domain.analysis.observations import MetricQuery
from orchestrator.domain.errors import Unreachable
from orchestrator.domain.upkeep.trends import PERCENTILES, WeekOfLatency
from orchestrator.domain.verdict import Window

SERVICE, LAMBDA, DYNAMODB = "IbOauth", "AWS/Lambda", "AWS/DynamoDB"
MINUTE, DAY = 60, 86_400
REPORTS = (
    'filter @type = "REPORT" | stats count(*) as invocations, max(@maxMemoryUsed) as most_bytes, '
    "avg(@billedDuration) as billed, pct(@duration, 99) as p99"
)
"""CloudWatch Logs discovers these fields of Lambda's REPORT lines.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html"""
_BYTES_PER_MB = 1_000_000
"""Lambda reports whole MB, and CloudWatch Logs shows them as bytes of this factor (its sample queries divide by it)."""
_POLLS, _POLL_SECONDS = 60, 1.0
_RUNNING = frozenset({"Scheduled", "Running", "Unknown"})


@dataclass(frozen=True)
class InvocationReports:
    """What a function's REPORT lines say. `billed_ms`: the average; `p99_ms`: of the duration."""

    invocations: float
    most_used_mb: float
    billed_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Consumed:
    """Units that a table consumed: their sum, and the sum of the busiest minute."""

    total: float
    busiest_minute: float


class Usage:
    """The use of an environment's resources.

    Args:
        clients: returns the botocore client of a service, in the environment's region.
        environment: its name.
        sleep: waits, in seconds.
    """

    def __init__(self, clients: Callable[[str], Any], environment: str, sleep: Callable[[float], None]) -> None:
        self._clients, self._environment, self._sleep = clients, environment, sleep

    def read_latency(self, functions: Sequence[str], window: Window) -> Mapping[str, WeekOfLatency]:
        """Return the requests and latency of each function; one without requests is absent.

        A percentile is the median of the days' percentiles: percentiles of days cannot be added up, and one bad day
        is an incident, not a trend. The window begins and ends at midnight UTC, as the days do.
        """
        statistics = ["SampleCount", *(f"p{percent}" for percent in PERCENTILES)]
        values = self._read(
            [
                self._service_query(function, "Latency", statistic, DAY)
                for function in functions
                for statistic in statistics
            ],
            window,
        )
        found = {}
        for function in functions:
            by_day = {percent: values[f"{function}/Latency/p{percent}"].values() for percent in PERCENTILES}
            if all(by_day.values()):
                requests = sum(values[f"{function}/Latency/SampleCount"].values())
                found[function] = WeekOfLatency(requests, {one: median(days) for one, days in by_day.items()})
        return found

    def read_peak_requests_per_second(self, functions: Sequence[str], window: Window) -> float | None:
        """Return the average rate of the busiest minute of all functions together; None without a request."""
        values = self._read(
            [self._service_query(function, "Requests", "Sum", MINUTE) for function in functions], window
        )
        minutes: dict[datetime, float] = {}
        for series in values.values():
            for at, value in series.items():
                minutes[at] = minutes.get(at, 0.0) + value
        return max(minutes.values()) / MINUTE if minutes else None

    def read_peak_concurrency(self, functions: Mapping[str, str], window: Window) -> Mapping[str, float]:
        """Return the most executions at once of each function, and of the account as ``""``; one without any is absent.

        Args:
            functions: short name to Lambda name.
            window: what is read.
        """
        queries = [
            MetricQuery(name, LAMBDA, "ConcurrentExecutions", dimensions, "Maximum", MINUTE)
            for name, dimensions in [("", {}), *((short, {"FunctionName": full}) for short, full in functions.items())]
        ]
        return {name: max(series.values()) for name, series in self._read(queries, window).items() if series}

    def read_consumed(self, tables: Mapping[str, str], window: Window) -> Mapping[str, Mapping[str, Consumed]]:
        """Return the consumed ``reads`` and ``writes`` of each table; one without any is absent.

        Args:
            tables: short name to table.
            window: what is read.
        """
        kinds = {"reads": "ConsumedReadCapacityUnits", "writes": "ConsumedWriteCapacityUnits"}
        values = self._read(
            [
                MetricQuery(f"{short}/{kind}", DYNAMODB, metric, {"TableName": table}, "Sum", MINUTE)
                for short, table in tables.items()
                for kind, metric in kinds.items()
            ],
            window,
        )
        return {
            short: {kind: _consumed(values[f"{short}/{kind}"]) for kind in kinds}
            for short in tables
            if any(values[f"{short}/{kind}"] for kind in kinds)
        }

    def read_reports(self, group: str, window: Window) -> InvocationReports | None:
        """Return what the REPORT lines of a log group say; None without any.

        Raises:
            Unreachable: CloudWatch Logs did not finish the query.
        """
        logs = self._clients("logs")
        query = str(
            logs.start_query(
                logGroupNames=[group],
                startTime=int(window.start.timestamp()),
                endTime=int(window.end.timestamp()),
                queryString=REPORTS,
            )["queryId"]
        )
        response = logs.get_query_results(queryId=query)
        for _ in range(_POLLS):
            if response["status"] not in _RUNNING:
                break
            self._sleep(_POLL_SECONDS)
            response = logs.get_query_results(queryId=query)
        if response["status"] != "Complete":
            raise Unreachable(f"the query of {group} is {response['status']}")
        fields = {field["field"]: field["value"] for row in response["results"] for field in row}
        if not {"invocations", "most_bytes", "billed", "p99"} <= fields.keys():
            return None
        return InvocationReports(
            float(fields["invocations"]),
            float(fields["most_bytes"]) / _BYTES_PER_MB,
            float(fields["billed"]),
            float(fields["p99"]),
        )

    def _read(self, queries: Sequence[MetricQuery], window: Window) -> Mapping[str, Mapping[datetime, float]]:
        return Metrics(self._clients("cloudwatch")).read_metrics(queries, window)

    def _service_query(self, function: str, name: str, statistic: str, seconds: int) -> MetricQuery:
        dimensions = {"environment": self._environment, "function": function}
        return MetricQuery(f"{function}/{name}/{statistic}", SERVICE, name, dimensions, statistic, seconds)


def _consumed(series: Mapping[datetime, float]) -> Consumed:
    return Consumed(sum(series.values()), max(series.values(), default=0.0))
