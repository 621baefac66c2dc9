"""The data loss of a restore ends when its source tables were closed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.deployment.cutover import Cutover, TableChange, TableRef
from orchestrator.domain.deployment.late_writes import ReplayAction, ReplayProgress
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.lost_writes.measurement import CLOSING, OF_DELETED, closing_time, measured_restore
from orchestrator.domain.recovery.lost_writes.measurement import REPLAYED as REPLAYED_SOURCE
from orchestrator.domain.recovery.record import Measured, Role, judge_objectives
from orchestrator.domain.verdict import Outcome
from tests.samples import NOW, recovery, restored_tables

CHANGE = TableChange("tokens", TableRef("old", "arn:old"), TableRef("new", "arn:new"))
REQUESTED, BLOCKED, ENDED = (NOW + timedelta(seconds=seconds) for seconds in (108, 138, 150))
REPLAYED = ReplayProgress(passes=1, found=3, actions={ReplayAction.WRITE: 3})
CUTOVER = Cutover("re-1", (CHANGE,), block_requested_at=REQUESTED, blocked_at=BLOCKED, replay=REPLAYED)


def restore(*changes):
    found = recovery(id="re-1", kind=Kind.RESTORE, point=NOW, tables=restored_tables("re-1"))
    return found.with_tables([replace(found.table(role), **changed) for role, changed in changes])


def test_acknowledged_writes_between_the_point_and_the_closing_are_lost():
    """Row R6: 282 grants of 108 s were lost, and 2 s were reported."""
    measured = measured_restore(restore(), CUTOVER, ENDED)
    assert measured.measured == Measured(None, timedelta(seconds=108), CLOSING)


def test_the_measured_loss_is_held_to_the_objective():
    late = replace(CUTOVER, block_requested_at=NOW + timedelta(minutes=11))
    checks = {found.check: found.verdict.outcome for found in
              judge_objectives(measured_restore(restore(), late, ENDED), ENDED).check_results}  # fmt: skip
    assert checks["objective.data_loss"] is Outcome.FAIL


@pytest.mark.parametrize(
    ("changed", "closed_at"),
    [
        ({}, REQUESTED),
        ({"replay": None}, BLOCKED),
        ({"replay": replace(REPLAYED, unknown="no stream")}, BLOCKED),
        ({"replay": replace(REPLAYED, actions={ReplayAction.KEEP: 1})}, BLOCKED),
        ({"replay": None, "blocked_at": None}, None),
    ],
    ids=["replayed", "not replayed", "no stream", "one kept", "nothing recorded"],
)
def test_writes_after_the_request_count_unless_all_were_replayed(changed, closed_at):
    assert closing_time(replace(CUTOVER, **changed)) == closed_at


def test_without_a_recorded_closing_the_loss_lasts_until_the_deployment_ended():
    unknown = replace(CUTOVER, replay=None, blocked_at=None)
    assert measured_restore(restore(), unknown, ENDED).measured.data_loss == ENDED - NOW


def test_the_content_of_a_backup_may_be_older_by_its_uncertainty():
    older = {"backup_at": NOW + timedelta(seconds=8), "uncertainty": timedelta(minutes=1)}
    measured = measured_restore(restore((Role.STATE, older)), CUTOVER, ENDED)
    assert measured.measured.data_loss == timedelta(seconds=160)


def test_a_deleted_table_lost_nothing_that_its_backup_lacks():
    deleted = {"gone": True, "backup_at": NOW}
    one = measured_restore(restore((Role.TOKENS, deleted)), CUTOVER, ENDED)
    both = measured_restore(restore((Role.TOKENS, deleted), (Role.STATE, deleted)), CUTOVER, ENDED)
    assert one.measured == Measured(None, timedelta(seconds=108), CLOSING)
    assert both.measured == Measured(None, timedelta(0), OF_DELETED)


def test_a_deleted_table_that_is_restored_from_an_older_backup_did_lose_writes():
    older = {"gone": True, "backup_at": NOW, "uncertainty": timedelta(minutes=1)}
    measured = measured_restore(restore((Role.TOKENS, older), (Role.STATE, older)), CUTOVER, ENDED)
    assert measured.measured.data_loss == timedelta(seconds=168)


LOST_AT = NOW + timedelta(seconds=42)


@pytest.mark.parametrize(
    ("of_restore", "expected"),
    [
        ({"passes": 4}, Measured(None, timedelta(0), REPLAYED_SOURCE)),
        ({"passes": 4, "lost": 1, "lost_at": LOST_AT}, Measured(None, timedelta(seconds=42), REPLAYED_SOURCE)),
        ({"passes": 4, "lost": 1, "lost_at": NOW - timedelta(1)}, Measured(None, timedelta(0), REPLAYED_SOURCE)),
        ({"passes": 4, "unknown": "no stream"}, Measured(None, timedelta(seconds=108), CLOSING)),
    ],
    ids=["all", "all but one", "one of before the point", "no stream"],
)
def test_a_restore_that_replays_loses_what_was_written_until_the_last_write_that_it_did_not_replay(
    of_restore, expected
):
    replays = replace(restore(), replays=(), replay=ReplayProgress(**of_restore))
    assert measured_restore(replays, CUTOVER, ENDED).measured == expected


def test_a_deleted_table_has_no_stream_to_replay():
    older = {"gone": True, "backup_at": NOW, "uncertainty": timedelta(minutes=1)}
    replays = replace(restore((Role.TOKENS, older)), replays=(), replay=ReplayProgress(passes=4))
    assert measured_restore(replays, CUTOVER, ENDED).measured.data_loss == timedelta(seconds=168)


def test_a_replay_that_never_ran_is_no_evidence():
    replays = replace(restore(), replays=())
    unread = replace(CUTOVER, replay=None)
    assert measured_restore(replays, unread, ENDED).measured == Measured(None, BLOCKED - NOW, CLOSING)


def test_a_closing_before_the_point_loses_nothing():
    early = replace(CUTOVER, block_requested_at=NOW - timedelta(seconds=1))
    assert measured_restore(restore(), early, ENDED).measured.data_loss == timedelta(0)
