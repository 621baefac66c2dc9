"""No lost update: whatever a deployment's writers do, aliases stay where the rollback put them."""

from __future__ import annotations

import pytest

from tests.workflow.races import BROKEN, Exhaustively, LostUpdate, Race, at_random, losing

FUNCTIONS = ("public", "token")
QUICK, WHOLE = 500, 10_000


def race(seed: int) -> int:
    """One interleaving; every other one loses responses."""
    faults = losing(seed) if seed % 2 else losing(seed, share=0.0)
    return Race(FUNCTIONS, at_random(seed), faults, weight_percent=10 * (seed // 2 % 2)).run()


def race_all(seeds: range) -> None:
    turns = [race(seed) for seed in seeds]
    assert min(turns) > 10, "the writers were not interleaved"


def test_no_update_is_lost_in_500_interleavings():
    race_all(range(QUICK))


@pytest.mark.proof
def test_no_update_is_lost_in_10000_interleavings():
    race_all(range(WHOLE))


def test_a_race_can_be_repeated():
    first, second = Race(FUNCTIONS, at_random(7), losing(7)), Race(FUNCTIONS, at_random(7), losing(7))
    first.run()
    second.run()
    assert first.scheduler.turns == second.scheduler.turns
    assert first.plane.log == second.plane.log


def test_interleavings_differ():
    seen = set()
    for seed in range(50):
        one = Race(FUNCTIONS, at_random(seed), losing(seed))
        one.run()
        seen.add(tuple(one.scheduler.turns))
    assert len(seen) > 45


def shift_against_rollback(choose) -> Race:
    """One function, a shift and a rollback: few enough calls for every order of them."""
    world = Race(("token",), choose)
    world.deploy = lambda: None
    return world


@pytest.mark.proof
def test_no_update_is_lost_in_any_order_of_a_shift_and_a_rollback():
    count = 0
    for choose in Exhaustively():
        shift_against_rollback(choose).run()
        count += 1
    assert count > 1_000


def lost_by(variant, most: int = 2_000) -> int | None:
    """The first interleaving in which a broken variant loses an update."""
    with BROKEN[variant]():
        for seed in range(most):
            try:
                race(seed)
            except LostUpdate:
                return seed
    return None


@pytest.mark.parametrize("variant", BROKEN)
def test_a_broken_variant_is_caught(variant):
    assert lost_by(variant) is not None, f"2000 interleavings found nothing wrong with a writer {variant}"
