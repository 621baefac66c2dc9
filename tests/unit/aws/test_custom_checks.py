"""The sources of checks: what is asked of them, and that no wrong answer counts as a number."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ClientError

from orchestrator.aws.custom_checks import CheckReader
from orchestrator.aws.public_http import BODY_LIMIT_BYTES, PublicHttp, is_public
from orchestrator.domain.analysis.dispersion import Periods
from orchestrator.domain.analysis.sequential_testing import Tally
from orchestrator.domain.deployment.custom_checks import CheckKind, CustomCheck, Direction
from orchestrator.domain.errors import CheckNotReadable, Throttled
from orchestrator.domain.verdict import Window
from tests.fakes.clock import SimulatedClock
from tests.samples import NOW, seconds

WINDOW = Window(NOW + seconds(10), NOW + seconds(310))
HIGHER, LOWER = Direction.HIGHER_IS_WORSE, Direction.LOWER_IS_WORSE
METRICS = CustomCheck(
    "orders", CheckKind.CLOUDWATCH, HIGHER, 1, 50,
    function="token", count="Bad", total="All", namespace="Shop", dimensions={"Version": "{version}"},
)  # fmt: skip
LINE = replace(METRICS, count="", total="", value="Ms", line=500.0)
LOGS = CustomCheck(
    "denials",
    CheckKind.LOGS_INSIGHTS,
    HIGHER,
    1,
    50,
    count="bad",
    total="all",
    query="v = {version}",
    log_groups=("/a",),
)


class Server:
    """A server on loopback that gives the same answer to every request."""

    def __init__(self) -> None:
        self.status, self.body, self.headers, self.targets = 200, b"{}", {}, []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.targets.append(self.path)
                self.send_response(server.status)
                for name, value in server.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(server.body)))
                self.end_headers()
                self.wfile.write(server.body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    Thread(target=running.http.serve_forever, args=(0.02,), daemon=True).start()
    yield running
    running.http.shutdown()
    running.http.server_close()


class CloudWatch:
    def __init__(self, *results: Mapping[str, Any]) -> None:
        self.results, self.request = results, {}

    def get_paginator(self, _operation: str) -> CloudWatch:
        return self

    def paginate(self, **request: Any) -> list[Any]:
        self.request = request
        return [{"MetricDataResults": list(self.results)}]


class Insights:
    def __init__(self, *answers: Any) -> None:
        self.answers, self.request = list(answers), {}

    def start_query(self, **request: Any) -> Any:
        self.request = request
        return {"queryId": "q-1"}

    def get_query_results(self, queryId: str) -> Any:  # noqa: N803 - the name in AWS's API
        assert queryId == "q-1"
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Totals:
    """A reader whose counts are compared by their totals."""

    def __init__(self, reader: CheckReader) -> None:
        self.value, self._reader = reader.value, reader

    def count(self, *arguments: Any) -> Tally:
        return self._reader.count(*arguments).total


def reader(cloudwatch: Any = None, logs: Any = None, clock: Any = None) -> Totals:
    ticks = iter(range(1000))
    return Totals(CheckReader(cloudwatch, logs, PublicHttp(), clock or (lambda: next(ticks)), lambda _: None))


def series(name: str, *values: float, status: str = "Complete") -> Mapping[str, Any]:
    times = [NOW + seconds(60 * number) for number in range(len(values))]
    return {"Id": name, "Values": list(values), "Timestamps": times, "StatusCode": status}


def test_metrics_are_summed_by_version_over_the_whole_periods_of_the_window():
    cloudwatch = CloudWatch(series("counted", 1, 2), series("total", 40, 30), series("total", 30))
    assert reader(cloudwatch).count(METRICS, WINDOW, "7") == Tally(100, 3)
    request = cloudwatch.request
    assert (request["StartTime"], request["EndTime"]) == (NOW + seconds(60), NOW + seconds(300))
    metric = request["MetricDataQueries"][0]["MetricStat"]
    assert metric["Metric"] == {
        "Namespace": "Shop", "MetricName": "Bad", "Dimensions": [{"Name": "Version", "Value": "7"}],
    }  # fmt: skip
    assert (metric["Stat"], metric["Period"]) == ("Sum", 60)


def test_the_periods_of_metrics_are_kept_in_order_so_that_bursts_are_seen():
    later = {**series("total", 40), "Timestamps": [NOW + seconds(60)]}
    cloudwatch = CloudWatch(later, series("total", 60), series("counted", 3))
    counts = CheckReader(cloudwatch, None, PublicHttp()).count(METRICS, WINDOW, "7")
    assert counts.periods == Periods(60, (Tally(60, 3), Tally(40, 0)))
    assert counts.total == counts.periods.total


@pytest.mark.parametrize(("direction", "statistic"), [(HIGHER, "TC(500:)"), (LOWER, "TC(:500)")])
def test_values_beyond_a_line_are_counted_by_cloudwatch(direction, statistic):
    cloudwatch = CloudWatch(series("counted", 3), series("total", 100))
    assert reader(cloudwatch).count(replace(LINE, direction=direction), WINDOW, "7") == Tally(100, 3)
    stats = [query["MetricStat"]["Stat"] for query in cloudwatch.request["MetricDataQueries"]]
    assert stats == [statistic, "SampleCount"]


def test_expressions_are_passed_on_with_the_version_in_place():
    cloudwatch = CloudWatch(series("counted", 3), series("total", 100))
    check = replace(
        METRICS, namespace="", dimensions={}, count="SEARCH('{version}', 'Sum')", total="SEARCH('b', 'Sum')"
    )
    reader(cloudwatch).count(check, WINDOW, "7")
    assert cloudwatch.request["MetricDataQueries"][0] == {
        "Id": "counted", "Expression": "SEARCH('7', 'Sum')", "Period": 60,
    }  # fmt: skip


def test_if_lower_is_worse_the_counted_trials_are_the_good_ones():
    cloudwatch = CloudWatch(series("counted", 97), series("total", 100))
    assert reader(cloudwatch).count(replace(METRICS, direction=LOWER), WINDOW, "7") == Tally(100, 3)


def test_a_window_without_a_whole_period_has_no_trials_and_is_not_queried():
    short = Window(NOW + seconds(10), NOW + seconds(70))
    assert reader().count(METRICS, short, "7") == Tally()


def test_an_incomplete_answer_of_cloudwatch_is_none():
    with pytest.raises(CheckNotReadable, match="InternalError"):
        reader(CloudWatch(series("total", 1, status="InternalError"))).count(METRICS, WINDOW, "7")


def test_a_query_of_logs_is_waited_for_and_its_first_row_counts():
    row = [{"field": "bad", "value": "3"}, {"field": "all", "value": "100"}, {"field": "@ptr", "value": "x"}]
    logs = Insights({"status": "Running"}, {"status": "Complete", "results": [row]})
    assert reader(logs=logs).count(LOGS, WINDOW, "7") == Tally(100, 3)
    assert (logs.request["queryString"], logs.request["logGroupNames"]) == ("v = 7", ["/a"])


@pytest.mark.parametrize(
    "answers",
    [
        [{"status": "Failed", "results": []}],
        [{"status": "Running"}] * 50,
        [{"status": "Complete", "results": [[{"field": "bad", "value": "3"}]]}],
        [{"status": "Complete", "results": [[{"field": "bad", "value": "x"}, {"field": "all", "value": "1"}]]}],
        [ClientError({"Error": {"Code": "MalformedQueryException", "Message": "no"}}, "GetQueryResults")],
    ],
)
def test_a_query_without_two_numbers_is_not_readable(answers):
    with pytest.raises(CheckNotReadable):
        reader(logs=Insights(*answers)).count(LOGS, WINDOW, "7")


def test_a_query_without_a_row_counts_nothing_and_a_throttle_stays_a_throttle():
    assert reader(logs=Insights({"status": "Complete", "results": []})).count(LOGS, WINDOW, "7") == Tally()
    with pytest.raises(Throttled):
        reader(logs=Insights(ClientError({"Error": {"Code": "ThrottlingException"}}, "X"))).count(LOGS, WINDOW, "7")


@pytest.mark.parametrize(("seconds_left", "waited"), [(20.0, 20), (100.0, 20), (5.0, 5), (0.7, 1)])
def test_a_query_is_waited_for_no_longer_than_there_is_time(seconds_left, waited):
    clock = SimulatedClock()
    logs = Insights(*[{"status": "Running"}] * 50)
    source = CheckReader(None, logs, PublicHttp(), clock.seconds, clock.advance)
    with pytest.raises(CheckNotReadable, match=f"the query is Running after {waited} s"):
        source.count(LOGS, WINDOW, "7", seconds_left)
    assert clock.seconds() == pytest.approx(waited, abs=0.5)


class SlowServer:
    """A server of which each answer takes some seconds, by a clock of its own."""

    def __init__(self, seconds_taken: float, body: bytes) -> None:
        self.now, self.timeouts, self._taken, self._body = 0.0, [], seconds_taken, body

    def send(self, _method: str, _url: str, timeout_seconds: float, **_: Any) -> tuple[int, bytes]:
        self.timeouts.append(timeout_seconds)
        self.now += self._taken
        return 200, self._body


@pytest.mark.parametrize(("seconds_left", "timeouts"), [(20.0, [5.0, 5.0]), (6.0, [5.0, 2.0]), (4.5, [4.5, 0.5])])
def test_the_requests_of_a_check_share_the_time_that_is_left(seconds_left, timeouts):
    web = SlowServer(4, vector("1"))
    check = replace(LOGS, kind=CheckKind.PROMETHEUS, url="https://a.example")
    CheckReader(None, None, web, lambda: web.now).count(check, WINDOW, "7", seconds_left)
    assert web.timeouts == timeouts


def test_no_request_is_sent_when_no_time_is_left():
    web = SlowServer(4, vector("1"))
    check = replace(LOGS, kind=CheckKind.PROMETHEUS, url="https://a.example")
    with pytest.raises(CheckNotReadable, match="not read in time"):
        CheckReader(None, None, web, lambda: web.now).count(check, WINDOW, "7", 3.0)
    assert web.timeouts == [3.0]


def document_check(server: Server, **changes: Any) -> CustomCheck:
    url = f"{server.url}/stats?v={{version}}&from={{start}}&to={{end}}"
    check = CustomCheck("payments", CheckKind.HTTP_JSON, HIGHER, 1, 50, count="/a/0/bad", total="/a~1b", url=url)
    return replace(check, **changes)


def test_two_numbers_of_a_document_are_counted(server):
    server.body = json.dumps({"a": [{"bad": 3}], "a/b": 100.4}).encode()
    assert reader().count(document_check(server), WINDOW, "7") == Tally(100, 3)
    assert server.targets == [f"/stats?v=7&from={WINDOW.start.timestamp():.0f}&to={WINDOW.end.timestamp():.0f}"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b'{"a": [{"bad": 3}], "a/b": 100}'),
        (302, b'{"a": [{"bad": 3}], "a/b": 100}'),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"[" * 50_000),
        (200, b'{"a": [], "a/b": 100}'),
        (200, b'{"a": [{"bad": true}], "a/b": 100}'),
        (200, b'{"a": [{"bad": NaN}], "a/b": 100}'),
        (200, b'{"a": [{"bad": -1}], "a/b": 100}'),
        (200, b'{"a": [{"bad": 1}], "a/b": 1e300}'),
        (200, b'{"a": [{"bad": null}], "a/b": 1}'),
        (200, b" " * (BODY_LIMIT_BYTES + 1)),
    ],
)
def test_what_is_no_document_with_two_counts_is_not_readable(server, status, body):
    server.status, server.body, server.headers = status, body, {"Location": "/other"}
    with pytest.raises(CheckNotReadable):
        reader().count(document_check(server), WINDOW, "7")
    assert len(server.targets) == 1


def test_a_value_of_a_document_is_read(server):
    server.body = b'{"depth": 12.5}'
    assert reader().value(document_check(server, value="/depth"), WINDOW, "") == 12.5


def prometheus(server: Server, **changes: Any) -> CustomCheck:
    check = CustomCheck(
        "carts", CheckKind.PROMETHEUS, HIGHER, 1, 50,
        count='sum(increase(bad{v="{version}"}[{seconds}s]))', total="sum(increase(all[{seconds}s]))", url=server.url,
    )  # fmt: skip
    return replace(check, **changes)


def vector(*values: str) -> bytes:
    result = [{"metric": {}, "value": [1, value]} for value in values]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


def test_prometheus_is_queried_at_the_end_of_the_window_over_its_length(server):
    server.body = vector("2.6", "1")
    assert reader().count(prometheus(server), WINDOW, "7") == Tally(4, 4)
    query = parse_qs(urlsplit(server.targets[0]).query)
    assert query == {"query": ['sum(increase(bad{v="7"}[300s]))'], "time": [f"{WINDOW.end.timestamp():.0f}"]}
    assert reader().count(prometheus(server), Window(NOW, NOW), "7") == Tally()


def test_a_value_of_prometheus_is_one_sample_or_not_readable(server):
    server.body = vector("7")
    assert reader().value(prometheus(server, value="up"), WINDOW, "") == 7
    server.body = b'{"status": "success", "data": {"resultType": "scalar", "result": [1, "8"]}}'
    assert reader().value(prometheus(server, value="up"), WINDOW, "") == 8
    for body in (vector(), vector("1", "2"), vector("NaN"), b'{"status": "error"}', b"[]", b"[" * 50_000):
        server.body = body
        with pytest.raises(CheckNotReadable):
            reader().value(prometheus(server, value="up"), WINDOW, "")


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1", "224.0.0.1"]
)
def test_a_name_that_leads_to_an_internal_address_is_not_connected_to(address):
    assert not is_public(address)
    for addresses in ([address], ["93.184.216.34", address]):
        with pytest.raises(CheckNotReadable, match="not public"):
            PublicHttp(lambda *_, found=addresses: found).send("GET", "https://a.example/secret?x=1", 1)


def test_an_error_names_the_host_and_nothing_else_of_the_address():
    with pytest.raises(CheckNotReadable) as raised:
        PublicHttp(lambda *_: []).send("GET", "https://a.example/secret?token=1", 1)
    assert "a.example" in str(raised.value)
    assert "secret" not in str(raised.value)
    with pytest.raises(CheckNotReadable, match="loopback"):
        PublicHttp().send("GET", "http://a.example/", 1)
