"""The definitions, by a validator that is not the emulator, and by their own graph."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.domain.deployment.plan import BASE_TRANSITIONS, TRANSITIONS_PER_EVALUATION
from state_machines import definitions
from state_machines.fragments import TRANSIENT_ERRORS
from tests import aws_errors
from tests.aws_operations import Operation


@pytest.mark.parametrize("name", definitions.names())
def test_a_validator_that_is_not_the_emulator_finds_nothing(name, tmp_path):
    """It reads the expanded text: a file alone has placeholders in the place of Retry and Payload blocks."""
    file = tmp_path / f"{name}.asl.json"
    file.write_text(definitions.load(name).text, encoding="utf-8")
    result = subprocess.run(
        [Path(sys.executable).with_name("statelint"), file], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout.strip()) == (0, "")


@pytest.mark.parametrize("name", definitions.names())
def test_retry_blocks_and_inputs_of_tasks_are_fragments(name):
    """A block that stands in a file would not change with the others."""
    text = (definitions.FOLDER / f"{name}{definitions.SUFFIX}").read_text(encoding="utf-8")
    blocks = [value for key, value in members(json.loads(text)) if key in {"Retry", "Payload"}]
    assert blocks
    assert all(isinstance(block, str) for block in blocks)


def members(value):
    """Every key and value of a JSON document, those within others among them."""
    for key, child in value.items() if isinstance(value, dict) else ():
        yield key, child
        yield from members(child)
    for child in value if isinstance(value, list) else ():
        yield from members(child)


def entered(actions: dict[str, list[str]]) -> list[str]:
    """States of the deployment that are entered, given the actions that each deciding state returns in turn."""
    states, name, action, path = definitions.load("deployment").states, "Plan", "PROCEED", []
    while True:
        path.append(name)
        state = states[name]
        if state["Type"] in {"Succeed", "Fail"}:
            return path
        if state["Type"] == "Choice":
            choices = (choice["Next"] for choice in state["Choices"] if choice["StringEquals"] == action)
            name = next(choices, state["Default"])
            continue
        action = actions[name].pop(0) if actions.get(name) else action
        name = state["Next"]


@pytest.mark.parametrize("evaluations", [1, 2, 7])
def test_the_graph_has_the_transitions_that_the_plan_counts(evaluations):
    decisions = ["BAKE"] * (evaluations - 1) + ["PROMOTE"]
    path = entered({"VerifyBeforeTraffic": ["ADVANCE"], "AnalyzeCanary": decisions, "VerifyAfterPromotion": ["FINISH"]})
    assert path[-1] == "Succeeded"
    assert len(path) == BASE_TRANSITIONS + TRANSITIONS_PER_EVALUATION * evaluations
    assert BASE_TRANSITIONS <= 40
    assert TRANSITIONS_PER_EVALUATION <= 4


# --- retries -------------------------------------------------------------------------------------------------

EXPOSED = {
    "deployment": {
        "ShiftTraffic", "AnalyzeCanary", "Pause", "Resume", "CallHook", "Promote", "VerifyAfterPromotion", "BlockSourceTables",
        "ReplayLateWrites", "BlockPreviousTables",
    },
}  # fmt: skip
"""States in which clients use the canary, or are refused by blocked tables."""

HANDED_OVER = {
    # The event handler of failed executions or the reconciler continues, or the state is optional.
    "deployment": {"StartRollback", "SnapshotConfiguration"},
    "rollback": {"TakeOverLock", "RevertAliases", "ReplayNewWrites", "UnblockSourceTables", "Escalate"},
}


def tasks(machine):
    """Every Task state by name, those within a Map among them."""
    found = members(json.loads(definitions.load(machine).text))
    return {name: state for name, state in found if isinstance(state, dict) and state.get("Type") == "Task"}


TASKS = [(machine, name) for machine in definitions.names() for name in tasks(machine)]


def patience_seconds(retriers, error):
    """How long the delays of an error add up to at least; half of it on average where they are drawn."""
    retrier = next(retrier for retrier in retriers if error in retrier["ErrorEquals"])
    delays = [
        min(retrier["IntervalSeconds"] * retrier["BackoffRate"] ** retry, retrier["MaxDelaySeconds"])
        for retry in range(retrier["MaxAttempts"])
    ]
    return sum(delays) / (2 if retrier["JitterStrategy"] == "FULL" else 1)


@pytest.mark.parametrize(("machine", "name"), TASKS, ids=" ".join)
@pytest.mark.parametrize("error", ["Sandbox.Timedout", "Lambda.Unknown", "Runtime.ExitError", "Runtime.OutOfMemory"])
def test_a_function_that_lambda_ended_is_invoked_again(machine, name, error):
    """A function ends before its state does, so the state never sees its time-out as States.Timeout."""
    matching = [retrier for retrier in tasks(machine)[name]["Retry"] if error in retrier["ErrorEquals"]]
    assert len(matching) == 1
    assert matching[0]["MaxAttempts"] >= 1


@pytest.mark.parametrize(("machine", "name"), TASKS, ids=" ".join)
@pytest.mark.parametrize("error", ["Lambda.TooManyRequestsException", "Lambda.ServiceException", "Unreachable"])
def test_a_task_that_cannot_run_is_retried_for_minutes_where_nothing_is_exposed(machine, name, error):
    patience = patience_seconds(tasks(machine)[name]["Retry"], error)
    if name in EXPOSED.get(machine, ()):
        assert 60 <= patience <= 95
    elif name in HANDED_OVER.get(machine, ()):
        assert patience <= 30
    else:
        assert patience >= 300


def test_every_failure_to_invoke_a_function_is_transient():
    invoke = aws_errors.failures_of(Operation("lambda", "Invoke"))
    assert {f"Lambda.{failure.code}" for failure in invoke} <= set(TRANSIENT_ERRORS)


def test_the_states_that_are_exposed_or_handed_over_exist():
    for machine, names in (*EXPOSED.items(), *HANDED_OVER.items()):
        assert names <= tasks(machine).keys()


def reachable(states, name):
    """Every state that may follow a state, by its Next, Choices, Default or Catch; itself included."""
    seen, left = set(), [name]
    while left:
        current = left.pop()
        if current in seen:
            continue
        seen.add(current)
        state = states[current]
        routes = (*state.get("Choices", ()), *state.get("Catch", ()), state)
        left += [route["Next"] for route in routes if "Next" in route] + [
            state[key] for key in ("Default",) if key in state
        ]
    return seen


def test_nothing_that_fails_after_the_last_verification_undoes_the_release():
    assert "StartRollback" not in reachable(definitions.load("deployment").states, "Complete")
