import pytest

from orchestrator.domain.comparison import EXAMPLES, SEGMENT_ITEMS
from orchestrator.domain.digest import NOTHING, Digest
from orchestrator.domain.errors import NotLevel
from orchestrator.domain.levelling import LEAST_SEGMENTS, MOVES, READS, ROUNDS, Moved, Pass, begun, went_on
from tests.samples import NOW, seconds

LATER = NOW + seconds(60)
SAME, NOTHING_MOVED = Digest(3, 7), Moved()


def worked(levelling, moved=NOTHING_MOVED, read=lambda _: SAME, left=()):
    """Everything that is left is worked on, and some of it is not done."""
    read_in = [
        (one, moved, read(one) if one.doing in READS and one.segment == 0 else NOTHING) for one in levelling.left
    ]
    return went_on(levelling, read_in, left, LATER)


def test_a_table_is_cut_into_a_few_stretches_and_a_large_one_into_more():
    found = begun({"state": 0, "tokens": 10 * SEGMENT_ITEMS}, NOW)
    assert found.segments == {"state": LEAST_SEGMENTS, "tokens": 10}
    assert {one.doing for one in found.left} == set(MOVES)
    assert len(found.left) == 2 * (LEAST_SEGMENTS + 10)
    assert "round 1, 28 stretches left to remove and write" in found.told


def test_what_was_not_finished_is_left_and_nothing_is_read_before_all_is_moved():
    first = begun({"state": 1}, NOW)
    then = worked(first, Moved(written=1), left=first.left[:1])
    assert then.left == first.left[:1]
    assert then.moved == {"state": Moved(written=8)}
    assert not then.level
    reading = worked(then)
    assert {one.doing for one in reading.left} == set(READS)


def test_sides_that_hold_the_same_are_level():
    done = worked(worked(begun({"state": 1, "tokens": 1}, NOW)))
    assert done.level
    assert done.left == ()
    assert (done.read("state"), done.read("tokens")) == (SAME, SAME)
    assert done.told == "both sides hold the same; state: 0 written, 0 removed; tokens: 0 written, 0 removed"


def test_what_is_read_of_a_side_adds_up_over_visits():
    reading = worked(begun({"state": 1}, NOW))
    half = went_on(reading, [(one, Moved(), SAME) for one in reading.left], reading.left, LATER)
    done = went_on(half, [(one, Moved(), SAME) for one in half.left], (), LATER)
    assert done.read("state") == Digest(3 * 2 * LEAST_SEGMENTS, 7 * 2 * LEAST_SEGMENTS)


def test_sides_that_differ_are_brought_level_over_again_until_that_is_enough():
    def other(stretch):
        return SAME if stretch.doing is Pass.READ_OTHER else NOTHING

    levelling = begun({"state": 1}, NOW)
    for number in range(1, ROUNDS):
        levelling = worked(worked(levelling, Moved(written=1)), read=other)
        assert (levelling.round, levelling.digests, levelling.as_of) == (number + 1, {}, LATER)
        assert {one.doing for one in levelling.left} == set(MOVES)
    assert levelling.moved["state"].written == 8 * (ROUNDS - 1)
    with pytest.raises(NotLevel, match="state still differs after 3 rounds"):
        worked(worked(levelling), read=other)


def test_all_that_was_removed_is_counted_and_some_of_it_is_named():
    many = Moved(removed=EXAMPLES, examples=tuple(map(str, range(EXAMPLES))))
    assert many + Moved(removed=1, examples=("x",)) == Moved(removed=EXAMPLES + 1, examples=many.examples)
