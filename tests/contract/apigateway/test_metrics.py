"""API Gateway's own metrics."""

import time
import urllib.error
import urllib.request

import pytest

from tests.contract.apis import rest_api
from tests.contract.metrics import Metrics
from tests.contract.waiting import eventually

ANSWERS = """
    import time
    def handler(event, context):
        query = event["queryStringParameters"] or {}
        time.sleep(float(query.get("seconds", 0)))
        if "raise" in query:
            raise RuntimeError("no")
        return {"statusCode": int(query.get("status", 200)), "body": "here"}
"""


@pytest.fixture
def metrics(cloud):
    return Metrics(cloud, "AWS/ApiGateway")


@pytest.fixture
def api(cloud):
    return rest_api(cloud, cloud.function(ANSWERS))


@pytest.fixture
def name(cloud, api):
    return cloud.client("apigateway").get_rest_api(restApiId=api.id)["name"]


def get(url):
    try:
        with urllib.request.urlopen(url) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def test_requests_and_errors_are_counted_by_api_and_by_stage(metrics, api, name):
    queries = ("", "?status=301", "?status=404", "?status=429", "?status=500", "?raise=yes")
    assert [get(api.url + query) for query in queries] == [200, 301, 404, 429, 500, 502]
    for dimensions in ({"ApiName": name}, {"ApiName": name, "Stage": api.stage}):
        assert metrics.total("Count", **dimensions) == 6
        assert metrics.total("Count", "SampleCount", **dimensions) == 6
        assert (metrics.total("4XXError", **dimensions), metrics.total("5XXError", **dimensions)) == (2, 2)


def test_the_average_of_an_error_metric_is_the_error_rate(metrics, api, name):
    eventually(lambda: time.time() % 60 < 58)  # both requests have to be in one minute
    assert [get(api.url), get(api.url + "?status=500")] == [200, 500]
    assert list(metrics.read("5XXError", statistic="Average", ApiName=name, Stage=api.stage).values()) == [0.5]


def test_a_request_that_reaches_no_method_is_an_error_without_integration_latency(metrics, api, name):
    assert get(api.url + "/elsewhere") == 403
    dimensions = {"ApiName": name, "Stage": api.stage}
    assert metrics.total("4XXError", **dimensions) == 1
    assert metrics.total("Latency", "SampleCount", **dimensions) == 1
    assert metrics.total("IntegrationLatency", "SampleCount", **dimensions) == 0


def test_latency_includes_the_integration_s(metrics, api, name):
    get(api.url + "?seconds=0.2")
    of_integration = metrics.total("IntegrationLatency", "Maximum", ApiName=name, Stage=api.stage)
    assert 200 <= of_integration <= metrics.total("Latency", "p99", ApiName=name, Stage=api.stage)


def test_methods_have_metrics_of_their_own_where_detailed_metrics_are_on(cloud, metrics, api, name):
    of_method = {"ApiName": name, "Stage": api.stage, "Method": "GET", "Resource": "/asked"}
    get(api.url)
    assert metrics.total("Count", **of_method) == 0
    on = {"op": "replace", "path": "/*/*/metrics/enabled", "value": "true"}
    cloud.client("apigateway").update_stage(restApiId=api.id, stageName=api.stage, patchOperations=[on])
    get(api.url)
    assert metrics.total("Count", **of_method) == 1


def test_a_request_to_a_missing_stage_counts_for_no_stage(cloud, metrics, api, name):
    assert get(cloud.local.api_url(api.id, "other") + "/asked") == 403
    assert get(api.url) == 200
    assert metrics.total("Count", ApiName=name) == 1
