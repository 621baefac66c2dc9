"""GitHub gets one deployment with its statuses, and the status of the commit."""

from __future__ import annotations

import json
from datetime import timedelta

from orchestrator.domain.notifications.destinations import DestinationKind
from tests.fakes.notification_provider import SHA
from tests.unit.application.notifications.conftest import World, bus_event
from tests.unit.application.notifications.samples import DEPLOYMENT


def test_github_gets_one_deployment_with_statuses_and_the_status_of_the_commit(world):
    github = world.providers[DestinationKind.GITHUB]
    for number, event in enumerate(DEPLOYMENT):
        world.put(event, after=number * 300)

    world.work()

    (deployment,) = github.github["deployments"]
    assert (deployment["ref"], deployment["task"], deployment["environment"]) == (SHA, "orchestrator:d-1", "test")
    assert github.github["statuses"] == ["in_progress"] * 2 + ["failure"] * 4
    assert github.github["commits"][-1] == (SHA, "failure")


def test_github_gets_nothing_of_a_release_without_a_commit(world):
    uncommitted = {**DEPLOYMENT[0], "detail": {**DEPLOYMENT[0]["detail"], "commit": ""}}
    world.put(uncommitted)

    world.work()

    github = world.providers[DestinationKind.GITHUB].github
    assert github == {"deployments": [], "statuses": [], "commits": []}


def test_a_late_message_of_a_deployment_that_was_rolled_back_leaves_the_failure_at_github():
    for failing in ([], [DEPLOYMENT[1]], [DEPLOYMENT[0], DEPLOYMENT[1]]):
        world = World(6)
        github = world.providers[DestinationKind.GITHUB]
        if DEPLOYMENT[0] not in failing:
            world.put(DEPLOYMENT[0])
            world.work()
        github.plan = [(502, {"Retry-After": "600"}, b"bad gateway")] * len(failing)
        for event in failing:
            world.queue.put(json.dumps(event), world.clock.now())
        world.work(world.clock.now())
        for number, event in enumerate(DEPLOYMENT[2:]):
            world.queue.put(json.dumps(event), world.clock.now() + timedelta(seconds=number))
        world.work()
        assert github.github["statuses"][-1] == "failure"
        assert github.github["commits"][-1] == (SHA, "failure")
        assert world.queue.dead == []


def test_an_alarm_that_a_deployment_is_not_to_blame_for_changes_nothing_at_github(world):
    world.put(DEPLOYMENT[0])
    skipped = bus_event("RollbackSkipped", 5, deployment="d-1", reason="not to blame", alarm="ib-oauth-latency-test")
    world.put(skipped, after=5)
    world.put(bus_event("DeploymentSucceeded", 50, deployment="d-1", reason="stable is now token 5"), after=50)

    world.work()

    assert world.providers[DestinationKind.GITHUB].github["statuses"] == ["in_progress", "success"]
    assert [text for text in world.providers[DestinationKind.SLACK].accepted if "is not rolled back" in text]
