"""The quotas that end executions, and the names of executions."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.contract.machines import Machines

LIMIT_BYTES = 256 * 1024
CATCH_ALL = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]
CAUGHT = {"Type": "Pass", "End": True}
WAIT = {"Wait": {"Type": "Wait", "Seconds": 2, "End": True}}


@pytest.fixture
def machines(cloud):
    return Machines(cloud)


def code(refused):
    return refused.value.response["Error"]["Code"]


def test_a_state_whose_output_is_over_256_kib_ends_the_execution(machines):
    doubled = {"Type": "Pass", "Parameters": {"a.$": "$.text", "b.$": "$.text"}, "End": True}
    found = machines.run({"Double": doubled}, {"text": "x" * (LIMIT_BYTES // 2)})
    assert (found.status, found.error) == ("FAILED", "States.DataLimitExceeded")


def test_the_limit_counts_bytes_not_characters(machines):
    doubled = {"Type": "Pass", "Parameters": {"a.$": "$.text", "b.$": "$.text"}, "End": True}
    found = machines.run({"Double": doubled}, {"text": "é" * (LIMIT_BYTES // 3)}, TimeoutSeconds=5)
    assert (found.status, found.error) == ("FAILED", "States.DataLimitExceeded")


def test_a_function_s_answer_over_256_kib_is_not_caught_by_states_all(machines, cloud):
    big = cloud.function(f"def handler(event, context): return 'x' * {LIMIT_BYTES}")
    work = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Catch": CATCH_ALL, "End": True}
    work["Parameters"] = {"FunctionName": big, "Payload": {}}
    found = machines.run({"Work": work, "Caught": CAUGHT})
    assert (found.status, found.error) == ("FAILED", "States.DataLimitExceeded")


@pytest.mark.both
def test_data_just_within_the_limit_passes(machines):
    text = "x" * (LIMIT_BYTES - 100)
    assert machines.run({"Pass": {"Type": "Pass", "End": True}}, {"text": text}).output == {"text": text}


def test_starting_again_with_the_same_name_and_input_is_the_same_execution_while_it_runs(machines):
    params = {"stateMachineArn": machines.create(WAIT), "name": "once", "input": json.dumps({"a": 1})}
    first = machines.client.start_execution(**params)
    again = machines.client.start_execution(**params)
    assert (again["executionArn"], again["startDate"]) == (first["executionArn"], first["startDate"])
    assert len(machines.client.list_executions(stateMachineArn=params["stateMachineArn"])["executions"]) == 1


@pytest.mark.both
def test_starting_again_with_another_input_is_refused(machines):
    params = {"stateMachineArn": machines.create(WAIT), "name": "once"}
    machines.client.start_execution(**params, input='{"a": 1}')
    with pytest.raises(machines.client.exceptions.ExecutionAlreadyExists):
        machines.client.start_execution(**params, input='{"a": 2}')


@pytest.mark.both
def test_the_name_of_an_execution_that_has_ended_is_burnt(machines):
    params = {"stateMachineArn": machines.create({"Pass": {"Type": "Pass", "End": True}}), "name": "once"}
    machines.ended(machines.client.start_execution(**params)["executionArn"])
    with pytest.raises(machines.client.exceptions.ExecutionAlreadyExists):
        machines.client.start_execution(**params)


def test_names_with_white_space_or_special_characters_are_refused(machines):
    machine = machines.create({"Pass": {"Type": "Pass", "End": True}})
    for name in ("a b", "a:b", "a/b", "a#b", "x" * 81):
        with pytest.raises(ClientError) as refused:
            machines.client.start_execution(stateMachineArn=machine, name=name)
        assert code(refused) in {"InvalidName", "ValidationException"}


def test_an_input_that_is_no_json_is_refused(machines):
    machine = machines.create({"Pass": {"Type": "Pass", "End": True}})
    with pytest.raises(machines.client.exceptions.InvalidExecutionInput):
        machines.client.start_execution(stateMachineArn=machine, input="{")


def test_the_25000th_event_of_a_history_is_the_failure_of_its_execution(machines):
    counted = {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}, "Next": "Enough"}
    enough = {"Variable": "$.n", "NumericGreaterThan": 6_300, "Next": "Done"}
    arn = machines.start(
        {
            "Count": counted,
            "Enough": {"Type": "Choice", "Choices": [enough], "Default": "Count"},
            "Done": {"Type": "Succeed"},
        },
        {"n": 0},
    )
    found = machines.ended(arn, within_seconds=60)
    last = machines.client.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=1)["events"][0]
    assert (last["type"], last["id"]) == ("ExecutionFailed", 25_000)
    assert (found.status, found.error) == ("FAILED", "States.Runtime")
    assert "maximum number of history events" in found.cause
