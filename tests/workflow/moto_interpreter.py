"""Moto's interpreter of Amazon States Language, with a simulated clock and task functions in this process.

Moto parses and runs the definition as it stands; what is replaced is what would take time or another process: waits and the intervals
between retries advance the clock, a task's invocation calls the test, and an execution runs in the thread that starts it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Thread
from types import SimpleNamespace
from typing import Any
from unittest import mock

import boto3
from moto import mock_aws
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.callback.callback import CallbackEndpoint
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils import json_path
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends

from tests.fakes.clouds import ACCOUNT, REGION, machine_arn

PARSER = "moto.stepfunctions.parser.asl"

Invoke = Callable[[str, Mapping[str, Any]], Any]
"""(function, payload) -> what Lambda's Invoke answers: {"Payload": …} and "FunctionError" where the function raised.
Raises TimeoutError where the task's time is over, and botocore's ClientError where Lambda refuses."""


@dataclass(frozen=True)
class Ended:
    """How an execution went. `path` has the names of the states it entered, in order; `phase` is Step Functions' status."""

    phase: str
    path: tuple[str, ...]
    output: Any
    error: str
    cause: str


class MotoInterpreter:
    """Runs executions. One at a time has the ear of `connect`; executions may start within another's task."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._invoke: Invoke = _unconnected
        self._pass: Callable[[float], None] = _unconnected

    def connect(self, invoke: Invoke, pass_seconds: Callable[[float], None]) -> None:
        """From now on tasks are invoked by this, and time passes by that."""
        self._invoke, self._pass = invoke, pass_seconds

    def create(self, name: str, definition: str) -> str:
        """Create a machine; returns its ARN."""
        role = "arn:aws:iam::123456789012:role/test"
        made = self._client.create_state_machine(name=f"ib-oauth-{name}-test", definition=definition, roleArn=role)
        assert made["stateMachineArn"] == machine_arn(name), "fakes and moto agree on the account"
        return str(made["stateMachineArn"])

    def run(self, machine: str, name: str, execution_input: str) -> Ended:
        """Run an execution to its end."""
        arn = self._client.start_execution(stateMachineArn=machine, name=name, input=execution_input)["executionArn"]
        found = self._client.describe_execution(executionArn=arn)
        # Read from the backend: moto needs as long to serialise the history for the client as to run the execution.
        events = _backend().get_execution_history(arn)["events"]
        entered = [
            event["stateEnteredEventDetails"]["name"] for event in events if event["type"].endswith("StateEntered")
        ]
        return Ended(
            phase=found["status"],
            path=tuple(entered),
            output=json.loads(found.get("output") or "null"),
            error=found.get("error") or "",
            cause=found.get("cause") or "",
        )

    def stop(self, arn: str) -> None:
        """Stop an execution, if it has begun."""
        try:
            self._client.stop_execution(executionArn=arn, error="Stopped", cause="by the test")
        except self._client.exceptions.ExecutionDoesNotExist:
            return

    def answer(self, token: str, output: str) -> bool:
        """Answer a task token; returns whether its state still waits."""
        try:
            self._client.send_task_success(taskToken=token, output=output)
        except (self._client.exceptions.TaskTimedOut, self._client.exceptions.TaskDoesNotExist):
            return False
        return True

    def invoke(self, parameters: Mapping[str, Any], **_where: Any) -> Any:
        """In place of Lambda's Invoke."""
        return {"StatusCode": 200, **self._invoke(parameters["FunctionName"], json.loads(parameters["Payload"]))}

    def pass_seconds(self, seconds: float) -> None:
        """In place of every wait."""
        self._pass(seconds)


class _Inline(Thread):
    """In place of a thread: runs its target in the thread that starts it."""

    def start(self) -> None:
        """Run the target to its end."""
        self.run()


def _backend() -> StepFunctionsParserBackend:
    """Return the state that moto has behind the client."""
    return stepfunctions_parser_backends[ACCOUNT][REGION]


def _unconnected(*_arguments: Any) -> Any:
    raise AssertionError("the interpreter is not connected")


@contextmanager
def moto_interpreter() -> Iterator[MotoInterpreter]:
    """Moto, patched for as long as the context lasts."""
    moto = mock_aws(config={"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}})
    with moto:
        client = boto3.client(
            "stepfunctions", region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
        )
        interpreter = MotoInterpreter(client)

        def invoke(parameters: Any, region: str, state_credentials: Any) -> Any:
            return interpreter.invoke(parameters, region=region, credentials=state_credentials)

        def wait_for_callback(endpoint: CallbackEndpoint, timeout: float | None = None) -> Any:
            if endpoint.get_outcome() is None:
                interpreter.pass_seconds(timeout or 0)
            return endpoint.get_outcome()

        parse = AmazonStateLanguageParser.parse
        with (
            mock.patch.object(AmazonStateLanguageParser, "parse", staticmethod(cache(parse))),
            mock.patch.object(ExecutionWorker, "start", lambda worker: worker._execution_logic()),
            mock.patch.object(CallbackEndpoint, "wait", wait_for_callback),
            mock.patch.object(
                WaitFunction, "_wait_interval", lambda _self, env, wait_seconds: interpreter.pass_seconds(wait_seconds)
            ),
            mock.patch(
                f"{PARSER}.component.common.retry.retrier_decl.time", SimpleNamespace(sleep=interpreter.pass_seconds)
            ),
            mock.patch(f"{PARSER}.component.state.exec.state_task.lambda_eval_utils._invoke_lambda_function", invoke),
            # A task has no thread of its own, and no JSONPath is parsed twice: these took half of an execution's time.
            mock.patch(f"{PARSER}.component.state.exec.execute_state.Thread", _Inline),
            mock.patch.object(json_path, "parse", cache(json_path.parse)),
            mock.patch.object(result_path, "parse", cache(result_path.parse)),
        ):
            yield interpreter
