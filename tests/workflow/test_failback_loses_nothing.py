"""However late streams are, and whenever it is rolled back: a failback loses no acknowledged write, and closes writes for a moment."""

from __future__ import annotations

from random import Random

import pytest

from orchestrator.domain.recovery.lost_writes.closing import LONGEST
from tests.workflow.cutovers import SOURCE, TARGET
from tests.workflow.failbacks import FailbackWorld, one_thread


@pytest.mark.parametrize("seed", [0, 2])
def test_no_acknowledged_write_is_lost_and_writes_are_closed_for_less_than_two_seconds(seed):
    with one_thread():
        world = FailbackWorld(Random(seed), stream_seconds=0.5)
        assert world.run()
    assert list(world.violations()) == []
    assert world.live == TARGET
    assert 0 < world.outage_seconds < 2
    families = {item["pk"]["S"] for item in world.hosted.tables.scan(TableName=TARGET[1])["Items"]}
    assert not any("discarded" in family for family in families)
    assert world.cutover.sync.settled > 0, "clients wrote while the tables were compared"
    begun = world.cutover.block_requested_at.timestamp() - world.clock.now().timestamp() + world.clock.seconds()
    assert world.refused_at, "requests that came while it was closed, or to versions of before the promotion"
    assert min(world.refused_at) >= begun, "until then all were answered"


def test_streams_that_are_late_repeat_the_closing_and_lose_nothing():
    with one_thread():
        world = FailbackWorld(Random(1), stream_seconds=6.0, closings=4)
        assert not world.run()
    assert list(world.violations()) == []


@pytest.mark.parametrize(
    "stop", [{"stop_at": 90.0}, *({"stop_after_closing": after} for after in (0.1, 0.9, 1.5, 4.0))]
)
def test_a_rollback_at_any_moment_loses_nothing_and_opens_the_tables(stop):
    with one_thread():
        world = FailbackWorld(Random(5), stream_seconds=0.5, **stop)
        assert not world.run()
    assert list(world.violations()) == []
    assert world.live == SOURCE
    if world.cutover.replayed_at is None:
        assert max(world.refused_at, default=0) - min(world.refused_at, default=0) <= LONGEST.total_seconds()
