import pytest

from orchestrator.domain.deployment.table_sync import (
    MAX_ROUNDS,
    MIN_SEGMENTS,
    READ_PHASES,
    WRITE_PHASES,
    SyncCounts,
    SyncPhase,
    first_progress,
    next_progress,
)
from orchestrator.domain.errors import TablesOutOfSync
from orchestrator.domain.table_comparison.comparison import MAX_EXAMPLES, SEGMENT_ITEMS
from orchestrator.domain.table_comparison.digest import EMPTY, Digest
from tests.samples import NOW, seconds

LATER = NOW + seconds(60)
SAME, NOTHING_MOVED = Digest(3, 7), SyncCounts()


def worked(progress, moved=NOTHING_MOVED, read=lambda _: SAME, left=()):
    """Everything that is left is worked on, and some of it is not done."""
    read_in = [
        (one, moved, read(one) if one.doing in READ_PHASES and one.segment == 0 else EMPTY) for one in progress.left
    ]
    return next_progress(progress, read_in, left, LATER)


def test_a_table_is_cut_into_a_few_stretches_and_a_large_one_into_more():
    found = first_progress({"state": 0, "tokens": 10 * SEGMENT_ITEMS}, NOW)
    assert found.segments == {"state": MIN_SEGMENTS, "tokens": 10}
    assert {one.doing for one in found.left} == set(WRITE_PHASES)
    assert len(found.left) == 2 * (MIN_SEGMENTS + 10)
    assert "round 1, 28 segments left to remove and write" in found.description


def test_what_was_not_finished_is_left_and_nothing_is_read_before_all_is_moved():
    first = first_progress({"state": 1}, NOW)
    then = worked(first, SyncCounts(written=1), left=first.left[:1])
    assert then.left == first.left[:1]
    assert then.moved == {"state": SyncCounts(written=8)}
    assert not then.in_sync
    reading = worked(then)
    assert {one.doing for one in reading.left} == set(READ_PHASES)


def test_sides_that_hold_the_same_are_level():
    done = worked(worked(first_progress({"state": 1, "tokens": 1}, NOW)))
    assert done.in_sync
    assert done.left == ()
    assert (done.digest_of("state"), done.digest_of("tokens")) == (SAME, SAME)
    assert (
        done.description == "both sides hold the same items; state: 0 written, 0 removed; tokens: 0 written, 0 removed"
    )


def test_what_is_read_of_a_side_adds_up_over_visits():
    reading = worked(first_progress({"state": 1}, NOW))
    half = next_progress(reading, [(one, SyncCounts(), SAME) for one in reading.left], reading.left, LATER)
    done = next_progress(half, [(one, SyncCounts(), SAME) for one in half.left], (), LATER)
    assert done.digest_of("state") == Digest(3 * 2 * MIN_SEGMENTS, 7 * 2 * MIN_SEGMENTS)


def test_sides_that_differ_are_brought_level_over_again_until_that_is_enough():
    def other(stretch):
        return SAME if stretch.doing is SyncPhase.READ_OTHER else EMPTY

    progress = first_progress({"state": 1}, NOW)
    for number in range(1, MAX_ROUNDS):
        progress = worked(worked(progress, SyncCounts(written=1)), read=other)
        assert (progress.round, progress.digests, progress.as_of) == (number + 1, {}, LATER)
        assert {one.doing for one in progress.left} == set(WRITE_PHASES)
    assert progress.moved["state"].written == 8 * (MAX_ROUNDS - 1)
    with pytest.raises(TablesOutOfSync, match="state still differs after 3 rounds"):
        worked(worked(progress), read=other)


def test_all_that_was_removed_is_counted_and_some_of_it_is_named():
    many = SyncCounts(removed=MAX_EXAMPLES, examples=tuple(map(str, range(MAX_EXAMPLES))))
    assert many + SyncCounts(removed=1, examples=("x",)) == SyncCounts(removed=MAX_EXAMPLES + 1, examples=many.examples)
