"""An execution ends at once and for good: by its TimeoutSeconds, by StopExecution, by its last state."""

import pytest

from tests.contract.machines import Machines
from tests.contract.waiting import eventually

CATCH_ALL = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]
CAUGHT = {"Type": "Pass", "End": True}
SLOW = "def handler(event, context): __import__('time').sleep(1.5); return 'late'"


@pytest.fixture
def machines(cloud):
    return Machines(cloud)


@pytest.fixture
def slow(cloud):
    return {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Catch": CATCH_ALL} | {
        "Parameters": {"FunctionName": cloud.function(SLOW), "Payload": {}}
    }


def test_an_execution_times_out_at_its_own_limit(machines):
    found = machines.run({"Wait": {"Type": "Wait", "Seconds": 3, "End": True}}, TimeoutSeconds=1)
    assert found.status == "TIMED_OUT"
    assert found.output is None
    assert 0.9 < found.seconds < 2
    assert machines.types(found.arn) == ["ExecutionStarted", "WaitStateEntered", "ExecutionTimedOut"]


def test_no_catch_sees_that_the_execution_timed_out(machines, slow):
    found = machines.run({"Work": {**slow, "Next": "Caught"}, "Caught": CAUGHT}, TimeoutSeconds=1)
    assert found.status == "TIMED_OUT"
    assert machines.entered(found.arn) == ["Work"]


@pytest.mark.both
def test_an_execution_within_its_limit_succeeds(machines):
    assert machines.run({"Pass": {"Type": "Pass", "End": True}}, TimeoutSeconds=1).status == "SUCCEEDED"


def test_stopping_in_a_wait_ends_it_at_once_and_nothing_follows(machines):
    arn = machines.start(
        {"Wait": {"Type": "Wait", "Seconds": 1, "Next": "Never"}, "Never": {"Type": "Pass", "End": True}}
    )
    machines.wait_for(arn, "WaitStateEntered")
    machines.client.stop_execution(executionArn=arn, error="Stopped", cause="enough")
    found = machines.ended(arn)
    assert (found.status, found.error, found.cause) == ("ABORTED", "Stopped", "enough")
    # Another execution that waits as long shows that the first one's time is over too.
    machines.run({"Wait": {"Type": "Wait", "Seconds": 1, "End": True}})
    assert machines.types(arn) == ["ExecutionStarted", "WaitStateEntered", "ExecutionAborted"]


def test_stopping_while_a_function_runs_is_not_caught_and_stays_aborted(machines, cloud):
    failing = cloud.function(
        "def handler(event, context): __import__('time').sleep(0.8); raise RuntimeError('after the stop')"
    )
    work = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "Never", "Catch": CATCH_ALL}
    work["Parameters"] = {"FunctionName": failing, "Payload": {}}
    arn = machines.start({"Work": work, "Never": {"Type": "Pass", "End": True}, "Caught": CAUGHT})
    machines.wait_for(arn, "TaskScheduled")
    machines.client.stop_execution(executionArn=arn)
    cloud.client("lambda").invoke(FunctionName=failing, Payload=b"{}")  # takes as long as the first one
    machines.run({"Wait": {"Type": "Wait", "Seconds": 1, "End": True}})  # and what follows from it has its time
    assert machines.status(arn) == "ABORTED"
    assert machines.types(arn)[-1] == "ExecutionAborted"
    assert machines.entered(arn) == ["Work"]


def test_stopping_while_a_token_is_waited_for_closes_the_token(machines, cloud):
    asking = cloud.function("def handler(event, context): print(event)")
    work = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "End": True}
    work["Parameters"] = {"FunctionName": asking, "Payload": {"token.$": "$$.Task.Token"}}
    arn = machines.start({"Work": work})
    token = eventually(lambda: _token_in_the_log(cloud, asking))
    machines.client.stop_execution(executionArn=arn)

    def is_closed():
        try:
            machines.client.send_task_success(taskToken=token, output="{}")
        except machines.client.exceptions.TaskTimedOut:
            return True
        return False

    # The state that waits for it closes it, as soon as it learns of the stop.
    assert eventually(is_closed)
    assert machines.status(arn) == "ABORTED"


def test_stopping_an_execution_that_has_ended_changes_nothing_and_is_no_error(machines):
    found = machines.run({"Pass": {"Type": "Pass", "End": True}})
    machines.client.stop_execution(executionArn=found.arn)
    assert machines.status(found.arn) == "SUCCEEDED"


def test_a_branch_of_a_stopped_execution_does_not_go_on(machines):
    inner = {"Wait": {"Type": "Wait", "Seconds": 1, "Next": "Scheduled"}}
    inner["Scheduled"] = {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "End": True}
    branch = {"StartAt": "Wait", "States": inner}
    arn = machines.start({"Both": {"Type": "Parallel", "Branches": [branch, branch], "End": True}})
    machines.wait_for(arn, "ParallelStateEntered")
    machines.client.stop_execution(executionArn=arn)
    machines.run({"Wait": {"Type": "Wait", "Seconds": 1, "End": True}})
    assert not [kind for kind in machines.types(arn) if kind.startswith("Task")]
    assert machines.types(arn)[-1] == "ExecutionAborted"


def _token_in_the_log(cloud, function):
    client = cloud.client("logs")
    try:
        events = client.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    except client.exceptions.ResourceNotFoundException:
        return None
    return next((event["message"].split("'")[3] for event in events if "{'token'" in event["message"]), None)
