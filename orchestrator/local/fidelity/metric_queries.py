"""CloudWatch: metrics by exact dimensions, in periods as short as a second, and metric math.

AWS:

- A metric is a namespace, a name and exactly its dimensions; without dimensions only what was published without any.
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#Dimension
- PutMetricData keeps data by the minute unless ``StorageResolution`` is 1.
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
- GetMetricData answers the latest first unless ``ScanBy`` says otherwise, labels a metric with its name, and computes
  expressions. A start is rounded down to the minute; with a period of less than a minute start and end are rounded down to
  the period, so that no period is answered in part.
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html

MiniStack forgets the resolution, adds up all dimensions where none are asked for, answers the earliest first and
computes no expressions.

Units are kept but do not tell metrics apart; an answer is one page.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrator.local.fidelity import metric_store
from orchestrator.local.fidelity.cloudwatch_protocol import Answer, answer, asked, refused
from orchestrator.local.fidelity.metric_data import (
    InvalidQuery,
    MetricStat,
    Query,
    Reach,
    check_period,
    data_of,
    dimensions_of,
    read_queries,
)
from orchestrator.local.fidelity.metric_math_values import TimeSeries, several
from orchestrator.local.fidelity.metric_series import (
    MINUTE_SECONDS,
    Statistics,
    known_statistic,
    of_statistic_set,
)
from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

_MODULE = "ministack.services.cloudwatch"

PINNED = {
    "ministack.services.cloudwatch._put_metric_data": "e46b3314d311faffebfdb094dc1f572db47aa14e17d783d3dc3cdeafb437b980",
    "ministack.services.cloudwatch._get_metric_data": "bf6a8e1132a2230cb4f52d9e180016cf6a281ceb2283eb37ec66a45c87707fc0",
    "ministack.services.cloudwatch._get_metric_statistics": "332ec61708c8a90e71417619883b96f593ebedb95bfcf7b791cb0c9b69fba186",
    "ministack.services.cloudwatch._list_metrics": "2464a5f77c2813ab7fa8a49b76878881b206ee351e6f50605d3a04ab8c07ad79",
    "ministack.services.cloudwatch.record_metric": "7f777bfbe523a0c546fed315883fc1cb1ef995d5fbd0339d400458272d0464a5",
    "ministack.services.cloudwatch._evict_old_metrics": "cf47bc1522ad839b7348f920acfb1d6508b3bf2829b2636898c641fb29933958",
    "ministack.services.cloudwatch.get_state": "a5b5ec456bb6c2e71f37324280c35dea7f490e6810f6bf06304533996b91eb4f",
    "ministack.services.cloudwatch._parse_ts": "f948ba95e7cfe74b9d0ca27e638c05b2d592dcd74317a2d9aff42b66a6ad0c94",
    "ministack.services.cloudwatch._dims_key": "a304eb3ef986fb56006cf9fbf0b741a581d15847a3715e57eb3986a6e8c4a4d0",
    "ministack.services.cloudwatch._cbor_ok": "6a0ef132ea60d60992c100127d3011ee7c57b83d0426741ebe88981493a4a6b8",
    "ministack.services.cloudwatch._json_ok": "1bc13bff9ace0bb4550646c794fa9580f870215bc5d20a9b7ec02c2cbd8e4102",
    "ministack.services.cloudwatch._xml": "522fb76b418563b0981d09fe815d832196ad4076bc94e826486341c939d7aeaf",
    "ministack.services.cloudwatch._error": "9852285b57e4bc38cfaeaecb6ac66891ad779da6f021051fcd225b756df00071",
    "ministack.services.cloudwatch._cbor_timestamp": "0047eb5974f02a76c14d842a1974357b2c181f277fd6edf7ce5b1f3745f95519",
    "ministack.services.cloudwatch.handle_request": "0e8a6c92a042e65cf132b959fafb68daceb593deeda90cc241e49679305debc8",
}

_AGED_EVERY_SECONDS: Final = 60.0
_RECENTLY_ACTIVE_SECONDS: Final = 3 * 3600


def install(options: Options) -> None:
    """Put the mend in place, in this process."""
    del options
    cloudwatch = importlib.import_module(_MODULE)
    for name, operation in {
        "_put_metric_data": _put_metric_data,
        "_get_metric_data": _get_metric_data,
        "_get_metric_statistics": _get_metric_statistics,
        "_list_metrics": _list_metrics,
    }.items():
        wrap(cloudwatch, name, _instead(operation))
    wrap(cloudwatch, "record_metric", _recording)
    wrap(cloudwatch, "_evict_old_metrics", lambda _: _aging(cloudwatch))
    wrap(cloudwatch, "get_state", _without_metrics)


def _instead(operation: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Callable[[Any], Any]:
    """Make the wrapper that answers by `operation`, in whichever of CloudWatch's protocols it is asked."""

    def wrapper(original: Any) -> Any:
        del original

        def replacement(params: Any, body: Any, is_cbor: bool, is_json: bool = False) -> Answer:  # noqa: FBT001, FBT002
            try:
                answered = operation(asked(params, body, is_cbor=is_cbor, is_json=is_json))
            except InvalidQuery as invalid:
                return refused(invalid.code, str(invalid), is_cbor=is_cbor, is_json=is_json)
            return answer(operation.__name__, answered, is_cbor=is_cbor, is_json=is_json)

        return replacement

    return wrapper


