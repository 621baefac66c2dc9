"""The plan of a restore of tables that were deleted, and of backups by name."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.application.prices import load_prices
from orchestrator.application.recovery_planning import plan_table_recovery
from orchestrator.aws.dynamodb.backups import OnDemandBackups
from orchestrator.aws.dynamodb.restores import TableRestores
from orchestrator.aws.ledger.standing_grants import STANDING, StandingGrantIndex, set_key
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.backups.kinds import BackupKind, Selection
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.recovery.request import RecoveryRequest
from tests.fakes.clock import SimulatedClock
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.restorable_tables import LAG, RestorableTables
from tests.samples import recovery_table

STATE, TOKENS = "ib-oauth-state-test", "ib-oauth-tokens-test"
HOUR = timedelta(hours=1)


class World:
    """Two tables, and the time."""

    def __init__(self):
        self.clock = SimulatedClock()
        self.clock.advance(0.5)
        self.tables = RestorableTables(self.clock.now)
        self.ledger = FakeDynamoDB()
        for name in (STATE, TOKENS):
            self.tables.add(name)

    def delete(self, table, seconds_ago):
        """Delete a table. DynamoDB dates the backup by the deletion, which is `seconds_ago`."""
        self.tables.lose(table)
        newest = list(self.tables.backups.values())[-1]
        newest["BackupCreationDateTime"] = self.clock.now() - timedelta(seconds=seconds_ago)
        return newest

    def plan(self, kind=Kind.RESTORE, cut_over_at=None, **request):
        return plan_table_recovery(
            TableRestores(self.tables),
            OnDemandBackups(self.tables),
            kind,
            "dr-1",
            {Role.STATE: STATE, Role.TOKENS: TOKENS},
            RecoveryRequest("ann", **request),
            RecoveryPolicy.parse(recovery_table()),
            environment="test",
            prices=load_prices("us-west-1"),
            now=self.clock.now(),
            standing=StandingGrantIndex(self.ledger, "ledger"),
            last_cutover=lambda: cut_over_at,
        )


def second(at):
    return at.replace(microsecond=0)


@pytest.fixture
def world():
    return World()


@pytest.mark.parametrize("deleted", [STATE, TOKENS])
@pytest.mark.parametrize("seconds_ago", [3600.3, LAG.total_seconds()])
def test_a_deleted_table_comes_back_and_the_other_one_is_restored_to_its_time(world, deleted, seconds_ago):
    left = world.delete(deleted, seconds_ago)
    plan = world.plan()
    assert plan.point == plan.latest == second(left["BackupCreationDateTime"])
    found = {table.source: (table.gone, table.backup_arn, table.backup_at) for table in plan.tables}
    other = {STATE: TOKENS, TOKENS: STATE}[deleted]
    assert found == {
        deleted: (True, left["BackupArn"], left["BackupCreationDateTime"]),
        other: (False, "", None),
    }


@pytest.mark.parametrize(("first", "then"), [(STATE, TOKENS), (TOKENS, STATE)])
@pytest.mark.parametrize("later_by", [0, 0.2, 0.6, 27, 86_400])
def test_two_deleted_tables_come_back_each_from_its_own_backup(world, first, then, later_by):
    one, other = world.delete(first, 90_000.25), world.delete(then, 90_000.25 - later_by)
    plan = world.plan()
    assert plan.point == second(one["BackupCreationDateTime"])
    assert {table.source: table.backup_arn for table in plan.tables} == {
        first: one["BackupArn"],
        then: other["BackupArn"],
    }


def test_the_newest_backup_of_a_table_that_was_deleted_twice_is_restored(world):
    world.delete(STATE, 5000)
    world.tables.add(STATE)
    newest = world.delete(STATE, 4000)
    assert world.plan().tables[0].backup_arn == newest["BackupArn"]


def test_right_after_a_deletion_the_other_table_is_restored_as_late_as_it_can_be(world):
    world.delete(STATE, 10)
    plan = world.plan()
    assert plan.point == second(world.clock.now() - LAG)
    assert plan.tables[0].backup_at - plan.point > timedelta(seconds=280)


def test_an_earlier_time_may_be_requested_for_the_table_that_exists_and_a_later_one_may_not(world):
    left = world.delete(STATE, 3600)
    at = left["BackupCreationDateTime"]
    earlier = at - timedelta(minutes=10)
    assert world.plan(to=earlier).point == second(earlier)
    with pytest.raises(Refused, match=f"not later than the backup of a deleted table: that of {STATE}, "):
        world.plan(to=at + timedelta(seconds=1))


def test_a_time_that_backups_do_not_have_is_refused_with_theirs(world):
    at = world.delete(STATE, 3600)["BackupCreationDateTime"]
    world.delete(TOKENS, 3500)
    assert world.plan(to=at).point == second(at)
    with pytest.raises(Refused) as caught:
        world.plan(to=at + timedelta(seconds=50))
    assert caught.value.field == "to"
    assert caught.value.remedy.startswith("omit it: a backup has its own time, ")
    assert f"that of {STATE}, {at.isoformat(timespec='seconds')}" in caught.value.remedy


def test_a_window_that_opened_after_the_deletion_is_refused_with_both_times(world):
    world.delete(STATE, 2 * 86_400)
    world.tables.tables[TOKENS].recovery_days = 1
    with pytest.raises(Refused, match=rf"point-in-time recovery of {TOKENS} reaches back to .* only, and that of"):
        world.plan()


def test_a_deleted_table_without_a_backup_is_refused_with_what_to_do(world):
    world.delete(STATE, 100)
    world.tables.backups.clear()
    with pytest.raises(Refused, match=r"left no system backup\. If it was deleted a moment ago, repeat in a minute"):
        world.plan()


def test_a_deleted_table_whose_backup_is_being_created_is_not_restored_from_an_older_one(world):
    world.delete(STATE, 86_400)
    world.tables.add(STATE)
    world.delete(STATE, 5)["BackupStatus"] = "CREATING"
    with pytest.raises(Refused, match="its system backup is being created: repeat in a minute"):
        world.plan()


def test_a_table_that_is_being_deleted_is_refused_until_it_is_gone(world):
    table = world.tables.tables[STATE]
    table.status_until, table.busy_until = "DELETING", world.clock.now() + timedelta(seconds=30)
    with pytest.raises(Refused, match="it is being deleted: repeat when it is gone"):
        world.plan()


def test_a_drill_of_a_deleted_table_is_refused(world):
    world.delete(STATE, 100)
    world.tables.backups.clear()
    with pytest.raises(Refused, match="deploy the service stack first"):
        world.plan(Kind.DRILL)


def test_a_drill_of_a_table_that_left_a_backup_is_refused_with_the_restore(world):
    world.delete(STATE, 100)
    for request in ({}, {"backup_kind": BackupKind.BACKUP}):
        with pytest.raises(Refused, match="its system backup can be restored: `orchestrator restore --plan`"):
            world.plan(Kind.DRILL, **request)


def stream(world, table, since):
    world.tables.stream(table, f"{since:%Y-%m-%dT%H:%M:%S}.000")


def test_a_replay_is_planned_only_of_tables_whose_streams_hold_the_writes_since_the_point(world):
    point = second(world.clock.now()) - HOUR
    stream(world, STATE, point - HOUR)
    with pytest.raises(Refused, match=f"{TOKENS} has no stream: omit `replay`") as refused:
        world.plan(to=point, replay=True)
    assert refused.value.field == "replay"
    stream(world, TOKENS, point + HOUR / 2)
    with pytest.raises(Refused, match=f"{TOKENS} has a stream since .* only: .* or later with `to`"):
        world.plan(to=point, replay=True)
    assert world.plan(to=point).point == point
    stream(world, TOKENS, point - timedelta(seconds=2))
    assert world.plan(to=point, replay=True).point == point


def test_a_replay_of_deleted_tables_is_planned_only_if_a_table_with_a_stream_is_left(world):
    stream(world, TOKENS, world.clock.now() - 24 * HOUR)
    back_up(world, STATE, TOKENS)
    world.delete(STATE, 3600)
    assert world.plan(replay=True).tables[0].gone
    assert world.plan(backup="nightly", replay=True).tables[0].gone, "what was written to the other one is replayed"
    world.delete(TOKENS, 3500)
    with pytest.raises(Refused, match="no original table exists whose stream could be read"):
        world.plan(replay=True)


def back_up(world, *tables):
    """Back up tables under one name; return their ARNs."""
    for table in tables:
        world.tables.back_up(table, "nightly")
    return list(world.tables.backups)[-len(tables) :]


@pytest.mark.parametrize("gone", [(), (STATE,), (STATE, TOKENS)])
def test_backups_by_name_are_restored_also_of_tables_that_were_deleted(world, gone):
    arns = back_up(world, STATE, TOKENS)
    at = world.clock.now() - LAG
    for table in gone:
        world.delete(table, 0)
    plan = world.plan(backup="nightly")
    assert [table.backup_arn for table in plan.tables] == arns
    assert plan.point == second(at)
    assert {table.source for table in plan.tables if table.gone} == set(gone)
    assert {table.uncertainty for table in plan.tables} == {timedelta(minutes=1)}


@pytest.mark.parametrize("lost", [0, 1])
def test_a_newer_backup_whose_counterpart_was_deleted_is_not_mixed_with_an_older_one(world, lost):
    older = back_up(world, STATE, TOKENS)
    world.clock.advance(27)
    newer = back_up(world, STATE, TOKENS)
    assert [table.backup_arn for table in world.plan(backup="nightly").tables] == newer
    del world.tables.backups[newer[lost]]
    assert [table.backup_arn for table in world.plan(backup="nightly").tables] == older
    del world.tables.backups[older[1 - lost]]
    with pytest.raises(Refused, match="its backups of the tables are of different times: "):
        world.plan(backup="nightly")


def keep_grants(world, *written):
    for time in written:
        world.ledger.put_item(TableName="ledger", Item={"pk": {"S": STANDING}, "sk": {"S": set_key(time)}})


def test_a_drill_of_a_chosen_point_tries_the_newest_standing_grants_of_before_it(world):
    now = second(world.clock.now())
    keep_grants(world, now - 3 * HOUR, now - 2 * HOUR, now - HOUR / 4)
    assert world.plan(Kind.DRILL, to=now - HOUR).standing_grants == now - 2 * HOUR
    assert world.plan(Kind.DRILL).standing_grants is None
    assert world.plan(Kind.RESTORE, to=now - HOUR).standing_grants is None


def test_standing_grants_of_before_a_cutover_were_written_to_other_tables(world):
    now = second(world.clock.now())
    keep_grants(world, now - 2 * HOUR, now - HOUR / 4)
    with pytest.raises(Refused, match=(now - HOUR / 4).isoformat().replace("+", r"\+")):
        world.plan(Kind.DRILL, to=now - HOUR, cut_over_at=now - 1.5 * HOUR)
    with pytest.raises(Refused, match=r"wait for the next standing grants if recovery\.standing_grants is set"):
        world.plan(Kind.DRILL, to=now - HOUR, cut_over_at=now)


def test_standing_grants_of_before_the_tables_window_are_not_tried(world):
    now = second(world.clock.now())
    opened = now - 35 * 24 * HOUR
    keep_grants(world, opened - HOUR, opened + HOUR)
    with pytest.raises(Refused, match=(opened + HOUR).isoformat().replace("+", r"\+")):
        world.plan(Kind.DRILL, to=opened + HOUR / 2)


def test_a_random_point_is_within_the_days_of_the_settings_and_covered(world):
    now = second(world.clock.now())
    keep_grants(world, now - 2 * HOUR)
    plan = world.plan(Kind.DRILL, selection=Selection.RANDOM)
    assert plan.standing_grants == now - 2 * HOUR <= plan.point <= plan.latest
    with pytest.raises(Refused, match="select: 'random' is refused"):
        world.plan(Kind.DRILL, selection=Selection.RANDOM, cut_over_at=now)
