"""The mock file of Step Functions Local: what the task of every state answers in every case.

https://docs.aws.amazon.com/step-functions/latest/dg/sfn-local-mock-cfg-file.html. An answer is numbered by the attempt, from 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.workflow.sfn_local.cases import MACHINES, WAIT_SECONDS, Case, all_states, task_states
from tests.workflow.sfn_local.paths import Strike

LAST_ATTEMPT = 50
"""More attempts than any Retry allows."""

PAUSE_SECONDS = 3600
"""The decision before Pause has its time-out, which no attempt may reach on a slow machine."""

SEGMENTS = (1, 2)
WAITS_FOR_A_PERSON = ("PAUSE", "APPROVE")
"""Decisions that set the time-out of a state that waits for a task token."""


def state_machine_name(machine: str) -> str:
    """The name of the state machine as it is created from a definition."""
    return f"ib-oauth-{machine}"


def mock_file(cases: Iterable[Case]) -> dict[str, Any]:
    """The content of the mock file."""
    machines: dict[str, Any] = {state_machine_name(machine): {"TestCases": {}} for machine in MACHINES}
    responses: dict[str, Any] = {}
    for case in cases:
        answers = machines[state_machine_name(case.machine)]["TestCases"][case.name] = {}
        for state in task_states(case.machine):
            strike, action = case.strikes.get(state), case.actions[state]
            response = f"{case.machine}-{state}-{action}"
            if strike:
                response += "-" + case.name
            answers[state] = response.replace("-", "")
            callback = all_states(case.machine)[state]["Resource"].endswith(".waitForTaskToken")
            responses[answers[state]] = _responses(_answer(action, callback=callback), strike)
    return {"StateMachines": machines, "MockedResponses": responses}


def _answer(action: str, *, callback: bool) -> Mapping[str, Any]:
    if callback:
        return {"request": "promote", "by": "case", "at": "2026-11-23T03:00:00Z"}
    wait_seconds = PAUSE_SECONDS if action in WAITS_FOR_A_PERSON else WAIT_SECONDS
    decision = {
        "action": action, "step": 0, "evaluation": 0, "wait_seconds": wait_seconds, "attempt": 0, "reason": "generated",
    }  # fmt: skip
    payload = {
        "deployment": "d-case", "recovery": "r-case", "fencing_token": 1, "decision": decision, "request": {},
        "segments": list(SEGMENTS), "failover": "fo-case",
    }  # fmt: skip
    return {"StatusCode": 200, "Payload": payload}


def _responses(answer: Mapping[str, Any], strike: Strike | None) -> dict[str, Any]:
    if strike is None:
        return {f"0-{LAST_ATTEMPT}": {"Return": answer}}
    found: dict[str, Any] = {}
    for attempt in range(LAST_ATTEMPT + 1):
        error = strike.error_of(attempt)
        if error is None:
            return found | {f"{attempt}-{LAST_ATTEMPT}": {"Return": answer}}
        found[str(attempt)] = {"Throw": {"Error": error, "Cause": "generated"}}
    return found
