"""The definitions, by a validator that is not the emulator, and by their own graph."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.domain.plan import BASE_TRANSITIONS, TRANSITIONS_PER_LOOK
from state_machines import definitions

FOLDER = Path(definitions.__file__).parent


@pytest.mark.parametrize("machine", definitions.names())
def test_a_validator_that_is_not_the_emulator_finds_nothing(machine):
    told = subprocess.run(
        [Path(sys.executable).with_name("statelint"), FOLDER / f"{machine}.asl.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, told.stdout.strip()) == (0, "")


def entered(actions: dict[str, list[str]]) -> list[str]:
    """States of the deployment that are entered, given the actions that each deciding state answers in turn."""
    states, name, action, seen = definitions.load("deployment").states, "Plan", "PROCEED", []
    while True:
        seen.append(name)
        state = states[name]
        if state["Type"] in {"Succeed", "Fail"}:
            return seen
        if state["Type"] == "Choice":
            name = next((one["Next"] for one in state["Choices"] if one["StringEquals"] == action), state["Default"])
            continue
        action = actions[name].pop(0) if actions.get(name) else action
        name = state["Next"]


@pytest.mark.parametrize("looks", [1, 2, 7])
def test_the_graph_has_the_transitions_that_the_plan_counts(looks):
    verify = ["BAKE"] * (looks - 1) + ["PROMOTE"]
    path = entered({"VerifyBeforeTraffic": ["ADVANCE"], "Verify": verify, "VerifyAfterTraffic": ["FINISH"]})
    assert path[-1] == "Succeeded"
    assert len(path) == BASE_TRANSITIONS + TRANSITIONS_PER_LOOK * looks
    assert BASE_TRANSITIONS <= 40
    assert TRANSITIONS_PER_LOOK <= 4
