from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused, RestoreFailed
from orchestrator.domain.recovery.record import CheckResult, RecoveryAction
from orchestrator.domain.recovery.restored_table import (
    REMOVAL_TIMEOUT,
    Removal,
    RestoredTable,
    foreign_reason,
    judge_removal,
    judge_restored,
    next_restore_action,
    refuse_expired,
    refuse_foreign,
    refuse_missing_table,
    tags_of,
    with_error,
)
from orchestrator.domain.verdict import Outcome, Verdict
from tests.samples import NOW, recovery, seconds

RECOVERY = recovery()
STATE, TOKENS = RECOVERY.tables
COPY = RestoredTable(
    "arn:copy",
    active=True,
    in_progress=False,
    source_arn=STATE.source_arn,
    point=RECOVERY.point,
    created_at=RECOVERY.requested_at + timedelta(seconds=5),
)


@pytest.mark.parametrize(
    ("active", "in_progress", "readable"),
    [(True, False, True), (True, True, False), (False, True, False), (False, False, False), (True, None, True)],
)
def test_an_active_table_whose_restore_goes_on_is_not_read(active, in_progress, readable):
    assert replace(COPY, active=active, in_progress=in_progress).readable is readable


def test_a_copy_of_the_right_table_and_time_passes():
    found = judge_restored(RECOVERY, STATE, COPY)
    assert (found.check, found.verdict.outcome) == ("restore.state", Outcome.PASS)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"point": None}, "it was restored to no time"),
        ({"point": RECOVERY.point - timedelta(minutes=1)}, "requested was"),
    ],
)
def test_a_copy_that_does_not_say_so_fails(changes, why):
    found = judge_restored(RECOVERY, STATE, replace(COPY, **changes))
    assert found.verdict.outcome is Outcome.FAIL
    assert why in found.verdict.reason


def test_a_table_that_was_restored_for_the_recovery_is_its_own():
    assert foreign_reason(RECOVERY, STATE, COPY) == ""
    refuse_foreign(RECOVERY, STATE, COPY)
    of_backup = replace(STATE, backup_arn="arn:backup")
    assert foreign_reason(RECOVERY, of_backup, replace(COPY, backup_arn="arn:backup", source_arn="")) == ""


@pytest.mark.parametrize("skew_seconds", [0, -59])
def test_the_clocks_may_differ_by_a_minute(skew_seconds):
    created_at = RECOVERY.requested_at + timedelta(seconds=skew_seconds)
    assert foreign_reason(RECOVERY, STATE, replace(COPY, created_at=created_at)) == ""


@pytest.mark.parametrize(
    ("table", "changes", "why"),
    [
        (STATE, {"in_progress": None, "source_arn": ""}, "no restore created it"),
        (STATE, {"source_arn": "arn:other"}, "it was restored from arn:other"),
        (STATE, {"source_arn": ""}, "it was restored from an unknown table"),
        (STATE, {"created_at": None}, "it was created at an unknown time"),
        (STATE, {"created_at": RECOVERY.requested_at - timedelta(hours=1)}, "and dr-1 was requested at"),
        (replace(STATE, backup_arn="arn:backup"), {"backup_arn": "arn:other"}, "it was restored from arn:other"),
        (replace(STATE, backup_arn="arn:backup"), {}, f"it was restored from {STATE.source_arn}"),
        (replace(STATE, backup_arn="arn:backup"), {"source_arn": ""}, "it was restored from an unknown table"),
    ],
)
def test_a_table_that_is_not_proved_to_be_the_recoverys_is_refused(table, changes, why):
    restored = replace(COPY, **changes)
    assert why in foreign_reason(RECOVERY, table, restored)
    with pytest.raises(Refused, match="is refused: it is left as it is, because"):
        refuse_foreign(RECOVERY, table, restored)


def test_what_is_not_the_recoverys_is_not_waited_for():
    removals = {"ib-oauth-drill-a": Removal.GONE, "ib-oauth-drill-b": Removal.FOREIGN}
    judged, wait = judge_removal(RECOVERY, removals, NOW)
    assert wait == ""
    assert judged.cleaned_at == NOW
    (found,) = [one for one in judged.check_results if one.check == "cleanup"]
    assert found.verdict.reason == "all 1 resources are removed; ib-oauth-drill-b: not created by dr-1, and left"
    assert found.figures == {"made": ["ib-oauth-drill-a"], "left": [], "foreign": ["ib-oauth-drill-b"]}


