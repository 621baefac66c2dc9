"""A release that was live before is returned to by its versions; a pause without an answer ends by saying so."""

from __future__ import annotations

import json

import pytest

from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.domain.verdict import Outcome
from tests.samples import FUNCTIONS
from tests.workflow.cases import STRATEGY, create_machines
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import Scenario, World, function_arns, inhabited


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        create_machines(moto, function_arns)
        yield moto


def environment(interpreter, name, scenario=None):
    """An environment whose default strategy is one step."""
    world = World(interpreter, name, scenario or Scenario())
    table = json.loads(world.cloud.settings["DELIVERY_POLICY"])
    table["strategies"][table["default_strategy"]] = STRATEGY
    world.cloud.settings["DELIVERY_POLICY"] = json.dumps(table)
    return world


def deploy(world, name, code="", **options):
    """Put a code into `$LATEST` and deploy it; return the deployment's record."""
    if code:
        for function in FUNCTIONS:
            world.plane.change(f"ib-oauth-{function}-test", code)
    world.name = name
    world.clock.advance(60)
    world.deploy(**options)
    world.settle()
    return world.deployment


def published(world):
    return {name: len(world.plane.functions[f"ib-oauth-{name}-test"].versions) for name in FUNCTIONS}


def canary_versions(record):
    return {function.canary_version for function in record.functions}


def test_the_version_before_is_recognised_and_returned_to_at_once_without_a_new_one(interpreter):
    world = environment(interpreter, "kg-1-good")
    with inhabited(world):
        first = deploy(world, "kg-1-good")
        deploy(world, "kg-1-next", "code-3")
        before = published(world)
        back = deploy(world, "kg-1-back", "code-2")
    assert first.known_good is None
    assert back.outcome is DeploymentOutcome.SUCCEEDED, back.reason
    assert (back.known_good.deployment, canary_versions(back)) == ("kg-1-good", {"2"})
    assert back.plan.strategy == "all-at-once: known good kg-1-good"
    assert published(world) == before
    assert world.versions() == {("2", "{}")}
    path = world.ended[world.execution].path
    assert "VerifyBeforeTraffic" in path
    assert "VerifyAfterPromotion" in path
    assert "AnalyzeCanary" not in path
    planned = [detail for kind, detail in world.events.put if kind == "DeploymentPlanned"]
    assert [detail["known_good"] and detail["known_good"]["deployment"] for detail in planned] == [
        None,
        None,
        "kg-1-good",
    ]


def test_a_requested_strategy_is_followed_with_the_known_versions(interpreter):
    world = environment(interpreter, "kg-2-good")
    with inhabited(world):
        deploy(world, "kg-2-good")
        deploy(world, "kg-2-next", "code-3")
        back = deploy(world, "kg-2-back", "code-2", strategy=STRATEGY)
    assert (back.outcome, canary_versions(back)) == (DeploymentOutcome.SUCCEEDED, {"2"})
    assert [step.weight_percent for step in back.plan.steps] == [50]
    assert "AnalyzeCanary" in world.ended[world.execution].path


def test_after_a_rollback_the_release_before_is_live_already(interpreter):
    world = environment(interpreter, "kg-3-good")
    with inhabited(world):
        deploy(world, "kg-3-good")
        world.scenario = Scenario({50: Outcome.FAIL})
        assert deploy(world, "kg-3-bad", "code-3", strategy=STRATEGY).outcome is DeploymentOutcome.ROLLED_BACK
        before = published(world)
        back = deploy(world, "kg-3-back", "code-2")
    assert back.outcome is DeploymentOutcome.NOTHING_TO_SHIP
    assert published(world) == before
    assert world.versions() == {("2", "{}")}


