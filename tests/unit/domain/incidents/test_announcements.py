"""The entries of an incident as events of the bus, and those as notifications."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from orchestrator.domain.incidents.announcements import EVENT_TYPES, events_of
from orchestrator.domain.incidents.commands import acknowledge, add_action, assign_role, complete_action, update
from orchestrator.domain.incidents.incident import EntryKind, Role
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.notifications.bus_event import Objectives
from orchestrator.domain.notifications.bus_events import NOTIFIED, bus_notifications
from orchestrator.domain.notifications.incidents import INCIDENT_TRANSLATIONS
from orchestrator.domain.notifications.notification import Audience, EventKind, Severity, Transition
from tests.json_schema import EVENT_SCHEMAS, validate_event
from tests.samples import NOW
from tests.unit.domain.incidents.worlds import Incidents, minutes, signal

ROLLBACK = "rollback:d-1"


@pytest.fixture(scope="module")
def world():
    """An incident in which everything happens that is announced, and some things that are not."""
    world = Incidents()
    world.receive(signal(ROLLBACK, "rollback"))
    name = world.all[0].id
    for minute in (0, 15, 30):
        world.tick(NOW + minutes(minute))
    world.receive(signal("alarm:a", "service-degraded", NOW + minutes(31)), NOW + minutes(31))
    world.command(name, acknowledge(world.all[0], "ann", "on my way"), NOW + minutes(32))
    world.command(name, assign_role(Role.OPERATIONS, "bob", "ann"))
    world.command(name, update(world.all[0], "the upstream is down", "ann", IncidentSeverity.SEV1), NOW + minutes(33))
    world.command(name, add_action(world.all[0], "add a test", "bob", date(2026, 11, 23), "ann"))
    world.receive(signal("alarm:a", "", NOW + minutes(40)), NOW + minutes(40))
    world.receive(signal(ROLLBACK, "", NOW + minutes(41)), NOW + minutes(41))
    world.tick(NOW + timedelta(days=1))
    world.command(name, complete_action(world.all[0], 1, "bob"), NOW + timedelta(days=1))
    world.receive(signal(ROLLBACK, "rollback", NOW + minutes(45)), NOW + minutes(45))
    return world


@pytest.fixture(scope="module")
def events(world):
    return list(events_of(world.chains[world.all[0].id], 0))


def notifications(event):
    detail = {"environment": "prod", **event.detail}
    return bus_notifications(event.detail_type, detail, "prod", Objectives(7200, 600))


def of(events, kind):
    return next(event for event in events if event.detail_type == kind)


def test_every_kind_of_event_is_described_announced_and_notified(events):
    kinds = {event.detail_type for event in events}
    assert kinds == set(EVENT_TYPES.values()) == set(INCIDENT_TRANSLATIONS) <= set(EVENT_SCHEMAS)
    assert set(INCIDENT_TRANSLATIONS) <= set(NOTIFIED)
    for event in events:
        validate_event(event.detail_type, {"environment": "prod", **event.detail})
        assert all(one.title.startswith("prod: SEV") for one in notifications(event))


def test_action_items_that_are_added_or_done_are_not_announced(world, events):
    chain = world.chains[world.all[0].id]
    silent = {entry.number for entry in chain} - {event.detail["number"] for event in events}
    assert {entry.kind for entry in chain if entry.number in silent} == {EntryKind.ACTION, EntryKind.ACTION_DONE}


def test_what_was_announced_is_not_announced_again_and_a_repetition_is_the_same_event(world, events):
    chain = world.chains[world.all[0].id]
    assert list(events_of(chain, 3)) == events[3:]
    assert list(events_of(chain, len(chain))) == []


def test_a_chat_follows_an_episode_under_one_key_and_a_pager_gets_a_key_for_each_page(events):
    incident = events[0].detail["incident"]
    opened, page, second = (notifications(event) for event in events[:3])
    (chat,) = opened
    assert (chat.key, chat.transition, chat.kind) == (f"incident:{incident}:1", Transition.TRIGGER, EventKind.INCIDENT)
    assert (chat.severity, chat.audience, chat.not_pagers) == (Severity.ERROR, Audience.OPERATORS, True)
    assert chat.title == f"prod: SEV2 incident opened: {ROLLBACK} begins"
    assert chat.command == f"orchestrator incident show {incident} --env prod"
    pager, update_of_chat = page
    assert (pager.key, pager.transition, pager.only_pagers) == (f"incident:{incident}:1:1-1", Transition.TRIGGER, True)
    assert f"orchestrator incident ack {incident} --env prod" in pager.action
    assert (update_of_chat.key, update_of_chat.transition) == (chat.key, Transition.UPDATE)
    assert update_of_chat.id != chat.id
    assert second[0].only_destinations == ("pager-2",)
    assert "pages dan" in second[0].title


def test_an_acknowledgement_and_the_resolution_reach_the_key_of_every_page(events):
    incident = events[0].detail["incident"]
    for kind, transition in (
        ("IncidentAcknowledged", Transition.ACKNOWLEDGE),
        ("IncidentResolved", Transition.RESOLVE),
    ):
        chat, *pages = notifications(of(events, kind))
        assert [page.key for page in pages] == [f"incident:{incident}:1:1-1", f"incident:{incident}:1:1-2"]
        assert {page.transition for page in pages} == {transition}
        assert all(page.only_pagers and page.opened_as is Severity.CRITICAL for page in pages)
        assert chat.key == f"incident:{incident}:1"


def test_that_no_level_answered_is_critical_whatever_the_incident_is(events):
    (chat,) = notifications(of(events, "IncidentUnanswered"))
    assert (chat.severity, chat.transition) == (Severity.CRITICAL, Transition.UPDATE)
    assert "not acknowledged by any level" in chat.title


def test_an_update_after_the_resolution_is_a_message_of_its_own_that_calls_no_one():
    world = Incidents()
    world.receive(signal(ROLLBACK, "rollback"))
    name = world.all[0].id
    world.command(name, update(world.all[0], "before", "ann", None), NOW + minutes(1))
    world.receive(signal(ROLLBACK, "", NOW + minutes(2)), NOW + minutes(2))
    for text in ("first", "second"):
        world.command(name, update(world.all[0], text, "ann", None), NOW + minutes(3))
    updates = [notifications(event) for event in events_of(world.chains[name], 0) if event.detail["by"] == "ann"]
    assert all(len(found) == 1 for found in updates)
    before, first, second = (found[0] for found in updates)
    assert before.key == f"incident:{name}:1"
    assert first.key.startswith(f"{before.key}:after:")
    assert len({before.key, first.key, second.key}) == 3
    assert {one.transition for one in (first, second)} == {Transition.UPDATE}
    assert all(one.not_pagers and one.impact == "over" for one in (first, second))
    assert first.title == f"prod: SEV2 incident update by ann after its resolution: {ROLLBACK} begins"


def test_a_reopened_incident_is_a_new_key(events):
    (chat,) = notifications(events[-1])
    assert chat.key == f"incident:{events[0].detail['incident']}:2"
    assert "incident reopened" in chat.title


def test_an_overdue_action_item_is_a_message_of_its_own(events):
    (chat,) = notifications(of(events, "IncidentActionOverdue"))
    assert (chat.transition, chat.severity) == (Transition.TRIGGER, Severity.WARNING)
    assert chat.key.startswith("incident-action:")
    assert chat.action.startswith("bob: orchestrator incident action done ")


def test_an_incident_of_a_security_alarm_is_for_the_security_contacts():
    world = Incidents()
    world.receive(signal("alarm:root", "root-account-used", cause="root-account-used"))
    (event,) = events_of(world.chains[world.all[0].id], 0)
    (chat,) = notifications(event)
    assert (chat.audience, chat.severity) == (Audience.SECURITY, Severity.CRITICAL)
