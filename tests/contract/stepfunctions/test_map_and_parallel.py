"""Maps and Parallels: the result of the others when one fails, and what the history shows."""

import json

import pytest

from tests.contract.machines import Ended, Machines
from tests.contract.waiting import eventually

FAIL = {"Type": "Fail", "Error": "Ouch", "Cause": "it hurts"}


@pytest.fixture
def machines(cloud):
    return Machines(cloud)


def soon(machines: Machines, arn: str) -> Ended:
    """Wait until an execution has ended, which is soon; on stock MiniStack it is not, and the test does not wait long to see that."""
    return machines.ended(arn, within_seconds=5 if machines.cloud.patched else 1.5)


def processor(mode: str = "INLINE") -> dict:
    """Fails for an item that is "fail", waits for one that is a number, and gives the item back."""
    return {
        "ProcessorConfig": {"Mode": mode} | ({"ExecutionType": "STANDARD"} if mode == "DISTRIBUTED" else {}),
        "StartAt": "Which",
        "States": {
            "Which": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.item", "StringEquals": "fail", "Next": "Fail"},
                    {"Variable": "$.item", "IsNumeric": True, "Next": "Wait"},
                ],
                "Default": "Give",
            },
            "Fail": FAIL,
            "Wait": {"Type": "Wait", "SecondsPath": "$.item", "Next": "Give"},
            "Give": {"Type": "Pass", "End": True},
        },
    }


def each(mode: str = "INLINE", **more) -> dict:
    selector = {"item.$": "$$.Map.Item.Value", "index.$": "$$.Map.Item.Index"}
    return {"Each": {"Type": "Map", "ItemProcessor": processor(mode), "ItemSelector": selector, "End": True} | more}


@pytest.mark.parametrize("mode", ["INLINE", "DISTRIBUTED"])
@pytest.mark.both
def test_the_results_are_an_array_in_the_order_of_the_items(machines, mode):
    found = machines.run(each(mode, MaxConcurrency=2), ["a", 1, "c"])
    assert found.output == [{"item": item, "index": index} for index, item in enumerate(["a", 1, "c"])]


@pytest.mark.parametrize(
    ("mode", "error"), [("INLINE", "Ouch"), ("DISTRIBUTED", "States.ExceedToleratedFailureThreshold")]
)
def test_an_iteration_that_fails_stops_the_others(machines, mode, error):
    found = soon(machines, machines.start(each(mode), [30, "fail", 30]))
    assert (found.status, found.error) == ("FAILED", error)
    assert found.seconds < 5


def test_a_branch_that_fails_stops_the_others(machines):
    waiting = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 30, "End": True}}}
    failing = {"StartAt": "Fail", "States": {"Fail": FAIL}}
    found = soon(machines, machines.start({"Both": {"Type": "Parallel", "Branches": [waiting, failing], "End": True}}))
    assert (found.status, found.error) == ("FAILED", "Ouch")
    assert found.seconds < 5


@pytest.mark.parametrize("mode", ["INLINE", "DISTRIBUTED"])
def test_a_map_that_fails_is_caught_at_once_and_the_execution_goes_on(machines, mode):
    catch = [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": "Caught"}]
    states = each(mode, Catch=catch) | {"Caught": {"Type": "Pass", "Result": "went on", "End": True}}
    found = soon(machines, machines.start(states, ["fail", 30]))
    assert (found.status, found.output) == ("SUCCEEDED", "went on")
    assert found.seconds < 5


def test_items_that_were_to_follow_a_failed_one_do_not_start(machines):
    arn = machines.start(each(MaxConcurrency=1), ["a", "fail", "b", "c"])
    machines.ended(arn)
    types = machines.types(arn)
    assert [types.count(f"MapIteration{what}") for what in ("Started", "Succeeded", "Failed")] == [2, 1, 1]


@pytest.mark.both
def test_a_distributed_map_tolerates_as_many_failures_as_it_says(machines):
    found = machines.run(each("DISTRIBUTED", ToleratedFailureCount=1), ["a", "fail", "b"])
    assert found.status == "SUCCEEDED"
    found = machines.run(each("DISTRIBUTED", ToleratedFailureCount=1), ["fail", "fail", "b"])
    assert found.error == "States.ExceedToleratedFailureThreshold"
    found = machines.run(each("DISTRIBUTED", ToleratedFailurePercentage=34), ["a", "fail", "b"])
    assert found.status == "SUCCEEDED"


@pytest.mark.both
def test_what_a_child_execution_came_to_can_be_looked_up(machines):
    arn = machines.start(each("DISTRIBUTED", ToleratedFailureCount=1), ["a", "fail"])
    machines.ended(arn)
    (run,) = machines.client.list_map_runs(executionArn=arn)["mapRuns"]
    children = machines.client.list_executions(mapRunArn=run["mapRunArn"])["executions"]
    found = [machines.client.describe_execution(executionArn=child["executionArn"]) for child in children]
    assert sorted(child["status"] for child in found) == ["FAILED", "SUCCEEDED"]
    outputs = [json.loads(child["output"]) for child in found if child["status"] == "SUCCEEDED"]
    assert outputs == [{"item": "a", "index": 0}]


def test_stopping_an_execution_stops_its_children(machines):
    arn = machines.start(each("DISTRIBUTED"), [30, 30])
    machines.wait_for(arn, "MapStateStarted")
    machines.client.stop_execution(executionArn=arn)
    (run,) = machines.client.list_map_runs(executionArn=arn)["mapRuns"]

    def children() -> list[str]:
        listed = machines.client.list_executions(mapRunArn=run["mapRunArn"])["executions"]
        return [child["status"] for child in listed]

    eventually(lambda: children() == ["ABORTED", "ABORTED"])


@pytest.mark.both
def test_a_task_within_an_iteration_is_retried_by_itself(machines, cloud):
    function = cloud.function(
        """
        def handler(event, context):
            if event["item"] == "flaky" and event["attempt"] == 0:
                raise ValueError("first attempt")
            return event["item"]
        """
    )
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {
            "FunctionName": function,
            "Payload": {"item.$": "$", "attempt.$": "$$.State.RetryCount"},
        },
        "OutputPath": "$.Payload",
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 2}],
        "End": True,
    }
    iterator = {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "Try", "States": {"Try": task}}
    arn = machines.start({"Each": {"Type": "Map", "ItemProcessor": iterator, "End": True}}, ["a", "flaky"])
    assert machines.ended(arn, within_seconds=20).output == ["a", "flaky"]


def test_the_history_has_every_iteration_and_the_states_within(machines):
    arn = machines.start(each(MaxConcurrency=1), ["a", "b"])
    machines.ended(arn)
    within = ["MapIterationStarted", "ChoiceStateEntered", "ChoiceStateExited"]
    within += ["PassStateEntered", "PassStateExited", "MapIterationSucceeded"]
    expected = ["ExecutionStarted", "MapStateEntered", "MapStateStarted", *within, *within]
    assert machines.types(arn) == [*expected, "MapStateSucceeded", "MapStateExited", "ExecutionSucceeded"]
    started = [event for event in machines.history(arn) if event["type"] == "MapIterationStarted"]
    assert [event["mapIterationStartedEventDetails"] for event in started] == [
        {"name": "Each", "index": 0},
        {"name": "Each", "index": 1},
    ]
