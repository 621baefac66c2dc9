"""The ledger's readings: one key and one cut a recovery, and every segment's digest as it was made."""

from __future__ import annotations

import pytest

from orchestrator.aws.readings import Readings
from orchestrator.domain import digest
from orchestrator.domain.comparison import Reading, SegmentDigest, Side, Tier
from orchestrator.domain.recovery import Role
from tests.fakes.dynamodb import FakeDynamoDB
from tests.samples import recovery
from tests.unit.aws.conftest import TABLE

ITEMS = [{"pk": {"S": f"item {number}"}} for number in range(50)]


@pytest.fixture(params=["fake", "moto"])
def readings(request):
    client = FakeDynamoDB() if request.param == "fake" else request.getfixturevalue("moto_table")
    return Readings(client, TABLE)


def test_a_comparison_keeps_the_key_and_the_cut_that_it_began_with(readings):
    first = readings.open(recovery(), {Role.STATE: 0, Role.TOKENS: 3})
    again = readings.open(recovery(), {Role.STATE: 7, Role.TOKENS: 7})
    assert again == first == readings.comparison(recovery().id)
    assert len(first.key_bytes) == 32
    assert first.segments == {Role.STATE: 0, Role.TOKENS: 3}


def test_what_was_not_begun_has_no_key(readings):
    with pytest.raises(LookupError, match="not being compared"):
        readings.comparison("dr-nobody")


def test_segments_come_back_as_they_were_made_and_once(readings):
    key = b"k" * 32
    raw = Reading("tokens", Side.SOURCE, Tier.RAW, 0, 2)
    canonical = Reading("tokens", Side.RESTORED, Tier.CANONICAL, 1, 2)
    buckets = digest.by_bucket(ITEMS, key, ("pk",))
    made = [
        SegmentDigest(raw, digest.of_canonical(ITEMS, key)),
        SegmentDigest(canonical, sum(buckets, digest.NOTHING), buckets),
    ]
    for one in (*made, *made):
        readings.keep(recovery(), one)
    assert sorted(readings.all(recovery().id), key=lambda one: one.reading.segment) == made
