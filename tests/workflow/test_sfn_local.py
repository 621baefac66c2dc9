"""The mocks for Step Functions Local cover every Task state and fault, and every case comes to an end that somebody meant."""

import pytest

from tests.workflow.sfn_local import FAULTS, MACHINES, NO_FAULT, cases, mock_file, task_states, walk

ALL = [(machine, case) for machine in MACHINES for case in cases(machine)]


@pytest.mark.parametrize("machine", MACHINES)
def test_every_task_state_meets_every_fault(machine):
    struck = {strike for strike in cases(machine).values() if strike}
    assert struck == {(state, error) for state in task_states(machine) for error in FAULTS.values()}


@pytest.mark.parametrize(("machine", "case"), ALL)
def test_every_case_reaches_the_state_that_its_fault_strikes_and_then_an_end(machine, case):
    assert walk(machine, case) in {
        "Succeeded", "Refused", "ReleaseFailed", "RolledBack", "RollbackNotStarted", "Superseded", "Failed",
    }  # fmt: skip


def test_without_a_fault_both_machines_succeed():
    assert {walk(machine, NO_FAULT) for machine in MACHINES} == {"Succeeded"}


def test_a_lost_claim_never_ends_in_a_rollback_of_ones_own():
    for state in ("ShiftTraffic", "Verify", "Promote", "VerifyAfterTraffic"):
        assert walk("deployment", f"{state}-lostclaim") == "Superseded"


def test_the_mock_file_answers_every_task_of_every_case():
    written = mock_file()
    for machine in MACHINES:
        for case in cases(machine):
            answers = written["StateMachines"][f"ib-oauth-{machine}"]["TestCases"][case]
            assert set(answers) == set(task_states(machine))
            assert set(answers.values()) <= set(written["MockedResponses"])
