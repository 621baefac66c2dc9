"""The history of a component, maintenance, overrides, and the page as a whole."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.incidents.announcements import EVENT_TYPES as ANNOUNCED
from orchestrator.domain.incidents.incident import Draft, EntryKind
from orchestrator.domain.status_page.component_state import ComponentState
from orchestrator.domain.status_page.headers import CONTENT_SECURITY_POLICY, PAGE_POLICY, SECURITY_HEADERS
from orchestrator.domain.status_page.history import (
    DAYS,
    MOST_CHANGES,
    PageRecord,
    StateChange,
    day_bars,
    observe,
    uptime_percent,
)
from orchestrator.domain.status_page.maintenance import MaintenanceState, published, upcoming
from orchestrator.domain.status_page.overrides import LONGEST, new_override
from orchestrator.domain.status_page.page import PageInputs
from orchestrator.domain.status_page.settings import DEFAULT_COMPONENTS
from orchestrator.domain.status_page.triggers import EVENT_TYPES
from tests.samples import NOW
from tests.unit.domain.status_page.pages import (
    QUIET,
    busy_page,
    decide,
    firing,
    incident,
    minutes,
    opening,
    override,
    window,
)

OPERATIONAL, MAINTENANCE, UNKNOWN, DEGRADED, PARTIAL, MAJOR = ComponentState
MIDNIGHT = NOW.replace(hour=0)


def test_a_state_is_recorded_when_it_changes():
    first = observe((), None, OPERATIONAL, NOW)
    same = observe(first, NOW, OPERATIONAL, NOW + minutes(1))
    assert same == first == (StateChange(NOW, OPERATIONAL),)
    assert observe(same, NOW, MAJOR, NOW + minutes(2))[1:] == (StateChange(NOW + minutes(2), MAJOR),)


def test_what_was_not_observed_is_not_known():
    first = observe((), None, OPERATIONAL, NOW)
    after = observe(first, NOW, OPERATIONAL, NOW + minutes(60))
    assert [(change.at - NOW, change.state) for change in after] == [
        (minutes(0), OPERATIONAL), (minutes(10), UNKNOWN), (minutes(60), OPERATIONAL),
    ]  # fmt: skip
    assert uptime_percent(after, NOW, NOW + minutes(60)) == 100


def test_a_late_observation_changes_nothing():
    first = observe((), None, OPERATIONAL, NOW)
    assert observe(first, NOW, MAJOR, NOW - minutes(1)) == first


def test_uptime_counts_major_outages_whole_and_partial_ones_in_part():
    changes = (
        StateChange(NOW, OPERATIONAL),
        StateChange(NOW + minutes(10), MAJOR),
        StateChange(NOW + minutes(20), PARTIAL),
        StateChange(NOW + minutes(30), DEGRADED),
        StateChange(NOW + minutes(40), UNKNOWN),
        StateChange(NOW + minutes(50), MAINTENANCE),
    )
    assert uptime_percent(changes, NOW, NOW + minutes(60)) == pytest.approx(100 * (1 - 13 / 50))
    assert uptime_percent(changes, NOW + minutes(40), NOW + minutes(50)) is None
    assert uptime_percent((), NOW, NOW + minutes(60)) is None


def test_a_day_has_the_worst_state_and_a_day_without_data_has_none():
    changes = (StateChange(MIDNIGHT - minutes(60), MAJOR), StateChange(MIDNIGHT - minutes(30), OPERATIONAL))
    days = day_bars(changes, NOW)
    assert len(days) == DAYS
    assert [day.worst for day in days[-3:]] == [None, MAJOR, OPERATIONAL]
    assert days[-2].uptime_percent == 50
    assert (days[0].uptime_percent, days[-1].start) == (None, MIDNIGHT)


def test_the_history_is_bounded_in_time_and_number():
    old = (StateChange(NOW - timedelta(days=400), MAJOR), StateChange(NOW - timedelta(days=200), OPERATIONAL))
    assert observe(old, NOW, OPERATIONAL, NOW) == old[1:]
    changes = ()
    for number in range(2 * MOST_CHANGES):
        changes = observe(changes, NOW + minutes(number), (OPERATIONAL, MAJOR)[number % 2], NOW + minutes(number))
    assert len(changes) == MOST_CHANGES


def test_maintenance_is_upcoming_until_it_ends_and_in_the_calendar_for_some_days():
    planned, cancelled = window(), window(id="m-0", state=MaintenanceState.CANCELLED)
    long = window(id="m-3", state=MaintenanceState.IN_PROGRESS)
    assert upcoming((planned, cancelled, long), NOW) == (planned, long)
    after = NOW + minutes(121)
    assert upcoming((planned, long), after) == (long,)
    assert published((planned, cancelled), after) == (cancelled, planned)
    assert published((planned, long), NOW + timedelta(days=16)) == (long,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"component": "dns"}, "give one of login, tokens, user-data"),
        ({"state": "broken"}, "give one of operational, under_maintenance, degraded_performance"),
        ({"state": "unknown"}, "give one of operational"),
        ({"reason": " "}, "say why"),
        ({"reason": "x" * 501}, "at most 500"),
        ({"until": NOW}, "a time after now"),
        ({"until": NOW + LONGEST + minutes(1)}, "at most 7 days"),
    ],
)
def test_a_wrong_override_is_refused_with_a_remedy(changes, message):
    good = {"component": "tokens", "state": "major_outage", "reason": "x", "until": NOW + LONGEST, "by": "ann"}
    assert new_override(DEFAULT_COMPONENTS, **good, now=NOW).is_active(NOW)
    with pytest.raises(Refused, match=message):
        new_override(DEFAULT_COMPONENTS, **{**good, **changes}, now=NOW)


def test_the_page_has_the_worst_state_of_its_components():
    assert decide()[0].summary == "All systems operational"
    page = decide(PageInputs(firing("token-latency")))[0]
    assert (page.state, page.summary) == (DEGRADED, "Some systems are degraded")
    assert [row.status.state for row in page.rows] == [OPERATIONAL, DEGRADED, OPERATIONAL]


def test_the_page_lists_open_recent_and_older_incidents():
    page = busy_page()
    assert [one.id for one in page.open_incidents] == ["i-2"]
    assert [one.id for one in page.recent] == ["i-1"]
    assert [one.id for one in page.history] == ["i-2", "i-1", "i-0"]
    forgotten = incident(opening(), Draft(EntryKind.RESOLVED, ""), at=NOW - timedelta(days=91))
    assert decide(PageInputs(QUIET, (forgotten,)))[0].history == ()


def test_the_record_keeps_the_histories_of_the_page_s_components_only():
    record = PageRecord(histories={"gone": (StateChange(NOW, MAJOR),)}, version=3, digest="d", published_at=NOW)
    after = decide(PageInputs(replace(QUIET, failed_probes={"token": 1})), record)[1]
    assert set(after.histories) == {"login", "tokens", "user-data"}
    assert (after.version, after.digest, after.published_at) == (3, "d", NOW)
    assert (after.observed_at, after.failed_probes) == (NOW, {"token": 1})


def test_random_orders_of_events_leave_the_state_that_the_evidence_of_the_last_observation_has():
    generator = random.Random(60)
    for _ in range(200):
        record, now = PageRecord(), NOW
        for _ in range(30):
            now += minutes(generator.choice([0, 1, 5, 30]))
            alarms = {name: generator.random() < 0.3 for name in ("token-latency", "authorize-server-errors")}
            beats = replace(QUIET, alarms=alarms, heartbeats={})
            windows = (window(starts_at=NOW + minutes(generator.randint(0, 100)), ends_at=NOW + minutes(200)),)
            overrides = (override(until=NOW + minutes(generator.randint(1, 100))),)
            page, record = decide(PageInputs(beats, (), windows, overrides), record, now)
            states = {row.status.component.id: row.status.state for row in page.rows}
            expected = {
                "login": MAINTENANCE
                if windows[0].is_active(now)
                else (OPERATIONAL, PARTIAL)[alarms["authorize-server-errors"]],
                "tokens": MAJOR if overrides[0].is_active(now) else (OPERATIONAL, DEGRADED)[alarms["token-latency"]],
                "user-data": OPERATIONAL,
            }
            assert states == expected
            assert {name: changes[-1].state for name, changes in record.histories.items()} == expected
            for changes in record.histories.values():
                assert [change.at for change in changes] == sorted(change.at for change in changes)


def test_the_uptime_is_that_of_all_intervals_one_by_one():
    generator = random.Random(61)
    for _ in range(300):
        times = sorted(NOW + minutes(generator.randint(0, 60)) for _ in range(generator.randint(0, 6)))
        changes = [StateChange(at, generator.choice(list(ComponentState))) for at in times]
        start = NOW + minutes(generator.randint(-10, 60))
        end = start + minutes(generator.randint(0, 40))
        # A state per minute: that of the last change which is not after it.
        each = [start + minutes(number) for number in range((end - start) // minutes(1))]
        states = [[change.state for change in changes if change.at <= minute][-1:] for minute in each]
        known = [state for last in states for state in last if state is not UNKNOWN]
        down = sum({MAJOR: 1.0, PARTIAL: 0.3}.get(state, 0.0) for state in known)
        expected = pytest.approx(100 * (1 - down / len(known))) if known else None
        assert uptime_percent(changes, start, end) == expected


def test_a_page_allows_nothing_but_its_own_style_and_images():
    assert PAGE_POLICY.startswith("default-src 'none';")
    assert "script-src" not in PAGE_POLICY
    assert f"{PAGE_POLICY}; frame-ancestors 'none'" == CONTENT_SECURITY_POLICY
    assert SECURITY_HEADERS["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


def test_the_page_is_published_after_every_event_of_an_incident_that_it_shows():
    shown = {EntryKind.OPENED, EntryKind.REOPENED, EntryKind.ACKNOWLEDGED, EntryKind.UPDATE, EntryKind.RESOLVED}
    assert {ANNOUNCED[kind] for kind in shown} <= set(EVENT_TYPES)
    assert {"RollbackStarted", "RollbackCompleted"} <= set(EVENT_TYPES)
