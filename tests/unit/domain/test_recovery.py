from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.receipts import Loss
from orchestrator.domain.recovery import (
    Finding,
    Measured,
    Phase,
    RecoveryAction,
    RecoveryEnding,
    Role,
    concluded,
    lost,
    measure,
    refused,
    verdict_of,
)
from orchestrator.domain.verdict import Outcome, Verdict
from tests.samples import NOW, recovery, seconds

GOOD = Finding("restore.state", Verdict.passed("restored"))
BAD = Finding("settings.state.tags", Verdict.failed("none"))
UNKNOWN = Finding("content.state", Verdict.inconclusive("nobody knows"))


def test_phases_follow_each_other_from_the_request_on():
    found = recovery().reached("PlanRecovery", NOW + seconds(1)).reached("StartRestore", NOW + seconds(4))
    assert found.phases == (
        Phase("PlanRecovery", NOW, NOW + seconds(1)),
        Phase("StartRestore", NOW + seconds(1), NOW + seconds(4)),
    )
    assert [phase.took for phase in found.phases] == [seconds(1), seconds(3)]


def test_a_phase_over_again_goes_on():
    found = recovery().reached("AwaitRestore", NOW + seconds(1)).reached("AwaitRestore", NOW + seconds(31))
    assert found.phases == (Phase("AwaitRestore", NOW, NOW + seconds(31)),)


def test_a_finding_of_the_same_check_takes_the_place_of_the_one_before():
    again = replace(BAD, verdict=Verdict.passed("as in the source"))
    assert recovery().found(GOOD, BAD).found(again).findings == (GOOD, again)


def test_a_changed_table_takes_its_place():
    found = recovery()
    changed = replace(found.table(Role.TOKENS), started_at=NOW)
    assert found.with_tables([changed]).tables == (found.table(Role.STATE), changed)


def test_who_goes_back_restores_nothing():
    assert recovery().onward is RecoveryAction.PROCEED
    assert recovery(back="dr-0").onward is RecoveryAction.BACK


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
    assert verdict_of([GOOD, untold]).reason.endswith("not known, and not decided by: content.state")
    assert verdict_of([untold, BAD]).outcome is Outcome.FAIL
    assert verdict_of([untold]).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("findings", "ending"),
    [((GOOD,), RecoveryEnding.GREEN), ((GOOD, UNKNOWN), RecoveryEnding.RED), ((), RecoveryEnding.RED)],
)
def test_only_what_passed_everywhere_is_green(findings, ending):
    found = concluded(recovery().found(*findings), NOW)
    assert (found.ending, found.ended_at) == (ending, NOW)


def test_a_refused_recovery_says_why():
    found = refused(recovery(), "too dear", NOW)
    assert (found.ending, found.reason, found.ended_at) == (RecoveryEnding.REFUSED, "too dear", NOW)


def started():
    found = recovery()
    return found.with_tables([replace(found.table(Role.STATE), started_at=NOW + seconds(2))])


def outcomes(found):
    return [(one.check, one.verdict.outcome) for one in found.findings]


def test_time_is_measured_from_the_first_restore_and_loss_by_the_latest_restorable_time():
    found = measure(started(), NOW + seconds(1202))
    assert found.measured == Measured(timedelta(seconds=1200), timedelta(minutes=5), "the latest restorable time")
    assert outcomes(found) == [("objective.recovery_time", Outcome.PASS), ("objective.data_loss", Outcome.PASS)]


def test_a_missed_objective_fails_with_both_figures():
    found = measure(started(), NOW + timedelta(hours=3))
    assert found.findings[0].verdict == Verdict.failed("10798 s of the 7200 s allowed")


def test_a_loss_that_was_measured_stands():
    given = replace(started(), measured=Measured(data_loss=timedelta(hours=1), source="canary rows"))
    found = measure(given, NOW + seconds(60))
    assert (found.measured.data_loss, found.measured.source) == (timedelta(hours=1), "canary rows")
    assert outcomes(found)[1] == ("objective.data_loss", Outcome.FAIL)


def test_what_was_never_restored_took_no_time_that_could_be_measured():
    found = measure(recovery(), NOW)
    assert outcomes(found)[0] == ("objective.recovery_time", Outcome.INCONCLUSIVE)


def test_less_than_nothing_is_not_lost():
    ahead = replace(started(), latest=NOW + seconds(1))
    assert measure(ahead, NOW + seconds(60)).measured.data_loss == timedelta(0)


def test_the_largest_loss_that_receipts_tell_counts_and_one_that_is_not_told_leaves_all_unmeasured():
    three, five = Loss(data_loss=timedelta(minutes=3)), Loss(data_loss=timedelta(minutes=5))
    told = lost(recovery(), [three, five]).measured
    assert (told.data_loss, told.source) == (timedelta(minutes=5), "receipts")
    assert lost(recovery(), [three, Loss()]).measured.data_loss is None
    assert lost(recovery(), []).measured.data_loss is None
