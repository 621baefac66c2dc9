"""Step Functions: state machines, executions, and how executions end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.contract.parity.case import Case, Rejection
from tests.contract.parity.emulators import wait_until

API = "stepfunctions/v2/test_sfn_api::TestSnfApi::"
BASE = "stepfunctions/v2/base/test_base::TestSnfBase::"
LAMBDA_ERRORS = "stepfunctions/v2/error_handling/test_task_service_lambda::TestTaskServiceLambda::"
TIMEOUTS = "stepfunctions/v2/timeouts/test_timeouts::TestTimeouts::"
SCENARIOS = "stepfunctions/v2/scenarios/test_base_scenarios::TestBaseScenarios::"
TOKENS = "stepfunctions/v2/callback/test_callback::TestCallback::"

States = Mapping[str, Any]
_PASS = {"Done": {"Type": "Pass", "Result": {"answer": 1}, "End": True}}
_WAIT = {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}


def _definition(states: States, **top: Any) -> str:
    return json.dumps({"StartAt": next(iter(states)), "States": states} | top)


def _create(aws: Any, states: States, name: str | None = None, **top: Any) -> str:
    answer = aws.client("stepfunctions").create_state_machine(
        name=name or aws.new_name("machine"), definition=_definition(states, **top), roleArn=aws.role()
    )
    return str(answer["stateMachineArn"])


def _start(aws: Any, states: States, execution_input: Any = None, **top: Any) -> str:
    machine = _create(aws, states, **top)
    answer = aws.client("stepfunctions").start_execution(
        stateMachineArn=machine, input=json.dumps({} if execution_input is None else execution_input)
    )
    return str(answer["executionArn"])


def _ended(aws: Any, execution: str) -> dict[str, Any]:
    client = aws.client("stepfunctions")
    wait_until(lambda: client.describe_execution(executionArn=execution)["status"] != "RUNNING")
    return dict(client.describe_execution(executionArn=execution))


_FACTS = ("status", "error", "cause", "output")


def _end_of(states: States, execution_input: Any = None, **top: Any) -> Callable[[Any], dict[str, Any]]:
    """Return a request that runs a state machine and returns how its execution ended."""

    def request(aws: Any) -> dict[str, Any]:
        found = _ended(aws, _start(aws, states, execution_input, **top))
        facts = {name: found[name] for name in _FACTS if name in found}
        return facts | ({"output": json.loads(facts["output"])} if "output" in facts else {})

    return request


def _invoke(function: str, **settings: Any) -> dict[str, Any]:
    parameters = {"FunctionName": function, "Payload": {}}
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": parameters,
        "End": True,
    } | settings


def _end_of_function(source: str, **settings: Any) -> Callable[[Any], dict[str, Any]]:
    def request(aws: Any) -> dict[str, Any]:
        name = aws.function(source)
        states = {"Call": _invoke(name, **settings), "Caught": {"Type": "Pass", "End": True}}
        return _end_of(states)(aws)

    return request


def _kept_error(aws: Any) -> dict[str, Any]:
    """Return the error of an invocation: its name, and the type in its cause."""
    facts = _end_of_function("def handler(event, context): raise ValueError('no')")(aws)
    cause = json.loads(facts.get("cause", "{}"))
    return {"status": facts["status"], "error": facts.get("error"), "errorType": cause.get("errorType")}


def _described(aws: Any) -> dict[str, Any]:
    found = _ended(aws, _start(aws, _PASS))
    wanted = ("status", "inputDetails", "outputDetails", "redriveCount", "redriveStatus", "redriveStatusReason")
    return {name: found[name] for name in wanted if name in found}


def _described_failure(aws: Any) -> dict[str, Any]:
    found = _ended(aws, _start(aws, {"Fail": {"Type": "Fail"}}))
    return {name: found[name] for name in ("status", "redriveStatus", "error", "cause", "output") if name in found}


def _create_twice(second: States) -> Callable[[Any], Any]:
    def request(aws: Any) -> bool:
        name = aws.new_name("machine")
        return _create(aws, _PASS, name) == _create(aws, second, name)

    return request


def _start_twice(second: Any) -> Callable[[Any], Any]:
    def request(aws: Any) -> bool:
        machine, client = _create(aws, _WAIT), aws.client("stepfunctions")
        arns = [
            client.start_execution(stateMachineArn=machine, name="one", input=json.dumps(execution_input))[
                "executionArn"
            ]
            for execution_input in ({}, second)
        ]
        client.stop_execution(executionArn=arns[0])
        return arns[0] == arns[1]

    return request


def _start_with_input(text: str) -> Callable[[Any], Any]:
    return lambda aws: aws.client("stepfunctions").start_execution(stateMachineArn=_create(aws, _PASS), input=text)


def _start_deleted(aws: Any) -> Any:
    machine, client = _create(aws, _PASS), aws.client("stepfunctions")
    client.delete_state_machine(stateMachineArn=machine)
    wanted = machine.replace("machine", "machine-gone")
    return client.start_execution(stateMachineArn=f"{wanted}-gone")


def _stop(aws: Any) -> dict[str, Any]:
    execution, client = _start(aws, _WAIT), aws.client("stepfunctions")

    def types() -> list[str]:
        events = client.get_execution_history(executionArn=execution)["events"]
        return [event["type"] for event in events]

    wait_until(lambda: "WaitStateEntered" in types(), 5)
    client.stop_execution(executionArn=execution)
    found = client.describe_execution(executionArn=execution)
    return {"status": found["status"], "events": types(), "error": found.get("error"), "cause": found.get("cause")}


def _absent(operation: str, parameter: str, change: Callable[[str], str]) -> Callable[[Any], Any]:
    """Return a request with the ARN of an existing machine or execution, changed."""

    def request(aws: Any) -> Any:
        arn = _create(aws, _PASS) if parameter == "stateMachineArn" else _start(aws, _PASS)
        getattr(aws.client("stepfunctions"), operation)(**{parameter: change(arn)})
        return "accepted"

    return request


def _token_machine(aws: Any) -> tuple[str, str]:
    """Start an execution that waits for a task token; return its ARN and the token."""
    sqs = aws.client("sqs")
    queue = sqs.create_queue(QueueName=aws.new_name("queue"))["QueueUrl"]
    states = {
        "Ask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {"QueueUrl": queue, "MessageBody": {"token.$": "$$.Task.Token"}},
            "End": True,
        }
    }
    execution = _start(aws, states)
    messages = wait_until(lambda: sqs.receive_message(QueueUrl=queue).get("Messages"))
    return execution, json.loads(messages[0]["Body"])["token"]


def _token_failure(aws: Any) -> dict[str, Any]:
    execution, token = _token_machine(aws)
    aws.client("stepfunctions").send_task_failure(taskToken=token, error="Their error", cause="Their cause")
    found = _ended(aws, execution)
    return {name: found[name] for name in _FACTS if name in found}


def _token_success(aws: Any) -> dict[str, Any]:
    execution, token = _token_machine(aws)
    aws.client("stepfunctions").send_task_success(taskToken=token, output=json.dumps({"approved": True}))
    found = _ended(aws, execution)
    return {"status": found["status"], "output": json.loads(found.get("output", "null"))}


def _heartbeat(**settings: Any) -> Callable[[Any], dict[str, Any]]:
    def request(aws: Any) -> dict[str, Any]:
        queue = aws.client("sqs").create_queue(QueueName=aws.new_name("queue"))["QueueUrl"]
        states = {
            "Ask": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                "Parameters": {"QueueUrl": queue, "MessageBody": {"token.$": "$$.Task.Token"}},
                "End": True,
            }
            | settings
        }
        return _end_of(states)(aws)

    return request


def _history(states: States) -> Callable[[Any], list[str]]:
    def request(aws: Any) -> list[str]:
        execution = _start(aws, states)
        _ended(aws, execution)
        events = aws.client("stepfunctions").get_execution_history(executionArn=execution)["events"]
        return [event["type"] for event in events]

    return request


def _map(failing: bool) -> dict[str, Any]:
    each = {
        "Each": {"Type": "Fail", "Error": "Broken", "Cause": "one item"} if failing else {"Type": "Pass", "End": True}
    }
    processor = {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "Each", "States": each}
    return {
        "Map": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor, "MaxConcurrency": 1, "End": True}
    }


_SLOW = "import time\ndef handler(event, context): time.sleep(4)"
_RAISES = "def handler(event, context): raise ValueError('no')"
_CATCH = [{"ErrorEquals": ["States.Timeout"], "Next": "Caught"}]
_SCHEMA = r"^Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: "
_NO_RESULT = r"^An error occurred while executing the state '%s' \(entered at the event id #2\)\. Invalid path '%s'"

_MACHINES = (
    Case("stepfunctions:CreateStateMachine", "a definition without states", API + "test_create_delete_invalid_sm", lambda aws: aws.client("stepfunctions").create_state_machine(name=aws.new_name("machine"), definition='{"StartAt": "A"}', roleArn=aws.role()), Rejection("InvalidDefinition", 400, _SCHEMA + r".*States")),
    Case("stepfunctions:CreateStateMachine", "a Timestamp that is none", SCENARIOS + "test_wait_timestamp_invalid", lambda aws: _create(aws, {"Wait": {"Type": "Wait", "Timestamp": "2016-12-05 21:29:29Z", "End": True}}), Rejection("InvalidDefinition", 400, _SCHEMA + r".*at /States/Wait/Timestamp'$")),
    Case("stepfunctions:CreateStateMachine", "the same again", API + "test_create_exact_duplicate_sm", _create_twice(_PASS), True),
    Case("stepfunctions:CreateStateMachine", "the name with another definition", API + "test_create_duplicate_sm_name", _create_twice(_WAIT), Rejection("StateMachineAlreadyExists", 400, r"^State Machine Already Exists: 'arn:.*:stateMachine:[\w-]+'$")),
    Case("stepfunctions:DescribeStateMachine", "one that does not exist", API + "test_describe_nonexistent_sm", _absent("describe_state_machine", "stateMachineArn", lambda arn: f"{arn}-gone"), Rejection("StateMachineDoesNotExist", 400, r"^State Machine Does Not Exist: 'arn:.*'$")),
    Case("stepfunctions:DescribeStateMachine", "an ARN that is none", API + "test_describe_invalid_arn_sm", _absent("describe_state_machine", "stateMachineArn", lambda _arn: "no-arn"), Rejection("InvalidArn", 400, r"^Invalid Arn: 'Invalid ARN prefix: no-arn'$")),
    Case("stepfunctions:DeleteStateMachine", "one that does not exist", API + "test_delete_nonexistent_sm", _absent("delete_state_machine", "stateMachineArn", lambda arn: f"{arn}-gone"), "accepted"),
    Case("stepfunctions:ListExecutions", "of a machine that does not exist", API + "test_list_execution_no_such_state_machine", _absent("list_executions", "stateMachineArn", lambda arn: f"{arn}-gone"), Rejection("StateMachineDoesNotExist", 400)),
)  # fmt: skip

_EXECUTIONS = (
    Case("stepfunctions:StartExecution", "of a machine that does not exist", API + "test_invalid_start_execution_arn", _start_deleted, Rejection("StateMachineDoesNotExist", 400, r"^State Machine Does Not Exist: 'arn:.*'$")),
    Case("stepfunctions:StartExecution", "a word as input", API + "test_invalid_start_execution_input", _start_with_input("not some json"), Rejection("InvalidExecutionInput", 400, "^Invalid State Machine Execution Input: ")),
    Case("stepfunctions:StartExecution", "single quotes as input", API + "test_invalid_start_execution_input", _start_with_input("{'a': 1}"), Rejection("InvalidExecutionInput", 400, "^Invalid State Machine Execution Input: ")),
    Case("stepfunctions:StartExecution", "an empty input", API + "test_invalid_start_execution_input", _start_with_input(""), Rejection("InvalidExecutionInput", 400, "^Invalid State Machine Execution Input: 'Invalid execution input")),
    Case("stepfunctions:StartExecution", "the same name and input while it runs", API + "test_start_execution_idempotent", _start_twice({}), True),
    Case("stepfunctions:StartExecution", "the same name and another input", API + "test_start_execution_idempotent", _start_twice({"other": 1}), Rejection("ExecutionAlreadyExists", 400, r"^Execution Already Exists: 'arn:.*:execution:[\w-]+:one'$")),
    Case("stepfunctions:DescribeExecution", "one that succeeded", API + "test_describe_execution", _described, {"status": "SUCCEEDED", "inputDetails": {"included": True}, "outputDetails": {"included": True}, "redriveCount": 0, "redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": "Execution is SUCCEEDED and cannot be redriven"}),
    Case("stepfunctions:DescribeExecution", "one that failed", BASE + "test_state_fail_empty", _described_failure, {"status": "FAILED", "redriveStatus": "REDRIVABLE"}),
    Case("stepfunctions:DescribeExecution", "one that does not exist", API + "test_describe_execution_no_such_state_machine", _absent("describe_execution", "executionArn", lambda arn: f"{arn}-gone"), Rejection("ExecutionDoesNotExist", 400, r"^Execution Does Not Exist: 'arn:.*'$")),
    Case("stepfunctions:DescribeExecution", "an ARN that is none", API + "test_describe_execution_invalid_arn", _absent("describe_execution", "executionArn", lambda _arn: "no-arn"), Rejection("InvalidArn", 400, "^Invalid Arn: 'Invalid ARN prefix: no-arn'$")),
    Case("stepfunctions:StopExecution", "status, events, neither error nor cause", API + "test_stop_execution", _stop, {"status": "ABORTED", "events": ["ExecutionStarted", "WaitStateEntered", "ExecutionAborted"], "error": None, "cause": None}),
    Case("stepfunctions:GetExecutionHistory", "one that does not exist", API + "test_get_execution_history_no_such_execution", _absent("get_execution_history", "executionArn", lambda arn: f"{arn}-gone"), Rejection("ExecutionDoesNotExist", 400)),
)  # fmt: skip

_ENDS = (
    Case("stepfunctions:StartExecution", "Fail: error and cause", BASE + "test_state_fail", _end_of({"Fail": {"Type": "Fail", "Error": "Broken", "Cause": "for a reason"}}), {"status": "FAILED", "error": "Broken", "cause": "for a reason"}),
    Case("stepfunctions:StartExecution", "Fail: neither", BASE + "test_state_fail_empty", _end_of({"Fail": {"Type": "Fail"}}), {"status": "FAILED"}),
    Case("stepfunctions:StartExecution", "Fail: paths", BASE + "test_state_fail_path", _end_of({"Fail": {"Type": "Fail", "ErrorPath": "$.e", "CausePath": "$.c"}}, {"e": "Broken", "c": "why"}), {"status": "FAILED", "error": "Broken", "cause": "why"}),
    Case("stepfunctions:StartExecution", "Fail: the events", BASE + "test_state_fail", _history({"Fail": {"Type": "Fail", "Error": "Broken"}}), ["ExecutionStarted", "FailStateEntered", "ExecutionFailed"]),
    Case("stepfunctions:StartExecution", "Pass: the result", BASE + "test_state_pass_result", _end_of(_PASS), {"status": "SUCCEEDED", "output": {"answer": 1}}),
    Case("stepfunctions:StartExecution", "the machine's own time-out", TIMEOUTS + "test_global_timeout", _end_of(_WAIT, TimeoutSeconds=1), {"status": "TIMED_OUT"}),
    Case("stepfunctions:StartExecution", "a task's time-out", TIMEOUTS + "test_fixed_timeout_service_lambda", _end_of_function(_SLOW, TimeoutSeconds=1), {"status": "FAILED", "error": "States.Timeout"}),
    Case("stepfunctions:StartExecution", "a task's time-out, caught", LAMBDA_ERRORS + "test_invoke_timeout", _end_of_function(_SLOW, TimeoutSeconds=1, Catch=_CATCH), {"status": "SUCCEEDED", "output": {"Error": "States.Timeout", "Cause": ""}}),
    Case("stepfunctions:StartExecution", "a task without heartbeats", "stepfunctions/v2/timeouts/test_heartbeats::TestHeartbeats::test_heartbeat_timeout", _heartbeat(TimeoutSeconds=10, HeartbeatSeconds=1), {"status": "FAILED", "error": "States.Timeout"}),
    Case("stepfunctions:StartExecution", "a task whose token does not come back", TOKENS + "test_sqs_wait_for_task_token_timeout", _heartbeat(TimeoutSeconds=1), {"status": "FAILED", "error": "States.Timeout"}),
    Case("stepfunctions:StartExecution", "a function's exception", LAMBDA_ERRORS + "test_raise_exception", _kept_error, {"status": "FAILED", "error": "ValueError", "errorType": "ValueError"}),
    Case("stepfunctions:StartExecution", "a function that does not exist", LAMBDA_ERRORS + "test_no_such_function", _end_of({"Call": _invoke("absent")}), {"status": "FAILED", "error": "Lambda.ResourceNotFoundException", "cause": re.compile(r"^Function not found: arn:.*:function:absent(:\$LATEST)? \(Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; Request ID: .*; Proxy: null\)$")}),
    Case("stepfunctions:StartExecution", "Map: every item", SCENARIOS + "test_map_state", _end_of(_map(failing=False), {"items": [1, 2]}), {"status": "SUCCEEDED", "output": [1, 2]}),
    Case("stepfunctions:StartExecution", "Map: an item fails", SCENARIOS + "test_map_state_break_condition", _end_of(_map(failing=True), {"items": [1, 2]}), {"status": "FAILED", "error": "Broken", "cause": "one item"}),
    Case("stepfunctions:StartExecution", "InputPath finds nothing", SCENARIOS + "test_invalid_jsonpath", _end_of({"Done": {"Type": "Pass", "InputPath": "$.gone", "End": True}}), {"status": "FAILED", "error": "States.Runtime", "cause": re.compile(_NO_RESULT % ("Done", r"\$\.gone"))}),
    Case("stepfunctions:StartExecution", "OutputPath finds nothing", SCENARIOS + "test_invalid_jsonpath", _end_of({"Done": {"Type": "Pass", "OutputPath": "$.gone", "End": True}}), {"status": "FAILED", "error": "States.Runtime", "cause": re.compile(_NO_RESULT % ("Done", r"\$\.gone"))}),
    Case("stepfunctions:StartExecution", "Parameters find nothing", SCENARIOS + "test_invalid_jsonpath", _end_of({"Done": {"Type": "Pass", "Parameters": {"value.$": "$.gone"}, "End": True}}), {"status": "FAILED", "error": "States.Runtime", "cause": re.compile(r"^An error occurred while executing the state 'Done' \(entered at the event id #2\)\. The JSONPath '\$\.gone' specified for the field 'value\.\$' could not be found in the input")}),
    Case("stepfunctions:StartExecution", "Choice: a boolean", "stepfunctions/v2/choice_operators/test_boolean_equals::TestBooleanEquals::test_boolean_equals", _end_of({"If": {"Type": "Choice", "Choices": [{"Variable": "$.x", "BooleanEquals": True, "Next": "Yes"}], "Default": "No"}, "Yes": {"Type": "Succeed"}, "No": {"Type": "Fail"}}, {"x": True}), {"status": "SUCCEEDED", "output": {"x": True}}),
    Case("stepfunctions:SendTaskSuccess", "the output", TOKENS + "test_sqs_wait_for_task_token", _token_success, {"status": "SUCCEEDED", "output": {"approved": True}}),
    Case("stepfunctions:SendTaskFailure", "error and cause", TOKENS + "test_sqs_failure_in_wait_for_task_token", _token_failure, {"status": "FAILED", "error": "Their error", "cause": "Their cause"}),
)  # fmt: skip

CASES = _MACHINES + _EXECUTIONS + _ENDS
