"""Read the numbers of the environment's own checks: CloudWatch, Logs Insights, a JSON document, Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from math import isfinite
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.aws.public_http import PublicHttp
from orchestrator.domain.analysis.custom_checks import CheckCounts
from orchestrator.domain.analysis.dispersion import Periods
from orchestrator.domain.analysis.sequential_testing import Tally
from orchestrator.domain.deployment.custom_checks import (
    END,
    SECONDS,
    START,
    VERSION,
    CheckKind,
    CustomCheck,
    Direction,
)
from orchestrator.domain.errors import CheckNotReadable
from orchestrator.domain.untrusted_json import decode_untrusted
from orchestrator.domain.verdict import Window

TIMEOUT_SECONDS = 5.0
"""How long a server may take to answer, if the caller has as much time."""

QUERY_SECONDS, POLL_SECONDS = 20.0, 0.5
"""How long a Logs Insights query may run, if the caller has as much time, and how often its status is read."""

OK = 200
MOST_TRIALS = 2**53


class CheckReader:
    """The sources of checks.

    Args:
        cloudwatch: botocore's CloudWatch client.
        logs: botocore's CloudWatch Logs client.
        web: sends requests to the servers that checks name.
        clock: seconds, never set back.
        wait: waits for some seconds.
    """

    def __init__(
        self,
        cloudwatch: Any,
        logs: Any,
        web: PublicHttp,
        clock: Callable[[], float] = monotonic,
        wait: Callable[[float], None] = sleep,
    ) -> None:
        self._cloudwatch, self._logs, self._web = cloudwatch, logs, web
        self._clock, self._wait = clock, wait

    def count(self, check: CustomCheck, window: Window, version: str, seconds: float = QUERY_SECONDS) -> CheckCounts:
        """Return the trials of a check within a window, and the bad ones among them.

        Args:
            check: a check with two counts, or with a CloudWatch metric and a line.
            window: the interval.
            version: what `{version}` stands for; empty if both versions are counted together.
            seconds: how long a query or a server is waited for at most.

        Raises:
            CheckNotReadable: the source gave no valid numbers, or none in time.
            Throttled, Unreachable: AWS did not answer.
        """
        if check.kind is CheckKind.CLOUDWATCH:
            counts = self._count_metrics(check, window, version)
            periods = tuple(_tally(check, counted, total) for counted, total in counts)
            whole = Tally(sum(one.trials for one in periods), sum(one.bad for one in periods))
            return CheckCounts(whole, Periods(check.period_seconds, periods))
        read = {
            CheckKind.HTTP_JSON: self._count_document,
            CheckKind.LOGS_INSIGHTS: self._count_logs,
            CheckKind.PROMETHEUS: self._count_prometheus,
        }[check.kind]
        return CheckCounts(_tally(check, *read(check, window, version, self._clock() + seconds)))

    def value(self, check: CustomCheck, window: Window, version: str, seconds: float = QUERY_SECONDS) -> float:
        """Return the current value of a check that has no counts. Args: as `count`.

        Raises:
            CheckNotReadable: the source gave no valid number, or none in time.
        """
        deadline = self._clock() + seconds
        if check.kind is CheckKind.PROMETHEUS:
            samples = self._samples(check, check.value, window, version, deadline)
            if len(samples) != 1:
                raise CheckNotReadable(f"the query returned {len(samples)} samples instead of one")
            return samples[0]
        return _number_at(self._document(check, window, version, deadline), check.value)

    def _count_metrics(self, check: CustomCheck, window: Window, version: str) -> list[tuple[float, float]]:
        """Return the counted trials and all trials of each period with trials, in their order."""
        start, end = _whole_periods(window, check.period_seconds)
        if end <= start:
            return []
        queries = [
            {"Id": name, **query}
            for name, query in zip(("counted", "total"), _metric_queries(check, version), strict=True)
        ]
        sums: dict[str, dict[datetime, float]] = {"counted": {}, "total": {}}
        with _rejected_queries(), translate_errors():
            pages = self._cloudwatch.get_paginator("get_metric_data").paginate(
                MetricDataQueries=queries,
                StartTime=datetime.fromtimestamp(start, UTC),
                EndTime=datetime.fromtimestamp(end, UTC),
            )
            for page in pages:
                for result in page["MetricDataResults"]:
                    if result.get("StatusCode", "Complete") not in {"Complete", "PartialData"}:
                        raise CheckNotReadable(f"CloudWatch returned {result['StatusCode']}")
                    series = sums[result["Id"]]
                    for at, value in zip(result["Timestamps"], result["Values"], strict=True):
                        series[at] = series.get(at, 0.0) + value  # a search returns several series
        return [(sums["counted"].get(at, 0.0), total) for at, total in sorted(sums["total"].items())]

    def _count_document(self, check: CustomCheck, window: Window, version: str, deadline: float) -> tuple[float, float]:
        document = self._document(check, window, version, deadline)
        return _number_at(document, check.count), _number_at(document, check.total)

    def _count_prometheus(
        self, check: CustomCheck, window: Window, version: str, deadline: float
    ) -> tuple[float, float]:
        if not window.length:
            return 0, 0
        counts = [sum(self._samples(check, query, window, version, deadline)) for query in (check.count, check.total)]
        return counts[0], counts[1]

    def _count_logs(self, check: CustomCheck, window: Window, version: str, deadline: float) -> tuple[float, float]:
        request = {
            "logGroupNames": list(check.log_groups),
            "queryString": _filled(check.query, window, version),
            "startTime": int(window.start.timestamp()),
            "endTime": int(window.end.timestamp()),
            "limit": 1,
        }
        begun = self._clock()
        deadline = min(deadline, begun + QUERY_SECONDS)
        with _rejected_queries(), translate_errors():
            query = self._logs.start_query(**request)["queryId"]
            answer = self._logs.get_query_results(queryId=query)
            while answer["status"] in {"Scheduled", "Running"} and self._clock() < deadline:
                self._wait(POLL_SECONDS)
                answer = self._logs.get_query_results(queryId=query)
        if answer["status"] != "Complete":
            raise CheckNotReadable(f"the query is {answer['status']} after {self._clock() - begun:.0f} s")
        if not answer["results"]:
            return 0, 0
        row = {cell["field"]: cell["value"] for cell in answer["results"][0]}
        return _number(row.get(check.count), check.count), _number(row.get(check.total), check.total)

    def _document(self, check: CustomCheck, window: Window, version: str, deadline: float) -> Any:
        return self._get(_filled(check.url, window, version), deadline)

    def _samples(self, check: CustomCheck, query: str, window: Window, version: str, deadline: float) -> list[float]:
        parameters = urlencode({"query": _filled(query, window, version), "time": f"{window.end.timestamp():.0f}"})
        answer = self._get(f"{check.url.rstrip('/')}/api/v1/query?{parameters}", deadline)
        try:
            data = answer["data"]
            entries = [data["result"]] if data["resultType"] == "scalar" else [one["value"] for one in data["result"]]
            return [_number(entry[1], "the sample") for entry in entries]
        except (KeyError, IndexError, TypeError) as error:
            raise CheckNotReadable("the answer is no result of an instant query") from error

    def _get(self, url: str, deadline: float) -> Any:
        timeout_seconds = min(TIMEOUT_SECONDS, deadline - self._clock())
        if timeout_seconds <= 0:
            raise CheckNotReadable("not read in time")
        status, body = self._web.send("GET", url, timeout_seconds, headers={"Accept": "application/json"})
        if status != OK:
            raise CheckNotReadable(f"the server returned {status}")
        try:
            return decode_untrusted(body)
        except ValueError as error:
            raise CheckNotReadable("the answer is no JSON") from error


@contextmanager
def _rejected_queries() -> Iterator[None]:
    """Turn the rejection of a query into an error that says so. Transient errors were translated before."""
    try:
        yield
    except ClientError as error:
        raise CheckNotReadable(f"{error_code(error)}: {error}") from error


def _metric_queries(check: CustomCheck, version: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    def expression(text: str) -> Mapping[str, Any]:
        return {"Expression": text.replace(VERSION, version), "Period": check.period_seconds}

    def statistic(metric: str, stat: str) -> Mapping[str, Any]:
        dimensions = [
            {"Name": name, "Value": value.replace(VERSION, version)} for name, value in check.dimensions.items()
        ]
        named = {"Namespace": check.namespace, "MetricName": metric.replace(VERSION, version), "Dimensions": dimensions}
        return {"MetricStat": {"Metric": named, "Period": check.period_seconds, "Stat": stat}}

    if not check.namespace:
        return expression(check.count), expression(check.total)
    if check.value:
        line = f"{check.line:.10f}".rstrip("0").rstrip(".")
        beyond = f"TC({line}:)" if check.direction is Direction.HIGHER_IS_WORSE else f"TC(:{line})"
        return statistic(check.value, beyond), statistic(check.value, "SampleCount")
    return statistic(check.count, "Sum"), statistic(check.total, "Sum")


def _whole_periods(window: Window, period_seconds: int) -> tuple[int, int]:
    """Return the whole periods within a window, as Unix times: a part of one would count what came before the shift."""
    start, end = window.start.timestamp(), window.end.timestamp()
    return int(-(-start // period_seconds) * period_seconds), int(end // period_seconds * period_seconds)


def _filled(text: str, window: Window, version: str) -> str:
    start, end = int(window.start.timestamp()), int(window.end.timestamp())
    for name, value in {VERSION: version, START: start, END: end, SECONDS: max(1, end - start)}.items():
        text = text.replace(name, str(value))
    return text


def _number_at(document: Any, pointer: str) -> float:
    """Return the number at a JSON pointer (RFC 6901).

    Raises:
        CheckNotReadable: there is none.
    """
    found = document
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            raise CheckNotReadable(f"{pointer} is not in the answer")
    return _number(found, pointer)


def _number(value: Any, name: str) -> float:
    """Return a finite number. Texts are numbers for Prometheus and Logs Insights; booleans are none."""
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        number = None
    if number is None or not isfinite(number):
        raise CheckNotReadable(f"{name} is no finite number")
    return number


def _tally(check: CustomCheck, counted: float, total: float) -> Tally:
    trials = _whole(total, check)
    found = min(trials, _whole(counted, check))
    # A line counts what is beyond it, whichever direction is worse.
    is_good = check.direction is Direction.LOWER_IS_WORSE and not check.value
    return Tally(trials, trials - found if is_good else found)


def _whole(number: float, check: CustomCheck) -> int:
    if not 0 <= number <= MOST_TRIALS:
        raise CheckNotReadable(f"{check.name} counts {number:g} trials")
    return round(number)
