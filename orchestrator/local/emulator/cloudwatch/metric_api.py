"""CloudWatch: metrics by exact dimensions, periods as short as a second, trimmed counts, and metric math.

AWS:

- A metric is a namespace, a name and its exact dimensions. A query without dimensions returns only what was published
  without any. https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#Dimension
- PutMetricData stores data by the minute unless ``StorageResolution`` is 1.
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
- GetMetricData returns the latest first unless ``ScanBy`` says otherwise, labels a metric with its name, and computes
  expressions. A start is rounded down to the minute. With a period of less than a minute start and end are rounded down
  to the period, so that no period is returned in part.
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
- A statistic is a basic one, a percentile, or a trimmed count with absolute bounds (`statistics`).
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html

Stock MiniStack ignores the resolution, sums over all dimensions if a query has none, returns the earliest first and
computes no expressions.

Units are stored but do not distinguish metrics. A response is one page.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrator.local.emulator.cloudwatch import metric_store
from orchestrator.local.emulator.cloudwatch.metric_data_queries import (
    InvalidQuery,
    MetricStat,
    Query,
    TimeRange,
    compute_queries,
    parse_dimensions,
    parse_queries,
    validate_period,
)
from orchestrator.local.emulator.cloudwatch.metric_math.functions import TimeSeries, as_series_list
from orchestrator.local.emulator.cloudwatch.protocols import Response, format_error, format_response, parse_request
from orchestrator.local.emulator.cloudwatch.statistics import (
    MINUTE_SECONDS,
    Statistics,
    from_statistic_set,
    is_known_statistic,
)
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

_MODULE = "ministack.services.cloudwatch"

PINNED = {
    "ministack.services.cloudwatch._put_metric_data": "e46b3314d311faff",
    "ministack.services.cloudwatch._get_metric_data": "bf6a8e1132a2230c",
    "ministack.services.cloudwatch._get_metric_statistics": "332ec61708c8a90e",
    "ministack.services.cloudwatch._list_metrics": "2464a5f77c2813ab",
    "ministack.services.cloudwatch.record_metric": "7f777bfbe523a0c5",
    "ministack.services.cloudwatch._evict_old_metrics": "cf47bc1522ad839b",
    "ministack.services.cloudwatch.get_state": "a5b5ec456bb6c2e7",
    "ministack.services.cloudwatch._parse_ts": "f948ba95e7cfe74b",
    "ministack.services.cloudwatch._dims_key": "a304eb3ef986fb56",
    "ministack.services.cloudwatch._cbor_ok": "6a0ef132ea60d609",
    "ministack.services.cloudwatch._json_ok": "1bc13bff9ace0bb4",
    "ministack.services.cloudwatch._xml": "522fb76b418563b0",
    "ministack.services.cloudwatch._error": "9852285b57e4bc38",
    "ministack.services.cloudwatch._cbor_timestamp": "0047eb5974f02a76",
    "ministack.services.cloudwatch.handle_request": "0e8a6c92a042e65c",
}

_CLEANUP_INTERVAL_SECONDS: Final = 60.0
_RECENTLY_ACTIVE_SECONDS: Final = 3 * 3600


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    cloudwatch = importlib.import_module(_MODULE)
    for name, operation in {
        "_put_metric_data": _put_metric_data,
        "_get_metric_data": _get_metric_data,
        "_get_metric_statistics": _get_metric_statistics,
        "_list_metrics": _list_metrics,
    }.items():
        wrap(cloudwatch, name, _replaced_by(operation))
    wrap(cloudwatch, "record_metric", _recording)
    wrap(cloudwatch, "_evict_old_metrics", lambda _: _cleaning_up(cloudwatch))
    wrap(cloudwatch, "get_state", _without_metrics)


def _replaced_by(operation: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Callable[[Any], Any]:
    """Return the wrapper that replaces MiniStack's function by `operation`, in each of CloudWatch's protocols."""

    def wrapper(original: Any) -> Any:
        del original

        def replacement(params: Any, body: Any, is_cbor: bool, is_json: bool = False) -> Response:  # noqa: FBT001, FBT002
            try:
                response = operation(parse_request(params, body, is_cbor=is_cbor, is_json=is_json))
            except InvalidQuery as invalid:
                return format_error(invalid.code, str(invalid), is_cbor=is_cbor, is_json=is_json)
            return format_response(operation.__name__, response, is_cbor=is_cbor, is_json=is_json)

        return replacement

    return wrapper


def _put_metric_data(request: Mapping[str, Any]) -> Mapping[str, Any]:
    now = time.time()
    data = request.get("MetricData", ())
    times = [_seconds(datum.get("Timestamp")) for datum in data]
    for number, at in enumerate(times, 1):
        if at is not None and not metric_store.accepts_timestamp(at, now):
            message = "must specify a time within the past two weeks and no more than two hours in the future"
            raise InvalidQuery(
                f"The parameter MetricData.member.{number}.Timestamp {message}.", "InvalidParameterValue"
            )
    for datum, at in zip(data, times, strict=True):
        metric_store.put_metric(
            request["Namespace"],
            datum["MetricName"],
            parse_dimensions(datum.get("Dimensions")),
            _to_statistics(datum),
            unit=datum.get("Unit", "None"),
            at=at,
            resolution_seconds=1 if int(datum.get("StorageResolution") or MINUTE_SECONDS) == 1 else MINUTE_SECONDS,
        )
    return {}


def _to_statistics(datum: Mapping[str, Any]) -> Statistics:
    if statistic_set := datum.get("StatisticValues"):
        count, total, low, high = (float(statistic_set[name]) for name in ("SampleCount", "Sum", "Minimum", "Maximum"))
        return from_statistic_set(count, total, low, high)
    statistics = Statistics()
    values = datum.get("Values") or [datum.get("Value", 0)]
    for value, count in zip(values, datum.get("Counts") or [1] * len(values), strict=True):
        statistics.add(float(value), float(count))
    return statistics


def _get_metric_data(request: Mapping[str, Any]) -> Mapping[str, Any]:
    queries = parse_queries(request.get("MetricDataQueries", ()))
    results = compute_queries(queries, _time_range(request))
    latest_first = request.get("ScanBy") != "TimestampAscending"
    return {
        "MetricDataResults": [
            _query_result(query, series, latest_first)
            for query in queries
            if query.returned
            for series in as_series_list(results[query.id])
        ],
        "Messages": [],
    }


def _query_result(query: Query, series: TimeSeries, latest_first: bool) -> dict[str, Any]:  # noqa: FBT001 - one caller
    ordered = sorted(series.items(), reverse=latest_first)
    return {
        "Id": query.id,
        "Label": query.label,
        "Timestamps": [start for start, _ in ordered],
        "Values": [value for _, value in ordered],
        "StatusCode": "Complete",
    }


def _get_metric_statistics(request: Mapping[str, Any]) -> Mapping[str, Any]:
    period = validate_period(int(request.get("Period") or 0))
    requested = [*(request.get("Statistics") or ()), *(request.get("ExtendedStatistics") or ())]
    if not requested or not all(map(is_known_statistic, requested)):
        raise InvalidQuery("Must specify either Statistics or ExtendedStatistics")
    stat = MetricStat(request["Namespace"], request["MetricName"], parse_dimensions(request.get("Dimensions")), "Sum")
    series = metric_store.find_series(stat.namespace, stat.name, stat.dimensions)
    periods = series.periods(*_time_range(request)(period), period) if series else {}
    points = []
    for start, statistics in periods.items():
        values = {name: value for name in requested if (value := statistics.value(name)) is not None}
        extended = {name: value for name, value in values.items() if name.startswith("p")}
        point: dict[str, Any] = {name: value for name, value in values.items() if name not in extended}
        point |= {"Timestamp": start, "Unit": series.unit if series else "None"}
        points.append(point | ({"ExtendedStatistics": extended} if extended else {}))
    return {"Label": stat.name, "Datapoints": points}


def _list_metrics(request: Mapping[str, Any]) -> Mapping[str, Any]:
    dimensions = request.get("Dimensions") or ()
    since = time.time() - _RECENTLY_ACTIVE_SECONDS if request.get("RecentlyActive") else 0.0
    return {
        "Metrics": [
            {
                "Namespace": namespace,
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in series.dimensions.items()],
            }
            for namespace, name, series in metric_store.list_series()
            if request.get("Namespace") in {None, "", namespace}
            and request.get("MetricName") in {None, "", name}
            and series.updated >= since
            and all(
                dimension["Name"] in series.dimensions
                and dimension.get("Value") in {None, series.dimensions[dimension["Name"]]}
                for dimension in dimensions
            )
        ]
    }


def _time_range(request: Mapping[str, Any]) -> TimeRange:
    """Return the time range that a request reads, by period."""
    start, end = _seconds(request.get("StartTime")), _seconds(request.get("EndTime"))
    if start is None or end is None:
        raise InvalidQuery("The parameters StartTime and EndTime are required.")
    if start >= end:
        raise InvalidQuery("The parameter StartTime must be less than the parameter EndTime.")

    def time_range(period_seconds: int) -> tuple[int, int]:
        if period_seconds < MINUTE_SECONDS:
            return _round_down(start, period_seconds), _round_down(end, period_seconds)
        # Periods are aligned to the epoch: the first one may start before the data that are read.
        return _round_down(start, period_seconds), -_round_down(-end, 1)

    return time_range


def _round_down(at: float, to_seconds: int) -> int:
    return int(at // to_seconds) * to_seconds


def _seconds(timestamp: Any) -> float | None:
    at: float | None = importlib.import_module(_MODULE)._parse_ts(timestamp)
    return at


def _recording(original: Any) -> Any:
    del original

    def record_metric(
        namespace: str, metric_name: str, value: float, unit: str = "None", dimensions: dict[str, str] | None = None
    ) -> None:
        metric_store.put_metric(namespace, metric_name, dimensions or {}, value, unit=unit)

    return record_metric


def _cleaning_up(cloudwatch: Any) -> Callable[[], None]:
    """Drop old data in every account and region once a minute; MiniStack does so at every request."""
    due = 0.0

    def clean_up() -> None:
        nonlocal due
        now = time.time()
        if now < due:
            return
        due = now + _CLEANUP_INTERVAL_SECONDS
        for (account, region, key), series in cloudwatch._metrics.all_items():
            if not series.drop_old_data(now):
                cloudwatch._metrics.pop_scoped(account, region, key, None)

    return clean_up


def _without_metrics(original: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Leave the metrics out of the saved state: they are many, and outdated when the cloud starts again."""

    def get_state() -> dict[str, Any]:
        return {**original(), "metrics": {}}

    return get_state
