"""From the rollback's event to the pager: incidents over the real notifications and stand-ins of the providers.

The bus delivers every event of an incident once or more, late and in any order within a minute.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from orchestrator.application.incidents.incident_log import attend_incidents, command_incident, receive_event
from orchestrator.domain.incidents.commands import acknowledge, update
from orchestrator.domain.incidents.policy import encode_policy
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.notifications.destinations import DestinationKind
from tests.fakes.clouds import SETTINGS, cloud_over
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.unit.application.notifications.conftest import World
from tests.unit.domain.incidents.worlds import POLICY, ROTA, Level

PAGERS = (DestinationKind.PAGERDUTY, DestinationKind.OPSGENIE, DestinationKind.GRAFANA_ONCALL)
POLICY_OF_ALL = replace(POLICY, rota=replace(ROTA, levels=(ROTA.levels[0], Level(("dan",)))))


class Bus:
    """EventBridge with the rule of notifications: at least once, late, in any order."""

    def __init__(self, world, seed):
        self._world, self._random = world, random.Random(seed)

    def put_events(self, *, Entries):  # noqa: N803 - botocore's
        (entry,) = Entries
        event = {
            "id": "e",
            "source": entry["Source"],
            "detail-type": entry["DetailType"],
            "detail": json.loads(entry["Detail"]),
        }
        for _ in range(self._random.randint(1, 3)):
            delay = self._random.uniform(0, 60)
            since_start = (self._world.clock.now() - self._world.started).total_seconds()
            self._world.put(event, since_start + delay)
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}


def cloud_of(world, seed, policy=POLICY_OF_ALL):
    world.started = world.clock.now()
    clients = {"dynamodb": world.ledger, "events": Bus(world, seed), "lambda": LambdaControlPlane()}
    return cloud_over(clients, world.clock.now, {**SETTINGS, "INCIDENTS": encode_policy(policy)})


def event(cloud, kind, **detail):
    return {"id": "e", "detail-type": kind, "detail": {"deployment": "d-1", "at": cloud.now().isoformat(), **detail}}


def wait(world, cloud, minutes):
    for _ in range(minutes):
        world.work(world.clock.now())
        world.clock.advance(60)
        assert attend_incidents(cloud) == ""
    world.work()


def messages(world, kind, word):
    return [text for text in world.providers[kind].accepted if word in text]


@pytest.mark.strategy("Incident Response: Communication plan")
@pytest.mark.parametrize("seed", range(8))
def test_every_page_is_called_acknowledged_and_closed_once_whatever_the_order_of_its_events(seed):
    world = World(seed)
    cloud = cloud_of(world, seed)
    receive_event(event(cloud, "RollbackStarted", source="alarm", reason="7.7 % > 5 %"), cloud)
    wait(world, cloud, 16)
    (name,) = cloud.incidents.list_ids(5)
    for kind in PAGERS:
        alerts = world.providers[kind].alerts
        assert [key.rpartition(":")[2] for key in sorted(alerts)] == ["1-1", "1-2"]
        assert all(alerts.values()), "both levels are being called"
    command_incident(cloud, name, lambda one, _: acknowledge(one, "ann", ""))
    wait(world, cloud, 5)
    for kind in (DestinationKind.PAGERDUTY, DestinationKind.OPSGENIE):
        stand_in = world.providers[kind]
        assert stand_in.acknowledged == set(stand_in.alerts)
        assert len(messages(world, kind, "trigger ")) == 2
    receive_event(event(cloud, "RollbackCompleted", cause="5xx", traffic_to="STABLE", healthy=True), cloud)
    wait(world, cloud, 5)
    for kind in PAGERS:
        assert not any(world.providers[kind].alerts.values()), "no alert stays open"
    chat = [text for text in world.providers[DestinationKind.SLACK].accepted if "incident" in text]
    assert len(chat) == len(set(chat))
    for words in ("incident opened", "pages dan", "acknowledged by ann", "resolved by orchestrator"):
        assert len([text for text in chat if words in text]) == 1
    assert cloud.incidents.read_register().attended == {}
    assert world.queue.dead == []


@pytest.mark.parametrize("severity", [None, IncidentSeverity.SEV1, IncidentSeverity.SEV3])
@pytest.mark.parametrize("seed", range(4))
def test_the_pager_of_a_level_that_was_not_paged_is_not_called(seed, severity):
    world = World(seed)
    levels = (replace(ROTA.levels[0], destinations=("pagerduty",)), Level(("dan",), ("grafana-oncall",)))
    cloud = cloud_of(world, seed, replace(POLICY, rota=replace(ROTA, levels=levels)))
    receive_event(event(cloud, "RollbackStarted", source="alarm", reason="7.7 % > 5 %"), cloud)
    wait(world, cloud, 3)
    (name,) = cloud.incidents.list_ids(5)
    command_incident(cloud, name, lambda one, _: update(one, "it is known", "ann", severity))
    command_incident(cloud, name, lambda one, _: acknowledge(one, "ann", ""))
    wait(world, cloud, 5)
    first = world.providers[DestinationKind.PAGERDUTY]
    assert first.acknowledged == set(first.alerts) == {f"ib-oauth:test:incident:{name}:1:1-1"}
    receive_event(event(cloud, "RollbackCompleted", cause="5xx", traffic_to="STABLE", healthy=True), cloud)
    wait(world, cloud, 5)
    assert not any(first.alerts.values())
    for kind in (DestinationKind.GRAFANA_ONCALL, DestinationKind.OPSGENIE):
        assert messages(world, kind, "incident:") == []
        assert world.providers[kind].alerts == {}
    assert world.queue.dead == []
