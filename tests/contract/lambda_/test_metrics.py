"""Lambda's own metrics, for every way in."""

import json
import time
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from orchestrator.local.cloud import LocalCloud
from tests.contract.apis import rest_api
from tests.contract.conftest import CloudUnderTest
from tests.contract.machines import Machines
from tests.contract.metrics import Metrics
from tests.contract.waiting import eventually

ANSWERS = "def handler(event, context): return {'statusCode': 200, 'body': context.function_version}"
RAISES = "def handler(event, context): raise RuntimeError('no')"


@pytest.fixture
def metrics(cloud):
    return Metrics(cloud, "AWS/Lambda")


@pytest.fixture
def client(cloud):
    return cloud.client("lambda")


@pytest.fixture
def function(cloud, client):
    """A function with the versions 1 (answers) and 2 (raises) and an alias at 1."""
    name = cloud.function(ANSWERS)
    cloud.versions(name, ANSWERS, RAISES)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    return name


def alias_arn(client, name):
    return client.get_alias(FunctionName=name, Name="live")["AliasArn"]


def all_weight_on_the_second(client, name):
    client.update_alias(
        FunctionName=name, Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}}
    )


@pytest.mark.both
def test_invocations_of_the_invoke_api_are_counted_by_function(client, metrics, function):
    for qualifier in ("1", "1", "1", "2"):
        client.invoke(FunctionName=function, Qualifier=qualifier)
    assert metrics.total("Invocations", FunctionName=function) == 4
    assert metrics.total("Errors", FunctionName=function) == 1
    assert metrics.total("Duration", "SampleCount", FunctionName=function) == 4


def test_invocations_are_counted_by_the_qualifier_that_was_named(client, metrics, function):
    client.invoke(FunctionName=function)
    client.invoke(FunctionName=function, Qualifier="live")
    client.invoke(FunctionName=function, Qualifier="2")
    assert metrics.total("Invocations", FunctionName=function, Resource=f"{function}:live") == 1
    assert metrics.total("Invocations", FunctionName=function, Resource=f"{function}:2") == 1
    assert metrics.total("Errors", FunctionName=function, Resource=f"{function}:2") == 1


def test_a_weighted_alias_counts_by_the_version_that_really_ran(client, metrics, function):
    client.update_alias(
        FunctionName=function, Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}}
    )
    ran = [client.invoke(FunctionName=function, Qualifier="live")["ExecutedVersion"] for _ in range(30)]
    of_alias = {"FunctionName": function, "Resource": f"{function}:live"}
    found = {version: metrics.total("Invocations", **of_alias, ExecutedVersion=version) for version in ("1", "2")}
    assert found == {"1": ran.count("1"), "2": ran.count("2")}
    assert min(found.values()) > 0
    assert metrics.total("Errors", **of_alias, ExecutedVersion="2") == ran.count("2")
    assert metrics.total("Errors", **of_alias, ExecutedVersion="1") == 0
    assert metrics.total("Invocations", **of_alias) == 30


def invoked_through_an_alias_without_weights(cloud):
    client, metrics = cloud.client("lambda"), Metrics(cloud, "AWS/Lambda")
    name = cloud.function(ANSWERS)
    cloud.versions(name, ANSWERS)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    client.invoke(FunctionName=name, Qualifier="live")
    of_alias = {"FunctionName": name, "Resource": f"{name}:live"}
    return [metrics.total("Invocations", **of_alias), metrics.total("Invocations", **of_alias, ExecutedVersion="1")]


def test_an_alias_without_weights_counts_by_its_name_only(cloud):
    assert invoked_through_an_alias_without_weights(cloud) == [1, 0]


def test_an_account_that_names_the_version_of_every_alias_can_be_had(tmp_path):
    with LocalCloud.start(tmp_path, executed_versions="all") as local:
        assert invoked_through_an_alias_without_weights(CloudUnderTest(local, patched=True)) == [1, 1]


def through_a_rest_api(cloud, client, function):
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(rest_api(cloud, f"{function}:live").url)


def through_step_functions(cloud, client, function):
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True}
    task["Parameters"] = {"FunctionName": alias_arn(client, function), "Payload": {}}
    Machines(cloud).run({"Invoke": task})


def through_an_event_rule(cloud, client, function):
    events = cloud.client("events")
    rule = cloud.name("rule")
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": [rule]}))
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": alias_arn(client, function)}])
    events.put_events(Entries=[{"Source": rule, "DetailType": "any", "Detail": "{}"}])


def asynchronously(cloud, client, function):
    client.invoke(FunctionName=function, Qualifier="live", InvocationType="Event")


@pytest.mark.parametrize("way", [through_a_rest_api, through_step_functions, through_an_event_rule, asynchronously])
def test_every_way_in_counts_by_executed_version(cloud, client, metrics, function, way):
    all_weight_on_the_second(client, function)
    way(cloud, client, function)
    dimensions = {"FunctionName": function, "Resource": f"{function}:live", "ExecutedVersion": "2"}
    eventually(lambda: metrics.total("Errors", **dimensions) >= 1, within_seconds=3)
    assert metrics.total("Invocations", FunctionName=function) >= 1


def test_a_throttled_request_is_no_invocation_and_no_error(client, metrics, function):
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="Rate"):
        client.invoke(FunctionName=function)
    assert metrics.total("Throttles", FunctionName=function) == 1
    assert metrics.total("Invocations", FunctionName=function) == 0
    assert metrics.total("Errors", FunctionName=function) == 0


def test_an_asynchronous_invocation_is_counted_when_it_has_run(cloud, client, metrics):
    slow = cloud.function("import time\ndef handler(event, context): time.sleep(0.5)")
    client.invoke(FunctionName=slow, InvocationType="Event")
    assert metrics.total("Invocations", FunctionName=slow) == 0
    eventually(lambda: metrics.total("Duration", "Maximum", FunctionName=slow) >= 500)
    assert metrics.total("Invocations", FunctionName=slow) == 1


def test_lambda_s_metrics_are_by_the_minute(client, metrics, function):
    # In the first ten seconds of a minute the beginning of the ten seconds is that of the minute as well.
    eventually(lambda: 10 <= time.time() % 60 < 58, within_seconds=15)
    client.invoke(FunctionName=function)
    now = time.time()
    found = metrics.read("Invocations", 10, window=(now - 120, now + 10), FunctionName=function)
    assert [start % 60 for start in found] == [0]


def test_concurrent_executions_are_published(client, metrics, function):
    client.invoke(FunctionName=function)
    assert metrics.total("ConcurrentExecutions", "Maximum", FunctionName=function) == 1
