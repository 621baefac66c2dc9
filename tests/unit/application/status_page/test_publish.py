"""What the page is decided from, and what is written when."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.application.incidents.incident_log import change_incident, command_incident
from orchestrator.application.maintenance.windows import change_schedule
from orchestrator.application.status_page import collect
from orchestrator.application.status_page.publish import observe_page, publish_page, read_page
from orchestrator.application.status_page.site import incident_path
from orchestrator.domain.errors import Refused, Throttled
from orchestrator.domain.incidents import commands
from orchestrator.domain.incidents.register import Opening
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.maintenance.policy import MaintenancePolicy
from orchestrator.domain.maintenance.schedule import WindowRequest, plan
from orchestrator.domain.notifications.notification import Transition
from orchestrator.domain.status_page.component_state import ComponentState
from orchestrator.domain.status_page.history import PageRecord
from orchestrator.domain.status_page.incident_steps import Step
from orchestrator.domain.subscribers.announcements import announcements_of
from tests.fakes.errors import client_error
from tests.fakes.status_pages import ADDRESS, PAGE, StatusWorld
from tests.samples import NOW
from tests.unit.application.notifications.conftest import alarm_event
from tests.unit.domain.incidents.worlds import POLICY
from tests.unit.domain.status_page.pages import override
from tests.unit.domain.status_page.test_rolled_back_changes import REVERTED_AT, rolled_back

OPERATIONAL, MAINTENANCE, UNKNOWN, DEGRADED, PARTIAL, MAJOR = ComponentState
LATENCY, ERRORS = "ib-oauth-token-latency-test", "ib-oauth-token-server-errors-test"


LATER = {"id": "d-2", "requested_at": NOW + timedelta(seconds=1)}


@pytest.fixture
def world():
    return StatusWorld()


def states(page):
    return {row.status.component.id: row.status.state for row in page.rows}


def state_of_tokens(world):
    return states(read_page(world.cloud, ADDRESS))["tokens"]


def test_a_quiet_environment_is_operational_and_every_function_is_probed(world):
    assert set(states(read_page(world.cloud, ADDRESS)).values()) == {OPERATIONAL}
    assert sorted(world.probes.sent) == ["GET /.well-known/jwks.json", "GET /authorize", "POST /token"]


def test_before_the_first_deployment_no_state_is_known():
    world = StatusWorld()
    world.clients["dynamodb"].items.clear()
    assert set(states(read_page(world.cloud, ADDRESS)).values()) == {UNKNOWN}


def test_an_alarm_is_on_the_page_with_the_next_publication_and_off_it_with_the_one_after(world):
    publish_page(world.cloud)
    world.alarms.ringing = {LATENCY}
    world.advance(5)
    published = publish_page(world.cloud)
    assert states(published.page)["tokens"] is DEGRADED
    assert published.written[-1] == "index.html"
    assert json.loads(world.s3.objects["summary.json"]["Body"])["status"]["indicator"] == "minor"
    world.alarms.ringing = set()
    world.advance(5)
    assert states(publish_page(world.cloud).page)["tokens"] is OPERATIONAL
    assert b"All systems operational" in world.s3.objects["index.html"]["Body"]


def test_alarms_that_cannot_be_read_leave_the_state_unknown(world, monkeypatch):
    def down(**_params):
        raise client_error("InternalFailure", "CloudWatch is down")

    monkeypatch.setattr(world.alarms, "describe_alarms", down)
    assert state_of_tokens(world) is UNKNOWN


def test_an_alarm_that_was_deleted_leaves_the_state_unknown(world, monkeypatch):
    monkeypatch.setattr(world.alarms, "describe_alarms", lambda **_params: {"MetricAlarms": []})
    assert state_of_tokens(world) is UNKNOWN


@pytest.fixture
def after_rollback(world):
    """An alarm fires for a release that was rolled back and verified half a minute ago."""
    world.cloud.ledger.create_record(rolled_back(**LATER))
    world.alarms.ringing, world.alarms.since = {ERRORS}, REVERTED_AT - timedelta(seconds=20)
    world.alarms.values = {REVERTED_AT - timedelta(seconds=30): 9.0, REVERTED_AT: 1.0}
    world.advance((REVERTED_AT - NOW).total_seconds() + 30)
    return world


def test_an_alarm_that_shows_only_what_was_rolled_back_does_not_count(after_rollback):
    assert state_of_tokens(after_rollback) is OPERATIONAL


def test_an_alarm_counts_if_a_period_since_the_rollback_is_bad(after_rollback):
    after_rollback.alarms.values[REVERTED_AT + timedelta(seconds=10)] = 9.0
    assert state_of_tokens(after_rollback) is PARTIAL


def test_an_alarm_counts_if_its_periods_cannot_be_read(after_rollback):
    after_rollback.alarms.reads_fail = True
    assert state_of_tokens(after_rollback) is PARTIAL


def test_an_alarm_counts_after_a_rollback_that_did_not_verify_what_serves(world):
    world.cloud.ledger.create_record(rolled_back({"verified_at": None}, **LATER))
    world.alarms.ringing, world.alarms.since = {ERRORS}, REVERTED_AT
    assert state_of_tokens(world) is PARTIAL


def test_an_incident_is_monitored_once_the_rollback_removed_its_cause(after_rollback):
    from orchestrator.application.incidents.incident_log import receive_event

    world, name = after_rollback, "ib-oauth-service-degraded-test"
    receive_event(alarm_event(name, "ALARM", "OK", 0, 0, "service-degraded"), world.cloud)
    started = {"deployment": "d-2", "at": NOW.isoformat(), "source": "ALARM", "reason": "token-errors"}
    receive_event({"detail-type": "RollbackStarted", "detail": started}, world.cloud)
    assert state_of_tokens(world) is DEGRADED
    completed = {"deployment": "d-2", "at": world.at.isoformat(), "healthy": True, "traffic_to": "STABLE"}
    receive_event({"detail-type": "RollbackCompleted", "detail": completed}, world.cloud)
    page = publish_page(world.cloud).page
    assert (states(page)["tokens"], page.open_incidents[0].step) == (OPERATIONAL, Step.MONITORING)
    receive_event(alarm_event(name, "OK", "ALARM", 600, 0, "service-degraded"), world.cloud)
    page = publish_page(world.cloud).page
    assert [update.step for update in page.recent[0].updates][:2] == [Step.RESOLVED, Step.MONITORING]


def test_heartbeats_that_stop_or_cannot_be_read_are_on_the_page(world):
    world.beats.newest = None
    assert state_of_tokens(world) is PARTIAL
    world.beats.fails = True
    assert state_of_tokens(world) is UNKNOWN
    silent = StatusWorld(heartbeats="")
    silent.beats.newest = None
    assert state_of_tokens(silent) is OPERATIONAL


def test_probes_that_fail_in_a_row_are_an_outage_and_a_burst_of_events_is_one_probe(world):
    del world.probes.statuses["/token"]
    seen = []
    for seconds in (0, 1, 1, 30, 30, 30, 30):
        world.advance(seconds)
        seen.append(states(publish_page(world.cloud).page)["tokens"])
    assert seen == [OPERATIONAL, OPERATIONAL, OPERATIONAL, PARTIAL, PARTIAL, PARTIAL, MAJOR]
    world.probes.statuses["/token"] = 503
    world.advance(30)
    assert states(publish_page(world.cloud).page)["tokens"] is MAJOR
    world.probes.statuses["/token"] = 400
    world.advance(30)
    assert states(publish_page(world.cloud).page)["tokens"] is OPERATIONAL


def test_an_incident_is_on_the_page_until_it_is_resolved(world):
    from orchestrator.application.incidents.incident_log import receive_event

    name = "ib-oauth-service-degraded-test"
    receive_event(alarm_event(name, "ALARM", "OK", 0, 0, "service-degraded"), world.cloud)
    page = publish_page(world.cloud).page
    assert len(page.open_incidents) == 1
    assert set(states(page).values()) == {DEGRADED}
    path = f"incidents/{page.open_incidents[0].id}.html"
    assert b"We are investigating" in world.s3.objects[path]["Body"]
    receive_event(alarm_event(name, "OK", "ALARM", 60, 0, "service-degraded"), world.cloud)
    world.advance(5)
    page = publish_page(world.cloud).page
    assert (len(page.open_incidents), len(page.recent)) == (0, 1)
    assert b"The problem is resolved." in world.s3.objects[path]["Body"]


def open_incident(world, cause, severity=IncidentSeverity.SEV1):
    opening = Opening(cause, f"Problem of {cause}", severity, "It fails.", "ann")
    return change_incident(
        world.cloud,
        lambda register: commands.open_incident(
            opening, register, world.cloud.incidents.read_incident, POLICY, world.cloud.now()
        ),
    )


def resolve_incident(world, incident):
    return command_incident(
        world.cloud,
        incident.id,
        lambda read, register: commands.resolve(read, register, "over", "ann", world.cloud.now(), force=False),
    )


def test_an_incident_is_resolved_on_the_page_and_for_subscribers_whatever_was_opened_since(world, monkeypatch):
    """More incidents follow than are read by time, and most are not published."""
    monkeypatch.setattr(collect, "MOST_INCIDENTS", 50)
    first = open_incident(world, "upstream-provider")
    for number in range(51):
        world.advance(60)
        open_incident(world, f"cause-{number}", IncidentSeverity.SEV3)
    world.advance(60)
    assert publish_page(world.cloud).page.open_incidents[0].id == first.id
    resolve_incident(world, first)
    world.advance(60)
    page = publish_page(world.cloud).page
    assert [one.id for one in page.recent] == [first.id]
    assert b"The problem is resolved." in world.s3.objects[incident_path(first.id)]["Body"]
    steps = [one.transition for one in announcements_of(page, incident_path) if one.path == incident_path(first.id)]
    assert steps == [Transition.TRIGGER, Transition.RESOLVE]


def test_the_history_has_the_incidents_of_its_days_and_not_only_the_newest(world):
    """Incidents that leave the register, because they were resolved days ago, are read by the time of their opening."""
    incidents = []
    for number in range(60):
        incidents.append(open_incident(world, f"cause-{number}"))
        world.advance(60)
        resolve_incident(world, incidents[-1])
    world.advance(timedelta(days=60).total_seconds())
    open_incident(world, "today")
    assert "cause-0" not in world.cloud.incidents.read_register().causes
    page = read_page(world.cloud, ADDRESS)
    assert [one.id for one in page.history[1:]] == [one.id for one in reversed(incidents)]
    world.advance(timedelta(days=31).total_seconds())
    assert [one.is_open for one in read_page(world.cloud, ADDRESS).history] == [True]


def test_an_incident_that_was_open_for_some_days_is_in_the_history_for_all_days_after_its_resolution(world):
    incident = open_incident(world, "upstream-provider")
    world.advance(timedelta(days=9).total_seconds())
    resolve_incident(world, incident)
    world.advance(timedelta(days=89).total_seconds())
    open_incident(world, "today")
    assert incident.id in [one.id for one in read_page(world.cloud, ADDRESS).history]


def test_a_maintenance_window_is_on_the_page_while_it_is_under_way(world):
    now = world.cloud.now()
    window_request = WindowRequest(
        "New keys",
        "Logins take longer.",
        ("token",),
        now + timedelta(hours=1),
        now + timedelta(hours=2),
        "ann",
        urgent="now",
    )
    assert change_schedule(world.cloud, lambda schedule: plan(schedule, window_request, MaintenancePolicy(), now))
    planned = publish_page(world.cloud).page
    assert [one.title for one in planned.upcoming] == ["New keys"]
    assert states(planned)["tokens"] is not MAINTENANCE
    assert b"New keys" in world.s3.objects["maintenance.ics"]["Body"]
    world.advance(3600)
    assert states(publish_page(world.cloud).page)["tokens"] is MAINTENANCE
    world.advance(3600)
    assert states(publish_page(world.cloud).page)["tokens"] is not MAINTENANCE


def test_an_unchanged_page_is_not_written_until_it_has_to_say_that_it_is_checked(world):
    publish_page(world.cloud)
    world.advance(60)
    # The first day has data now.
    everything = publish_page(world.cloud).written
    assert everything[-1] == "index.html"
    world.advance(235)
    assert publish_page(world.cloud).written == ()
    world.advance(5)
    assert publish_page(world.cloud).written == everything
    assert b"03:05 UTC" in world.s3.objects["index.html"]["Body"]


def test_a_writer_that_dies_leaves_a_page_that_the_next_one_writes_again(world):
    world.s3.refuses = "InternalError"
    with pytest.raises(Exception, match="no"):
        publish_page(world.cloud)
    world.s3.refuses = ""
    assert len(publish_page(world.cloud).written) > 5


def test_the_newest_of_two_writers_wins(world):
    """The first one is slow: while it writes, the alarm fires and another writer publishes that."""

    def other():
        world.alarms.ringing = {ERRORS}
        world.advance(1)
        assert states(publish_page(world.cloud).page)["tokens"] is PARTIAL

    world.s3.before = other
    assert states(publish_page(world.cloud).page)["tokens"] is PARTIAL
    assert b"Partial outage" in world.s3.objects["index.html"]["Body"]
    record = world.cloud.status_pages.read_record()
    assert record.digest
    assert [change.state for change in record.histories["tokens"]] == [OPERATIONAL, PARTIAL]


def test_a_writer_that_is_always_overtaken_gives_up_and_leaves_the_page_to_be_written_again(world):
    def overtake():
        world.s3.before = overtake
        store = world.cloud.status_pages
        store.save_record(store.read_record())

    world.s3.before = overtake
    with pytest.raises(Throttled, match="not published in 5 attempts"):
        publish_page(world.cloud)
    assert world.cloud.status_pages.read_record().digest == ""


def test_observing_records_the_history_and_reading_records_nothing(world):
    read_page(world.cloud, ADDRESS)
    assert world.cloud.status_pages.read_record() == PageRecord()
    observe_page(world.cloud, ADDRESS)
    assert [change.state for change in world.cloud.status_pages.read_record().histories["login"]] == [OPERATIONAL]


def test_an_override_is_on_the_page(world):
    world.cloud.status_pages.save_override(override())
    page = publish_page(world.cloud).page
    assert states(page)["tokens"] is MAJOR
    assert b"The upstream is down." in world.s3.objects["index.html"]["Body"]


def test_without_an_address_nothing_is_published():
    world = StatusWorld(replace(PAGE, address=""))
    with pytest.raises(Refused, match=r"test.status_page.address: '' is refused: give the address"):
        publish_page(world.cloud)
    assert world.s3.written == []
