"""The ledger's readings: one key and one cut a recovery, and every segment's digest as it was made."""

from __future__ import annotations

import pytest

from orchestrator.aws.ledger.segment_digests import SegmentDigestStore
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.table_comparison import digest
from orchestrator.domain.table_comparison.comparison import ComparisonLevel, SegmentDigest, SegmentRef, Side
from tests.fakes.dynamodb import FakeDynamoDB
from tests.samples import recovery
from tests.unit.aws.conftest import TABLE

ITEMS = [{"pk": {"S": f"item {number}"}} for number in range(50)]


@pytest.fixture(params=["fake", "moto"])
def readings(request):
    client = FakeDynamoDB() if request.param == "fake" else request.getfixturevalue("moto_table")
    return SegmentDigestStore(client, TABLE)


def test_a_comparison_keeps_the_key_and_the_cut_that_it_began_with(readings):
    first = readings.start_comparison(recovery(), {Role.STATE: 0, Role.TOKENS: 3})
    again = readings.start_comparison(recovery(), {Role.STATE: 7, Role.TOKENS: 7})
    assert again == first == readings.read_comparison(recovery().id)
    assert len(first.key_bytes) == 32
    assert first.segments == {Role.STATE: 0, Role.TOKENS: 3}


def test_what_was_not_begun_has_no_key(readings):
    with pytest.raises(LookupError, match="not being compared"):
        readings.read_comparison("dr-nobody")


def test_segments_come_back_as_they_were_made_and_once(readings):
    key = b"k" * 32
    raw = SegmentRef("tokens", Side.SOURCE, ComparisonLevel.RAW, 0, 2)
    canonical = SegmentRef("tokens", Side.RESTORED, ComparisonLevel.CANONICAL, 1, 2)
    buckets = digest.digest_by_partition(ITEMS, key, ("pk",))
    made = [
        SegmentDigest(raw, digest.digest_canonical(ITEMS, key)),
        SegmentDigest(canonical, sum(buckets, digest.EMPTY), buckets),
    ]
    for one in (*made, *made):
        readings.save_digest(recovery(), one)
    assert sorted(readings.read_digests(recovery().id), key=lambda one: one.segment.segment) == made
