"""A frozen environment begins no deployment, at whatever moment it is frozen, and goes back whenever it must."""

from __future__ import annotations

import pytest

from orchestrator.domain.deployment.record import DeploymentOutcome, DeploymentPhase
from orchestrator.domain.verdict import Outcome
from tests.workflow.cases import STRATEGY, create_machines
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import Scenario, World, function_arns, inhabited


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        create_machines(moto, function_arns)
        yield moto


def freeze(world):
    world.cloud.freezes.freeze("ann", "the auditors are here", world.clock.now())


def freezing_at(state):
    """A bridge that freezes the environment when the state is entered, once."""
    worlds = []

    def bridge(invocation, run):
        if invocation.state == state and not worlds[0].cloud.freezes.read_freeze():
            freeze(worlds[0])
        return run()

    return bridge, worlds


def test_a_frozen_environment_refuses_a_deployment_by_who_and_why_and_nothing_is_touched(interpreter):
    world = World(interpreter, "d-frozen", Scenario())
    with inhabited(world):
        freeze(world)
        world.deploy(strategy=STRATEGY)
        world.settle()
    assert world.check() == "stable"
    ended, refusal = world.ended[world.execution], world.cloud.ledger.read_refusal("d-frozen")
    assert (ended.phase, ended.path) == (
        "FAILED",
        ("Plan", "Complete", "Notify", "ReleaseLock", "Completed", "Refused"),
    )
    assert "frozen by ann" in refusal.why
    assert "the auditors are here" in refusal.why
    assert world.deployment is None


def test_one_frozen_between_its_plan_and_its_first_effect_is_refused(interpreter):
    bridge, worlds = freezing_at("AcquireLock")
    world = World(interpreter, "d-late", Scenario(), bridge)
    worlds.append(world)
    with inhabited(world):
        world.deploy(strategy=STRATEGY)
        world.settle()
    assert world.check() == "stable"
    assert world.deployment.outcome is DeploymentOutcome.REFUSED
    assert "frozen by ann" in world.deployment.reason


def test_one_that_is_under_way_goes_on_and_is_promoted(interpreter):
    bridge, worlds = freezing_at("AnalyzeCanary")
    world = World(interpreter, "d-under-way", Scenario(), bridge)
    worlds.append(world)
    with inhabited(world):
        world.deploy(strategy=STRATEGY)
        world.settle()
    assert world.check() == "canary"


def test_a_rollback_is_never_refused(interpreter):
    bridge, worlds = freezing_at("AnalyzeCanary")
    world = World(interpreter, "d-bad", Scenario({50: Outcome.FAIL}), bridge)
    worlds.append(world)
    with inhabited(world):
        world.deploy(strategy=STRATEGY)
        world.settle()
    assert world.check() == "stable"
    assert (world.deployment.outcome, world.deployment.phase) == (DeploymentOutcome.ROLLED_BACK, DeploymentPhase.ENDED)


def test_an_alarm_undoes_a_deployment_of_before_the_freeze(interpreter):
    world = World(interpreter, "d-rung", Scenario())
    with inhabited(world):
        world.deploy(strategy=STRATEGY)
        world.settle()
        assert world.check() == "canary"
        freeze(world)
        world.ring("event-1")
        world.settle()
    assert world.check() == "stable"
