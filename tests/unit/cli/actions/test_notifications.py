"""`orchestrator notify`: what is configured, and what each provider answered to a test."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from unittest import mock

import pytest

from orchestrator import environments
from orchestrator.cli.actions.notifications import destinations as action
from orchestrator.cli.errors import DONE, FAILED
from orchestrator.domain.errors import Refused
from orchestrator.domain.notifications.destinations import DestinationKind, decode_destinations
from tests.unit.application.notifications.conftest import World

DEV = environments.load("dev")


class Bus:
    """Puts each event into the queue, as the rule does."""

    def __init__(self, world):
        self.world = world

    def put_event(self, detail_type, detail):
        at = detail["at"].isoformat()
        body = json.dumps({"id": "1", "detail-type": detail_type, "detail": {**detail, "at": at}})
        self.world.queue.put(body, self.world.clock.now())


@pytest.fixture
def world():
    return World()


def context(world, wait=5.0):
    def sleep(_seconds):
        world.work(until=world.clock.now() + timedelta(seconds=wait))
        world.clock.advance(wait)

    cloud = world.cloud
    vars(cloud)["bus"] = Bus(world)
    found = decode_destinations(cloud.settings["NOTIFICATIONS"])
    return SimpleNamespace(
        name="test",
        environment=replace(DEV, notifications=found),
        cloud=SimpleNamespace(bus=cloud.bus, deliveries=cloud.deliveries, now=cloud.now, sleep=sleep),
    )


def results(capsys):
    lines = capsys.readouterr().out
    report = json.loads(lines[lines.index("{\n") :])
    return {(one["destination"], one["message"]): (one["result"], one["answer"]) for one in report["results"]}


def test_a_test_reports_each_provider_s_answer(world, capsys):
    assert action.send_test(context(world), None, "ann", wait_seconds=60, json=True) == DONE
    found = results(capsys)
    assert found["slack", "message"] == ("delivered", "HTTP 200 ok")
    assert found["webhook", "message"] == ("delivered", "HTTP 204")
    assert [result for result, _ in found.values()] == ["delivered"] * 13  # ten, and three pagers that close


def test_a_refusal_is_reported_with_the_provider_s_answer(world, capsys):
    world.providers[DestinationKind.SLACK].plan = [(404, {}, b"no_service")]
    assert action.send_test(context(world), "slack", "ann", wait_seconds=60, json=True) == FAILED
    assert results(capsys) == {("slack", "message"): ("refused", "HTTP 404 no_service")}


def test_what_is_not_delivered_in_time_is_reported_with_the_last_failure(world, capsys):
    world.providers[DestinationKind.TEAMS].plan = [(500, {}, b"oops")] * 9
    assert action.send_test(context(world), "teams", "ann", wait_seconds=20, json=True) == FAILED
    assert results(capsys) == {("teams", "message"): ("not delivered yet", "HTTP 500 oops")}


def test_what_has_not_arrived_at_all_is_reported(world, capsys):
    with mock.patch.object(world, "work"):
        code = action.send_test(context(world), "teams", "ann", wait_seconds=10, json=False)
    assert code == FAILED
    assert "no answer so far" in capsys.readouterr().out


def test_a_destination_that_is_not_there_is_refused(world):
    with pytest.raises(Refused, match="DESTINATION: 'irc' is refused: name one of slack, teams"):
        action.send_test(context(world), "irc", "ann", wait_seconds=1, json=True)
    without = context(world)
    without.environment = DEV
    with pytest.raises(Refused, match=r"add \[\[test\.notifications\]\] and deploy"):
        action.send_test(without, None, "ann", wait_seconds=1, json=True)


def test_the_list_names_secrets_and_reads_none(world, monkeypatch, capsys):
    with_destinations = replace(DEV, notifications=world.providers.destinations())
    monkeypatch.setattr(environments, "load", lambda _name: with_destinations)
    action.list_destinations("dev", json=True)
    report = json.loads(capsys.readouterr().out)
    assert report["destinations"][0]["secret"].startswith("arn:aws:secretsmanager:")
    action.list_destinations("dev", json=False)
    assert "github" in capsys.readouterr().out


def test_an_environment_without_destinations_says_how_to_add_one(capsys):
    action.list_destinations("dev", json=False)
    assert "add [[dev.notifications]]" in capsys.readouterr().out
    with pytest.raises(Refused):
        action.list_destinations("nowhere", json=False)