def _put_metric_data(given: Mapping[str, Any]) -> Mapping[str, Any]:
    now = time.time()
    data = given.get("MetricData", ())
    times = [_seconds(datum.get("Timestamp")) for datum in data]
    for number, at in enumerate(times, 1):
        if at is not None and not metric_store.accepts(at, now):
            message = "must specify a time within the past two weeks and no more than two hours in the future"
            raise InvalidQuery(
                f"The parameter MetricData.member.{number}.Timestamp {message}.", "InvalidParameterValue"
            )
    for datum, at in zip(data, times, strict=True):
        metric_store.record(
            given["Namespace"],
            datum["MetricName"],
            dimensions_of(datum.get("Dimensions")),
            _published(datum),
            unit=datum.get("Unit", "None"),
            at=at,
            resolution_seconds=1 if int(datum.get("StorageResolution") or MINUTE_SECONDS) == 1 else MINUTE_SECONDS,
        )
    return {}


def _published(datum: Mapping[str, Any]) -> Statistics:
    if of_set := datum.get("StatisticValues"):
        count, total, low, high = (float(of_set[name]) for name in ("SampleCount", "Sum", "Minimum", "Maximum"))
        return of_statistic_set(count, total, low, high)
    published = Statistics()
    values = datum.get("Values") or [datum.get("Value", 0)]
    for value, count in zip(values, datum.get("Counts") or [1] * len(values), strict=True):
        published.add(float(value), float(count))
    return published


def _get_metric_data(given: Mapping[str, Any]) -> Mapping[str, Any]:
    queries = read_queries(given.get("MetricDataQueries", ()))
    found = data_of(queries, _reach(given))
    latest_first = given.get("ScanBy") != "TimestampAscending"
    return {
        "MetricDataResults": [
            _result(query, series, latest_first)
            for query in queries
            if query.returned
            for series in several(found[query.id])
        ],
        "Messages": [],
    }


def _result(query: Query, series: TimeSeries, latest_first: bool) -> dict[str, Any]:  # noqa: FBT001 - of one caller
    ordered = sorted(series.items(), reverse=latest_first)
    return {
        "Id": query.id,
        "Label": query.label,
        "Timestamps": [start for start, _ in ordered],
        "Values": [value for _, value in ordered],
        "StatusCode": "Complete",
    }


def _get_metric_statistics(given: Mapping[str, Any]) -> Mapping[str, Any]:
    period = check_period(int(given.get("Period") or 0))
    wanted = [*(given.get("Statistics") or ()), *(given.get("ExtendedStatistics") or ())]
    if not wanted or not all(map(known_statistic, wanted)):
        raise InvalidQuery("Must specify either Statistics or ExtendedStatistics")
    stat = MetricStat(given["Namespace"], given["MetricName"], dimensions_of(given.get("Dimensions")), "Sum")
    series = metric_store.find(stat.namespace, stat.name, stat.dimensions)
    periods = series.periods(*_reach(given)(period), period) if series else {}
    points = []
    for start, statistics in periods.items():
        values = {name: value for name in wanted if (value := statistics.value(name)) is not None}
        extended = {name: value for name, value in values.items() if name.startswith("p")}
        point: dict[str, Any] = {name: value for name, value in values.items() if name not in extended}
        point |= {"Timestamp": start, "Unit": series.unit if series else "None"}
        points.append(point | ({"ExtendedStatistics": extended} if extended else {}))
    return {"Label": stat.name, "Datapoints": points}


def _list_metrics(given: Mapping[str, Any]) -> Mapping[str, Any]:
    wanted = given.get("Dimensions") or ()
    since = time.time() - _RECENTLY_ACTIVE_SECONDS if given.get("RecentlyActive") else 0.0
    return {
        "Metrics": [
            {
                "Namespace": namespace,
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in series.dimensions.items()],
            }
            for namespace, name, series in metric_store.everything()
            if given.get("Namespace") in {None, "", namespace}
            and given.get("MetricName") in {None, "", name}
            and series.updated >= since
            and all(
                one["Name"] in series.dimensions and one.get("Value") in {None, series.dimensions[one["Name"]]}
                for one in wanted
            )
        ]
    }


def _reach(given: Mapping[str, Any]) -> Reach:
    """Return from when to when a request reads, by period."""
    start, end = _seconds(given.get("StartTime")), _seconds(given.get("EndTime"))
    if start is None or end is None:
        raise InvalidQuery("The parameters StartTime and EndTime are required.")
    if start >= end:
        raise InvalidQuery("The parameter StartTime must be less than the parameter EndTime.")

    def reach(period_seconds: int) -> tuple[int, int]:
        if period_seconds < MINUTE_SECONDS:
            return _down(start, period_seconds), _down(end, period_seconds)
        # Periods are counted from the epoch: the first one may have begun before what is read of it.
        return _down(start, period_seconds), -_down(-end, 1)

    return reach


def _down(at: float, to_seconds: int) -> int:
    return int(at // to_seconds) * to_seconds


def _seconds(given: Any) -> float | None:
    at: float | None = importlib.import_module(_MODULE)._parse_ts(given)
    return at


def _recording(original: Any) -> Any:
    del original

    def record_metric(
        namespace: str, metric_name: str, value: float, unit: str = "None", dimensions: dict[str, str] | None = None
    ) -> None:
        metric_store.record(namespace, metric_name, dimensions or {}, value, unit=unit)

    return record_metric


def _aging(cloudwatch: Any) -> Callable[[], None]:
    """Do once a minute what MiniStack does at every request: drop what is too old, in every account and region."""
    due = 0.0

    def age() -> None:
        nonlocal due
        now = time.time()
        if now < due:
            return
        due = now + _AGED_EVERY_SECONDS
        for (account, region, key), series in cloudwatch._metrics.all_items():
            if not series.age(now):
                cloudwatch._metrics.pop_scoped(account, region, key, None)

    return age


def _without_metrics(original: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Leave the metrics out of the saved state: they are old when the cloud starts again, and are many."""

    def get_state() -> dict[str, Any]:
        return {**original(), "metrics": {}}

    return get_state
