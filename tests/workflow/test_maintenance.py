"""Maintenance through the real definition: what is refused while a window is under way, what passes, and what is outside."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.domain.maintenance.schedule import Schedule, plan
from orchestrator.domain.verdict import Outcome
from tests.fakes.clouds import topic_arn
from tests.unit.domain.maintenance.worlds import HOUR, MINUTE, POLICY, request
from tests.workflow.cases import STRATEGY, create_machines
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import Scenario, World, function_arns, inhabited

CHANGES = "Refresh tokens last 30 days."


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        create_machines(moto, function_arns)
        yield moto


def plan_window(world, begins, lasts=2 * HOUR, **changes):
    """Plan a window that begins so long from now; negative if it has begun and no run has recorded it."""
    now = world.clock.now()
    starts = now + begins
    window_request = request(starts_at=starts, ends_at=starts + lasts, urgent="now", **changes)
    change = plan(Schedule(), window_request, POLICY, starts - MINUTE)
    assert world.cloud.maintenance.commit(replace(change, schedule=replace(change.schedule, version=0)))
    return change.windows[0]


def deployed(world, **request_fields):
    with inhabited(world):
        world.deploy(strategy=STRATEGY, **request_fields)
        world.settle()
    return world.check()


def test_a_deployment_inside_a_window_is_refused_by_the_window_and_nothing_is_touched(interpreter):
    world = World(interpreter, "d-inside", Scenario())
    window = plan_window(world, -MINUTE, 8 * HOUR)
    assert deployed(world) == "stable"
    assert world.ended[world.execution].path == ("Plan", "Complete", "Notify", "ReleaseLock", "Completed", "Refused")
    why = world.cloud.ledger.read_refusal("d-inside").why
    assert window.id in why
    assert "New token table" in why
    assert f"orchestrator maintenance end {window.id}" in why
    assert world.deployment is None


@pytest.mark.parametrize(("begins", "lasts"), [(100 * HOUR, 2 * HOUR), (-2 * HOUR, HOUR)], ids=["before", "after"])
def test_a_deployment_outside_the_window_is_not_refused(interpreter, begins, lasts):
    world = World(interpreter, f"d-outside-{lasts.seconds}", Scenario())
    plan_window(world, begins, lasts)
    assert deployed(world) == "canary"
    assert world.deployment.outcome is DeploymentOutcome.SUCCEEDED


def test_a_deployment_that_the_window_allows_is_not_refused(interpreter):
    world = World(interpreter, "d-allowed", Scenario())
    plan_window(world, -MINUTE, 8 * HOUR, allowed=("allowed",))
    assert deployed(world) == "canary"


def during(state):
    """A bridge that has a window begin when the state is entered, once."""
    worlds = []

    def bridge(invocation, run):
        if invocation.state == state and not worlds[0].cloud.maintenance.read_schedule().version:
            plan_window(worlds[0], -MINUTE, 8 * HOUR)
        return run()

    return bridge, worlds


def test_one_whose_window_begins_between_its_plan_and_its_first_effect_is_refused(interpreter):
    bridge, worlds = during("AcquireLock")
    world = World(interpreter, "d-overtaken", Scenario(), bridge)
    worlds.append(world)
    assert deployed(world) == "stable"
    assert world.deployment.outcome is DeploymentOutcome.REFUSED
    assert "mnt-" in world.deployment.reason


@pytest.mark.parametrize(
    ("scenario", "ends"), [(Scenario(), "canary"), (Scenario({50: Outcome.FAIL}), "stable")], ids=["good", "bad"]
)
def test_one_in_flight_continues_and_its_rollback_is_never_refused(interpreter, scenario, ends):
    bridge, worlds = during("AnalyzeCanary")
    world = World(interpreter, f"d-in-flight-{ends}", scenario, bridge)
    worlds.append(world)
    assert deployed(world) == ends
    outcome = DeploymentOutcome.SUCCEEDED if ends == "canary" else DeploymentOutcome.ROLLED_BACK
    assert world.deployment.outcome is outcome


def to_clients(world):
    return [text for topic, _, text in world.topics.published if topic == topic_arn("clients")]


@pytest.mark.strategy("Status Updates: Change notifications")
def test_clients_get_the_changelog_of_a_deployment_that_succeeded(interpreter):
    world = World(interpreter, "d-changes", Scenario())
    assert deployed(world, changelog=CHANGES) == "canary"
    assert world.deployment.changelog == CHANGES
    (text,) = to_clients(world)
    assert text.endswith(CHANGES)
    assert next(detail for kind, detail in world.events.put if kind == "DeploymentSucceeded")["changelog"] == CHANGES


def test_clients_get_no_changelog_of_a_release_that_was_rolled_back(interpreter):
    world = World(interpreter, "d-withdrawn", Scenario({50: Outcome.FAIL}))
    assert deployed(world, changelog=CHANGES) == "stable"
    assert world.deployment.changelog == CHANGES
    assert to_clients(world)
    assert CHANGES not in " ".join(to_clients(world))
    assert not [detail for _, detail in world.events.put if detail.get("changelog")]


def test_a_changelog_that_is_too_long_is_refused(interpreter):
    world = World(interpreter, "d-long", Scenario())
    assert deployed(world, changelog="x" * 1501) == "stable"
    assert "changelog: " in world.cloud.ledger.read_refusal("d-long").why
