"""What was lost, measured by rows that were written once a second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.recovery.heartbeats import (
    SLOTS,
    DataLoss,
    data_loss_of,
    heartbeat_figures,
    judge_heartbeats,
    last_written_second,
    row_key,
    row_keys,
)
from orchestrator.domain.verdict import Outcome

POINT = datetime(2026, 11, 23, 3, 0, 0, tzinfo=UTC)
EDGE = int(POINT.timestamp())
MOMENT = POINT + timedelta(seconds=300)
ALL = range(EDGE - 2000, EDGE + 300)


def ring(newest):
    return set(range(newest - SLOTS + 1, newest + 1))


def measured(acknowledged=ALL, restored=None):
    return data_loss_of(set(acknowledged), ring(EDGE - 1) if restored is None else restored, POINT, MOMENT)


def test_the_loss_runs_from_the_newest_row_that_was_restored():
    found = measured()
    assert found == DataLoss(newest=EDGE - 1, data_loss=timedelta(seconds=301), certain_to=timedelta(seconds=1))
    assert judge_heartbeats("tokens", found, ALL).outcome is Outcome.PASS


@pytest.mark.parametrize("newest", [EDGE - 1, EDGE])
def test_the_row_of_the_point_s_own_second_may_be_on_either_side(newest):
    assert judge_heartbeats("tokens", measured(restored=ring(newest)), ALL).outcome is Outcome.PASS


@given(st.floats(0, 0.999), st.floats(0, 0.2), st.integers(0, 3000))
def test_a_faithful_restore_is_measured_within_a_second_of_the_truth(within, latency, back):
    """Writers write a moment into each second; the restore brings back exactly what was written up to its point."""
    written = {second: second + min(within + latency, 0.999) for second in ALL}
    point = EDGE - back % 600
    restored = [second for second, at in written.items() if at <= point][-SLOTS:]
    found = data_loss_of(written.keys(), restored, datetime.fromtimestamp(point, UTC), MOMENT)
    assert found.data_loss is not None
    assert abs(found.data_loss - (MOMENT - datetime.fromtimestamp(point, UTC))) <= timedelta(seconds=1)
    assert judge_heartbeats("tokens", found, written).outcome is Outcome.PASS


def test_a_row_that_was_acknowledged_and_is_not_there_fails():
    found = measured(restored=ring(EDGE - 1) - {EDGE - 10})
    assert found.missing == (EDGE - 10,)
    assert judge_heartbeats("tokens", found, ALL).outcome is Outcome.FAIL


def test_a_restore_to_an_earlier_time_than_it_says_fails():
    found = measured(restored=ring(EDGE - 61))
    assert len(found.missing) == 59
    assert judge_heartbeats("tokens", found, ALL).outcome is Outcome.FAIL
    assert found.data_loss == timedelta(seconds=361)


def test_a_restore_to_a_later_time_than_it_says_fails():
    found = measured(restored=ring(EDGE + 60))
    assert len(found.too_new) == 60
    assert judge_heartbeats("tokens", found, ALL).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("newest", "outcome"),
    [(-63, Outcome.FAIL), (-62, Outcome.PASS), (-1, Outcome.PASS), (60, Outcome.PASS), (61, Outcome.FAIL)],
)
def test_a_backup_is_exact_to_a_minute_and_no_more_than_that_is_excused(newest, outcome):
    restored = ring(EDGE + newest)
    found = data_loss_of(set(ALL), restored, POINT, MOMENT, timedelta(minutes=1))
    assert judge_heartbeats("tokens", found, ALL).outcome is outcome
    assert judge_heartbeats("tokens", measured(restored=restored), ALL).outcome is (
        Outcome.PASS if newest == -1 else Outcome.FAIL
    )


def test_gaps_are_listed_and_are_no_loss():
    silent = {*range(EDGE - 100, EDGE - 90), EDGE - 5}
    found = measured(set(ALL) - silent, ring(EDGE - 1) - silent)
    assert found.missed == ((EDGE - 100, EDGE - 91), (EDGE - 5, EDGE - 5))
    assert judge_heartbeats("tokens", found, ALL).reason.endswith("with 2 gaps")
    assert heartbeat_figures(found)["gaps"] == 2
    assert heartbeat_figures(found)["gaps_listed"][0] == "2026-11-23T02:58:20+00:00 to 2026-11-23T02:58:29+00:00"


def test_a_gap_at_the_point_makes_the_loss_less_certain_and_says_by_how_much():
    silent = set(range(EDGE - 8, EDGE + 20))
    found = measured(set(ALL) - silent, ring(EDGE - 9))
    assert (found.newest, found.certain_to) == (EDGE - 9, timedelta(seconds=29))


def test_without_heartbeats_nothing_is_known():
    found = data_loss_of((), (), POINT, MOMENT)
    assert judge_heartbeats("tokens", found, ()).outcome is Outcome.INCONCLUSIVE
    assert heartbeat_figures(found)["newest_receipt"] is None


def test_none_of_what_was_acknowledged_is_the_worst_of_all():
    assert judge_heartbeats("tokens", measured(restored=set()), ALL).outcome is Outcome.FAIL


def test_a_copy_of_before_the_first_heartbeat_is_not_known_and_not_wrong():
    later = range(int(POINT.timestamp()) + 1, int(POINT.timestamp()) + 30)
    found = judge_heartbeats("tokens", data_loss_of(later, (), POINT, MOMENT), later)
    assert (found.outcome, "the first heartbeat is after the point" in found.reason) == (Outcome.INCONCLUSIVE, True)


def test_a_writer_that_stopped_before_the_point_bounds_nothing():
    found = measured(range(EDGE - 500, EDGE), ring(EDGE - 1))
    assert judge_heartbeats("tokens", found, ALL).outcome is Outcome.INCONCLUSIVE
    assert heartbeat_figures(found)["certain_to_seconds"] is None


def test_a_ring_has_each_key_once_and_comes_round():
    assert len(set(row_keys())) == SLOTS
    assert row_key(EDGE) == row_key(EDGE + SLOTS) != row_key(EDGE + 1)


def test_writers_relieve_one_another_without_a_gap():
    started = POINT + timedelta(seconds=2.9)
    assert last_written_second(started) >= int((started + timedelta(seconds=60)).timestamp())
