"""One region issues tokens at any moment, however steps, approvals, deaths and the home region's return interleave."""

import pytest

from orchestrator.domain.failover.steps import Direction
from tests.unit.domain.failover.world import HOME, STANDBY, TwoRegions

SEEDS = 200
EVENTS = 2500


def played(seed, **changes):
    world = TwoRegions(seed, **changes)
    for _ in range(EVENTS):
        world.happen()
    return world


@pytest.mark.parametrize("seed", range(SEEDS))
def test_one_region_issues_tokens_at_any_moment(seed):
    world = played(seed)
    assert world.overlaps() == []
    world.settle()
    assert len(world.regions_that_may_issue()) == 1, "when all faults are over, one region serves"
    assert world.regions_that_may_issue() == {world.assignment.region}


def test_the_interleavings_reach_what_they_are_about():
    """Failovers that end, that are cancelled, and that come back; tokens of both regions; deaths before the record."""
    worlds = [played(seed) for seed in range(40)]
    ended = [record for world in worlds for record in world.records.values()]
    assert sum(record.next_step is None for record in ended) > 10
    assert sum(record.outcome is not None for record in ended) > 10
    for direction in Direction:
        assert any(
            record.home == STANDBY and record.direction is direction and record.next_step is None for record in ended
        )
    assert any(record.direction is Direction.BACK and record.outcome for record in ended)
    assert {region for world in worlds for region, *_ in world.issued} == {HOME, STANDBY}


def test_an_assignment_that_is_active_before_the_leases_have_ended_is_found():
    """The check itself: without the wait, some interleaving has two regions that issue tokens."""
    found = [seed for seed in range(SEEDS) if played(seed, due=lambda taken_at, _: taken_at).overlaps()]
    assert found
