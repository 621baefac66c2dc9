"""Windows over the ledger, the bus and the clients' topic: races, failures, and alarms that do not page."""

from __future__ import annotations

import pytest

from orchestrator.application.incidents.incident_log import attend_incidents, receive_event
from orchestrator.application.maintenance import windows
from orchestrator.application.maintenance.windows import ATTEMPTS, attend_maintenance, change_schedule
from orchestrator.domain.errors import Refused, Throttled
from orchestrator.domain.incidents.policy import encode_policy
from orchestrator.domain.maintenance.announcements import LEASE_DURATION
from orchestrator.domain.maintenance.schedule import Schedule, cancel, end, plan
from orchestrator.domain.maintenance.window import Announcement, WindowState
from tests.fakes.clock import START
from tests.fakes.clouds import SETTINGS, cloud_over, topic_arn
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.errors import client_error
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.messages import FakeEvents, FakeTopics
from tests.fakes.notification_queue import MovableClock
from tests.unit.application.notifications.conftest import alarm_event
from tests.unit.domain.incidents.worlds import POLICY as INCIDENT_POLICY
from tests.unit.domain.maintenance.worlds import HOUR, MINUTE, POLICY, request

DEGRADED = "ib-oauth-service-degraded-test"


class FailingTopics(FakeTopics):
    """Topics that fail while `down`."""

    down = False

    def publish(self, **params):
        if self.down:
            raise client_error("InternalError", "the topic is down")
        return super().publish(**params)


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
def events():
    return FakeEvents()


@pytest.fixture
def topics():
    return FailingTopics()


@pytest.fixture
def cloud(clock, events, topics):
    clients = {"dynamodb": FakeDynamoDB(), "events": events, "sns": topics, "lambda": LambdaControlPlane()}
    return cloud_over(clients, clock.now, {**SETTINGS, "INCIDENTS": encode_policy(INCIDENT_POLICY)})


def plan_window(cloud, starts=100 * HOUR, **changes):
    """Plan a window so many hours after the clock's time."""
    begins = cloud.now() + starts
    window_request = request(starts_at=begins, ends_at=begins + 2 * HOUR, urgent="now", **changes)
    return change_schedule(cloud, lambda schedule: plan(schedule, window_request, POLICY, cloud.now())).windows[-1]


def kinds(events):
    return [kind for kind, _ in events.put]


@pytest.mark.strategy("Status Updates: Maintenance notifications")
def test_a_window_begins_is_announced_to_all_and_ends_by_itself(cloud, clock, events, topics):
    window = plan_window(cloud)
    assert attend_maintenance(cloud) == ""
    assert events.put == []
    for at in (window.starts_at - 72 * HOUR, window.starts_at - HOUR, window.starts_at, window.ends_at):
        clock.at = at
        for _ in range(2):
            assert attend_maintenance(cloud) == ""
    assert kinds(events) == [
        "MaintenanceAnnounced",
        "MaintenanceAnnounced",
        "MaintenanceStarted",
        "MaintenanceEnded",
    ]
    assert {detail["environment"] for _, detail in events.put} == {"test"}
    assert [detail["first"] for _, detail in events.put] == [True, False, False, False]
    assert {topic for topic, _, _ in topics.published} == {topic_arn("clients")}
    assert [subject for _, subject, _ in topics.published] == [
        f"OAuth service: maintenance {words}" for words in ("is planned", "is planned", "has begun", "has ended")
    ]
    assert cloud.maintenance.read_schedule().windows == ()
    assert cloud.maintenance.read_window(window.id).state is WindowState.ENDED


def test_a_cancellation_that_clients_never_heard_of_is_sent_to_operators_alone(cloud, events, topics):
    window = plan_window(cloud)
    change_schedule(cloud, lambda schedule: cancel(schedule, window.id, "ann", "not ready", cloud.now()))
    assert attend_maintenance(cloud) == ""
    assert kinds(events) == ["MaintenanceCancelled"]
    assert topics.published == []


def test_a_topic_that_fails_is_reported_and_the_next_run_sends_it(cloud, clock, events, topics):
    plan_window(cloud, HOUR)
    topics.down = True
    assert "the topic is down" in attend_maintenance(cloud)
    topics.down = False
    clock.advance(60)
    assert attend_maintenance(cloud) == ""
    assert len(topics.published) == 1
    assert kinds(events) == ["MaintenanceAnnounced"] * 2
    first, second = (detail for _, detail in events.put)
    assert first["announcement"] == second["announcement"], "by which notifications recognize the repetition"


