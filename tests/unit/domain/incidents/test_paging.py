"""Who is paged when: at once, then level by level, until an acknowledgement, a resolution or the last round."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from orchestrator.domain.incidents.commands import acknowledge, add_action, complete_action
from orchestrator.domain.incidents.incident import Draft, EntryKind
from orchestrator.domain.incidents.paging import MOST_ROUNDS, due_drafts, next_page
from orchestrator.domain.incidents.policy import IncidentPolicy
from orchestrator.domain.incidents.severity import IncidentSeverity
from tests.samples import NOW
from tests.unit.domain.incidents.worlds import POLICY, Incidents, minutes, signal


@pytest.fixture
def incidents():
    world = Incidents()
    world.receive(signal("rollback:d-1", "rollback"))
    return world


def pages(world):
    (incident,) = world.all
    return [(page.person, page.key) for page in incident.pages]


def test_the_first_level_is_paged_at_once_and_only_once(incidents):
    for second in (0, 1, 60, 14 * 60):
        incidents.tick(NOW + timedelta(seconds=second))
    assert pages(incidents) == [("ann", "1-1")]


def test_an_unanswered_page_goes_to_the_next_level_after_the_minutes_of_the_settings(incidents):
    incidents.tick(NOW)
    incidents.tick(NOW + minutes(14.9))
    assert len(pages(incidents)) == 1
    incidents.tick(NOW + minutes(15))
    assert pages(incidents) == [("ann", "1-1"), ("dan", "1-2")]
    (incident,) = incidents.all
    assert incidents.chains[incident.id][-1].details["destinations"] == ["pager-2"]


def test_after_the_last_level_the_incident_says_so_and_the_rounds_end_with_the_last_one(incidents):
    for minute in range(24 * 60):
        incidents.tick(NOW + minutes(minute))
    (incident,) = incidents.all
    assert incidents.kinds(incident.id) == ["OPENED", *["PAGED", "PAGED", "UNANSWERED"] * MOST_ROUNDS]
    assert incident.unanswered_rounds == MOST_ROUNDS
    assert "no level acknowledged in round 1: 2 paged, 15 minutes each" in incidents.chains[incident.id][3].text


def test_a_clock_that_stood_still_for_hours_pages_the_next_level_once(incidents):
    incidents.tick(NOW)
    incidents.tick(NOW + timedelta(hours=5))
    incidents.tick(NOW + timedelta(hours=5, minutes=1))
    assert pages(incidents) == [("ann", "1-1"), ("dan", "1-2")]


def test_an_acknowledgement_ends_the_paging(incidents):
    incidents.tick(NOW)
    (incident,) = incidents.all
    incidents.command(incident.id, acknowledge(incident, "ann", ""), NOW + minutes(1))
    incidents.tick(NOW + timedelta(hours=1))
    assert pages(incidents) == [("ann", "1-1")]


def test_a_resolved_incident_pages_no_person(incidents):
    incidents.receive(signal("rollback:d-1", "", NOW + minutes(1)))
    incidents.tick(NOW + minutes(2))
    assert pages(incidents) == []


def test_a_severity_below_the_settings_is_not_paged_until_it_is_raised(incidents):
    policy = replace(POLICY, page_from=IncidentSeverity.SEV1)
    (incident,) = incidents.all
    assert next_page(incident, policy, NOW) is None
    raised = incidents.command(incident.id, [Draft(EntryKind.SEVERITY, "worse", details={"severity": "SEV1"})])
    assert next_page(raised, policy, NOW).details["person"] == "ann"


def test_without_a_rota_one_page_goes_to_all_pagers_and_names_no_person():
    world = Incidents(policy=IncidentPolicy())
    world.receive(signal("rollback:d-1", "rollback"))
    for minute in (0, 20, 200):
        world.tick(NOW + minutes(minute))
    assert pages(world) == [("", "1-1")]
    (incident,) = world.all
    page = world.chains[incident.id][1]
    assert (page.text, page.details["destinations"]) == ("paged the on-call operator", [])


def test_an_owner_is_reminded_once_a_day_from_the_day_after_the_due_date_until_the_item_is_done(incidents):
    (incident,) = incidents.all
    incidents.command(incident.id, acknowledge(incident, "ann", ""))
    incidents.command(incident.id, add_action(incident, "add a test", "bob", date(2026, 11, 23), "ann"))

    def reminders(after):
        drafts = due_drafts(incidents.all[0], POLICY, NOW + after)
        if drafts:
            incidents.command(incident.id, drafts, NOW + after)
        return [draft.text for draft in drafts]

    assert reminders(timedelta(hours=20)) == []
    assert reminders(timedelta(hours=21)) == ["action item 1 of bob was due on 2026-11-23: add a test"]
    assert reminders(timedelta(hours=22)) == []
    assert len(reminders(timedelta(hours=45))) == 1
    incidents.command(incident.id, complete_action(incidents.all[0], 1, "bob"))
    assert reminders(timedelta(hours=90)) == []
