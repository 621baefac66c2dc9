"""Reading metrics: by exact dimensions, in short periods, with percentiles and metric math."""

import time

import pytest
from botocore.exceptions import ClientError

from tests.contract.metrics import Metrics, dimensions, stat, values


@pytest.fixture
def metrics(cloud):
    return Metrics(cloud)


@pytest.fixture
def minute():
    """A full minute in the past, epoch seconds."""
    return int(time.time()) // 60 * 60 - 120


def test_a_metric_without_dimensions_is_only_what_was_published_without_any(metrics):
    metrics.put("Requests", 1)
    metrics.put("Requests", 10, function="token")
    assert metrics.total("Requests") == 1


@pytest.mark.both
def test_a_metric_has_exactly_the_dimensions_that_are_requested(metrics):
    metrics.put("Requests", 1, function="token")
    metrics.put("Requests", 10, function="token", version="7")
    assert metrics.total("Requests", function="token") == 1
    assert metrics.total("Requests", version="7", function="token") == 10
    assert metrics.total("Requests", version="7") == 0


@pytest.mark.both
@pytest.mark.parametrize("period", [1, 5, 10])
def test_a_window_of_ten_seconds_is_read_in_short_periods(metrics, minute, period):
    for second in range(30):
        metrics.put("Requests", second, at=minute + second, version="7")
    found = metrics.read("Requests", period, window=(minute + 10, minute + 20), version="7")
    assert found == {minute + start: sum(range(start, start + period)) for start in range(10, 20, period)}


def test_a_window_is_rounded_down_to_whole_periods(metrics, minute):
    for second in range(30):
        metrics.put("Requests", 1, at=minute + second)
    found = metrics.read("Requests", 10, window=(minute + 13, minute + 23))
    assert found == {minute + 10: 10}


def test_what_is_not_published_by_the_second_is_kept_by_the_minute(metrics, minute):
    metrics.put("Requests", 1, at=minute + 42, resolution=60)
    assert metrics.read("Requests", 10, window=(minute, minute + 60)) == {minute: 1}


@pytest.mark.both
def test_percentiles_count_every_value_as_often_as_it_was_published(metrics, minute):
    metrics.put_data(
        {"MetricName": "Latency", "Timestamp": minute, "Values": [10, 1000], "Counts": [98, 2], "StorageResolution": 1}
    )
    window = (minute, minute + 60)
    assert metrics.read("Latency", statistic="p50", window=window) == {minute: 10}
    assert metrics.read("Latency", statistic="p99", window=window) == {minute: 1000}


@pytest.mark.parametrize(
    ("statistic", "expected"), [("TC(10:)", 3), ("TC(:10)", 98), ("TC(10:20.5)", 1), ("TC(9.9:10)", 98), ("TC(99:)", 2)]
)
def test_a_trimmed_count_is_above_its_lower_bound_and_up_to_its_upper_one(metrics, minute, statistic, expected):
    """Absolute bounds: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html."""
    values = {"Values": [10, 20.5, 1000], "Counts": [98, 1, 2]}
    metrics.put_data({"MetricName": "Latency", "Timestamp": minute, **values, "StorageResolution": 1})
    assert metrics.read("Latency", statistic=statistic, window=(minute, minute + 60)) == {minute: expected}


def test_a_trimmed_count_needs_the_values_themselves(metrics, minute):
    of_set = {"SampleCount": 4, "Sum": 20, "Minimum": 1, "Maximum": 9}
    metrics.put_data({"MetricName": "Latency", "Timestamp": minute, "StatisticValues": of_set})
    assert metrics.read("Latency", statistic="TC(3:)", window=(minute, minute + 60)) == {}


@pytest.mark.both
def test_a_published_statistic_set_counts_as_its_samples(metrics, minute):
    of_set = {"SampleCount": 4, "Sum": 20, "Minimum": 1, "Maximum": 9}
    metrics.put_data({"MetricName": "Latency", "Timestamp": minute, "StatisticValues": of_set})
    found = {
        name: metrics.read("Latency", statistic=name, window=(minute, minute + 60)).get(minute)
        for name in ("SampleCount", "Sum", "Average", "Minimum", "Maximum", "p50")
    }
    assert found == {"SampleCount": 4, "Sum": 20, "Average": 5, "Minimum": 1, "Maximum": 9, "p50": None}


def test_the_latest_comes_first_unless_requested_otherwise(metrics, minute):
    for second in (1, 2, 3):
        metrics.put("Requests", second, at=minute + second)
    query = {"Id": "m", "MetricStat": stat(metrics.namespace, "Requests", 1)}
    window = (minute, minute + 10)
    (latest_first,) = metrics.query(query, window)
    (earliest_first,) = metrics.query(query, window, ScanBy="TimestampAscending")
    assert (latest_first["Values"], earliest_first["Values"]) == ([3, 2, 1], [1, 2, 3])


def test_a_result_is_labelled_with_the_metric_s_name(metrics):
    (found,) = metrics.query({"Id": "m", "MetricStat": stat(metrics.namespace, "Requests")}, (0, time.time()))
    assert (found["Label"], found["StatusCode"]) == ("Requests", "Complete")


