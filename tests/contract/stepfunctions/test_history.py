"""The events of a task in an execution's history."""

import json

import pytest

from tests.contract.machines import Machines

INVOKE = "arn:aws:states:::lambda:invoke"


@pytest.fixture
def machines(cloud):
    return Machines(cloud)


def working(cloud, source, **more):
    parameters = {"FunctionName": cloud.function(source), "Payload.$": "$"}
    return {"Work": {"Type": "Task", "Resource": INVOKE, "Parameters": parameters, "End": True, **more}}


def test_a_task_is_scheduled_with_what_it_sends_then_started_then_succeeds(machines, cloud):
    states = working(cloud, "def handler(event, context): return 1", TimeoutSeconds=5)
    found = machines.run(states, {"a": 1})
    events = machines.history(found.arn)
    kinds = ["ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded"]
    assert [event["type"] for event in events] == [*kinds, "TaskStateExited", "ExecutionSucceeded"]
    assert [event["id"] for event in events] == list(range(1, 8))
    assert [event["previousEventId"] for event in events[1:]] == list(range(1, 7))
    scheduled = events[2]["taskScheduledEventDetails"]
    assert (scheduled["resourceType"], scheduled["resource"], scheduled["timeoutInSeconds"]) == ("lambda", "invoke", 5)
    assert json.loads(scheduled["parameters"])["Payload"] == {"a": 1}


def test_a_task_that_timed_out_is_reported_as_timed_out(machines, cloud):
    states = working(cloud, "def handler(event, context): __import__('time').sleep(2)", TimeoutSeconds=1)
    found = machines.run(states)
    (timed_out,) = [event for event in machines.history(found.arn) if event["type"] == "TaskTimedOut"]
    assert timed_out["taskTimedOutEventDetails"]["error"] == "States.Timeout"
    assert "TaskFailed" not in machines.types(found.arn)


@pytest.mark.both
def test_each_entered_state_is_in_the_history_with_its_input(machines):
    found = machines.run(
        {"One": {"Type": "Pass", "Result": {"n": 1}, "Next": "Two"}, "Two": {"Type": "Pass", "End": True}}
    )
    assert machines.entered(found.arn) == ["One", "Two"]
    entered = [event for event in machines.history(found.arn) if event["type"] == "PassStateEntered"]
    assert json.loads(entered[1]["stateEnteredEventDetails"]["input"]) == {"n": 1}
