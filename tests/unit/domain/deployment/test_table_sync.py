import pytest

from orchestrator.domain.deployment.table_sync import (
    MAX_LOOKS,
    MAX_ROUNDS,
    MIN_SEGMENTS,
    READ_PHASES,
    WRITE_PHASES,
    Look,
    SyncCounts,
    SyncPhase,
    first_progress,
    look_again,
    next_progress,
)
from orchestrator.domain.errors import TablesOutOfSync
from orchestrator.domain.table_comparison.comparison import MAX_EXAMPLES, SEGMENT_ITEMS
from tests.samples import NOW, seconds

LATER = NOW + seconds(60)
NOTHING_MOVED = SyncCounts()


def worked(progress, moved=NOTHING_MOVED, left=(), **suspects):
    """Everything that is left is worked on, and some of it is not done. suspects: by role."""
    done = [
        (one, moved, suspects.get(one.role, {}) if one.doing is SyncPhase.READ_IN_USE and one.segment == 0 else {})
        for one in progress.left
    ]
    return next_progress(progress, done, left)


def compared(**suspects):
    """Two tables that were written and compared."""
    return worked(worked(first_progress({"state": 1, "tokens": 1}, NOW)), **suspects)


def test_a_table_is_cut_into_a_few_stretches_and_a_large_one_into_more():
    found = first_progress({"state": 0, "tokens": 10 * SEGMENT_ITEMS}, NOW)
    assert found.segments == {"state": MIN_SEGMENTS, "tokens": 10}
    assert {one.doing for one in found.left} == set(WRITE_PHASES)
    assert len(found.left) == 2 * (MIN_SEGMENTS + 10)
    assert "round 1, 28 segments left to remove and write, 0 items to read again" in found.description
    assert (found.began_at, found.as_of, found.compares) == (NOW, NOW, False)


def test_what_was_not_finished_is_left_and_nothing_is_compared_before_all_is_moved():
    first = first_progress({"state": 1}, NOW)
    then = worked(first, SyncCounts(written=1), left=first.left[:1])
    assert then.left == first.left[:1]
    assert then.moved == {"state": SyncCounts(written=8)}
    assert not then.in_sync
    assert not then.compares
    reading = worked(then)
    assert {one.doing for one in reading.left} == set(READ_PHASES)
    assert reading.compares
    assert not reading.in_sync


def test_sides_that_hold_the_same_are_level():
    done = compared()
    assert done.in_sync
    assert done.left == ()
    assert (
        done.description == "both sides hold the same items; state: 0 written, 0 removed; tokens: 0 written, 0 removed"
    )


def test_what_differs_is_read_again_and_is_level_once_it_is_equal():
    found = compared(state={"a": "1", "b": ""}, tokens={"c": "2"})
    assert not found.in_sync
    assert "all segments compared, 3 items to read again" in found.description
    done = look_again(
        found, {"state": {key: Look("1", equal=True) for key in "ab"}, "tokens": {"c": Look("3", equal=True)}}, LATER
    )
    assert done.in_sync
    assert (done.settled, done.suspects, done.round) == (3, {}, 1)


def test_what_was_written_again_meanwhile_is_read_again_once_more():
    found = compared(state={"a": "1", "b": "1"})
    then = look_again(found, {"state": {"a": Look("1", equal=True), "b": Look("2", equal=False)}}, LATER)
    assert (then.in_sync, then.suspects, then.settled) == (False, {"state": {"b": "2"}}, 1)
    assert look_again(then, {"state": {"b": Look("2", equal=True)}}, LATER).in_sync


def test_suspects_are_read_again_before_all_is_compared_and_nothing_is_level_before_that():
    reading = worked(first_progress({"state": 1}, NOW))
    half = worked(reading, left=reading.left[-1:], state={"a": "1"})
    then = look_again(half, {"state": {"a": Look("1", equal=True)}}, LATER)
    assert (then.in_sync, then.left) == (False, reading.left[-1:])
    assert worked(then).in_sync


def test_an_item_that_clients_write_all_the_time_is_not_waited_for_without_an_end():
    progress = compared(state={"a": "0"})
    for number in range(1, MAX_LOOKS + 1):
        progress = look_again(progress, {"state": {"a": Look(str(number), equal=False)}}, LATER)
    with pytest.raises(TablesOutOfSync, match="clients write the same items all the time"):
        look_again(progress, {"state": {"a": Look("x", equal=False)}}, LATER)


def test_sides_that_differ_by_no_write_of_a_client_are_brought_level_over_again_until_that_is_enough():
    unexplained = {"state": {"a": Look("1", equal=False)}}
    progress = first_progress({"state": 1}, NOW)
    for number in range(1, MAX_ROUNDS):
        progress = worked(worked(progress, SyncCounts(written=1)), SyncCounts(compared=1), state={"a": "1"})
        assert progress.moved["state"].compared == 8
        progress = look_again(progress, unexplained, LATER)
        assert (progress.round, progress.suspects, progress.as_of) == (number + 1, {}, LATER)
        assert (progress.looks, progress.began_at, progress.moved["state"].compared) == (0, NOW, 0)
        assert {one.doing for one in progress.left} == set(WRITE_PHASES)
    assert progress.moved["state"].written == 8 * (MAX_ROUNDS - 1)
    with pytest.raises(TablesOutOfSync, match="state still differs after 3 rounds"):
        look_again(worked(worked(progress), state={"a": "1"}), unexplained, LATER)


def test_all_that_was_removed_is_counted_and_some_of_it_is_named():
    many = SyncCounts(removed=MAX_EXAMPLES, examples=tuple(map(str, range(MAX_EXAMPLES))))
    assert many + SyncCounts(removed=1, examples=("x",)) == SyncCounts(removed=MAX_EXAMPLES + 1, examples=many.examples)
