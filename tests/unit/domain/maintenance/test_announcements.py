"""What is announced when; late runs merge; and the events as they are described, with their messages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.maintenance.announcements import (
    EVENT_TYPES,
    LEASE_DURATION,
    RETRY_AFTER,
    due_announcement,
    event_detail,
    message_to_clients,
    next_lease,
    note,
    release,
)
from orchestrator.domain.maintenance.schedule import Schedule, advance, cancel, end, plan, start
from orchestrator.domain.maintenance.window import Announcement
from orchestrator.domain.notifications.bus_event import Objectives
from orchestrator.domain.notifications.bus_events import NOTIFIED, bus_notifications
from orchestrator.domain.notifications.notification import Audience, EventKind, Severity, Transition
from tests.json_schema import validate_event
from tests.samples import NOW
from tests.unit.domain.maintenance.worlds import HOUR, MINUTE, POLICY, Maintenance, only, planned, request

A = Announcement
STARTS, ENDS = NOW + 100 * HOUR, NOW + 102 * HOUR


def runs(*moments, schedule=None, world=None):
    """What runs at these moments announce."""
    world = world or Maintenance(schedule or planned())
    for moment in moments:
        world.tick(moment)
    return [announcement for _, announcement in world.sent]


def test_it_is_announced_72_hours_and_1_hour_before_at_its_start_and_at_its_end():
    early = STARTS - 72 * HOUR
    moments = [early - MINUTE, early, early + MINUTE, STARTS - HOUR, STARTS - MINUTE, STARTS, STARTS, ENDS, ENDS + HOUR]
    assert runs(moments[0]) == []
    assert runs(*moments) == [A.IN_72_HOURS, A.IN_1_HOUR, A.STARTED, A.ENDED]


@pytest.mark.parametrize(
    ("moments", "sent"),
    [
        ((STARTS - 10 * HOUR, STARTS - MINUTE), [A.IN_72_HOURS, A.IN_1_HOUR]),
        ((STARTS - MINUTE,), [A.IN_1_HOUR]),
        ((STARTS + MINUTE,), [A.STARTED]),
        ((STARTS - 72 * HOUR, ENDS + HOUR), [A.IN_72_HOURS, A.ENDED]),
    ],
)
def test_a_late_run_sends_the_newest_that_is_due_and_none_that_it_replaces(moments, sent):
    assert runs(*moments) == sent


def test_a_clock_that_goes_back_announces_nothing_again():
    assert runs(STARTS - HOUR, STARTS - HOUR - MINUTE, STARTS - HOUR) == [A.IN_1_HOUR]


def test_a_closed_window_leaves_the_schedule_with_its_last_announcement():
    world = Maintenance(planned())
    name = only(world.schedule).id
    world.tick(STARTS)
    assert len(world.schedule.windows) == 1
    world.tick(ENDS)
    assert world.schedule.windows == ()
    assert world.windows[name].announced == (A.STARTED, A.ENDED)


def test_what_is_cancelled_is_announced_once():
    world = Maintenance(planned())
    world.tick(STARTS - HOUR)
    world.write(cancel(world.schedule, only(world.schedule).id, "ann", "not ready", STARTS - MINUTE))
    assert runs(STARTS, STARTS, ENDS, world=world) == [A.IN_1_HOUR, A.CANCELLED]
    assert world.schedule.windows == ()


def test_of_two_runs_one_sends_and_a_run_that_died_is_repeated_after_its_lease():
    schedule = planned()
    change, window, due = next_lease(schedule, STARTS - HOUR)
    assert (window, due) == (only(schedule), A.IN_1_HOUR)
    assert next_lease(change.schedule, STARTS - HOUR) is None
    assert next_lease(change.schedule, STARTS - HOUR + LEASE_DURATION)[2] is A.IN_1_HOUR
    failed = release(change.schedule, window.id, due, STARTS - HOUR).schedule
    assert next_lease(failed, STARTS - HOUR) is None, "the run goes on to other windows"
    assert next_lease(failed, STARTS - HOUR + RETRY_AFTER)[2] is A.IN_1_HOUR
    assert next_lease(note(change.schedule, window.id, due).schedule, STARTS - HOUR) is None
    with pytest.raises(Refused):
        note(Schedule(), window.id, due)


def test_a_window_that_ends_while_its_start_is_being_sent_is_announced_as_ended_next():
    begun = advance(planned(), STARTS).schedule
    change, window, due = next_lease(begun, STARTS)
    ended = end(change.schedule, window.id, "ann", "", STARTS + MINUTE).schedule
    noted = note(ended, window.id, due).schedule
    assert due_announcement(only(noted), STARTS + MINUTE) is A.ENDED


def history():
    """A window at each of its announcements, by its name."""
    window_request = request(allowed=("tables",), silenced=("latency",))
    before = plan(Schedule(), window_request, POLICY, NOW).schedule
    window = only(before)
    begun = start(before, window.id, "bob", "we are ready", POLICY, STARTS - MINUTE).schedule
    return {
        A.IN_72_HOURS: window,
        A.IN_1_HOUR: replace(window, announced=(A.IN_72_HOURS,)),
        A.STARTED: replace(only(begun), announced=(A.IN_72_HOURS,)),
        A.ENDED: replace(
            only(end(begun, window.id, "bob", "done", STARTS + HOUR).schedule), announced=(A.IN_72_HOURS, A.STARTED)
        ),
        A.CANCELLED: replace(
            only(cancel(before, window.id, "bob", "not ready", NOW).schedule), announced=(A.IN_72_HOURS,)
        ),
    }


def notifications_of(announcement, window):
    detail = {"environment": "prod", **event_detail(window, announcement, NOW)}
    return bus_notifications(EVENT_TYPES[announcement], detail, "prod", Objectives(1, 1))


@pytest.mark.parametrize("announcement", Announcement)
def test_every_event_is_as_described(announcement):
    detail = event_detail(history()[announcement], announcement, NOW)
    validate_event(EVENT_TYPES[announcement], {"environment": "prod", **detail})
    assert EVENT_TYPES[announcement] in NOTIFIED


@pytest.mark.parametrize(
    ("announcement", "transition"),
    [
        (A.IN_72_HOURS, Transition.TRIGGER),
        (A.IN_1_HOUR, Transition.UPDATE),
        (A.STARTED, Transition.UPDATE),
        (A.ENDED, Transition.RESOLVE),
        (A.CANCELLED, Transition.RESOLVE),
    ],
)
def test_operators_and_clients_get_a_message_each_and_no_pager_does(announcement, transition):
    to_operators, to_clients = notifications_of(announcement, history()[announcement])
    assert (to_operators.audience, to_clients.audience) == (Audience.OPERATORS, Audience.CLIENTS)
    for one in (to_operators, to_clients):
        assert (one.transition, one.kind, one.severity) == (transition, EventKind.MAINTENANCE, Severity.INFO)
        assert "New token table" in one.title
    assert to_operators.key != to_clients.key
    said = " ".join(text for _, text in to_clients.facts) + to_clients.title
    assert "tables" not in said.replace("New token table", ""), "clients read nothing of deployments"
    assert "bob" not in said
    opens = transition is not Transition.RESOLVE
    assert ("d-tables" in to_operators.action and "latency" in to_operators.action) is opens
    assert ("Retry them" in to_clients.impact) is opens


def test_a_cancellation_names_the_planned_period():
    window = history()[A.CANCELLED]
    assert event_detail(window, A.CANCELLED, NOW)["ends_at"] == ENDS.isoformat()
    period = f"{STARTS:%Y-%m-%d %H:%M} to {ENDS:%Y-%m-%d %H:%M} UTC"
    to_operators, to_clients = notifications_of(A.CANCELLED, window)
    assert to_clients.impact == period
    assert period in to_operators.title
    assert f"Time: {period}" in message_to_clients(window, A.CANCELLED)[1]


def test_the_end_of_what_took_place_is_when_it_ended():
    window = history()[A.ENDED]
    assert event_detail(window, A.ENDED, NOW)["ends_at"] == (STARTS + HOUR).isoformat()


def test_a_window_without_exceptions_says_so():
    (to_operators, _) = notifications_of(A.IN_72_HOURS, only(planned()))
    assert to_operators.action == "deployments are refused while it is under way"
    assert to_operators.reason == "ann"


def test_clients_are_not_informed_of_the_cancellation_of_what_they_never_heard_of():
    window = replace(history()[A.CANCELLED], announced=())
    assert [one.audience for one in notifications_of(A.CANCELLED, window)] == [Audience.OPERATORS]
    assert message_to_clients(window, A.CANCELLED) is None


def test_clients_are_informed_of_the_cancellation_of_what_a_run_that_died_may_have_sent():
    schedule = planned()
    leased = next_lease(schedule, STARTS - HOUR)[0].schedule
    window = only(cancel(leased, only(schedule).id, "ann", "not ready", STARTS - HOUR).schedule)
    assert [one.audience for one in notifications_of(A.CANCELLED, window)] == [Audience.OPERATORS, Audience.CLIENTS]
    assert message_to_clients(window, A.CANCELLED) is not None


@pytest.mark.parametrize(
    ("announcement", "words", "text"),
    [
        (A.IN_72_HOURS, "is planned", "Retry them"),
        (A.IN_1_HOUR, "is planned", "Components: token"),
        (A.STARTED, "has begun", "Retry them"),
        (A.ENDED, "has ended", "It ended at"),
        (A.CANCELLED, "is cancelled", "Components: token"),
    ],
)
def test_the_mail_to_clients_says_what_and_when(announcement, words, text):
    subject, body = message_to_clients(history()[announcement], announcement)
    assert subject == f"OAuth service: maintenance {words}"
    assert "New token table" in body
    assert " UTC" in body
    assert text in body
    assert ("Retry them" in body) is (announcement not in {A.ENDED, A.CANCELLED})
