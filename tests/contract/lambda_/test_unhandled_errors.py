"""An uncaught exception has its class's name, as Step Functions' Catch matches it, and leaves the environment alive.

https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
"""

from __future__ import annotations

import json

import pytest

from tests.contract.machines import Machines

RAISER = """
    import os, sys
    class LockLost(Exception):
        pass
    def handler(event, context):
        print("asked to", event["do"])
        if event["do"] == "raise":
            raise LockLost("another epoch holds the lock")
        if event["do"] == "exit":
            sys.exit(1)
        if event["do"] == "answer badly":
            return {1, 2}
        return os.getpid()
"""


@pytest.fixture(scope="module")
def raiser(cloud):
    return cloud.function(RAISER)


def invoke(cloud, name, do):
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps({"do": do}))
    return answer.get("FunctionError"), json.load(answer["Payload"])


def test_the_payload_names_the_class_the_message_and_where(cloud, raiser):
    kind, payload = invoke(cloud, raiser, "raise")
    assert kind == "Unhandled"
    assert payload["errorType"] == "LockLost"
    assert payload["errorMessage"] == "another epoch holds the lock"
    assert len(payload["stackTrace"]) == 1
    assert "function.py" in payload["stackTrace"][0]
    assert 'raise LockLost("another epoch holds the lock")' in payload["stackTrace"][0]
    assert payload["requestId"]


def test_the_log_has_the_error_and_its_traceback(cloud, raiser):
    logs = cloud.client("logs")
    invoke(cloud, raiser, "raise")
    found = logs.filter_log_events(logGroupName=f"/aws/lambda/{raiser}", filterPattern="ERROR")["events"]
    assert "[ERROR] LockLost: another epoch holds the lock" in {event["message"].strip() for event in found}


@pytest.mark.parametrize("resource", ["lambda:invoke", "direct ARN"])
def test_catch_matches_the_class_s_name(cloud, raiser, resource):
    arn = cloud.client("lambda").get_function_configuration(FunctionName=raiser)["FunctionArn"]
    if resource == "lambda:invoke":
        parameters = {"FunctionName": arn, "Payload": {"do": "raise"}}
        task = {"Resource": "arn:aws:states:::lambda:invoke", "Parameters": parameters}
    else:
        task = {"Resource": arn, "Parameters": {"do": "raise"}}
    caught = {"ErrorEquals": ["LockLost"], "ResultPath": "$.error", "Next": "Caught"}
    states = {"Call": {"Type": "Task", **task, "Catch": [caught], "End": True}, "Caught": {"Type": "Pass", "End": True}}
    ended = Machines(cloud).run(states)
    assert ended.status == "SUCCEEDED"
    assert ended.output["error"]["Error"] == "LockLost"
    assert json.loads(ended.output["error"]["Cause"])["errorMessage"] == "another epoch holds the lock"


def test_the_environment_serves_on_after_an_exception(cloud, raiser):
    _, before = invoke(cloud, raiser, "work")
    invoke(cloud, raiser, "raise")
    _, after = invoke(cloud, raiser, "work")
    assert before == after


def test_a_runtime_that_exits_is_a_runtime_error_and_the_next_invocation_has_a_new_one(cloud, raiser):
    _, before = invoke(cloud, raiser, "work")
    kind, payload = invoke(cloud, raiser, "exit")
    assert (kind, payload["errorType"]) == ("Unhandled", "Runtime.ExitError")
    kind, after = invoke(cloud, raiser, "work")
    assert kind is None
    assert after != before


def test_a_result_that_is_no_json_is_a_marshal_error(cloud, raiser):
    kind, payload = invoke(cloud, raiser, "answer badly")
    assert (kind, payload["errorType"]) == ("Unhandled", "Runtime.MarshalError")
    assert "set is not JSON serializable" in payload["errorMessage"]


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("import nowhere_to_be_found", "Runtime.ImportModuleError", "Unable to import module 'function': No module"),
        ("handle = None", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'function'"),
        ("def handler(:", "Runtime.UserCodeSyntaxError", "Syntax error in module 'function'"),
        ("raise KeyError('TABLE')", "KeyError", "'TABLE'"),
    ],
)
def test_a_module_that_does_not_load_says_so_at_each_invocation(cloud, source, kind, message):
    name = cloud.function(source)
    for _ in range(2):
        error, payload = invoke(cloud, name, "work")
        assert (error, payload["errorType"]) == ("Unhandled", kind)
        assert payload["errorMessage"].startswith(message)
