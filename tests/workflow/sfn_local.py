"""Mocks for AWS Step Functions Local, generated from the definitions, and a run of them against one that is given.

``python -m tests.workflow.sfn_local`` writes ``build/sfn-local-mocks.json``: a test case without a fault, and one for every Task state and every fault. Start
Step Functions Local with that file (``SFN_MOCK_CONFIG``), then run ``SFN_LOCAL_URL=http://127.0.0.1:8083 make test-sfn-local``: the unchanged
definitions are created there, every case is executed, and its end is compared with what the definition's own Catch says.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from state_machines import definitions

MOCKS = Path("build/sfn-local-mocks.json")
MACHINES = ("deployment", "rollback")
FAULTS = {
    "error": "RuntimeError",
    "timeout": "States.Timeout",
    "throttle": "Lambda.TooManyRequestsException",
    "lostclaim": "ClaimLost",
    "refused": "Refused",
}
NO_FAULT = "fine"
RETRIES = "0-20"
"""More answers than any Retry asks for: the fault lasts."""
PATIENCE_SECONDS = 60.0

ACTIONS: Mapping[str, Mapping[str, str]] = {
    "deployment": {
        "VerifyBeforeTraffic": "ADVANCE",
        "CloseSource": "PROMOTE",
        "Verify": "PROMOTE",
        "Promote": "WATCH",
        "VerifyAfterTraffic": "FINISH",
        "Record": "FINISH",
        "Notify": "FINISH",
        "Release": "FINISH",
        "StartRollback": "ROLL_BACK",
    },
    "rollback": {
        "Fence": "RESTORE",
        "RestoreAliases": "RESTORE",
        "ReopenSource": "RESTORE",
        "VerifyStable": "RESTORE",
        "Escalate": "ROLL_BACK",
    },
}
"""What each task decides where nothing fails; PROCEED in a deployment and FINISH in a rollback where nothing is named."""

HELD = "held"
"""The way through Hold and TakeAnswer needs its own answers."""


def actions_of(machine: str, case: str) -> Mapping[str, str]:
    """The action that every Task state's answer carries in a case."""
    default = "PROCEED" if machine == "deployment" else "FINISH"
    chosen = {state: ACTIONS[machine].get(state, default) for state in task_states(machine)}
    if case.startswith(HELD):
        chosen |= {"Verify": "HOLD", "TakeAnswer": "PROMOTE"}
    if case.endswith("-verdict"):
        chosen |= {"Verify": "ROLL_BACK"}
    return chosen


def task_states(machine: str) -> list[str]:
    """A definition's Task states."""
    return [name for name, state in definitions.load(machine).states.items() if state["Type"] == "Task"]


def cases(machine: str) -> dict[str, tuple[str, str] | None]:
    """Case to the state and error that strike in it; None where nothing does."""
    found: dict[str, tuple[str, str] | None] = {NO_FAULT: None}
    if machine == "deployment":
        found |= {HELD: None, "bad-verdict": None}
    for state in task_states(machine):
        way = {"Hold": HELD, "TakeAnswer": HELD}.get(state, "")
        end = "-verdict" if state == "StartRollback" else ""
        for fault, error in FAULTS.items():
            found["-".join(part for part in (way, state, fault) if part) + end] = (state, error)
    return found


def walk(machine: str, case: str) -> str:
    """The state in which a case ends, by the definition's own Catch and Choice."""
    loaded = definitions.load(machine)
    states, start = loaded.states, json.loads(loaded.text)["StartAt"]
    strike, actions = cases(machine)[case], actions_of(machine, case)
    name, action = start, ""
    for _ in range(100):
        state = states[name]
        if state["Type"] in {"Succeed", "Fail"}:
            return name
        if state["Type"] == "Choice":
            name = next((one["Next"] for one in state["Choices"] if one["StringEquals"] == action), state["Default"])
        elif state["Type"] == "Task" and strike and strike[0] == name:
            catches = (
                one for one in state["Catch"] if strike[1] in one["ErrorEquals"] or "States.ALL" in one["ErrorEquals"]
            )
            name = next(catches)["Next"]
        else:
            action = actions.get(name, action)
            name = state["Next"]
    raise AssertionError(f"{machine}/{case} does not end")