def test_everything_a_drill_makes_says_whose_it_is_and_until_when():
    assert tags_of(RECOVERY) == {
        "ib-oauth:drill": "dr-1",
        "ib-oauth:environment": "test",
        "ib-oauth:lease": RECOVERY.expires_at.isoformat(),
    }


def test_a_copy_that_was_requested_and_is_gone_ends_the_wait():
    assert refuse_missing_table(STATE, COPY) is COPY
    with pytest.raises(RestoreFailed, match="does not exist"):
        refuse_missing_table(STATE, None)


def test_a_wait_ends_when_all_are_ready_and_starts_what_may_be_started():
    requested = RECOVERY.with_tables([replace(table, started_at=NOW) for table in RECOVERY.tables])
    ready = requested.with_tables([replace(table, ready_at=NOW) for table in requested.tables])
    assert next_restore_action(RECOVERY, 2)[0] is RecoveryAction.RESTORE
    assert next_restore_action(requested, 2)[0] is RecoveryAction.WAIT
    assert next_restore_action(ready, 2) == (RecoveryAction.PROCEED, "all 2 restored tables are ready")


def test_no_restore_waits_for_longer_than_the_lease():
    refuse_expired(RECOVERY, RECOVERY.expires_at - seconds(1))
    with pytest.raises(RestoreFailed, match="not ready when the recovery expired"):
        refuse_expired(RECOVERY, RECOVERY.expires_at)


def test_what_broke_is_a_finding_and_the_first_is_the_cause():
    once = with_error(RECOVERY, {"Error": "Boom", "Cause": "it broke"})
    assert once.check_results == (CheckResult("machine.1", Verdict.error("Boom: it broke")),)
    assert with_error(once, {"Error": "Boom", "Cause": "it broke"}) == once
    assert with_error(once, {"Error": "Later", "Cause": "too"}).check_results[1].check == "machine.2"


def test_what_is_being_removed_is_waited_for():
    found, wait = judge_removal(RECOVERY, {"a": Removal.UNDER_WAY, "b": Removal.GONE}, NOW)
    assert (found, wait) == (RECOVERY, "removing: a")


def test_nothing_left_is_clean():
    found, wait = judge_removal(RECOVERY, {"a": Removal.GONE}, NOW)
    assert (found.cleaned_at, wait, found.check_results[-1].verdict.outcome) == (NOW, "", Outcome.PASS)


def test_recovery_points_that_aws_backup_deletes_later_are_named():
    tables = [replace(table, copied_arn=f"arn:copied-{table.role}") for table in RECOVERY.tables]
    found, _ = judge_removal(RECOVERY.with_tables(tables), {"a": Removal.GONE}, NOW)
    (result,) = [one for one in found.check_results if one.check == "cleanup"]
    assert result.verdict.outcome is Outcome.PASS
    assert result.figures["expiring"] == sorted(table.copied_arn for table in tables)
    assert f"deletes {len(tables)} recovery points" in result.verdict.reason


def test_what_aws_refuses_to_remove_fails_at_once():
    found, wait = judge_removal(RECOVERY, {"a": Removal.REFUSED, "b": Removal.UNDER_WAY}, NOW)
    assert (found.cleaned_at, wait) == (None, "")
    assert found.check_results[-1].verdict == Verdict.failed("AWS refuses to remove a")
    assert found.check_results[-1].figures == {"made": ["a", "b"], "left": ["a", "b"]}


def test_what_takes_too_long_fails():
    found, wait = judge_removal(RECOVERY, {"a": Removal.UNDER_WAY}, RECOVERY.expires_at + REMOVAL_TIMEOUT)
    assert (wait, found.check_results[-1].verdict) == ("", Verdict.failed("not removed in time: a"))


def test_what_a_real_restore_makes_has_no_lease_for_the_cleanup_job():
    restore = replace(RECOVERY, id="re-1", kind=Kind.RESTORE)
    assert tags_of(restore) == {"ib-oauth:restore": "re-1", "ib-oauth:environment": "test"}


def test_a_copy_of_a_backup_is_judged_by_the_backup():
    found = judge_restored(RECOVERY, replace(STATE, backup_arn="b-1"), replace(COPY, backup_arn="b-1", point=None))
    assert found.verdict == Verdict.passed("restored from b-1")
    assert found.figures["expected_backup"] == "b-1"
