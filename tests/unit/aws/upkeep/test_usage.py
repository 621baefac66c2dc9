"""What functions and tables used: percentiles by day, peaks by minute, memory from REPORT lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import botocore.session
import pytest
from botocore.stub import ANY, Stubber

from orchestrator.aws.upkeep.usage import REPORTS, Consumed, InvocationReports, Usage
from orchestrator.domain.errors import Unreachable
from orchestrator.domain.upkeep.trends import WeekOfLatency
from orchestrator.domain.verdict import Window

NOW = datetime(2026, 11, 30, tzinfo=UTC)
WEEK = Window(NOW - timedelta(days=7), NOW)
GROUP = "/aws/lambda/ib-oauth-token-prod"


class CloudWatch:
    """GetMetricData over series by namespace, name, dimensions and statistic."""

    def __init__(self, series):
        self.series, self.queries = series, []

    def get_paginator(self, name):
        assert name == "get_metric_data"
        return self

    def paginate(self, **params):
        self.queries += params["MetricDataQueries"]
        results = []
        for query in params["MetricDataQueries"]:
            stat = query["MetricStat"]
            dimensions = tuple(one["Value"] for one in stat["Metric"]["Dimensions"])
            values = self.series.get((stat["Metric"]["MetricName"], dimensions, stat["Stat"]), [])
            times = [params["StartTime"] + timedelta(seconds=stat["Period"] * number) for number in range(len(values))]
            results.append({"Id": query["Id"], "StatusCode": "Complete", "Timestamps": times, "Values": values})
        return [{"MetricDataResults": results}]


def usage(series):
    cloudwatch = CloudWatch(series)
    return Usage({"cloudwatch": cloudwatch}.__getitem__, "prod", lambda _seconds: None), cloudwatch


def test_a_percentile_is_the_median_of_the_days_and_requests_are_their_sum():
    of = ("prod", "token")
    series = {
        ("Latency", of, "SampleCount"): [100.0, 200.0, 300.0],
        ("Latency", of, "p50"): [10.0, 30.0, 20.0],
        ("Latency", of, "p95"): [50.0, 900.0, 60.0],
        ("Latency", of, "p99"): [70.0, 1000.0, 80.0],
        ("Latency", ("prod", "public"), "SampleCount"): [1.0],
    }
    reader, cloudwatch = usage(series)
    assert reader.read_latency(["token", "public"], WEEK) == {
        "token": WeekOfLatency(600.0, {50: 20.0, 95: 60.0, 99: 80.0})
    }
    assert {query["MetricStat"]["Period"] for query in cloudwatch.queries} == {86_400}


def test_the_busiest_minute_is_that_of_all_functions_together():
    series = {
        ("Requests", ("prod", "token"), "Sum"): [60.0, 120.0],
        ("Requests", ("prod", "public"), "Sum"): [180.0, 60.0, 60.0],
    }
    assert usage(series)[0].read_peak_requests_per_second(["token", "public"], WEEK) == 4.0
    assert usage({})[0].read_peak_requests_per_second(["token"], WEEK) is None


def test_peaks_of_concurrency_are_of_each_function_and_of_the_account():
    series = {
        ("ConcurrentExecutions", (), "Maximum"): [7.0, 40.0],
        ("ConcurrentExecutions", ("ib-oauth-token-prod",), "Maximum"): [3.0, 2.0],
    }
    names = {"token": "ib-oauth-token-prod", "public": "ib-oauth-public-prod"}
    assert usage(series)[0].read_peak_concurrency(names, WEEK) == {"": 40.0, "token": 3.0}


def test_consumed_units_are_summed_and_a_table_without_any_is_absent():
    series = {("ConsumedReadCapacityUnits", ("ib-oauth-tokens-prod",), "Sum"): [6.0, 60.0]}
    names = {"tokens": "ib-oauth-tokens-prod", "state": "ib-oauth-state-prod"}
    assert usage(series)[0].read_consumed(names, WEEK) == {
        "tokens": {"reads": Consumed(66.0, 60.0), "writes": Consumed(0.0, 0.0)}
    }


@pytest.fixture
def logs():
    client = botocore.session.get_session().create_client(
        "logs", region_name="us-west-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    with Stubber(client) as stub:
        stub.add_response(
            "start_query",
            {"queryId": "q"},
            {"logGroupNames": [GROUP], "startTime": ANY, "endTime": int(NOW.timestamp()), "queryString": REPORTS},
        )
        yield stub
        stub.assert_no_pending_responses()


def read_reports(logs):
    return Usage({"logs": logs.client}.__getitem__, "prod", lambda _seconds: None).read_reports(GROUP, WEEK)


def row(**fields):
    return [{"field": name, "value": value} for name, value in fields.items()]


def test_the_memory_of_the_report_lines_is_in_mb(logs):
    logs.add_response("get_query_results", {"status": "Running", "results": []})
    found = row(invocations="5000", most_bytes="128000000", billed="41.5", p99="210")
    logs.add_response("get_query_results", {"status": "Complete", "results": [found]})
    assert read_reports(logs) == InvocationReports(5000.0, 128.0, 41.5, 210.0)


@pytest.mark.parametrize("results", [[], [row(invocations="0")]])
def test_a_group_without_report_lines_has_none(logs, results):
    logs.add_response("get_query_results", {"status": "Complete", "results": results})
    assert read_reports(logs) is None


@pytest.mark.parametrize(("status", "polls"), [("Failed", 1), ("Running", 61)])
def test_a_query_that_does_not_complete_is_no_answer(logs, status, polls):
    for _ in range(polls):
        logs.add_response("get_query_results", {"status": status, "results": []})
    with pytest.raises(Unreachable, match=f"is {status}"):
        read_reports(logs)
