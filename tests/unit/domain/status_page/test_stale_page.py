"""A page that is not checked any more: what it still says, and how old that is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.status_page.component_state import ComponentState
from orchestrator.domain.status_page.page import PageInputs
from orchestrator.domain.status_page.stale_page import STALE_AFTER, is_stale, stale_page
from tests.samples import NOW
from tests.unit.domain.status_page.pages import QUIET, busy_page, decide, firing, minutes, override

OPERATIONAL, MAINTENANCE, UNKNOWN, DEGRADED, PARTIAL, MAJOR = ComponentState


def states(page):
    return {row.status.component.id: row.status.state for row in page.rows}


def test_a_page_is_stale_when_it_was_not_written_in_time():
    page = decide()[0]
    assert not is_stale(page, NOW + STALE_AFTER)
    assert is_stale(page, NOW + STALE_AFTER + minutes(0.1))


def test_no_component_of_a_stale_page_is_operational_and_each_says_how_old_its_state_is():
    page = stale_page(decide()[0], NOW + minutes(12.5))
    assert set(states(page).values()) == {UNKNOWN}
    assert page.summary == "The state of some systems is not known"
    assert page.rows[0].status.reasons == (
        "Our checks have not reported for 12 minutes, since 23 November 2026, 03:00 UTC.",
        "It was then: operational.",
    )
    assert page.at == NOW


@pytest.mark.parametrize(("age", "text"), [(119, "119 minutes"), (120, "2 hours"), (3000, "50 hours")])
def test_the_age_is_in_minutes_and_then_in_hours(age, text):
    assert f"for {text}," in stale_page(decide()[0], NOW + minutes(age)).rows[0].status.reasons[0]


@pytest.mark.parametrize("before", [firing("token-errors"), firing("token-latency"), replace(QUIET, alarms=None)])
def test_what_was_bad_is_not_known_either(before):
    assert set(states(stale_page(decide(PageInputs(before))[0], NOW + minutes(12))).values()) == {UNKNOWN}


def test_a_major_outage_stays_one_with_its_reason():
    page = decide(PageInputs(QUIET, overrides=(override(),)))[0]
    found = stale_page(page, NOW + minutes(12))
    assert (states(found)["tokens"], states(found)["login"]) == (MAJOR, UNKNOWN)
    (row,) = [row for row in found.rows if row.status.component.id == "tokens"]
    assert row.status.reasons[0] == "The upstream is down."
    assert "Our checks have not reported for 12 minutes" in row.status.reasons[1]


def test_incidents_and_maintenance_stay_as_they_were():
    page = busy_page()
    found = stale_page(page, NOW + minutes(12))
    assert (found.history, found.calendar) == (page.history, page.calendar)