def mock_file() -> dict[str, Any]:
    """The configuration file of Step Functions Local."""
    machines: dict[str, Any] = {}
    responses: dict[str, Any] = {}
    for machine in MACHINES:
        tests: dict[str, dict[str, str]] = {}
        for case, strike in cases(machine).items():
            tests[case] = {}
            for state, action in actions_of(machine, case).items():
                struck = bool(strike) and strike[0] == state
                label = f"{state}-{strike[1]}" if struck and strike else f"{state}-{action}"
                tests[case][state] = f"{machine}-{label}".replace(".", "")
                responses[tests[case][state]] = {
                    RETRIES: _answer(state, action, strike[1] if struck and strike else "")
                }
        machines[f"ib-oauth-{machine}"] = {"TestCases": tests}
    return {"StateMachines": machines, "MockedResponses": responses}


def _answer(state: str, action: str, error: str) -> dict[str, Any]:
    if error:
        return {"Throw": {"Error": error, "Cause": "generated"}}
    if state == "Hold":
        return {"Return": {"request": "promote", "by": "case", "at": "2026-11-23T03:00:00Z"}}
    decision = {"action": action, "step": 0, "look": 0, "wait_seconds": 1, "reason": "generated"}
    return {"Return": {"StatusCode": 200, "Payload": {"deployment": "d-case", "epoch": 1, "decision": decision}}}


def run_against(url: str) -> list[str]:
    """Execute every case on a Step Functions Local; returns what came out otherwise than the definition says."""
    import boto3

    client = boto3.client(
        "stepfunctions",
        endpoint_url=url,
        region_name="us-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    wrong = []
    for machine in MACHINES:
        loaded = definitions.load(machine)
        arns = {name: f"arn:aws:lambda:us-west-1:123456789012:function:{name}:1" for name in loaded.placeholders}
        arn = client.create_state_machine(
            name=f"ib-oauth-{machine}",
            definition=definitions.bind(loaded, arns),
            roleArn="arn:aws:iam::123456789012:role/any",
        )["stateMachineArn"]
        for case in cases(machine):
            execution = client.start_execution(
                stateMachineArn=f"{arn}#{case}", name=f"{case}-{time.time_ns()}", input='{"deployment": "d-case"}'
            )["executionArn"]
            expected = (
                "SUCCEEDED" if definitions.load(machine).states[walk(machine, case)]["Type"] == "Succeed" else "FAILED"
            )
            found = _end_of(client, execution)
            if found != expected:
                wrong.append(f"{machine}/{case}: {found}, the definition says {expected}")
    return wrong


def _end_of(client: Any, execution: str) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        status = client.describe_execution(executionArn=execution)["status"]
        if status != "RUNNING":
            return str(status)
        time.sleep(0.2)
    return "RUNNING"


def main() -> int:
    """Write the mock file and, where an address is given, run its cases."""
    MOCKS.parent.mkdir(exist_ok=True)
    MOCKS.write_text(json.dumps(mock_file(), indent=2) + "\n", encoding="utf-8")
    count = sum(len(cases(machine)) for machine in MACHINES)
    sys.stdout.write(f"wrote {count} cases to {MOCKS}\n")
    url = os.environ.get("SFN_LOCAL_URL")
    if not url:
        sys.stdout.write(
            "set SFN_LOCAL_URL to the address of a Step Functions Local that was started with that file to run them\n"
        )
        return 0
    wrong = run_against(url)
    sys.stdout.write("\n".join([*wrong, f"{count - len(wrong)} passed, {len(wrong)} failed"]) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