@pytest.mark.parametrize("lost", ["deleted", "rolled back", "another configuration"])
def test_what_is_gone_or_was_not_good_is_published_and_analyzed_anew(interpreter, lost):
    name = f"kg-4-{lost.replace(' ', '-')}"
    world = environment(interpreter, f"{name}-good")
    with inhabited(world):
        deploy(world, f"{name}-good")
        if lost == "rolled back":
            world.ring("event-1")
            world.settle()
        deploy(world, f"{name}-next", "code-3")
        if lost == "deleted":
            for function in FUNCTIONS:
                world.plane.functions[f"ib-oauth-{function}-test"].versions["2"] = None
        if lost == "another configuration":
            for function in FUNCTIONS:
                world.plane.change(f"ib-oauth-{function}-test", "code-2", MemorySize=512)
        back = deploy(world, f"{name}-back", "code-2", strategy=None, force=True)
    assert back.known_good is None
    assert back.outcome is DeploymentOutcome.SUCCEEDED, back.reason
    assert canary_versions(back) == {"4"}
    assert back.plan.steps


def test_a_release_that_was_rolled_back_after_it_was_good_is_analyzed_when_it_is_forced(interpreter):
    """It is known good again once it has stayed."""
    world = environment(interpreter, "kg-7-good")
    with inhabited(world):
        deploy(world, "kg-7-good")
        deploy(world, "kg-7-next", "code-3")
        assert deploy(world, "kg-7-back", "code-2").known_good.deployment == "kg-7-good"
        world.ring("event-1")
        world.settle()
        assert world.deployment.outcome is DeploymentOutcome.ROLLED_BACK
        forced = deploy(world, "kg-7-forced", force=True)
        deploy(world, "kg-7-third", "code-4")
        again = deploy(world, "kg-7-again", "code-2")
    assert (forced.known_good, forced.outcome) == (None, DeploymentOutcome.SUCCEEDED)
    assert [step.weight_percent for step in forced.plan.steps] == [50]
    assert again.known_good.deployment == "kg-7-forced"


def test_a_known_version_that_fails_before_traffic_is_rolled_back_without_any(interpreter):
    world = environment(interpreter, "kg-5-good")
    with inhabited(world):
        deploy(world, "kg-5-good")
        deploy(world, "kg-5-next", "code-3")
        world.scenario = Scenario({0: Outcome.FAIL})
        back = deploy(world, "kg-5-back", "code-2")
    assert (back.outcome, back.shifts) == (DeploymentOutcome.ROLLED_BACK, ())
    assert world.versions() == {("3", "{}")}


def test_an_unanswered_pause_ends_by_saying_so_and_until_when(interpreter):
    world = environment(interpreter, "kg-6-hold", Scenario({50: Outcome.INCONCLUSIVE}, when_inconclusive="PAUSE"))
    with inhabited(world):
        ended = deploy(world, "kg-6-hold", strategy=STRATEGY)
        pause = world.cloud.ledger.pause_token("kg-6-hold")
    assert ended.outcome is DeploymentOutcome.ROLLED_BACK
    assert ended.reason.startswith(f"no operator answered the pause until {pause.deadline:%Y-%m-%d %H:%M:%S} UTC: ")
    assert "States.Timeout" not in ended.reason
    assert ended.rollback.trigger.source == "verdict"


def test_a_release_that_stayed_when_it_was_forced_is_barred_no_longer(interpreter):
    """It is until then, and is again after another rollback."""
    world = environment(interpreter, "kg-9-good")
    with inhabited(world):
        deploy(world, "kg-9-good")
        world.scenario = Scenario({50: Outcome.FAIL})
        assert deploy(world, "kg-9-bad", "code-3", strategy=STRATEGY).outcome is DeploymentOutcome.ROLLED_BACK
        world.scenario = Scenario()
        deploy(world, "kg-9-again")
        assert "deployment kg-9-bad rolled it back" in world.cloud.ledger.read_refusal("kg-9-again").why
        assert deploy(world, "kg-9-forced", force=True).outcome is DeploymentOutcome.SUCCEEDED
        deploy(world, "kg-9-back", "code-2")
        returned = deploy(world, "kg-9-returned", "code-3")
        assert (returned.outcome, returned.known_good.deployment) == (DeploymentOutcome.SUCCEEDED, "kg-9-forced")
        world.ring("event-1")
        world.settle()
        deploy(world, "kg-9-last", "code-3")
        assert "deployment kg-9-returned rolled it back" in world.cloud.ledger.read_refusal("kg-9-last").why
