"""A task's time limits and heartbeats, and the life of a task token."""

import json
import threading

import pytest

from tests.contract.machines import Machines
from tests.contract.waiting import eventually

INVOKE = "arn:aws:states:::lambda:invoke"
SLOW = "def handler(event, context): __import__('time').sleep(2)"
SILENT = "def handler(event, context): print('token', event['token'])"
FAILING = "def handler(event, context): raise ValueError('nobody was asked')"
CAUGHT = {"Type": "Pass", "End": True}


@pytest.fixture
def machines(cloud):
    return Machines(cloud)


@pytest.fixture
def asking(cloud):
    """A state that waits for an answer to its token."""
    return asking_with(cloud, SILENT)


def asking_with(cloud, source):
    payload = {"token.$": "$$.Task.Token"}
    return {"Type": "Task", "Resource": f"{INVOKE}.waitForTaskToken", "Next": "Answered"} | {
        "Parameters": {"FunctionName": cloud.function(source), "Payload": payload}
    }


def states(asking, *catching):
    catch = [{"ErrorEquals": list(errors), "ResultPath": "$.error", "Next": "Caught"} for errors in catching]
    return {"Ask": {**asking, "Catch": catch}, "Answered": {"Type": "Pass", "End": True}, "Caught": CAUGHT}


def tokens_of(cloud, asking):
    client, function = cloud.client("logs"), asking["Parameters"]["FunctionName"]
    try:
        events = client.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    except client.exceptions.ResourceNotFoundException:
        return []
    return [event["message"].split()[1] for event in events if event["message"].startswith("token ")]


def test_a_task_past_the_seconds_at_its_path_fails_with_a_timeout_that_is_caught(machines, cloud):
    work = {"Type": "Task", "Resource": INVOKE, "TimeoutSecondsPath": "$.patience", "End": True}
    work["Parameters"] = {"FunctionName": cloud.function(SLOW), "Payload": {}}
    work["Catch"] = [{"ErrorEquals": ["States.Timeout"], "ResultPath": "$.error", "Next": "Caught"}]
    found = machines.run({"Work": work, "Caught": CAUGHT}, {"patience": 1})
    assert found.status == "SUCCEEDED"
    assert found.output["error"]["Error"] == "States.Timeout"
    assert found.seconds < 1.9


def test_a_task_that_is_retried_after_a_timeout_has_the_whole_time_again(machines, cloud):
    work = {"Type": "Task", "Resource": INVOKE, "TimeoutSecondsPath": "$.patience", "End": True}
    work["Parameters"] = {"FunctionName": cloud.function(SLOW), "Payload": {}}
    work["Retry"] = [{"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "MaxAttempts": 1, "MaxDelaySeconds": 1}]
    found = machines.run({"Work": work}, {"patience": 1}, TimeoutSeconds=10)
    assert (found.status, found.error) == ("FAILED", "States.Timeout")
    assert 2.9 < found.seconds < 5


def test_a_missed_heartbeat_is_caught_under_its_own_name(machines, asking):
    found = machines.run(states({**asking, "HeartbeatSeconds": 1, "TimeoutSeconds": 20}, ["States.HeartbeatTimeout"]))
    assert found.status == "SUCCEEDED"
    assert found.output["error"]["Error"] == "States.HeartbeatTimeout"


def test_a_missed_heartbeat_is_caught_as_a_timeout_too(machines, asking):
    found = machines.run(
        states({**asking, "HeartbeatSecondsPath": "$.beat", "TimeoutSeconds": 20}, ["States.Timeout"]), {"beat": 1}
    )
    assert found.status == "SUCCEEDED"
    assert found.output["error"]["Error"] == "States.HeartbeatTimeout"


@pytest.mark.both
def test_heartbeats_keep_a_task_waiting_until_its_timeout(machines, cloud, asking):
    arn = machines.start(states({**asking, "HeartbeatSeconds": 2, "TimeoutSeconds": 3}, ["States.Timeout"]))
    token = eventually(lambda: tokens_of(cloud, asking))[0]
    beating = threading.Event()

    def beat():
        while not beating.wait(0.3):
            try:
                machines.client.send_task_heartbeat(taskToken=token)
            except machines.client.exceptions.TaskTimedOut:
                return

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        found = machines.ended(arn)
    finally:
        beating.set()
        thread.join()
    assert found.output["error"]["Error"] == "States.Timeout"
    assert found.seconds > 2.8


def test_the_first_answer_to_a_token_counts_and_later_ones_are_refused(machines, cloud, asking):
    arn = machines.start(states(asking))
    token = eventually(lambda: tokens_of(cloud, asking))[0]
    machines.client.send_task_success(taskToken=token, output=json.dumps({"answer": "first"}))
    with pytest.raises(machines.client.exceptions.TaskTimedOut):
        machines.client.send_task_failure(taskToken=token, error="Second")
    assert machines.ended(arn).output == {"answer": "first"}
    with pytest.raises(machines.client.exceptions.TaskTimedOut):
        machines.client.send_task_heartbeat(taskToken=token)


@pytest.mark.both
def test_a_reported_failure_is_caught_under_its_error_name(machines, cloud, asking):
    arn = machines.start(states(asking, ["NotNow"]))
    token = eventually(lambda: tokens_of(cloud, asking))[0]
    machines.client.send_task_failure(taskToken=token, error="NotNow", cause="later")
    assert machines.ended(arn).output["error"] == {"Error": "NotNow", "Cause": "later"}


@pytest.mark.both
def test_a_token_that_was_never_issued_is_refused(machines):
    with pytest.raises(machines.client.exceptions.ClientError) as refused:
        machines.client.send_task_success(taskToken="made-up", output="{}")
    assert refused.value.response["Error"]["Code"] in {"InvalidToken", "TaskDoesNotExist"}


def test_a_timed_out_token_is_closed_and_the_retry_has_its_own(machines, cloud, asking):
    retry = [{"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    arn = machines.start(states({**asking, "TimeoutSeconds": 1, "Retry": retry}))
    first = eventually(lambda: tokens_of(cloud, asking))[0]
    _, second = eventually(lambda: len(found := tokens_of(cloud, asking)) == 2 and found)
    with pytest.raises(machines.client.exceptions.TaskTimedOut):
        machines.client.send_task_success(taskToken=first, output="{}")
    machines.client.send_task_success(taskToken=second, output='"second"')
    assert machines.ended(arn).output == "second"


def test_a_function_that_fails_before_it_gave_the_token_away_fails_the_task(machines, cloud):
    asking = asking_with(cloud, FAILING)
    found = machines.run(states({**asking, "TimeoutSeconds": 2}, ["States.TaskFailed"]))
    assert found.status == "SUCCEEDED"
    assert "nobody was asked" in found.output["error"]["Cause"]
