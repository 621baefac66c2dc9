"""The phases of recoveries and rollbacks: which one runs, how long each took, and how long it usually takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.deployment.record import DeploymentPhase, Rollback, RollbackTrigger
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.progress.phases import (
    ObjectiveState,
    ObjectiveUse,
    PhaseProgress,
    PhaseState,
    expected_end,
    recovery_phases,
    recovery_time_used,
    rollback_phases,
)
from orchestrator.domain.recovery.record import CheckResult, Measured, RecoveryOutcome, RecoveryPhase
from orchestrator.domain.verdict import Verdict
from tests.followed import PHASES, drill, in_flight, recovery_snapshot, rolled_back
from tests.samples import NOW, recovery, seconds

DONE, RUNNING, PENDING = PhaseState


def listed(snapshot, **changes):
    base = replace(snapshot, **changes)
    return recovery_phases(base.recovery, base.earlier, base.now)


def test_the_phase_after_the_last_one_that_ended_runs_and_the_others_follow():
    phases = listed(recovery_snapshot(at=100))
    assert [phase.name for phase in phases] == list(PHASES)
    assert [phase.state for phase in phases] == [DONE, DONE, DONE, DONE, RUNNING, PENDING]
    assert phases[3] == PhaseProgress("AwaitRestore", DONE, seconds(70), seconds(63))
    assert phases[4] == PhaseProgress("CompareContents", RUNNING, seconds(25), seconds(20))
    assert phases[5] == PhaseProgress("CleanUp", PENDING, None, seconds(5))


def test_before_the_first_phase_has_ended_the_first_one_runs():
    phases = listed(recovery_snapshot(at=3), recovery=drill("dr-9"))
    assert (phases[0].name, phases[0].state, phases[0].elapsed) == ("PlanRecovery", RUNNING, seconds(3))


def test_without_an_earlier_recovery_only_what_has_ended_is_listed_and_nothing_is_expected():
    phases = listed(recovery_snapshot(), earlier=[])
    assert [(phase.state, phase.expected) for phase in phases] == [(DONE, None)] * 4


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": Kind.RESTORE},
        {"failback_of": "dr-0"},
        {"ended_at": None},
        {"outcome": RecoveryOutcome.REFUSED},
        {"id": "dr-9"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_recoveries_of_another_kind_and_those_that_have_not_ended_are_not_compared_with(changes):
    snapshot = recovery_snapshot()
    others = [replace(other, **changes) for other in snapshot.earlier]
    assert {phase.expected for phase in listed(snapshot, earlier=others)} == {None}


def test_a_table_that_is_not_ready_means_that_its_restore_is_still_awaited():
    waiting = drill("dr-9", 1, 2, 2, 30)
    waiting = waiting.with_tables([replace(waiting.tables[0], ready_at=None)])
    phases = listed(recovery_snapshot(at=50), recovery=waiting)
    assert (phases[3].state, phases[3].elapsed) == (RUNNING, seconds(45))
    assert [phase.state for phase in phases[4:]] == [PENDING, PENDING]


def in_phase(name, **changes):
    return replace(recovery(**changes), phases=(RecoveryPhase(name, NOW, NOW + seconds(5)),))


def test_an_export_and_a_cutover_are_awaited_until_the_record_has_their_result():
    exporting = in_phase("AwaitExport")
    exporting = exporting.with_tables([replace(exporting.tables[0], by_export=True)])
    cutting = in_phase("AwaitCutover", kind=Kind.RESTORE)
    cut = cutting.with_check_results(CheckResult("cutover", Verdict.passed("live")))
    states = [recovery_phases(one, [], NOW + seconds(9))[0].state for one in (exporting, cutting, cut)]
    assert states == [RUNNING, RUNNING, DONE]


def test_a_recovery_that_has_ended_has_no_phase_that_runs():
    ended = drill("dr-9", 1, 2, 2, 70, ended_at=NOW + seconds(80))
    assert {phase.state for phase in listed(recovery_snapshot(), recovery=ended)} == {DONE}
    unready = ended.with_tables([replace(ended.tables[0], ready_at=None)])
    assert {phase.state for phase in listed(recovery_snapshot(), recovery=unready)} == {DONE}


def test_a_phase_that_came_again_counts_once_with_both_durations():
    again = (RecoveryPhase("StartRestore", NOW, NOW + seconds(1)), RecoveryPhase("AwaitRestore", NOW, NOW + seconds(2)))
    twice = replace(recovery(), phases=(*again, RecoveryPhase("StartRestore", NOW, NOW + seconds(4))), ended_at=NOW)
    assert [phase.elapsed for phase in recovery_phases(twice, [], NOW)] == [seconds(5), seconds(2)]


def test_a_phase_that_no_earlier_recovery_had_is_followed_by_nothing_known():
    strange = in_phase("InjectFault")
    assert [phase.name for phase in listed(recovery_snapshot(), recovery=strange)] == ["InjectFault"]


def test_the_expected_end_is_what_is_left_of_the_phase_that_runs_and_the_phases_after_it():
    now = NOW + seconds(90)
    assert expected_end(listed(recovery_snapshot(at=90)), now) == now + seconds(20 - 15) + seconds(5)
    late = NOW + seconds(500)
    assert expected_end(listed(recovery_snapshot(at=500)), late) == late + seconds(5)


def test_there_is_no_expected_end_without_a_phase_that_runs_or_with_one_that_never_ran_before():
    assert expected_end(listed(recovery_snapshot(), earlier=[]), NOW) is None
    assert expected_end([PhaseProgress("AwaitRestore", RUNNING, seconds(1))], NOW) is None


def test_the_recovery_time_runs_from_the_first_restore_to_now_to_the_end_or_to_what_was_measured():
    running, now = drill("dr-9"), NOW + seconds(60)
    assert recovery_time_used(running, now) == ObjectiveUse(seconds(60), timedelta(hours=2))
    assert recovery_time_used(running, now).share == pytest.approx(1 / 120)
    assert recovery_time_used(replace(running, ended_at=NOW + seconds(50)), now).used == seconds(50)
    assert recovery_time_used(replace(running, measured=Measured(seconds(40))), now).used == seconds(40)


def test_without_a_restore_nothing_of_the_objective_is_used():
    use = recovery_time_used(recovery(), NOW)
    assert (use.used, use.share) == (None, None)


def test_a_rollback_has_three_phases_with_their_medians():
    others = [rolled_back(id=f"d-{number}") for number in (2, 3)]
    phases = rollback_phases(rolled_back(), [rolled_back(), in_flight(id="d-4"), *others], NOW)
    names = ["TakeOverLock", "RevertAliases", "VerifyStable"]
    took = [seconds(1), seconds(2), seconds(2)]
    assert list(phases) == [PhaseProgress(name, DONE, time, time) for name, time in zip(names, took, strict=True)]


def test_a_rollback_in_progress_shows_which_phase_runs():
    trigger = RollbackTrigger("alarm", "it fired", NOW)
    rollback = Rollback(trigger, "arn", NOW + seconds(1))
    rolling = in_flight(phase=DeploymentPhase.ROLLING_BACK, rollback=rollback)
    phases = rollback_phases(rolling, [], NOW + seconds(4))
    assert [(phase.state, phase.elapsed) for phase in phases] == [
        (DONE, seconds(1)),
        (RUNNING, seconds(3)),
        (PENDING, None),
    ]


def test_a_rollback_that_could_not_verify_stable_ends_with_the_deployment():
    record = rolled_back()
    unverified = replace(record, rollback=replace(record.rollback, verified_at=None))
    assert rollback_phases(unverified, [], NOW)[-1].elapsed == seconds(3)
    assert rollback_phases(replace(unverified, phase=DeploymentPhase.ROLLING_BACK), [], NOW)[-1].state is RUNNING


def test_a_rollback_that_reverted_nothing_has_phases_that_did_not_happen():
    record = rolled_back()
    nothing = replace(record, rollback=replace(record.rollback, reverted_at=None, verified_at=None))
    assert [phase.state for phase in rollback_phases(nothing, [nothing], NOW)] == [DONE, PENDING, PENDING]
    assert rollback_phases(replace(nothing, id="d-2"), [nothing], NOW)[0].expected == seconds(1)


def test_a_deployment_without_a_rollback_has_no_phases():
    assert rollback_phases(in_flight(), [], NOW) == ()


@pytest.mark.parametrize(
    ("used", "state"),
    [
        (None, ObjectiveState.MET),
        (79, ObjectiveState.MET),
        (80, ObjectiveState.NEARLY_USED),
        (100, ObjectiveState.NEARLY_USED),
        (101, ObjectiveState.MISSED),
    ],
)
def test_an_objective_is_met_nearly_used_or_missed(used, state):
    assert ObjectiveUse(None if used is None else seconds(used), seconds(100)).state is state
