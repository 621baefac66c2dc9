"""The cases strike every Task state of every definition with every fault, and together take every way that a definition has."""

import pytest

from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.failover.decisions import FailoverAction
from orchestrator.domain.recovery.record import RecoveryAction
from state_machines import definitions
from tests.workflow.sfn_local.cases import (
    MACHINES,
    STORIES,
    USUAL,
    Case,
    all_states,
    cases,
    faults_of,
    story_through,
    task_states,
)
from tests.workflow.sfn_local.mocks import LAST_ATTEMPT, mock_file, state_machine_name
from tests.workflow.sfn_local.paths import STOPPED

FAULTS = {"error", "lock-lost", "refused", "timeout", "transient", "transient-once", "ended", "ended-once"}


def test_all_definitions_have_cases():
    assert set(MACHINES) == set(STORIES) == set(USUAL) == set(definitions.names())
    assert len({case.id for case in cases()}) == len(cases())


@pytest.mark.parametrize("machine", MACHINES)
def test_every_task_state_meets_every_fault(machine):
    struck = {(case.state, case.fault) for case in cases() if case.machine == machine and case.state}
    assert struck == {(state, fault) for state in task_states(machine) for fault in FAULTS}


@pytest.mark.parametrize("machine", MACHINES)
def test_a_fault_strikes_the_state_that_it_is_for(machine):
    assert [
        case.id for case in cases() if case.machine == machine and not case.walked().struck >= case.strikes.keys()
    ] == []


@pytest.mark.parametrize("machine", MACHINES)
def test_the_cases_take_every_transition_of_a_definition(machine):
    taken = frozenset().union(*(case.walked().transitions for case in cases() if case.machine == machine))
    assert _transitions(machine) - taken == {
        # An item of the Map cannot fail: its own Catch leads to a Pass state.
        (name, catcher["Next"])
        for name, state in all_states(machine).items()
        if state["Type"] == "Map"
        for catcher in state["Catch"]
    }


def _transitions(machine):
    return {
        (name, following)
        for name, state in all_states(machine).items()
        for following in (
            state.get("Next"),
            state.get("Default"),
            *(block["Next"] for block in (*state.get("Choices", ()), *state.get("Catch", ()))),
        )
        if following
    }


@pytest.mark.parametrize("machine", MACHINES)
def test_every_end_of_a_definition_is_the_end_of_a_case(machine):
    ends = {case.walked().path.steps[-1].state for case in cases() if case.machine == machine}
    states = definitions.load(machine).states
    assert ends >= {name for name, state in states.items() if state["Type"] in {"Succeed", "Fail"}}


@pytest.mark.parametrize("machine", MACHINES)
def test_every_name_in_a_retry_is_thrown_at_some_state(machine):
    """An interpreter that did not retry it would be found by the number of attempts."""
    named = {
        name
        for state in task_states(machine)
        for retrier in all_states(machine)[state]["Retry"]
        for name in retrier["ErrorEquals"]
    }
    thrown = {
        error
        for case in cases()
        if case.machine == machine
        for step in case.walked().path.steps
        for error in step.errors
    }
    assert thrown >= named - {name for name in named if _only_inside_map(machine, name)}


def _only_inside_map(machine, name):
    """A distributed Map's items have histories of their own, so that the path has none of their errors."""
    states = definitions.load(machine).states
    return not any(name in retrier["ErrorEquals"] for state in states.values() for retrier in state.get("Retry", ()))


@pytest.mark.parametrize("machine", MACHINES)
def test_the_tasks_decide_only_what_they_can_decide(machine):
    of_recoveries = FailoverAction if machine == "failover" else RecoveryAction
    known = set(Action if machine in {"deployment", "rollback"} else of_recoveries) | {"PROCEED"}
    assert {action for story in STORIES[machine] for action in Case(machine, story).actions.values()} <= known
    assert {state for story in STORIES[machine].values() for state in story.actions} <= set(task_states(machine))


def test_without_a_fault_every_definition_succeeds():
    assert {machine: Case(machine, "usual").walked().path.end for machine in MACHINES} == dict.fromkeys(
        MACHINES, "SUCCEEDED"
    )


def test_a_story_that_waits_repeats_its_lap():
    path = Case("restore", "sanitizing").walked().path
    assert path.end == STOPPED
    assert [step.state for step in path.steps[-4:]] == [
        "SanitizeTokens", "TokensSanitized", "WaitForSanitization", "SanitizeTokens",
    ]  # fmt: skip


def test_a_state_that_no_story_reaches_is_named():
    with pytest.raises(LookupError, match="no story of rollback goes through Nowhere"):
        story_through("rollback", "Nowhere")


def test_a_lost_lock_never_ends_in_a_rollback_by_the_same_execution():
    """The execution that took over the lock decides."""
    for case in cases():
        if case.fault == "lock-lost" and case.state in {
            "ShiftTraffic", "AnalyzeCanary", "Promote", "VerifyAfterPromotion", "RevertAliases",
        }:  # fmt: skip
            assert case.walked().path.end == "FAILED Superseded"


def test_a_fault_that_lasts_is_longer_than_every_retry():
    most = max(
        sum(retrier["MaxAttempts"] for retrier in all_states(machine)[state]["Retry"])
        for machine in MACHINES
        for state in task_states(machine)
    )
    assert most < LAST_ATTEMPT


def test_the_errors_of_a_retry_block_rotate():
    state = {
        "Retry": [{"ErrorEquals": ["A", "B", "C"], "MaxAttempts": 2}, {"ErrorEquals": ["D"], "MaxAttempts": 1}]
    }  # fmt: skip
    faults = faults_of(state, turn=1)
    assert [faults["transient"].error_of(attempt) for attempt in range(4)] == ["B", "C", "A", "B"]
    assert [faults["transient-once"].error_of(attempt) for attempt in range(2)] == ["B", None]


def test_the_mock_file_answers_every_task_of_every_case():
    written = mock_file(cases())
    for case in cases():
        answers = written["StateMachines"][state_machine_name(case.machine)]["TestCases"][case.name]
        assert set(answers) == set(task_states(case.machine))
        for state, answer in answers.items():
            first = written["MockedResponses"][answer]
            attempts = sorted(int(key.split("-")[0]) for key in first)
            assert attempts[0] == 0
            errors = {response["Throw"]["Error"] for response in first.values() if "Throw" in response}
            assert bool(errors) == (state in case.strikes)


def test_no_mocked_task_reaches_its_time_out_on_a_slow_machine():
    """A time-out that a task's own decision sets: an attempt at a mocked task takes seconds where 250 run at a time."""
    for response in mock_file(cases())["MockedResponses"].values():
        for answer in response.values():
            decision = answer.get("Return", {}).get("Payload", {}).get("decision", {})
            if decision.get("action") in {"PAUSE", "APPROVE"}:
                assert decision["wait_seconds"] > 600
    by_path = [
        (machine, name)
        for machine in MACHINES
        for name, state in all_states(machine).items()
        if "TimeoutSecondsPath" in state
    ]
    assert by_path == [("deployment", "Pause"), ("failover", "RequestApproval")], (
        "its decision needs a wait of its own in mocks.py"
    )
