"""Incidents over the ledger and the bus: races, a bus that fails, and what a dead process left behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.application.incidents import incident_log
from orchestrator.application.incidents.incident_log import (
    ATTEMPTS,
    apply_signal,
    attend_incident,
    attend_incidents,
    change_incident,
    command_incident,
    receive_event,
)
from orchestrator.domain.errors import Refused, Throttled, Unreachable
from orchestrator.domain.incidents import regions
from orchestrator.domain.incidents.commands import acknowledge
from orchestrator.domain.incidents.incident import IncidentState
from orchestrator.domain.incidents.policy import encode_policy
from orchestrator.domain.incidents.register import Change
from tests.fakes.clouds import SETTINGS, cloud_over
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.errors import client_error
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.messages import FakeEvents
from tests.fakes.notification_queue import MovableClock
from tests.unit.domain.incidents.worlds import POLICY

FAILED = client_error("InternalFailure", "the bus is down")


class FailingEvents(FakeEvents):
    """A bus that refuses every event while `down`."""

    down = False

    def put_events(self, **params):
        if self.down:
            raise FAILED
        return super().put_events(**params)


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
def events():
    return FailingEvents()


@pytest.fixture
def cloud(clock, events):
    clients = {"dynamodb": FakeDynamoDB(), "events": events, "lambda": LambdaControlPlane()}
    return cloud_over(clients, clock.now, {**SETTINGS, "INCIDENTS": encode_policy(POLICY)})


def started(cloud, deployment="d-1"):
    detail = {"environment": "test", "deployment": deployment, "at": cloud.now().isoformat()}
    return {
        "id": "e",
        "detail-type": "RollbackStarted",
        "detail": {**detail, "source": "alarm", "reason": "7.7 % > 5 %"},
    }


def completed(cloud, deployment="d-1", healthy=True):
    detail = {"environment": "test", "deployment": deployment, "at": cloud.now().isoformat(), "healthy": healthy}
    return {"id": "e", "detail-type": "RollbackCompleted", "detail": {**detail, "cause": "5xx", "traffic_to": "STABLE"}}


def only_incident(cloud):
    (incident_id,) = cloud.incidents.list_ids(5)
    return cloud.incidents.read_incident(incident_id)


def kinds(events):
    return [kind for kind, _ in events.put]


def test_a_rollback_opens_an_incident_which_pages_and_announces_at_once(cloud, events):
    answer = receive_event(started(cloud), cloud)
    incident = only_incident(cloud)
    assert answer == f"rollback:d-1: {incident.id} is OPEN"
    assert kinds(events) == ["IncidentOpened", "IncidentPaged"]
    assert events.put[1][1]["person"] in {"ann", "bob", "cleo"}
    assert {detail["environment"] for _, detail in events.put} == {"test"}


def test_the_end_of_the_rollback_resolves_it_and_nothing_is_left_to_attend(cloud, events, clock):
    receive_event(started(cloud), cloud)
    clock.advance(60)
    receive_event(completed(cloud), cloud)
    assert only_incident(cloud).state is IncidentState.RESOLVED
    assert kinds(events)[2:] == ["IncidentUpdated", "IncidentResolved"]
    assert cloud.incidents.read_register().attended == {}


def test_an_event_that_is_about_no_incident_changes_nothing(cloud, events):
    event = {"id": "e", "detail-type": "TrafficShifted", "detail": {}}
    assert receive_event(event, cloud) == "the event is about no incident"
    assert events.put == []


def test_a_duplicate_changes_nothing_and_announces_nothing(cloud, events):
    event = started(cloud)
    receive_event(event, cloud)
    assert receive_event(event, cloud) == "rollback:d-1: nothing changes"
    assert len(events.put) == 2
    assert receive_event(completed(cloud, "d-2"), cloud) == "rollback:d-2: nothing changes"


def test_a_duplicate_of_what_no_incident_knows_changes_nothing(cloud):
    assert receive_event(completed(cloud), cloud) == "rollback:d-1: nothing changes"
    assert cloud.incidents.list_ids(5) == []


def test_signals_that_change_no_incident_do_not_fill_the_register(cloud, clock, events):
    sent = []
    for number in range(2000):
        clock.advance(3600)
        detail = {"environment": "test", "deployment": f"d-{number}", "at": cloud.now().isoformat()}
        sent.append({"id": "e", "detail-type": "DeploymentSucceeded", "detail": detail})
        receive_event(sent[-1], cloud)
    before = cloud.incidents.read_register()
    assert len(before.subjects) == 49
    for event in sent[-48:]:
        assert receive_event(event, cloud).endswith("nothing changes")
    assert cloud.incidents.read_register() == before
    assert events.put == []


def test_a_late_beginning_is_recognized_for_two_days_after_its_end(cloud, clock, events):
    late = started(cloud)
    clock.advance(60)
    receive_event(completed(cloud), cloud)
    for number in range(47):
        clock.advance(3600)
        receive_event(completed(cloud, f"d-other-{number}"), cloud)
    receive_event(late, cloud)
    assert only_incident(cloud).state is IncidentState.RESOLVED
    assert "IncidentPaged" not in kinds(events)


def test_a_bus_that_is_down_fails_the_handler_and_the_second_delivery_announces(cloud, events):
    events.down, event = True, started(cloud)
    with pytest.raises(Unreachable):
        receive_event(event, cloud)
    assert only_incident(cloud).pages != ()
    events.down = False
    receive_event(event, cloud)
    assert kinds(events) == ["IncidentOpened", "IncidentPaged"]


def test_what_a_dead_process_did_not_announce_is_announced_within_the_next_minute(cloud, events):
    events.down = True
    with pytest.raises(Unreachable):
        receive_event(started(cloud), cloud)
    assert "the bus is down" in attend_incidents(cloud)
    events.down = False
    assert attend_incidents(cloud) == ""
    assert kinds(events) == ["IncidentOpened", "IncidentPaged"]
    assert attend_incidents(cloud) == ""
    assert len(events.put) == 2


def test_one_incident_that_cannot_be_attended_to_does_not_delay_the_others(cloud, clock, events, monkeypatch):
    receive_event(started(cloud), cloud)
    drill = {"recovery": "dr-1", "outcome": "FAILED", "reason": "a row", "at": cloud.now().isoformat()}
    receive_event({"id": "e", "detail-type": "DrillCompleted", "detail": drill}, cloud)
    clock.advance(20 * 60)
    broken = min(cloud.incidents.read_register().attended)
    attend = attend_incident

    def failing(cloud, incident_id):
        if incident_id == broken:
            raise Throttled("too many requests")
        attend(cloud, incident_id)

    monkeypatch.setattr(incident_log, "attend_incident", failing)
    assert attend_incidents(cloud) == f"{broken}: too many requests"


def moved(cloud, lost="us-east-1"):
    return replace(cloud, settings={**cloud.settings, "LOST_REGION": lost})


def test_the_first_minute_in_the_new_region_opens_the_incident_of_the_lost_one_and_pages(cloud, events):
    assert attend_incidents(moved(cloud)) == ""
    incident = only_incident(cloud)
    assert (incident.cause, incident.severity.value) == ("region-lost", "SEV1")
    assert kinds(events) == ["IncidentOpened", "IncidentPaged"]
    assert attend_incidents(moved(cloud)) == ""
    assert len(events.put) == 2


def test_a_lost_region_whose_incident_cannot_be_written_is_reported(cloud, monkeypatch):
    monkeypatch.setattr(cloud.incidents, "commit", lambda *_: False)
    lost = moved(cloud)
    monkeypatch.setattr(lost.incidents, "commit", lambda *_: False)
    assert attend_incidents(lost).startswith("the lost region of the settings: an incident could not be changed")


def test_a_region_that_is_lost_a_second_time_has_an_incident_again(cloud, clock):
    for lost in (moved(cloud), cloud, cloud, moved(cloud), cloud):
        attend_incidents(lost)
        clock.advance(60)
    incident = only_incident(cloud)
    assert (incident.episode, incident.is_open) == (2, False)
    assert "region:us-east-1" not in cloud.incidents.read_register().active_subjects("region-lost")


def test_a_standby_region_neither_opens_nor_ends_the_incident_of_a_failover(cloud):
    waiting = moved(cloud, regions.STANDBY)
    assert attend_incidents(waiting) == ""
    assert cloud.incidents.list_ids(5) == []
    apply_signal(regions.region_lost("us-west-1", cloud.now(), "failover fo-1"), cloud)
    assert attend_incidents(waiting) == ""
    assert only_incident(cloud).is_open


def test_a_register_that_cannot_be_read_is_reported(cloud, monkeypatch):
    def unreadable():
        raise Throttled("too many requests")

    monkeypatch.setattr(cloud.incidents, "read_register", unreadable)
    assert attend_incidents(cloud) == "the register of incidents was not read: too many requests"


def test_two_reconcilers_at_the_same_moment_page_once(cloud, clock, events):
    receive_event(started(cloud), cloud)
    clock.advance(15 * 60)
    incident_id = only_incident(cloud).id
    commit, other = cloud.incidents.commit, []

    def interrupted(register, entries):
        if not other:
            other.append(True)
            attend_incident(cloud, incident_id)
        return commit(register, entries)

    cloud.incidents.commit = interrupted
    attend_incident(cloud, incident_id)
    assert [page.key for page in only_incident(cloud).pages] == ["1-1", "1-2"]
    assert kinds(events).count("IncidentPaged") == 2


def test_a_race_opens_one_incident(cloud, clock):
    commit, other = cloud.incidents.commit, []

    def interrupted(register, entries):
        if not other:
            other.append(True)
            receive_event(started(cloud, "d-2"), cloud)
        return commit(register, entries)

    cloud.incidents.commit = interrupted
    receive_event(started(cloud, "d-1"), cloud)
    only_incident(cloud)
    assert cloud.incidents.read_register().active_subjects("service") == ("rollback:d-1", "rollback:d-2")


def test_a_writer_that_is_always_slower_gives_up_with_a_retryable_error(cloud, monkeypatch):
    attempts = []
    monkeypatch.setattr(cloud.incidents, "commit", lambda *_: attempts.append(1) and False)
    with pytest.raises(Throttled, match="other writers were always faster"):
        receive_event(started(cloud), cloud)
    assert len(attempts) == ATTEMPTS
    with pytest.raises(Throttled):
        change_incident(cloud, Change)


def test_a_command_is_written_and_announced(cloud, events, clock):
    receive_event(started(cloud), cloud)
    clock.advance(60)
    incident = command_incident(cloud, only_incident(cloud).id, lambda one, _: acknowledge(one, "ann", ""))
    assert incident.acknowledged_by == "ann"
    assert events.put[-1][0] == "IncidentAcknowledged"
    assert events.put[-1][1]["pages"] == ["1-1"]
    clock.advance(3600)
    attend_incidents(cloud)
    assert events.put[-1][0] == "IncidentAcknowledged"


def test_a_command_succeeds_although_the_bus_is_down_and_is_announced_later(cloud, events):
    receive_event(started(cloud), cloud)
    events.down = True
    incident = command_incident(cloud, only_incident(cloud).id, lambda one, _: acknowledge(one, "ann", ""))
    assert incident.state is IncidentState.ACKNOWLEDGED
    events.down = False
    attend_incidents(cloud)
    assert events.put[-1][0] == "IncidentAcknowledged"


def test_a_command_to_an_unknown_incident_is_refused(cloud):
    with pytest.raises(Refused, match="orchestrator incident list"):
        command_incident(cloud, "inc-9", lambda one, _: acknowledge(one, "ann", ""))


def test_an_unanswered_page_is_escalated_by_the_clock_alone(cloud, clock, events):
    receive_event(started(cloud), cloud)
    for _ in range(120):
        clock.advance(60)
        attend_incidents(cloud)
    paged = [detail["page"] for kind, detail in events.put if kind == "IncidentPaged"]
    assert paged == ["1-1", "1-2", "2-1", "2-2", "3-1", "3-2"]
    assert kinds(events).count("IncidentUnanswered") == 3
    moments = [detail["at"] for kind, detail in events.put if kind == "IncidentPaged"]
    assert moments == sorted(moments)
    assert clock.now() - only_incident(cloud).opened_at == timedelta(hours=2)
