from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.recovery.heartbeats import DataLoss
from orchestrator.domain.recovery.record import (
    CheckResult,
    Measured,
    RecoveryAction,
    RecoveryOutcome,
    RecoveryPhase,
    Role,
    concluded,
    judge_objectives,
    refused_recovery,
    verdict_of,
    with_data_loss,
)
from orchestrator.domain.verdict import Outcome, Verdict
from tests.samples import NOW, recovery, seconds

GOOD = CheckResult("restore.state", Verdict.passed("restored"))
BAD = CheckResult("settings.state.tags", Verdict.failed("none"))
UNKNOWN = CheckResult("content.state", Verdict.inconclusive("nobody knows"))


def test_phases_follow_each_other_from_the_request_on():
    found = recovery().with_phase("PlanRecovery", NOW + seconds(1)).with_phase("StartRestore", NOW + seconds(4))
    assert found.phases == (
        RecoveryPhase("PlanRecovery", NOW, NOW + seconds(1)),
        RecoveryPhase("StartRestore", NOW + seconds(1), NOW + seconds(4)),
    )
    assert [phase.took for phase in found.phases] == [seconds(1), seconds(3)]


def test_a_phase_over_again_goes_on():
    found = recovery().with_phase("AwaitRestore", NOW + seconds(1)).with_phase("AwaitRestore", NOW + seconds(31))
    assert found.phases == (RecoveryPhase("AwaitRestore", NOW, NOW + seconds(31)),)


def test_a_finding_of_the_same_check_takes_the_place_of_the_one_before():
    again = replace(BAD, verdict=Verdict.passed("as in the source"))
    assert recovery().with_check_results(GOOD, BAD).with_check_results(again).check_results == (GOOD, again)


def test_a_changed_table_takes_its_place():
    found = recovery()
    changed = replace(found.table(Role.TOKENS), started_at=NOW)
    assert found.with_tables([changed]).tables == (found.table(Role.STATE), changed)


def test_who_goes_back_restores_nothing():
    assert recovery().proceed_action is RecoveryAction.PROCEED
    assert recovery(failback_of="dr-0").proceed_action is RecoveryAction.FAIL_BACK


def test_all_that_passed_is_a_pass():
    assert verdict_of([GOOD, GOOD]) == Verdict.passed("all 2 checks passed")


def test_nothing_found_is_never_a_pass():
    assert verdict_of([]).outcome is Outcome.INCONCLUSIVE


def test_the_worst_finding_speaks_and_says_how_many_more_there_are():
    assert verdict_of([UNKNOWN, GOOD, BAD]) == Verdict.failed("settings.state.tags: none (and 1 more)")
    assert verdict_of([GOOD, UNKNOWN]) == Verdict.inconclusive("content.state: nobody knows")


def test_what_does_not_decide_is_named_and_speaks_neither_for_nor_against():
    untold = replace(UNKNOWN, decides=False)
    assert verdict_of([GOOD, untold]).outcome is Outcome.PASS
    assert verdict_of([GOOD, untold]).reason.endswith("informational and not passed: content.state")
    assert verdict_of([untold, BAD]).outcome is Outcome.FAIL
    assert verdict_of([untold]).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("findings", "outcome"),
    [((GOOD,), RecoveryOutcome.SUCCEEDED), ((GOOD, UNKNOWN), RecoveryOutcome.FAILED), ((), RecoveryOutcome.FAILED)],
)
def test_only_what_passed_everywhere_is_green(findings, outcome):
    found = concluded(recovery().with_check_results(*findings), NOW)
    assert (found.outcome, found.ended_at) == (outcome, NOW)


def test_a_refused_recovery_says_why():
    found = refused_recovery(recovery(), "too dear", NOW)
    assert (found.outcome, found.reason, found.ended_at) == (RecoveryOutcome.REFUSED, "too dear", NOW)


def started():
    found = recovery()
    return found.with_tables([replace(found.table(Role.STATE), started_at=NOW + seconds(2))])


def outcomes(found):
    return [(one.check, one.verdict.outcome) for one in found.check_results]


def test_time_is_measured_from_the_first_restore_and_loss_by_the_latest_restorable_time():
    found = judge_objectives(started(), NOW + seconds(1202))
    assert found.measured == Measured(timedelta(seconds=1200), timedelta(minutes=5), "the latest restorable time")
    assert outcomes(found) == [("objective.recovery_time", Outcome.PASS), ("objective.data_loss", Outcome.PASS)]


def test_a_missed_objective_fails_with_both_figures():
    found = judge_objectives(started(), NOW + timedelta(hours=3))
    assert found.check_results[0].verdict == Verdict.failed("10798 s of the 7200 s allowed")


def test_a_loss_that_was_measured_stands():
    record = replace(started(), measured=Measured(data_loss=timedelta(hours=1), source="canary rows"))
    found = judge_objectives(record, NOW + seconds(60))
    assert (found.measured.data_loss, found.measured.source) == (timedelta(hours=1), "canary rows")
    assert outcomes(found)[1] == ("objective.data_loss", Outcome.FAIL)


def test_what_was_never_restored_took_no_time_that_could_be_measured():
    found = judge_objectives(recovery(), NOW)
    assert outcomes(found)[0] == ("objective.recovery_time", Outcome.INCONCLUSIVE)


def test_less_than_nothing_is_not_lost():
    ahead = replace(started(), latest=NOW + seconds(1))
    assert judge_objectives(ahead, NOW + seconds(60)).measured.data_loss == timedelta(0)


def test_the_largest_loss_that_heartbeats_show_counts_and_one_that_is_not_shown_leaves_all_unmeasured():
    three, five = DataLoss(data_loss=timedelta(minutes=3)), DataLoss(data_loss=timedelta(minutes=5))
    measured = with_data_loss(recovery(), [three, five]).measured
    assert (measured.data_loss, measured.source) == (timedelta(minutes=5), "heartbeats")
    assert with_data_loss(recovery(), [three, DataLoss()]).measured.data_loss is None
    assert with_data_loss(recovery(), []).measured.data_loss is None