def test_a_window_that_cannot_be_announced_keeps_no_other_waiting(cloud, monkeypatch, events):
    broken = plan_window(cloud, HOUR)
    plan_window(cloud, 4 * HOUR, title="the other one")
    taken = events.put_events

    def refuse_the_first(**params):
        if broken.id in str(params):
            raise client_error("InternalFailure", "the bus refuses it")
        return taken(**params)

    monkeypatch.setattr(events, "put_events", refuse_the_first)
    assert attend_maintenance(cloud) == f"{broken.id}: {client_error('InternalFailure', 'the bus refuses it')}"
    assert [detail["title"] for _, detail in events.put] == ["the other one"]


def test_a_run_that_dies_between_lease_and_note_is_repeated_after_its_lease(cloud, clock, events, monkeypatch):
    window = plan_window(cloud, HOUR)

    def die(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(windows, "_send", die)
        with pytest.raises(KeyboardInterrupt):
            attend_maintenance(cloud)
    clock.advance(60)
    assert attend_maintenance(cloud) == ""
    assert events.put == [], "another run may be sending it"
    clock.advance(LEASE_DURATION.total_seconds())
    assert attend_maintenance(cloud) == ""
    assert kinds(events) == ["MaintenanceAnnounced"]
    assert cloud.maintenance.read_window(window.id).announced == (Announcement.IN_1_HOUR,)


def test_a_writer_that_was_faster_has_the_change_decided_again(cloud, monkeypatch):
    real, interrupted = cloud.maintenance.commit, []

    def commit(change):
        if not interrupted:
            interrupted.append(change)
            plan_window(cloud, title="the faster one")
        return real(change)

    monkeypatch.setattr(cloud.maintenance, "commit", commit)
    with pytest.raises(Refused, match="choose another time"):
        plan_window(cloud, title="the slower one")
    assert [one.title for one in cloud.maintenance.list_windows(5)] == ["the faster one"]


def test_writers_that_are_always_faster_end_the_attempt(cloud, monkeypatch):
    tried = []
    monkeypatch.setattr(cloud.maintenance, "commit", lambda change: tried.append(change) or False)
    with pytest.raises(Throttled, match="other writers were faster"):
        plan_window(cloud)
    assert len(tried) == ATTEMPTS
    assert cloud.maintenance.read_schedule() == Schedule()


def degraded(state, previous, clock):
    at = (clock.now() - START).total_seconds()
    return alarm_event(DEGRADED, state, previous, at, at, "service-degraded")


def test_a_silenced_incident_is_recorded_and_pages_when_the_window_ends(cloud, clock, events):
    window = plan_window(cloud, MINUTE, silenced=("service-degraded",))
    clock.at = window.starts_at
    receive_event(degraded("ALARM", "OK", clock), cloud)
    (name,) = cloud.incidents.list_ids(5)
    for _ in range(3):
        clock.advance(1200)
        assert attend_incidents(cloud) == ""
    assert kinds(events) == ["IncidentOpened"]
    assert cloud.incidents.read_incident(name).pages == ()
    change_schedule(cloud, lambda schedule: end(schedule, window.id, "ann", "done", cloud.now()))
    assert attend_incidents(cloud) == ""
    assert kinds(events) == ["IncidentOpened", "IncidentPaged"]


def test_a_silenced_incident_that_is_over_before_the_window_ends_pages_never(cloud, clock, events):
    window = plan_window(cloud, MINUTE, silenced=("service-degraded",))
    clock.at = window.starts_at
    receive_event(degraded("ALARM", "OK", clock), cloud)
    clock.advance(600)
    receive_event(degraded("OK", "ALARM", clock), cloud)
    clock.at = window.ends_at
    assert attend_incidents(cloud) == ""
    assert kinds(events) == ["IncidentOpened", "IncidentUpdated", "IncidentResolved"]


def test_an_incident_of_a_window_that_names_no_alarm_pages_at_once(cloud, clock, events):
    clock.at = plan_window(cloud, MINUTE).starts_at
    receive_event(degraded("ALARM", "OK", clock), cloud)
    assert kinds(events) == ["IncidentOpened", "IncidentPaged"]
