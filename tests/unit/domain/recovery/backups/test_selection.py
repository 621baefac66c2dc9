"""The backups that a drill restores: one of each table, of one time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.backup_times import MAX_LISTED, UNCERTAINTY, Backup
from orchestrator.domain.recovery.backups.kinds import BackupKind, Selection
from orchestrator.domain.recovery.backups.selection import cannot_be_exported, select_backups, source_of_backup
from orchestrator.domain.recovery.plan import Source
from orchestrator.domain.recovery.record import Role, TableRecovery
from tests.samples import NOW

NAMES = {Role.STATE: "state-table", Role.TOKENS: "tokens-table"}


def backup(table, seconds_ago):
    return Backup(f"arn:{table}/{seconds_ago:g}", "nightly", f"arn:{table}", 1000, NOW - timedelta(seconds=seconds_ago))


def select(selection, state, tokens, recovery="dr-1", since=None):
    backups = {
        Role.STATE: [backup("state-table", age) for age in state],
        Role.TOKENS: [backup("tokens-table", age) for age in tokens],
    }
    return select_backups(BackupKind.BACKUP, selection, NAMES, backups, recovery, since)


def ages(chosen):
    return tuple(float(chosen[role].arn.rpartition("/")[2]) for role in (Role.STATE, Role.TOKENS))


THREE = ([30.0, 600.0, 90_000.0], [31.0, 601.0, 90_001.0])


@pytest.mark.parametrize(("selection", "expected"), [(Selection.LATEST, 30), (Selection.OLDEST, 90_000)])
@pytest.mark.parametrize("order", [1, -1])
def test_the_newest_or_the_oldest_backups_of_all_tables_are_selected(selection, expected, order):
    state, tokens = THREE
    assert ages(select(selection, state[::order], tokens[::order])) == (expected, expected + 1)


def test_the_id_of_a_drill_draws_the_same_backups_every_time():
    drawn = {select(Selection.RANDOM, *THREE, recovery="dr-7")[Role.STATE].arn for _ in range(5)}
    assert len(drawn) == 1


def test_every_backup_is_drawn_by_some_drill():
    drawn = {ages(select(Selection.RANDOM, *THREE, recovery=f"dr-{number}")) for number in range(60)}
    assert drawn == set(zip(*THREE, strict=True))


def test_backups_of_before_a_time_are_not_selected():
    since = NOW - timedelta(seconds=601)
    assert ages(select(Selection.OLDEST, *THREE, since=since)) == (600, 601)
    assert ages(select(Selection.LATEST, *THREE, since=since)) == (30, 31)


def test_without_a_backup_since_then_the_table_is_named():
    with pytest.raises(Refused, match=r"tokens-table has no backup of this kind since .*: give more days") as refused:
        select(Selection.OLDEST, [30, 600], [601], since=NOW - timedelta(seconds=600))
    assert refused.value.field == "within_days"


def test_a_backup_whose_counterpart_is_gone_is_not_combined_with_another_one():
    assert ages(select(Selection.LATEST, [30, 600], [601])) == (600, 601)
    assert ages(select(Selection.OLDEST, [30, 600], [31])) == (30, 31)


@pytest.mark.parametrize("missing", sorted(NAMES))
def test_a_table_without_a_backup_is_named(missing):
    state, tokens = ([], [30]) if missing is Role.STATE else ([30], [])
    with pytest.raises(Refused, match=f"{NAMES[missing]} has no backup of this kind"):
        select(Selection.LATEST, state, tokens)


def test_backups_of_different_times_are_refused_with_the_times_that_there_are():
    many = [1000.0 * number for number in range(MAX_LISTED + 2)]
    with pytest.raises(Refused) as caught:
        select(Selection.LATEST, many, [500])
    remedy = caught.value.remedy
    assert "within 5 s of each other" in remedy
    assert "and 2 more" in remedy
    assert (NOW - timedelta(seconds=500)).isoformat(timespec="seconds") in remedy


def test_a_table_that_is_restored_from_a_backup_keeps_its_counts_and_capacity():
    source = Source(Role.TOKENS, "tokens-table", "arn:tokens-table", 5000, 70, None, None, read_units=9)
    found = source_of_backup(source, backup("tokens-table", 30))
    assert (found.items, found.read_units, found.size_bytes, found.gone) == (70, 9, 5000, False)
    assert found.earliest == found.latest == NOW - timedelta(seconds=30)
    assert (found.backup_arn, found.uncertainty) == ("arn:tokens-table/30", UNCERTAINTY)
    last = replace(backup("tokens-table", 30), of_deleted_table=True)
    assert source_of_backup(source, last).uncertainty == timedelta(0)


@pytest.mark.parametrize(
    ("reaches_back", "age", "expected"),
    [
        (35 * 86_400, 86_400, ""),
        (86_400, 86_400 - 61, ""),
        (86_400, 86_400 - 59, "no evidence of what it should hold is left"),
        (86_400, 90_000, "no evidence of what it should hold is left"),
        (None, 30, "point-in-time recovery of tokens-table is off"),
    ],
)
def test_an_export_shows_what_a_backup_should_hold_as_far_as_point_in_time_recovery_reaches(
    reaches_back, age, expected
):
    earliest = None if reaches_back is None else NOW - timedelta(seconds=reaches_back)
    source = Source(Role.TOKENS, "tokens-table", "arn:tokens-table", 5000, 70, earliest, NOW)
    found = source_of_backup(source, backup("tokens-table", age))
    assert found.exportable_from == earliest
    table = TableRecovery(
        Role.TOKENS,
        "tokens-table",
        "restored",
        backup_at=found.latest,
        uncertainty=found.uncertainty,
        exportable_from=found.exportable_from,
    )
    reason = cannot_be_exported(table)
    assert (expected in reason) if expected else not reason


def test_a_table_without_a_backup_has_no_time_to_export():
    assert cannot_be_exported(TableRecovery(Role.TOKENS, "tokens-table", "restored", exportable_from=NOW))
