"""Entries of two sides that are read at the same time: what is equal is forgotten, and what remains differs."""

from __future__ import annotations

from random import Random

import pytest

from orchestrator.domain.table_comparison.comparison import ItemHash
from orchestrator.domain.table_comparison.matching import Matching, TooManyUnmatched

pytestmark = pytest.mark.decision
A, B, C = (bytes([number]) for number in range(3))
ONE, TWO = ItemHash(b"one"), ItemHash(b"two")


def matched(source, restored, most=10):
    matching = Matching(most)
    matching.add_source(source)
    matching.add_restored(restored)
    return matching


def remaining(matching):
    return matching.source.waiting, matching.restored.waiting


def test_equal_entries_are_counted_and_forgotten_in_any_order():
    matching = matched([(A, ONE), (B, TWO)], [(B, TWO), (A, ONE)])
    assert remaining(matching) == ({}, {})
    assert (matching.source.items, matching.restored.items) == (2, 2)
    assert matching.suspects(()) == frozenset()


def test_what_differs_waits_on_its_side():
    matching = matched([(A, ONE), (B, ONE)], [(B, TWO), (C, ONE)])
    assert remaining(matching) == ({A: ONE, B: ONE}, {B: TWO, C: ONE})
    assert matching.suspects({B}) == frozenset({A, C})
    assert (matching.source.items, matching.restored.items) == (2, 2)


def test_an_item_that_is_read_again_while_it_waits_counts_once():
    matching = matched([(A, ONE), (A, ONE)], [])
    assert (matching.source.waiting, matching.source.items) == ({A: ONE}, 1)


@pytest.mark.parametrize("repeated", ["source", "restored"])
def test_an_item_that_is_read_again_after_it_was_matched_is_settled_and_counts_once(repeated):
    matching = matched([(A, ONE)], [(A, ONE)])
    (matching.add_source if repeated == "source" else matching.add_restored)([(A, ONE)])
    suspects = matching.suspects(())
    assert suspects == frozenset({A})
    matching.settle(suspects, {A: ONE}, {A: ONE})
    assert (matching.source.items, matching.restored.items) == (1, 1)
    assert remaining(matching) == ({A: ONE}, {A: ONE})


def test_what_is_missing_is_still_missing_when_it_is_read_again():
    matching = matched([(A, ONE), (B, ONE)], [(B, TWO), (C, ONE)])
    matching.settle(matching.suspects(()), {A: ONE, B: ONE}, {B: TWO, C: ONE})
    assert remaining(matching) == ({A: ONE, B: ONE}, {B: TWO, C: ONE})
    assert (matching.source.items, matching.restored.items) == (2, 2)


def test_an_item_that_is_gone_when_it_is_read_again_does_not_count():
    matching = matched([(A, ONE)], [])
    matching.settle(matching.suspects(()), {}, {})
    assert (matching.source.waiting, matching.source.items) == ({}, 0)


def test_more_entries_than_may_wait_are_refused():
    assert remaining(matched([(A, ONE)], [(B, ONE)], most=2)) == ({A: ONE}, {B: ONE})
    with pytest.raises(TooManyUnmatched):
        matched([(A, ONE)], [(B, ONE), (C, ONE)], most=2)


@pytest.mark.parametrize("seed", range(20))
def test_random_tables_in_random_orders_leave_exactly_what_differs(seed):
    random = Random(seed)
    source = {bytes([number]): random.choice((ONE, TWO)) for number in range(40) if random.random() < 0.9}
    restored = {key: random.choice((ONE, TWO)) if random.random() < 0.1 else entry for key, entry in source.items()}
    restored = {key: entry for key, entry in restored.items() if random.random() < 0.9} | {b"extra": ONE}
    sides = [list(source.items()), list(restored.items())]
    for side in sides:
        random.shuffle(side)
        side.extend(side[:3])  # read again
    matching = matched(*sides, most=100)
    suspects = matching.suspects(())
    matching.settle(
        suspects,
        {key: entry for key, entry in source.items() if key in suspects},
        {key: entry for key, entry in restored.items() if key in suspects},
    )
    different = {key for key in source.keys() | restored.keys() if source.get(key) != restored.get(key)}
    left = matching.source.waiting, matching.restored.waiting
    assert {key for key in left[0].keys() | left[1].keys() if left[0].get(key) != left[1].get(key)} == different
    assert matching.source.items - len(source) == matching.restored.items - len(restored)
