"""Log events in the embedded metric format become metrics."""

import json
import time

import pytest

from tests.contract.metrics import Metrics
from tests.contract.waiting import eventually


@pytest.fixture
def metrics(cloud):
    return Metrics(cloud)


@pytest.fixture
def log(cloud):
    """Write log events with PutLogEvents."""
    client = cloud.client("logs")
    group, stream = cloud.name("group"), "stream"
    client.create_log_group(logGroupName=group)
    client.create_log_stream(logGroupName=group, logStreamName=stream)

    def write(*messages):
        events = [{"timestamp": int(time.time() * 1000), "message": message} for message in messages]
        client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    return write


def document(namespace, dimensions, definitions, at=None, **members):
    """A log event; `at` is epoch seconds."""
    directive = {"Namespace": namespace, "Dimensions": dimensions, "Metrics": definitions}
    metadata = {"Timestamp": int((at or time.time()) * 1000), "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": metadata, **members})


REQUESTS = {"Name": "Requests", "Unit": "Count", "StorageResolution": 1}


def test_a_metric_is_published_for_every_set_of_dimensions(log, metrics):
    sets = [["function"], ["function", "version"], []]
    line = document(metrics.namespace, sets, [REQUESTS], function="token", version="7", Requests=1)
    log(line, line)
    assert metrics.total("Requests", function="token") == 2
    assert metrics.total("Requests", function="token", version="7") == 2
    assert metrics.total("Requests") == 2


def test_a_metric_has_the_time_of_the_document_not_of_the_log_event(log, metrics):
    minute = int(time.time()) // 60 * 60 - 600
    log(document(metrics.namespace, [[]], [REQUESTS], at=minute + 7, Requests=1))
    assert metrics.read("Requests", 1, window=(minute, minute + 60)) == {minute + 7: 1}


def test_a_metric_is_kept_by_the_minute_unless_it_is_of_high_resolution(log, metrics):
    minute = int(time.time()) // 60 * 60 - 600
    log(document(metrics.namespace, [[]], [{"Name": "Requests"}], at=minute + 7, Requests=1))
    assert metrics.read("Requests", 1, window=(minute, minute + 60)) == {minute: 1}


def test_each_of_several_values_counts(log, metrics):
    latency = {"Name": "Latency", "Unit": "Milliseconds", "StorageResolution": 1}
    log(document(metrics.namespace, [[]], [latency], Latency=[1, 2, 3, 100.5]))
    assert metrics.total("Latency", "SampleCount") == 4
    assert metrics.total("Latency", "p50") == 2.5
    assert metrics.total("Latency", "Maximum") == 100.5


def test_a_unit_is_kept(log, metrics):
    latency = {"Name": "Latency", "Unit": "Milliseconds"}
    log(document(metrics.namespace, [[]], [latency], Latency=5))
    answer = metrics.client.get_metric_statistics(
        Namespace=metrics.namespace,
        MetricName="Latency",
        Period=60,
        StartTime=time.time() - 120,
        EndTime=time.time() + 60,
        Statistics=["Sum"],
    )
    assert [found["Unit"] for found in answer["Datapoints"]] == ["Milliseconds"]


def test_what_is_missing_or_of_the_wrong_type_is_left_out_and_the_rest_is_published(log, metrics):
    sets = [["function"], ["absent"], ["number"]]
    definitions = [REQUESTS, {"Name": "Absent"}, {"Name": "Text"}, {"Name": "Empty"}, {"Name": "Many"}]
    wrong = {"Text": "1", "Empty": [], "Many": [1] * 101}
    log(document(metrics.namespace, sets, definitions, function="token", number=7, Requests=1, **wrong))
    listed = metrics.client.list_metrics(Namespace=metrics.namespace)["Metrics"]
    assert [(found["MetricName"], found["Dimensions"]) for found in listed] == [
        ("Requests", [{"Name": "function", "Value": "token"}])
    ]


def test_lines_that_are_no_documents_do_not_disturb_those_that_are(log, metrics):
    good = document(metrics.namespace, [[]], [REQUESTS], Requests=1)
    bad = [
        '"_aws"',
        '{"_aws": {}}',
        '{"_aws": 1',
        '{"_aws": {"Timestamp": "now", "CloudWatchMetrics": []}}',
        '["_aws"]',
    ]
    too_old = document(metrics.namespace, [[]], [REQUESTS], at=time.time() - 15 * 24 * 3600, Requests=1)
    log(*bad, good, too_old)
    assert metrics.total("Requests") == 1


def test_a_function_s_output_is_read_with_its_prefix_and_between_other_lines(cloud, metrics):
    function = cloud.function(
        f"""
        import json, time
        def handler(event, context):
            metadata = {{"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [{{
                "Namespace": "{metrics.namespace}", "Dimensions": [["version"]],
                "Metrics": [{{"Name": "Requests", "StorageResolution": 1}}]}}]}}
            line = json.dumps({{"_aws": metadata, "version": context.function_version, "Requests": 1}})
            print("before")
            print(line)
            print("INFO 2026-01-01 " + line)
            print("after")
        """
    )
    for _ in range(2):
        cloud.client("lambda").invoke(FunctionName=function)
    eventually(lambda: metrics.total("Requests", version="$LATEST") == 4, within_seconds=2)


def test_a_thousand_requests_are_published_within_two_seconds(log, metrics):
    sets = [["environment", "function"], ["environment", "function", "version"]]
    definitions = [{"Name": name, "StorageResolution": 1} for name in ("Requests", "ServerErrors", "Latency")]
    lines = [
        document(
            metrics.namespace,
            sets,
            definitions,
            environment="local",
            function="token",
            version="7",
            Requests=1,
            ServerErrors=0,
            Latency=number / 7,
        )
        for number in range(1000)
    ]
    started = time.monotonic()
    log(*lines)
    assert metrics.total("Requests", environment="local", function="token", version="7") == 1000
    assert time.monotonic() - started < 2
