"""A closing of the service to writes: it is known before it begins, ends by itself, and nothing earlier stays unread."""

import pytest

from orchestrator.domain.recovery.heartbeats import PREFIX, row_keys
from orchestrator.domain.recovery.lost_writes import closing
from orchestrator.domain.recovery.lost_writes.closing import (
    CLOCKS,
    KNOWN,
    LEAD,
    LEAST_LEFT,
    LONGEST,
    MARKS,
    MarkedShards,
)
from service.storage.conditional_writes import CLOSING_READ_SECONDS
from tests.samples import NOW, seconds

PLANNED = closing.plan_closing(NOW)


def test_the_service_s_knowledge_is_as_old_as_is_assumed():
    assert KNOWN.total_seconds() == CLOSING_READ_SECONDS
    assert LEAD > KNOWN + CLOCKS


def test_a_closing_that_nothing_extends_ends_within_five_seconds():
    assert PLANNED.until - PLANNED.at == LONGEST <= seconds(5)


@pytest.mark.parametrize(("after", "known"), [(0, True), (2.8, True), (2.85, False), (9, False)])
def test_a_closing_is_known_if_it_was_announced_early_enough(after, known):
    assert PLANNED.is_known(NOW + seconds(after)) is known


@pytest.mark.parametrize(("before_end", "room"), [(4, True), (0.2, True), (0.15, False), (-1, False)])
def test_a_closing_is_extended_before_any_process_opens(before_end, room):
    assert PLANNED.leaves_room(PLANNED.until - seconds(before_end)) is room


@pytest.mark.parametrize(("left", "may"), [(60, True), (LEAST_LEFT.total_seconds(), True), (19, False), (-1, False)])
def test_aliases_move_only_as_long_as_the_closing_holds(left, may):
    assert closing.may_promote(NOW + seconds(left), NOW) is may
    assert not closing.may_promote(None, NOW)


def test_marks_are_heartbeats_and_none_of_a_second():
    assert closing.mark_key(7) == f"{PREFIX}closing-07"
    assert not {closing.mark_key(number) for number in range(MARKS)} & set(row_keys())


def test_every_shard_is_marked_by_a_key_that_is_in_it():
    shards = MarkedShards().seen("a", "k1", of_closing=False).seen("b", "k2", of_closing=False)
    assert shards.knows({"a", "b"})
    assert shards.keys_for({"a", "b"}) == ("k1", "k2")
    assert shards.keys_for({"a"}) == ("k1",)
    assert not shards.complete({"a", "b"})


def test_a_shard_that_is_not_known_has_all_keys_marked():
    shards = MarkedShards().seen("a", "k1", of_closing=False)
    assert not shards.knows({"a", "child"})
    assert len(shards.keys_for({"a", "child"})) == MARKS


def test_all_was_read_once_every_open_shard_has_returned_a_mark_of_the_closing():
    shards = MarkedShards().seen("a", "k1", of_closing=True)
    assert not shards.complete({"a", "b"})
    assert shards.seen("b", "k2", of_closing=True).complete({"a", "b"})
    assert shards.complete({"a"})
    assert not shards.complete(()), "a stream without an open shard proves nothing"
