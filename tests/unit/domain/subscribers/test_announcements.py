"""What a page announces: each step of an incident and of a window once, in its words, and nothing that is old."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.domain.incidents.incident import Draft, EntryKind
from orchestrator.domain.notifications.delivery import HOLD, DeliveryRecord, Waiting
from orchestrator.domain.notifications.notification import Severity, Transition
from orchestrator.domain.status_page.maintenance import MaintenanceState
from orchestrator.domain.status_page.page import PageInputs
from orchestrator.domain.subscribers.announcements import (
    Earlier,
    announcements_of,
    is_for,
    notification_of,
    waits_for_earlier,
)
from tests.samples import NOW
from tests.unit.domain.status_page.pages import QUIET, decide, incident, minutes, opening, window
from tests.unit.domain.subscribers.samples import announcement, subscriber

HOUR = timedelta(hours=1)


def announced(*, incidents=(), windows=(), now=NOW):
    page, _ = decide(PageInputs(QUIET, incidents=incidents, windows=windows), now=now)
    return announcements_of(page, lambda one: f"incidents/{one}.html")


def person(kind, text="Passwords still work."):
    return Draft(kind, text, "ann", {})


def test_each_step_of_an_incident_is_announced_with_the_words_of_the_page():
    steps = (
        opening(),
        Draft(EntryKind.ACKNOWLEDGED, "", "ann", {}),
        person(EntryKind.UPDATE),
        Draft(EntryKind.RESOLVED, "", "ann", {}),
    )
    found = announced(incidents=[incident(*steps)])
    assert [(one.step, one.transition) for one in found] == [
        ("investigating", Transition.TRIGGER),
        ("identified", Transition.UPDATE),
        ("identified", Transition.UPDATE),
        ("resolved", Transition.RESOLVE),
    ]
    assert found[2].text == "Passwords still work."
    assert len({one.key for one in found}) == 1
    assert len({one.id for one in found}) == 4
    assert {one.path for one in found} == {"incidents/i-1.html"}
    assert found[0].names == "Login, Tokens, User data and keys"


def test_an_incident_that_is_reopened_is_a_new_episode_and_a_text_after_the_end_begins_and_ends_nothing():
    resolved = Draft(EntryKind.RESOLVED, "", "ann", {})
    steps = (
        opening(),
        resolved,
        Draft(EntryKind.REOPENED, "", "orchestrator", {"severity": "SEV2"}),
        resolved,
        person(EntryKind.UPDATE),
    )
    found = announced(incidents=[incident(*steps)])
    assert [one.transition for one in found] == [
        Transition.TRIGGER, Transition.RESOLVE, Transition.TRIGGER, Transition.RESOLVE, Transition.TRIGGER,
    ]  # fmt: skip
    assert found[0].key == found[1].key != found[2].key == found[3].key != found[4].key


def steps_of(one, now=NOW):
    return [(found.step, found.transition) for found in announced(windows=[one], now=now)]


def test_a_window_is_announced_when_it_is_planned_before_it_begins_and_when_it_ends():
    planned = window(announced_at=NOW - 80 * HOUR, starts_at=NOW, ends_at=NOW + HOUR)
    before = [("in-72-hours", Transition.UPDATE), ("in-1-hour", Transition.UPDATE)]
    assert steps_of(planned, NOW - 71 * HOUR) == [("planned", Transition.TRIGGER), before[0]]
    assert steps_of(planned, NOW - minutes(30)) == before, "the plan is older than three days"
    assert steps_of(planned, NOW + minutes(1)) == [], "a window that should have begun is not announced again"
    under_way = window(announced_at=NOW - HOUR, starts_at=NOW, state=MaintenanceState.IN_PROGRESS)
    assert steps_of(under_way, NOW) == [("planned", Transition.TRIGGER), ("started", Transition.UPDATE)]
    over = window(announced_at=NOW - 2 * HOUR, starts_at=NOW - HOUR, ends_at=NOW, state=MaintenanceState.COMPLETED)
    assert steps_of(over)[-1] == ("completed", Transition.RESOLVE)
    off = window(announced_at=NOW - 2 * HOUR, closed_at=NOW, state=MaintenanceState.CANCELLED)
    assert steps_of(off) == [("planned", Transition.TRIGGER), ("cancelled", Transition.RESOLVE)]
    assert off.starts_at > NOW, "it is announced when it is cancelled, not at its planned end"
    assert announced(windows=[off])[-1].at == NOW


def test_a_cancellation_on_a_page_of_an_earlier_release_is_announced_at_its_end():
    # There the end was the time of the cancellation.
    off = window(announced_at=NOW - 2 * HOUR, ends_at=NOW, state=MaintenanceState.CANCELLED)
    assert announced(windows=[off])[-1].at == NOW


def test_a_window_that_is_planned_within_the_hour_has_no_reminder():
    assert steps_of(window(announced_at=NOW, starts_at=NOW + minutes(30))) == [("planned", Transition.TRIGGER)]


def test_what_is_older_than_three_days_or_in_the_future_is_not_listed():
    late = incident(opening())
    assert announced(incidents=[late], now=NOW + timedelta(days=3, seconds=1)) == ()
    assert announced(windows=[window(announced_at=NOW + HOUR)]) == ()


def test_a_subscriber_gets_what_was_announced_since_the_confirmation_within_a_day():
    one = subscriber(confirmed_at=NOW)
    assert is_for(announcement(at=NOW), one, NOW)
    assert not is_for(announcement(at=NOW - HOUR), one, NOW)
    assert not is_for(announcement(at=NOW), one, NOW + timedelta(hours=25))
    assert not is_for(announcement(at=NOW), subscriber(components=("tokens",)), NOW)
    assert is_for(announcement(at=NOW), subscriber(components=("tokens", "login")), NOW)


def test_an_end_waits_only_for_a_beginning_that_the_subscriber_gets():
    end = announcement(transition=Transition.RESOLVE, at=NOW + HOUR, began_at=NOW)
    assert notification_of(end, subscriber(confirmed_at=NOW), "prod").opened_as is Severity.INFO
    assert notification_of(end, subscriber(confirmed_at=NOW + minutes(1)), "prod").opened_as is None


def test_a_step_waits_for_those_before_it_that_this_subscriber_gets():
    first = Earlier("i-1-1", NOW)
    second, one = announcement(id="i-1-2", earlier=(first,)), subscriber(confirmed_at=NOW)
    waiting = {"i-1-1": Waiting(Transition.TRIGGER, NOW + HOUR)}

    def waits(record, waited=timedelta(), who=one, now=NOW):
        return waits_for_earlier(second, who, record, waited, now)

    assert waits(DeliveryRecord())
    assert not waits(DeliveryRecord(), HOLD), "nothing is known of it: it is lost"
    assert waits(DeliveryRecord(waiting=waiting), HOLD), "it is tried again"
    assert not waits(DeliveryRecord(waiting=waiting), HOLD, now=NOW + HOUR), "it is in the dead-letter queue"
    assert not waits(DeliveryRecord(delivered={"i-1-1": "ok"}))
    assert not waits(DeliveryRecord(refused={"i-1-1": "404"}))
    assert not waits(DeliveryRecord(), who=subscriber(confirmed_at=NOW + minutes(1))), "this one does not get it"
    assert not waits_for_earlier(announcement(), one, DeliveryRecord(), timedelta(), NOW)
