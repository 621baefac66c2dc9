"""What is read of two tables, in which order, and what that comes to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.table_comparison import digest
from orchestrator.domain.table_comparison.comparison import (
    MAX_EXAMPLES,
    MAX_SEGMENTS,
    SEGMENT_ITEMS,
    SINGLE_TASK_BYTES,
    ComparisonLevel,
    ComparisonResult,
    Differences,
    Incomplete,
    ItemHash,
    Origin,
    SegmentDigest,
    SegmentedComparison,
    SegmentRef,
    Side,
    compare_changed_keys,
    compare_unchanged_keys,
    comparison_figures,
    describe_segments,
    judge_comparison,
    segments_for,
)
from orchestrator.domain.table_comparison.digest import Digest
from orchestrator.domain.verdict import Outcome

KEY = b"k" * 32
ITEMS = [{"pk": {"S": f"item {number}"}, "n": {"N": str(number)}} for number in range(40)]
SEGMENTS = 4
SEEN = ComparisonResult("tokens", Origin.STREAM, 40, 40, "raw", Differences())


def segment_of(items, segment, shift=0):
    return [item for number, item in enumerate(items) if (number + shift) % SEGMENTS == segment]


def made(reading, items):
    if reading.level is ComparisonLevel.RAW:
        return SegmentDigest(reading, digest.digest_canonical(items, KEY))
    buckets = digest.digest_by_partition(items, KEY, ("pk",))
    return SegmentDigest(reading, sum(buckets, Digest()), buckets)


def read(source, restored, *, exported=False, shift=0):
    """Read whatever is asked for, until nothing is."""
    tables = {Side.SOURCE: (source, 0), Side.EXPORT: (source, 0), Side.RESTORED: (restored, shift)}
    done, rounds = [], []
    while missing := SegmentedComparison("tokens", SEGMENTS, done, exported=exported).missing_segments():
        rounds.append(missing)
        for reading in missing:
            items, moved = tables[reading.side]
            done.append(made(reading, segment_of(items, reading.segment, moved)))
    return SegmentedComparison("tokens", SEGMENTS, done, exported=exported), rounds


def test_equal_tables_are_settled_by_their_raw_digests():
    tiers, rounds = read(ITEMS, ITEMS)
    assert [{reading.level for reading in requested} for requested in rounds] == [{ComparisonLevel.RAW}]
    assert len(rounds[0]) == 2 * SEGMENTS
    assert (tiers.unequal_segments(), tiers.differing_partitions()) == ((), frozenset())
    assert tiers.source_items() == tiers.restored_items() == 40


def test_only_segments_that_differ_are_read_again_and_the_bucket_that_differs_is_found():
    changed = [*ITEMS[:7], {**ITEMS[7], "n": {"N": "0"}}, *ITEMS[8:]]
    tiers, rounds = read(ITEMS, changed)
    assert {(reading.level, reading.segment) for reading in rounds[1]} == {(ComparisonLevel.CANONICAL, 3)}
    assert tiers.unequal_segments() == (3,)
    assert tiers.differing_partitions() == {digest.partition_of(ITEMS[7], ("pk",))}
    assert tiers.differing_partitions_within(1) == (tiers.differing_partitions(), 0)
    assert tiers.differing_partitions_within(0) == (frozenset(), 1)


def test_tables_that_are_cut_differently_are_found_equal_all_the_same():
    tiers, _ = read(ITEMS, ITEMS, shift=1)
    assert tiers.unequal_segments() == (0, 1, 2, 3)
    assert tiers.differing_partitions() == frozenset()


def test_items_that_were_read_twice_are_counted_by_their_keys():
    tiers, _ = read(ITEMS, [*ITEMS, *ITEMS[:28]])
    chosen = tiers.differing_partitions()
    assert chosen == {digest.partition_of(item, ("pk",)) for item in ITEMS[:28]}
    assert tiers.restored_items() == 68
    theirs = sum(digest.partition_of(item, ("pk",)) in chosen for item in ITEMS)
    assert tiers.restored_items(chosen, theirs) == tiers.source_items(chosen, theirs) == 40


def test_items_that_only_the_first_read_saw_twice_are_counted_as_the_second_read_found_them():
    done = []
    while missing := SegmentedComparison("tokens", SEGMENTS, done).missing_segments():
        for reading in missing:
            items = segment_of(ITEMS, reading.segment)
            twice = reading.side is Side.RESTORED and reading.level is ComparisonLevel.RAW and reading.segment == 2
            done.append(made(reading, items * 2 if twice else items))
    tiers = SegmentedComparison("tokens", SEGMENTS, done)
    assert (tiers.unequal_segments(), tiers.differing_partitions()) == ((2,), frozenset())
    assert tiers.source_items() == tiers.restored_items() == 40


def test_segments_are_named_in_a_sentence():
    _, (raw, *_) = read(ITEMS, ITEMS)
    assert describe_segments(raw[:1]) == "segment 0 of 4 of the source table"
    assert describe_segments(raw) == "segment 0 of 4 of the source table and 7 more"


def test_an_export_has_no_raw_tier():
    tiers, rounds = read(ITEMS, ITEMS[1:], exported=True)
    assert {reading.level for reading in rounds[0]} == {ComparisonLevel.CANONICAL}
    assert len(rounds) == 1
    assert tiers.unequal_segments() == (0, 1, 2, 3)
    assert tiers.differing_partitions() == {digest.partition_of(ITEMS[0], ("pk",))}
    assert (tiers.source_items(), tiers.restored_items()) == (40, 39)


def test_what_was_read_of_the_source_s_table_is_nothing_of_its_export():
    read_of_the_table = [
        made(SegmentRef("tokens", side, ComparisonLevel.CANONICAL, segment, SEGMENTS), ITEMS)
        for side in (Side.SOURCE, Side.RESTORED)
        for segment in range(SEGMENTS)
    ]
    missing = SegmentedComparison("tokens", SEGMENTS, read_of_the_table, exported=True).missing_segments()
    assert {reading.side for reading in missing} == {Side.EXPORT}
    assert describe_segments(missing) == "segment 0 of 4 of the export and 3 more"


def test_what_was_not_read_to_its_end_is_not_judged():
    reading = SegmentRef("tokens", Side.SOURCE, ComparisonLevel.RAW, 0, SEGMENTS)
    tiers = SegmentedComparison("tokens", SEGMENTS, [made(reading, ITEMS)])
    assert reading not in tiers.missing_segments()
    for judge in (tiers.unequal_segments, tiers.differing_partitions, tiers.source_items):
        with pytest.raises(Incomplete, match="was not read"):
            judge()


def test_another_table_s_readings_and_another_cut_s_do_not_count():
    others = [
        made(replace(SegmentRef("tokens", Side.SOURCE, ComparisonLevel.RAW, 0, SEGMENTS), **change), ITEMS)
        for change in ({"role": "state"}, {"segments": 5})
    ]
    assert len(SegmentedComparison("tokens", SEGMENTS, others).missing_segments()) == 2 * SEGMENTS


@pytest.mark.parametrize(
    ("items", "size_bytes", "segments"),
    [
        (0, 0, 0),
        (200_000, SINGLE_TASK_BYTES, 0),
        (200_000 + 1, 1, 1),
        (1, SINGLE_TASK_BYTES + 1, 1),
        (SEGMENT_ITEMS + 1, 1, 2),
        (10**9, 1, MAX_SEGMENTS),
    ],
)
def test_small_tables_are_compared_whole_and_large_ones_in_segments(items, size_bytes, segments):
    assert segments_for(items, size_bytes, 200_000) == segments


A, B = ItemHash(b"a"), ItemHash(b"b")


def test_each_kind_of_difference_is_counted_and_named_by_hashed_key():
    source = {b"1": A, b"2": A, b"3": A, b"5": A}
    restored = {b"1": A, b"2": B, b"4": A, b"5": B}
    found = compare_unchanged_keys(source, restored, {b"5"}, now=100)
    assert found == Differences(1, 1, 1, 0, ("missing 33", "extra 34", "changed 32"))
    assert found.count == 3
    assert found + found == Differences(2, 2, 2, 0, found.examples * 2)


def test_only_so_many_are_named_and_all_are_counted():
    found = compare_unchanged_keys({bytes([number]): A for number in range(100)}, {}, (), now=0)
    assert (found.missing, len(found.examples)) == (100, MAX_EXAMPLES)


def test_what_dynamodb_may_delete_by_now_is_not_missing():
    until = ItemHash(b"a", expires_at=100)
    assert compare_unchanged_keys({b"1": until}, {}, (), now=99).missing == 1
    assert compare_unchanged_keys({b"1": until}, {}, (), now=100) == Differences(expired=1)
    assert compare_changed_keys({b"1": frozenset({until})}, {}, now=100) == Differences(expired=1)


@pytest.mark.parametrize(
    ("accepted", "restored", "kind"),
    [
        ({A}, A, None),
        ({A, B}, B, None),
        ({None}, None, None),
        ({None, A}, None, None),
        ({A}, None, "missing"),
        ({None}, A, "extra"),
        ({A}, B, "changed"),
        ({None, A}, B, "changed"),
    ],
)
def test_a_key_that_changed_must_hold_what_it_held_at_the_point(accepted, restored, kind):
    found = compare_changed_keys({b"1": frozenset(accepted)}, {b"1": restored} if restored else {}, now=0)
    assert found.examples == ((f"{kind} 31",) if kind else ())
    assert found.count == bool(kind)


def test_a_verdict_says_how_the_source_is_known():
    assert judge_comparison(SEEN).outcome is Outcome.PASS
    assert "reverted by its stream" in judge_comparison(SEEN).reason
    assert "no change" in judge_comparison(replace(SEEN, origin=Origin.QUIET)).reason
    assert "an export" in judge_comparison(replace(SEEN, origin=Origin.EXPORT)).reason


def test_a_fuzzy_backup_is_called_fuzzy():
    said = judge_comparison(replace(SEEN, uncertainty=timedelta(seconds=60)))
    assert said.outcome is Outcome.PASS
    assert "exact to 60 s" in said.reason


def test_any_difference_fails():
    said = judge_comparison(replace(SEEN, differences=Differences(missing=1)))
    assert said.outcome is Outcome.FAIL
    assert said.reason.startswith("tokens: 1 missing, 0 extra, 0 changed of 40 items")
    unread = judge_comparison(replace(SEEN, differences=Differences(missing=1), unread_partitions=2))
    assert unread.outcome is Outcome.FAIL
    assert "at least 1 missing" in unread.reason


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"restored_items": 170}, Outcome.ERROR),
        ({"restored_items": 39}, Outcome.ERROR),
        ({"source_items": 0}, Outcome.ERROR),
        ({"restored_items": 43, "changed_since": 2}, Outcome.ERROR),
        ({"restored_items": 42, "changed_since": 2}, Outcome.PASS),
        ({"restored_items": 38, "changed_since": 2}, Outcome.PASS),
        ({"restored_items": 39, "differences": Differences(expired=1)}, Outcome.PASS),
        ({"restored_items": 37, "changed_since": 1, "differences": Differences(expired=1)}, Outcome.ERROR),
    ],
)
@pytest.mark.parametrize("origin", tuple(Origin))
def test_a_count_that_changes_do_not_explain_is_never_a_pass(changes, outcome, origin):
    said = judge_comparison(replace(SEEN, origin=origin, **changes))
    assert said.outcome is outcome
    assert ("the counts contradict it" in said.reason) is (outcome is Outcome.ERROR)


def test_what_could_not_be_looked_through_is_no_pass():
    said = judge_comparison(replace(SEEN, unread_partitions=3))
    assert said.outcome is Outcome.INCONCLUSIVE
    assert "3 of 1024 hash partitions" in said.reason


def test_two_empty_tables_prove_nothing():
    empty = replace(SEEN, source_items=0, restored_items=0)
    assert judge_comparison(empty).outcome is Outcome.INCONCLUSIVE
    # A source that was emptied after the point has shown what it was.
    assert judge_comparison(replace(empty, changed_since=1)).outcome is Outcome.PASS


def test_the_figures_are_all_that_was_seen():
    said = comparison_figures(
        replace(SEEN, differences=Differences(1, 2, 3, 4, ("missing 00",)), changed_since=9, at_the_boundary=1)
    )
    assert (said["missing"], said["extra"], said["changed"], said["expired"]) == (1, 2, 3, 4)
    assert said["examples"] == ["missing 00"]
    assert (said["source_at_point"], said["changed_since_point"], said["at_the_boundary"]) == ("stream", 9, 1)
