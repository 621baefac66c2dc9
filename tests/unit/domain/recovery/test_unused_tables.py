"""Restored tables that the service does not use: which they are, since when, and which may be deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.application.prices import load_prices
from orchestrator.domain.environment_lock import EnvironmentLock, Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.record import CheckResult
from orchestrator.domain.recovery.restored_table import RestoredTable
from orchestrator.domain.recovery.unused_tables import (
    TableFacts,
    TableUse,
    consequences_of_discard,
    monthly_usd,
    oldest_unused,
    recovery_of_table,
    refuse_discard,
    status_of,
    unproved_reason,
)
from orchestrator.domain.verdict import Verdict
from tests.samples import NOW, recovery, restored_tables

CUT_OVER = (CheckResult("cutover", Verdict.passed("d-dr-1")),)
DEAD = recovery(id="dr-1", kind=Kind.RESTORE, tables=restored_tables("dr-1"), ended_at=NOW)
USED = replace(DEAD, check_results=CUT_OVER)
TABLE = DEAD.tables[0].target
FACTS = TableFacts(TABLE, NOW - timedelta(days=20), 10_000_000_000, 1000)
FREE = EnvironmentLock(fencing_token=3)
LATER = recovery(
    id="dr-2", kind=Kind.RESTORE, tables=tuple(replace(one, source=one.target, target="x") for one in DEAD.tables),
    check_results=CUT_OVER, ended_at=NOW - timedelta(days=5),
)  # fmt: skip


@pytest.mark.parametrize(
    ("table", "found"),
    [
        (TABLE, "dr-1"),
        ("ib-oauth-restored-failover-202611240300-tokens-test", "failover-202611240300"),
        ("ib-oauth-restored-dr-1-state-prod", ""),
        ("ib-oauth-restored-dr-1-state-eu-test", ""),
        ("ib-oauth-restored--state-test", ""),
        ("ib-oauth-drill-dr-1-state-test", ""),
        ("ib-oauth-state-test", ""),
    ],
)
def test_a_restored_table_is_known_by_its_name(table, found):
    assert recovery_of_table(table, "test") == found


@pytest.mark.parametrize(
    ("record", "in_use", "use"),
    [
        (DEAD, {}, TableUse.UNUSED),
        (USED, {TABLE: "token:5"}, TableUse.IN_USE),
        (None, {TABLE: "environments.toml (prod)"}, TableUse.IN_USE),
        (None, {}, TableUse.NO_RECORD),
        (replace(DEAD, ended_at=None), {}, TableUse.RESTORING),
    ],
)
def test_the_use_of_a_table_is_what_uses_it_or_what_its_restore_does(record, in_use, use):
    status = status_of(FACTS, "test", record, in_use, [])
    assert (status.use, status.used_by, status.recovery) == (use, in_use.get(TABLE, ""), "dr-1")
    assert status.is_unused is (use in {TableUse.UNUSED, TableUse.NO_RECORD})


@pytest.mark.parametrize(
    ("record", "in_use", "use"),
    [
        (DEAD, {}, TableUse.FOREIGN),
        (DEAD, {TABLE: "token:5"}, TableUse.IN_USE),
        (None, {}, TableUse.NO_RECORD),
        (replace(DEAD, ended_at=None), {}, TableUse.RESTORING),
    ],
)
def test_a_table_that_its_ended_restore_did_not_create_is_not_ours_and_costs_us_nothing(record, in_use, use):
    status = status_of(FACTS, "test", record, in_use, [], foreign="no restore created it")
    assert (status.use, status.foreign) == (use, "no restore created it" if use is TableUse.FOREIGN else "")
    assert status.is_unused is (use is TableUse.NO_RECORD)
    assert (oldest_unused([status]) is None) is (use is not TableUse.NO_RECORD)


def test_a_table_that_was_in_use_is_unused_since_another_replaced_it():
    not_cut_over = replace(LATER, check_results=(), ended_at=NOW)
    open_record = replace(LATER, ended_at=None)
    assert status_of(FACTS, "test", DEAD, {}, [not_cut_over, open_record]).since == FACTS.created_at
    assert status_of(FACTS, "test", USED, {}, [DEAD, LATER]).since == LATER.ended_at


def test_the_oldest_is_the_one_that_is_unused_for_longest():
    young = status_of(replace(FACTS, created_at=NOW), "test", DEAD, {}, [])
    old, used = status_of(FACTS, "test", None, {}, []), status_of(FACTS, "test", DEAD, {TABLE: "token:5"}, [])
    assert oldest_unused([young, used, old]) == old
    assert oldest_unused([used]) is None


def test_a_table_costs_its_storage_its_capacity_and_its_point_in_time_recovery():
    prices = load_prices("us-west-1")
    assert monthly_usd(FACTS, prices, point_in_time=False) == pytest.approx(2.8)
    assert monthly_usd(FACTS, prices, point_in_time=True) == pytest.approx(2.8 + 2.24)
    provisioned = replace(FACTS, size_bytes=0, read_units=100, write_units=10)
    assert monthly_usd(provisioned, prices, point_in_time=False) == pytest.approx(730 * (0.0145 + 0.00725))


def refusal(record=DEAD, in_use=None, lock=FREE, *, alive=False):
    with pytest.raises(Refused) as caught:
        refuse_discard(record, in_use or {}, lock, alive=alive)
    return str(caught.value)


def test_tables_of_a_dead_restore_and_of_one_that_another_replaced_may_be_deleted():
    for record in (DEAD, USED):
        refuse_discard(record, {"ib-oauth-state-test": "token:5"}, FREE, alive=False)


@pytest.mark.parametrize("table", [one.target for one in DEAD.tables])
def test_a_table_that_anything_uses_is_never_deleted(table):
    for record in (DEAD, USED):
        why = refusal(record, {table: "environments.toml (staging)"})
        assert f"{table} is in use by environments.toml (staging): a table in use is not deleted" in why


def test_what_is_no_ended_restore_of_tables_of_its_own_is_refused():
    assert "it is a drill" in refusal(recovery(ended_at=NOW))
    originals = tuple(replace(one, source=one.target, target=one.source) for one in DEAD.tables)
    back = replace(DEAD, id="dr-3", failback_of="dr-1", tables=originals)
    assert "it is a failback, whose tables are the original ones: name dr-1" in refusal(back)
    assert "it is in progress" in refusal(replace(DEAD, ended_at=None))
    assert "it is in progress" in refusal(replace(DEAD, ended_at=None), alive=True)
    assert "ib-oauth-state-test is not named as a table" in refusal(replace(DEAD, tables=originals))


def test_nothing_is_deleted_while_anything_may_switch_tables():
    lock = EnvironmentLock(4, "arn:execution", "d-9", Kind.ROLLBACK, NOW)
    assert "environment lock: 'arn:execution' is refused: d-9 holds it and may switch tables" in refusal(lock=lock)


TABLE_RECOVERY = DEAD.tables[0]
OURS = RestoredTable(
    "arn", True, False, TABLE_RECOVERY.source_arn, DEAD.point + timedelta(microseconds=5), created_at=DEAD.requested_at
)
BACKUP = replace(TABLE_RECOVERY, backup_arn="arn:backup")


def test_a_table_that_this_restore_made_is_proved_by_its_source_and_time():
    assert unproved_reason(DEAD, TABLE_RECOVERY, OURS) == ""
    from_backup = replace(OURS, source_arn="", point=None, backup_arn="arn:backup")
    assert unproved_reason(DEAD, BACKUP, from_backup) == ""


@pytest.mark.parametrize(
    ("table", "restored", "why"),
    [
        (TABLE_RECOVERY, replace(OURS, source_arn="arn:another"), "it was restored from arn:another"),
        (TABLE_RECOVERY, replace(OURS, source_arn="", point=None), "it was restored from an unknown table"),
        (TABLE_RECOVERY, replace(OURS, point=DEAD.point + timedelta(seconds=1)), "this restore is to"),
        (TABLE_RECOVERY, replace(OURS, point=None), "it was restored to no time"),
        (TABLE_RECOVERY, replace(OURS, created_at=DEAD.requested_at - timedelta(days=1)), "it was created at"),
        (TABLE_RECOVERY, replace(OURS, in_progress=None), "no restore created it"),
        (replace(TABLE_RECOVERY, source_arn=""), replace(OURS, source_arn=""), "does not name its source"),
        (BACKUP, OURS, f"it was restored from {TABLE_RECOVERY.source_arn}"),
        (BACKUP, replace(OURS, backup_arn="arn:another"), "it was restored from arn:another"),
    ],
)
def test_a_table_of_the_same_name_that_is_not_proved_to_be_ours_has_the_reason(table, restored, why):
    assert why in unproved_reason(DEAD, table, restored)


def test_what_is_lost_with_the_tables_is_said_first():
    assert len(consequences_of_discard(DEAD, [DEAD])) == 1
    said = " ".join(consequences_of_discard(USED, [LATER, USED]))
    assert "The service used them after this restore" in said
    assert "They were in use before dr-2, of which no failback is possible any more." in said
