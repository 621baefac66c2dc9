"""Step 4: the names under which Step Functions reports a function that times out or dies."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.domain.names import resource_name
from orchestrator.smoke.results import Fact, Verdict
from orchestrator.smoke.world import World
from state_machines import definitions

_CODE = """
import os, time
def handler(event, context):
    if event["fault"] == "timeout":
        time.sleep(60)
    if event["fault"] == "memory":
        os._exit(137)  # as the kernel ends a process without memory
    raise RuntimeError(event["fault"])
"""
FAULTS = ("timeout", "memory")
_ROLE_SECONDS, _ENDED_SECONDS = 90.0, 120.0


def run(world: World) -> Iterator[Fact]:
    """Yield each error's name, and whether every task of our state machines retries it."""
    with ExitStack() as stack:
        role = _role(world, stack)
        function = _function(world, stack, role)
        machine = _machine(world, stack, role, function)
        for fault in FAULTS:
            name = _error_of(world, machine, fault)
            missing = not_retried(name)
            yield Fact(
                "8",
                Verdict.FAIL if missing else Verdict.PASS,
                f"{fault}: Step Functions reports {name}, which {len(missing)} tasks do not retry",
                {"not_retried_by": missing},
            )


def not_retried(error: str) -> list[str]:
    """Return the tasks of all state machines that do not retry an error; all of them invoke functions."""
    return [
        f"{name}.{state}"
        for name in definitions.names()
        for state, own in _all_states(definitions.load(name).states)
        if own["Type"] == "Task" and not any(error in retrier["ErrorEquals"] for retrier in own.get("Retry", ()))
    ]


def _all_states(states: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, own in states.items():
        yield name, own
        for inner in (own.get("ItemProcessor", {}), *own.get("Branches", ())):
            yield from _all_states(inner.get("States", {}))


def _role(world: World, stack: ExitStack) -> str:
    iam, name = world.clients("iam"), resource_name("smoke", world.name)
    services = [{"Service": service} for service in ("lambda.amazonaws.com", "states.amazonaws.com")]
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": one, "Action": "sts:AssumeRole"} for one in services],
    }
    allowed = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "lambda:InvokeFunction",
                "Resource": f"arn:aws:lambda:*:{world.account}:function:ib-oauth-smoke-*",
            }
        ],
    }
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust, allow_nan=False))["Role"]["Arn"]
    stack.callback(iam.delete_role, RoleName=name)
    iam.put_role_policy(RoleName=name, PolicyName="invoke", PolicyDocument=json.dumps(allowed, allow_nan=False))
    stack.callback(iam.delete_role_policy, RoleName=name, PolicyName="invoke")
    return str(arn)


def _function(world: World, stack: ExitStack, role: str) -> str:
    client, name = world.clients("lambda"), resource_name("smoke", world.name)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("smoke.py", _CODE)

    def create() -> Any:
        try:
            return client.create_function(
                FunctionName=name,
                Runtime="python3.13",
                Role=role,
                Handler="smoke.handler",
                Code={"ZipFile": packed.getvalue()},
                Timeout=2,
                MemorySize=128,
            )
        except ClientError as error:
            if "role" not in str(error):
                raise
            return None  # a new role takes some seconds to be usable

    created = world.wait_until(create, _ROLE_SECONDS, "the use of a new role")
    stack.callback(client.delete_function, FunctionName=name)
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    return str(created["FunctionArn"])


def _machine(world: World, stack: ExitStack, role: str, function: str) -> str:
    states: dict[str, Any] = {
        "Fault": {
            "Type": "Task",
            "Resource": function,
            "TimeoutSeconds": 60,
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
            "End": True,
        },
        "Caught": {"Type": "Pass", "End": True},
    }
    client = world.clients("stepfunctions")
    machine = client.create_state_machine(
        name=resource_name("smoke", world.name),
        definition=json.dumps({"StartAt": "Fault", "States": states}, allow_nan=False),
        roleArn=role,
    )["stateMachineArn"]
    stack.callback(client.delete_state_machine, stateMachineArn=machine)
    return str(machine)


def _error_of(world: World, machine: str, fault: str) -> str:
    client = world.clients("stepfunctions")
    execution = client.start_execution(
        stateMachineArn=machine,
        name=f"{fault}-{round(time.time())}",
        input=json.dumps({"fault": fault}, allow_nan=False),
    )["executionArn"]

    def output() -> str | None:
        found = client.describe_execution(executionArn=execution)
        return None if found["status"] == "RUNNING" else str(json.loads(found["output"])["Error"])

    return world.wait_until(output, _ENDED_SECONDS, "the end of an execution")
