"""Executions tell the default bus of every change of their status."""

import json

import pytest

from tests.contract.machines import Machines
from tests.contract.waiting import eventually

DETAIL_TYPE = "Step Functions Execution Status Change"
PASS = {"Pass": {"Type": "Pass", "Result": {"done": True}, "End": True}}
WAIT = {"Wait": {"Type": "Wait", "Seconds": 2, "End": True}}


@pytest.fixture
def machines(cloud):
    return Machines(cloud)


@pytest.fixture
def events(cloud):
    """Return the events of a machine's executions so far, in the order in which they came."""
    queue = cloud.client("sqs").create_queue(QueueName=cloud.name("events"))["QueueUrl"]
    arn = cloud.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    rule = cloud.name("rule")
    pattern = {"source": ["aws.states"], "detail-type": [DETAIL_TYPE]}
    cloud.client("events").put_rule(Name=rule, EventPattern=json.dumps(pattern))
    cloud.client("events").put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": arn}])
    seen = []

    def of(execution):
        found = cloud.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        seen.extend(json.loads(message["Body"]) for message in found.get("Messages", ()))
        return [event for event in seen if event["detail"]["executionArn"] == execution]

    yield of
    cloud.client("events").remove_targets(Rule=rule, Ids=["queue"])
    cloud.client("events").delete_rule(Name=rule)


def status_event(events, arn, status):
    """The event of an execution's status."""
    return eventually(lambda: next((event for event in events(arn) if event["detail"]["status"] == status), None))


@pytest.mark.both
def test_a_start_and_a_success_are_reported_with_input_and_output(machines, events):
    found = machines.run(PASS, {"a": 1})
    event = status_event(events, found.arn, "SUCCEEDED")
    detail = event["detail"]
    assert (event["source"], event["detail-type"], event["resources"]) == ("aws.states", DETAIL_TYPE, [found.arn])
    assert json.loads(detail["input"]) == {"a": 1}
    assert json.loads(detail["output"]) == {"done": True}
    assert detail["name"] == found.arn.rsplit(":", 1)[1]
    assert detail["stateMachineArn"] in found.arn.replace(":execution:", ":stateMachine:")
    assert 0 <= detail["stopDate"] - detail["startDate"] < 5000
    started = status_event(events, found.arn, "RUNNING")["detail"]
    assert (started["output"], started["stopDate"]) == (None, None)


@pytest.mark.both
def test_a_failure_is_reported_with_its_error_and_cause(machines, events):
    found = machines.run({"Fail": {"Type": "Fail", "Error": "Ouch", "Cause": "it hurts"}})
    detail = status_event(events, found.arn, "FAILED")["detail"]
    assert (detail["error"], detail["cause"], detail["output"]) == ("Ouch", "it hurts", None)
    assert detail["redriveStatus"] == "REDRIVABLE"


def test_a_timeout_is_reported(machines, events):
    found = machines.run(WAIT, TimeoutSeconds=1)
    detail = status_event(events, found.arn, "TIMED_OUT")["detail"]
    assert (detail["output"], detail["redriveStatus"]) == (None, "REDRIVABLE")


def test_a_stop_is_reported_with_its_error_and_cause(machines, events):
    arn = machines.start(WAIT)
    machines.client.stop_execution(executionArn=arn, error="Stopped", cause="enough")
    detail = status_event(events, arn, "ABORTED")["detail"]
    assert (detail["error"], detail["cause"], detail["output"]) == ("Stopped", "enough", None)
    assert detail["redriveStatus"] == "REDRIVABLE"


@pytest.mark.both
def test_an_execution_that_has_ended_reports_it_once(machines, events):
    found = machines.run(PASS)
    status_event(events, found.arn, "SUCCEEDED")
    another = machines.run(PASS)
    status_event(events, another.arn, "SUCCEEDED")
    assert [event["detail"]["status"] for event in events(found.arn)] == ["RUNNING", "SUCCEEDED"]


def test_an_input_that_is_too_big_together_with_the_output_is_left_out(machines, events):
    text = "x" * 150 * 1024
    found = machines.run({"Pass": {"Type": "Pass", "End": True}}, {"text": text})
    detail = status_event(events, found.arn, "SUCCEEDED")["detail"]
    assert (detail["input"], detail["inputDetails"]) == (None, {"included": False})
    assert json.loads(detail["output"]) == {"text": text}
