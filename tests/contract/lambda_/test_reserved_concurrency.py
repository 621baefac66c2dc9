"""Reserved concurrency is the function's: every version and alias draws on it, and Step Functions names the throttle.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract.machines import Machines
from tests.contract.waiting import eventually

THROTTLED = "ReservedFunctionConcurrentInvocationLimitExceeded"
SLEEPER = """
    import time
    def handler(event, context):
        time.sleep(event.get("seconds", 0))
        return context.function_version
"""


@pytest.fixture
def function(cloud):
    name = cloud.function(SLEEPER)
    client = cloud.client("lambda")
    client.publish_version(FunctionName=name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    return name


def invoke(cloud, name, qualifier, seconds=0.0):
    """What an invocation answers; the name of the error where it is refused."""
    client = cloud.client("lambda")
    try:
        payload = json.dumps({"seconds": seconds})
        return json.load(client.invoke(FunctionName=name, Qualifier=qualifier, Payload=payload)["Payload"])
    except client.exceptions.TooManyRequestsException as throttle:
        return throttle.response["Reason"]


@pytest.mark.parametrize("qualifier", ["live", "1"])
def test_a_function_without_concurrency_answers_on_no_alias_or_version(cloud, function, qualifier):
    cloud.client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    assert invoke(cloud, function, qualifier) == THROTTLED
    cloud.client("lambda").delete_function_concurrency(FunctionName=function)
    assert invoke(cloud, function, qualifier) == "1"


def test_the_latest_code_and_an_alias_draw_on_one_pool(cloud, function):
    cloud.client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)

    def hold_the_pool():
        while (answer := invoke(cloud, function, "$LATEST", seconds=2)) == THROTTLED:
            pass
        return answer

    with ThreadPoolExecutor(1) as caller:
        running = caller.submit(hold_the_pool)
        eventually(lambda: invoke(cloud, function, "live") == THROTTLED)
        assert not running.done()
        assert running.result() == "$LATEST"
    assert invoke(cloud, function, "live") == "1"


def test_a_throttle_has_its_own_name_in_step_functions(cloud, function):
    cloud.client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    alias = cloud.client("lambda").get_alias(FunctionName=function, Name="live")["AliasArn"]
    call = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": alias}}
    caught = {"ErrorEquals": ["Lambda.TooManyRequestsException"], "Next": "Throttled"}
    states = {"Call": {**call, "Catch": [caught], "End": True}, "Throttled": {"Type": "Pass", "End": True}}
    ended = Machines(cloud).run(states)
    assert (ended.status, ended.output["Error"]) == ("SUCCEEDED", "Lambda.TooManyRequestsException")
