"""Drills from every source that are killed at random points: nothing of them is left, and clients notice none.

Two of each kind run always; fifty of each with ``-m repeated``.
"""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from random import Random
from typing import Any

import pytest

from orchestrator.domain.recovery.record import RecoveryOutcome
from state_machines import definitions
from tests.workflow.drills import STATE, TOKENS, DrillWorld, drilled
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.test_drill_sources import backed_up_world, copied_world, vault_world
from tests.workflow.test_provisioned_tables import scale
from tests.workflow.test_sweeps import PATIENCE_SWEEPS
from tests.workflow.world import function_arns

WORLDS = {
    "pitr": lambda interpreter, _age: DrillWorld(interpreter),
    "backup": backed_up_world,
    "vault": vault_world,
    "copy": copied_world,
}
RUNS, ALWAYS = 50, 2
LONGEST_DRILL = 34
"""Invocations of tasks of a drill that nothing kills, at least."""


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        moto.create("drill", definitions.bind(definitions.load("drill"), function_arns("drill")))
        yield moto


def killed_at(world: DrillWorld, name: str, strikes: int, *, after: bool):
    """A bridge that stops the execution at an invocation, before its task or after it."""
    count = 0

    def bridge(_invocation, run):
        nonlocal count
        count += 1
        answer = None if count == strikes and not after else run()
        if count == strikes:
            world.stop(name)
        return answer or {"Payload": {}}

    return bridge


def things_of(world: DrillWorld) -> set[str]:
    """Return all that is in the world of what a drill can create. It has no clients for alarms, roles or rules."""
    return {
        *(f"table {name}" for name in world.tables.tables),
        *(f"function {name}" for name in world.functions.functions),
        *(f"scaling {key}" for key in (*world.scaling.targets, *world.scaling.policies)),
    }


def descriptions_of_sources(world: DrillWorld) -> list[dict[str, Any]]:
    """Return copies of what describes the tables that clients use."""
    return [deepcopy(world.tables.tables[name].description) for name in (STATE, TOKENS)]


def left_of_a_killed_drill(interpreter, kind: str, seed: int) -> set[str]:
    """Kill a drill, sweep, and return what is left; a drill that was not killed must have succeeded."""
    random = Random(f"{kind} {seed}")
    strikes, after = random.randrange(1, LONGEST_DRILL), random.random() < 0.5
    world, name = WORLDS[kind](interpreter, 1800), f"dr-{kind}-{seed}"
    world.bridge = killed_at(world, name, strikes, after=after)
    scale(world, 100_000)
    before, sources = things_of(world), descriptions_of_sources(world)
    with drilled(world):
        with suppress(Exception):
            world.drill(name, **{"from": kind})
        # A restore job may create its table after the drill is dead: wait for longer than a job takes.
        for _ in range(PATIENCE_SWEEPS):
            world.clock.advance(300)
            world.sweep()
        record = world.cloud.drills.find_record(name)
        assert not world.cloud.drills.read_lock().held, f"killed at {strikes}"
    if record is not None:
        assert record.ended_at is not None
        assert record.cleaned_at is not None
        assert record.outcome is not RecoveryOutcome.REFUSED
    assert descriptions_of_sources(world) == sources, "what clients use is as it was"
    return things_of(world) - before


@pytest.mark.parametrize(
    "seed", [*range(ALWAYS), *(pytest.param(n, marks=pytest.mark.repeated) for n in range(ALWAYS, RUNS))]
)
@pytest.mark.parametrize("kind", sorted(WORLDS))
def test_a_drill_that_is_killed_at_a_random_point_leaves_nothing(interpreter, kind, seed):
    assert left_of_a_killed_drill(interpreter, kind, seed) == set()
