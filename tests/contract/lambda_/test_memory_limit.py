"""A function that exceeds its memory, or its timeout, as Step Functions reports it.

https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
"""

import json

import pytest

from tests.contract.machines import Machines

HUNGRY = """
    import os, time
    def handler(event, context):
        if event["megabytes"]:
            held = bytearray(os.urandom(1024) * 1024 * event["megabytes"])
            time.sleep(5)
        if event["seconds"]:
            time.sleep(event["seconds"])
        return os.getpid()
"""
RESTS = {"megabytes": 0, "seconds": 0}


@pytest.fixture(scope="module")
def hungry(cloud):
    return cloud.function(HUNGRY, MemorySize=128, Timeout=8)


def invoke(cloud, name, **event):
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps({**RESTS, **event}))
    return answer.get("FunctionError"), json.load(answer["Payload"])


def test_a_function_out_of_memory_is_killed_and_the_next_invocation_has_a_new_environment(cloud, hungry):
    _, before = invoke(cloud, hungry)
    kind, payload = invoke(cloud, hungry, megabytes=300)
    assert (kind, payload["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert payload["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    kind, after = invoke(cloud, hungry)
    assert kind is None
    assert after != before


def raised(cloud, name, **event):
    """The error that a state machine catches from an invocation."""
    arn = cloud.client("lambda").get_function_configuration(FunctionName=name)["FunctionArn"]
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": arn}}
    task["Parameters"]["Payload"] = {**RESTS, **event}
    caught = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Caught"}
    states = {"Call": {**task, "Catch": [caught], "End": True}, "Caught": {"Type": "Pass", "End": True}}
    return Machines(cloud).run(states).output["error"]


def test_step_functions_names_the_end_of_a_function_out_of_memory(cloud, hungry):
    error = raised(cloud, hungry, megabytes=300)
    assert error["Error"] == "Runtime.ExitError"
    assert "signal: killed" in error["Cause"]


@pytest.mark.both
def test_step_functions_names_the_end_of_a_function_that_times_out(cloud):
    error = raised(cloud, cloud.function(HUNGRY, Timeout=1), seconds=3)
    assert error["Error"] == "Sandbox.Timedout"
    assert "Task timed out after 1.00 seconds" in error["Cause"]
