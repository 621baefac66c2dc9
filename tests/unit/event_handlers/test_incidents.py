"""Incidents in the event handlers: opened by events, escalated by the minute."""

from __future__ import annotations

import pytest

from orchestrator.domain.errors import Unreachable
from orchestrator.domain.incidents.incident import IncidentState
from orchestrator.event_handlers import reconcile, track_incidents
from orchestrator.event_handlers.steps import StepsFailed
from tests.fakes.errors import client_error
from tests.samples import NOW
from tests.unit.application.notifications.conftest import alarm_event

NAME = "ib-oauth-service-degraded-test"


def alarm(state, previous, at=0, since=0):
    return track_incidents.handler(alarm_event(NAME, state, previous, at, since, "service-degraded"), None)["answer"]


def test_the_composite_alarm_opens_an_incident_and_its_end_resolves_it(cloud, events):
    answer = alarm("ALARM", "OK")
    (name,) = cloud.incidents.list_ids(5)
    assert answer == f"alarm:{NAME}: {name} is OPEN"
    assert [kind for kind, _ in events.put] == ["IncidentOpened", "IncidentPaged"]
    assert alarm("ALARM", "OK") == f"alarm:{NAME}: nothing changes"
    alarm("OK", "ALARM", 60)
    assert cloud.incidents.read_incident(name).state is IncidentState.RESOLVED
    assert events.put[-1][0] == "IncidentResolved"


def test_an_alarm_of_the_service_alone_opens_nothing(cloud):
    event = alarm_event("ib-oauth-token-latency-test", "ALARM", "OK", 0, 0, "latency")
    assert track_incidents.handler(event, None)["answer"] == "the event is about no incident"
    assert cloud.incidents.list_ids(5) == []


def test_the_reconciler_announces_what_the_bus_did_not_take_and_fails_while_it_cannot(cloud, events, monkeypatch):
    taken = events.put_events

    def down(**_params):
        raise client_error("InternalFailure", "the bus is down")

    monkeypatch.setattr(events, "put_events", down)
    with pytest.raises(Unreachable):
        alarm("ALARM", "OK")
    (name,) = cloud.incidents.list_ids(5)
    with pytest.raises(StepsFailed, match=f"incidents wait for their pages and events: {name}: .*the bus is down"):
        reconcile.handler({"id": "m", "time": NOW.isoformat()}, None)
    monkeypatch.setattr(events, "put_events", taken)
    reconcile.handler({"id": "m", "time": NOW.isoformat()}, None)
    assert [kind for kind, _ in events.put if kind.startswith("Incident")] == ["IncidentOpened", "IncidentPaged"]