def test_an_expression_is_computed_over_metrics_that_are_not_returned_themselves(metrics, minute):
    metrics.put("Errors", 1, at=minute)
    metrics.put("Requests", 4, at=minute)
    metrics.put("Requests", 4, at=minute + 10)
    parts = [
        {"Id": name, "MetricStat": stat(metrics.namespace, metric, 10), "ReturnData": False}
        for name, metric in (("e", "Errors"), ("r", "Requests"))
    ]
    share = {"Id": "share", "Expression": "IF(r > 0, 100 * FILL(e, 0) / r, 0)", "Label": "percent"}
    (found,) = metrics.query(share, (minute, minute + 30), *parts)
    assert (found["Id"], found["Label"], values(found)) == ("share", "percent", {minute: 25, minute + 10: 0})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"Id": "M", "Expression": "1"}, "Id"),
        ({"Id": "e", "Expression": "1 +"}, "e"),
        ({"Id": "e", "Expression": "other * 2"}, "other"),
        ({"Id": "e", "Expression": "e * 2"}, "e"),
        ({"Id": "m", "MetricStat": stat("N", "M", 7)}, "Period"),
        ({"Id": "m", "MetricStat": stat("N", "M", 60, "middle")}, "Stat"),
    ],
)
def test_a_query_that_means_nothing_is_refused(metrics, wrong, message):
    with pytest.raises(ClientError, match=message) as refused:
        metrics.query(wrong, (0, time.time()))
    assert refused.value.response["Error"]["Code"] == "ValidationError"


def test_a_window_that_ends_before_it_starts_is_refused(metrics):
    with pytest.raises(ClientError, match="StartTime"):
        metrics.query({"Id": "m", "MetricStat": stat("N", "M")}, (time.time(), 0))


def test_statistics_are_returned_for_exactly_the_requested_dimensions(metrics, minute):
    metrics.put("Latency", 3, at=minute)
    metrics.put("Latency", 30, at=minute, version="7")
    answer = metrics.client.get_metric_statistics(
        Namespace=metrics.namespace,
        MetricName="Latency",
        Period=10,
        StartTime=minute,
        EndTime=minute + 60,
        Statistics=["Sum", "Maximum"],
    )
    (found,) = answer["Datapoints"]
    assert (found["Sum"], found["Maximum"]) == (3, 3)


@pytest.mark.both
def test_extended_statistics_are_returned_in_addition_to_the_others(metrics, minute):
    for second in range(10):
        metrics.put("Latency", second, at=minute + second, version="7")
    answer = metrics.client.get_metric_statistics(
        Namespace=metrics.namespace,
        MetricName="Latency",
        Period=10,
        StartTime=minute,
        EndTime=minute + 60,
        Dimensions=dimensions(version="7"),
        Statistics=["SampleCount"],
        ExtendedStatistics=["p50"],
    )
    (found,) = answer["Datapoints"]
    assert (found["SampleCount"], found["ExtendedStatistics"]["p50"]) == (10, 4.5)
    assert found["Timestamp"].timestamp() == minute


@pytest.mark.both
def test_metrics_are_listed_with_their_dimensions(metrics):
    metrics.put("Requests", function="token", version="7")
    metrics.put("Requests", function="public")
    listed = metrics.client.list_metrics(Namespace=metrics.namespace, Dimensions=[{"Name": "version"}])["Metrics"]
    assert [{one["Name"]: one["Value"] for one in found["Dimensions"]} for found in listed] == [
        {"function": "token", "version": "7"}
    ]


@pytest.mark.parametrize("away_seconds", [-15 * 24 * 3600, 3 * 3600])
def test_data_of_more_than_two_weeks_ago_or_two_hours_ahead_is_refused(metrics, minute, away_seconds):
    with pytest.raises(ClientError, match="Timestamp") as refused:
        metrics.put("Requests", 1, at=minute + away_seconds)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValue"


@pytest.mark.both
def test_ten_thousand_values_are_published_and_read_back_within_three_seconds(metrics, minute):
    many = [{"MetricName": "Latency", "Timestamp": minute, "Values": list(range(100)), "StorageResolution": 1}] * 100
    started = time.monotonic()
    metrics.put_data(*many)
    assert metrics.read("Latency", statistic="p99", window=(minute, minute + 60)) == {minute: pytest.approx(98.01)}
    assert time.monotonic() - started < 3


def test_the_query_api_with_xml_is_understood_as_well(cloud, metrics, minute):
    import urllib.parse
    import urllib.request

    metrics.put("Requests", 5, at=minute, function="a&b")
    params = {
        "Action": "GetMetricData",
        "Version": "2010-08-01",
        "StartTime": str(minute),
        "EndTime": str(minute + 60),
        "MetricDataQueries.member.1.Id": "double",
        "MetricDataQueries.member.1.Expression": "m * 2",
        "MetricDataQueries.member.2.Id": "m",
        "MetricDataQueries.member.2.ReturnData": "false",
        "MetricDataQueries.member.2.MetricStat.Period": "60",
        "MetricDataQueries.member.2.MetricStat.Stat": "Sum",
        "MetricDataQueries.member.2.MetricStat.Metric.Namespace": metrics.namespace,
        "MetricDataQueries.member.2.MetricStat.Metric.MetricName": "Requests",
        "MetricDataQueries.member.2.MetricStat.Metric.Dimensions.member.1.Name": "function",
        "MetricDataQueries.member.2.MetricStat.Metric.Dimensions.member.1.Value": "a&b",
    }
    credentials = "AWS4-HMAC-SHA256 Credential=test/20260101/us-west-1/monitoring/aws4_request"
    request = urllib.request.Request(
        cloud.endpoint_url, data=urllib.parse.urlencode(params).encode(), headers={"Authorization": credentials}
    )
    with urllib.request.urlopen(request) as response:
        body = response.read().decode()
    assert "<Id>double</Id>" in body
    assert "<Values><member>10.0</member></Values>" in body
