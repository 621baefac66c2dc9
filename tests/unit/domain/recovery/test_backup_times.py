"""Which backups of several tables belong together, and what follows where their times differ."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.backup_times import (
    MAX_LISTED,
    TOGETHER,
    UNCERTAINTY,
    Backup,
    backups_made_together,
    content_time,
    describe_times,
    judge_times,
    replay_begins,
    rotated_policy,
    source_from,
    times_apart,
)
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.recovery.token_sanitization import RotatedPolicy
from orchestrator.domain.verdict import Outcome
from tests.samples import NOW, restored_tables

NAMES = {Role.STATE: "state-table", Role.TOKENS: "tokens-table"}
POINT = NOW - timedelta(hours=1)
STATE, TOKENS = restored_tables("re-1")


def backup(table, at, name="nightly"):
    """A backup of a table, made `at` seconds after the first one."""
    arn = f"arn:{table}/{name}/{at:g}"
    return Backup(arn, name, f"arn:{table}", 1000, POINT + timedelta(seconds=at))


def chosen(state, tokens, name="nightly"):
    found = backups_made_together(name, NAMES, {Role.STATE: state, Role.TOKENS: tokens})
    return {str(role): one.arn for role, one in found.items()}


def refused(state, tokens, name="nightly"):
    with pytest.raises(Refused) as caught:
        chosen(state, tokens, name)
    assert (caught.value.field, caught.value.value) == ("backup", name)
    return caught.value.remedy


@pytest.mark.parametrize(
    ("state_at", "tokens_at", "expected"),
    [
        ([0], [0.4], (0, 0.4)),
        ([0, 100], [0.4, 100.2], (100, 100.2)),
        # The newer one of one table was deleted.
        ([0, 27], [0.4], (0, 0.4)),
        ([0], [0.4, 27], (0, 0.4)),
        # It was made so soon after the first that it would be near enough to the counterpart of that one.
        ([0, 3], [0.1], (0, 0.1)),
        ([0.1], [0, 3], (0.1, 0)),
        # The newest of each were made together, whatever is missing of the earlier ones.
        ([0, 50], [27, 50.5], (50, 50.5)),
    ],
)
def test_backups_of_one_name_are_restored_where_they_were_made_together(state_at, tokens_at, expected):
    found = chosen([backup("state", at) for at in state_at], [backup("tokens", at) for at in tokens_at])
    assert found == {"state": f"arn:state/nightly/{expected[0]:g}", "tokens": f"arn:tokens/nightly/{expected[1]:g}"}


def test_backups_of_one_name_and_different_times_are_refused_with_the_names_and_times_there_are():
    others = [backup("state", -90, "before-d-1"), backup("state", -40, "before-d-2"), backup("state", 9, "lonely")]
    theirs = [backup("tokens", -90.5, "before-d-1"), backup("tokens", -40.5, "before-d-2"), backup("tokens", 90, "x")]
    remedy = refused([backup("state", 27), *others], [backup("tokens", 0), *theirs])
    assert "state-table: 2026-11-23T02:00:27+00:00 (arn:state/nightly/27)" in remedy
    assert "tokens-table: 2026-11-23T02:00:00+00:00 (arn:tokens/nightly/0)" in remedy
    assert "(before-d-2 of 2026-11-23T01:59:19+00:00, before-d-1 of 2026-11-23T01:58:29+00:00)" in remedy
    assert "or restore to a time, with --to" in remedy


def test_where_no_backups_were_made_together_that_is_said():
    assert "(there is none)" in refused([backup("state", 27)], [backup("tokens", 0)])


def test_backups_just_within_the_limit_were_made_together():
    limit = TOGETHER.total_seconds()
    assert len(chosen([backup("state", 0)], [backup("tokens", limit)])) == 2
    refused([backup("state", 0)], [backup("tokens", limit + 0.1)])


def test_only_the_newest_of_many_are_listed():
    many = [backup("state", 100 * number) for number in range(MAX_LISTED + 3)]
    remedy = refused(many, [backup("tokens", 50)])
    assert f"(arn:state/nightly/{100 * (MAX_LISTED + 2)})" in remedy
    assert " and 3 more" in remedy
    assert "arn:state/nightly/0)" not in remedy


@pytest.mark.parametrize(
    ("tokens", "has"), [([], "none: restore to a time, with --to"), ([backup("tokens", 0, "other")], "other")]
)
def test_a_table_without_a_backup_of_the_name_is_refused_with_the_names_it_has(tokens, has):
    remedy = refused([backup("state", 0)], tokens)
    assert remedy == f"tokens-table has no such backup that can be restored; it has {has}"


def test_a_backup_is_a_source_of_its_own_time_and_only_one_on_demand_is_fuzzy():
    made = backup("state", 0.7)
    found = source_from(Role.STATE, "state-table", made, gone=True)
    assert (found.earliest, found.latest, found.backup_arn, found.gone) == (made.at, made.at, made.arn, True)
    assert found.uncertainty == UNCERTAINTY
    left = source_from(Role.STATE, "state-table", replace(made, of_deleted_table=True), gone=True)
    assert left.uncertainty == timedelta(0)


def from_backup(table, seconds, *, gone=True):
    return replace(table, backup_arn=f"arn:{table.role}", backup_at=POINT + timedelta(seconds=seconds), gone=gone)


def test_the_content_of_a_table_is_of_its_backup_s_time_or_of_the_recovery_point():
    assert content_time(STATE, POINT) == POINT
    assert content_time(from_backup(STATE, 7), POINT) == POINT + timedelta(seconds=7)


def test_writes_may_be_missing_from_the_earliest_time_that_a_content_may_be_of():
    exact, inexact = from_backup(STATE, 7), replace(from_backup(STATE, 9), uncertainty=timedelta(seconds=4))
    assert replay_begins([STATE], POINT) == POINT
    assert replay_begins([exact, inexact], POINT) == POINT + timedelta(seconds=5)


@pytest.mark.parametrize(
    ("tables", "apart"),
    [
        ((STATE, TOKENS), 0),
        ((from_backup(STATE, 0.9), TOKENS), 0),
        ((from_backup(STATE, 0.9), from_backup(TOKENS, 0.2)), 0),
        ((from_backup(STATE, 0.9), from_backup(TOKENS, 12.9)), 12),
        ((from_backup(STATE, 3), TOKENS), 3),
    ],
)
def test_times_within_a_second_are_one_recovery_point(tables, apart):
    assert times_apart(tables, POINT) == timedelta(seconds=apart)
    assert bool(judge_times(tables, POINT)) is bool(describe_times(tables, POINT)) is bool(apart)


def test_the_difference_of_times_is_named_with_the_backups_and_decides_nothing():
    (found,) = judge_times((from_backup(STATE, 0.2), from_backup(TOKENS, 12.2)), POINT)
    assert (found.check, found.verdict.outcome, found.decides) == ("restore.times", Outcome.INCONCLUSIVE, False)
    assert found.verdict.reason == (
        "state is of 2026-11-23T02:00:00+00:00, tokens is of 2026-11-23T02:00:12+00:00: 12 s apart. "
        "Tokens are sanitized to the earlier time, 2026-11-23T02:00:00+00:00. All users log in again."
    )
    assert found.figures["tokens"] == {"time": "2026-11-23T02:00:12.200000+00:00", "backup": "arn:tokens"}
    assert found.figures["apart_seconds"] == 12
    (other,) = judge_times((from_backup(STATE, 12), TOKENS), POINT)
    assert other.figures["tokens"] == {"time": POINT.isoformat(), "backup": "point-in-time recovery"}
    assert "All users log in again" not in other.verdict.reason


@pytest.mark.parametrize("policy", tuple(RotatedPolicy))
@pytest.mark.parametrize(
    ("tables", "later"),
    [
        ((STATE, TOKENS), False),
        ((from_backup(STATE, 12), TOKENS), False),
        ((from_backup(STATE, 12), from_backup(TOKENS, 0)), False),
        ((from_backup(STATE, 0), from_backup(TOKENS, 0.9)), False),
        ((from_backup(STATE, 0), from_backup(TOKENS, 1)), True),
        # What a table that exists holds shows which of its grants are of after the point.
        ((from_backup(STATE, 0), from_backup(TOKENS, 4, gone=False)), False),
    ],
)
def test_tokens_of_a_deleted_table_that_are_later_than_the_point_are_not_accepted(tables, later, policy):
    assert rotated_policy(tables, POINT, policy) is (RotatedPolicy.REVOKE if later else policy)
