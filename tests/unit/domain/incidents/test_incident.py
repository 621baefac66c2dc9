"""The states of an incident and its hash chain."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.incidents.incident import (
    TRANSITIONS,
    ActionItem,
    Draft,
    EntryKind,
    IncidentState,
    Role,
    append,
    broken_at,
    replay,
)
from orchestrator.domain.incidents.severity import IncidentSeverity, worse_of
from tests.samples import NOW
from tests.unit.domain.incidents.worlds import minutes

OPENED = Draft(EntryKind.OPENED, "5xx", details={"cause": "service", "title": "5xx", "severity": "SEV2"})
EXAMPLES = {
    EntryKind.OPENED: OPENED,
    EntryKind.REOPENED: replace(OPENED, kind=EntryKind.REOPENED),
    EntryKind.SEVERITY: Draft(EntryKind.SEVERITY, "worse", details={"severity": "SEV1"}),
    EntryKind.PAGED: Draft(EntryKind.PAGED, "p", details={"level": 1, "round": 1, "person": "ann", "destinations": []}),
    EntryKind.ROLE: Draft(EntryKind.ROLE, "c", "bob", {"role": "commander", "person": "ann"}),
    EntryKind.ACTION: Draft(EntryKind.ACTION, "add a test", "ann", {"owner": "bob", "due": "2026-12-01"}),
    EntryKind.ACTION_DONE: Draft(EntryKind.ACTION_DONE, "done", "bob", {"action": 1}),
    EntryKind.REMINDED: Draft(EntryKind.REMINDED, "due", details={"action": 1}),
}


def draft(kind):
    return EXAMPLES.get(kind, Draft(kind, kind.value, "ann"))


def incident_in(state):
    kinds = {
        IncidentState.OPEN: (EntryKind.OPENED, EntryKind.ACTION),
        IncidentState.ACKNOWLEDGED: (EntryKind.OPENED, EntryKind.ACTION, EntryKind.ACKNOWLEDGED),
        IncidentState.RESOLVED: (EntryKind.OPENED, EntryKind.ACTION, EntryKind.RESOLVED),
    }[state]
    return append("inc-1", None, [draft(kind) for kind in kinds], NOW)[0]


@pytest.mark.parametrize("kind", EntryKind)
@pytest.mark.parametrize("state", [None, *IncidentState])
def test_every_entry_follows_the_table_or_is_refused(state, kind):
    incident = incident_in(state) if state else None
    if (state, kind) in TRANSITIONS:
        after, (entry,) = append("inc-1", incident, [draft(kind)], NOW)
        assert after.state is TRANSITIONS[state, kind]
        assert (after.entries, after.last_hash) == (entry.number, entry.hash)
    else:
        with pytest.raises(Refused, match=f"{kind.value} of inc-1' is refused: the incident is {state or 'not open'}"):
            append("inc-1", incident, [draft(kind)], NOW)


def test_an_incident_is_what_its_entries_describe():
    first, opened = append("inc-1", None, [OPENED, draft(EntryKind.PAGED), draft(EntryKind.ROLE)], NOW)
    later = NOW + minutes(2)
    after, more = append("inc-1", first, [draft(EntryKind.ACKNOWLEDGED), draft(EntryKind.SEVERITY)], later)
    assert replay([*opened, *more]) == after
    assert (after.cause, after.title, after.severity) == ("service", "5xx", IncidentSeverity.SEV1)
    assert (after.acknowledged_by, after.acknowledged_at, after.roles) == ("ann", later, {Role.COMMANDER: "ann"})
    assert [(page.key, page.person) for page in after.pages] == [("1-1", "ann")]
    assert after.is_led
    assert not after.by_person


def test_a_changed_an_omitted_and_an_exchanged_entry_break_the_chain():
    _, entries = append("inc-1", None, [OPENED, draft(EntryKind.PAGED), draft(EntryKind.ROLE)], NOW)
    assert broken_at(entries) is None
    assert broken_at([entries[0], replace(entries[1], text="nothing happened"), entries[2]]) == 2
    assert broken_at([entries[0], entries[2]]) == 2
    assert broken_at([entries[0], entries[2], entries[1]]) == 2


def test_a_reopened_incident_begins_an_episode_without_pages_acknowledgement_and_roles():
    kinds = (
        EntryKind.OPENED,
        EntryKind.PAGED,
        EntryKind.UNANSWERED,
        EntryKind.ACKNOWLEDGED,
        EntryKind.ROLE,
        EntryKind.RESOLVED,
    )
    ended, _ = append("inc-1", None, [draft(kind) for kind in kinds], NOW)
    assert (ended.resolved_by, ended.resolved_at, ended.unanswered_rounds) == ("ann", NOW, 1)
    assert not ended.is_open
    assert not ended.needs_attention
    again, _ = append("inc-1", ended, [draft(EntryKind.REOPENED)], NOW + minutes(9))
    assert (again.episode, again.episode_at, again.opened_at) == (2, NOW + minutes(9), NOW)
    assert (again.pages, again.acknowledged_by, again.roles, again.unanswered_rounds) == ((), "", {}, 0)
    assert again.resolved_at is None
    assert not again.is_led


def test_an_action_item_keeps_an_incident_attended_until_it_is_done():
    incident = incident_in(IncidentState.RESOLVED)
    assert incident.open_actions == (ActionItem(1, "add a test", "bob", date(2026, 12, 1)),)
    assert incident.needs_attention
    reminded, _ = append("inc-1", incident, [draft(EntryKind.REMINDED)], NOW)
    assert reminded.actions[0].reminded_at == NOW
    two, _ = append("inc-1", reminded, [draft(EntryKind.ACTION)], NOW)
    done, _ = append("inc-1", two, [draft(EntryKind.ACTION_DONE)], NOW + timedelta(days=1))
    assert [action.done_at for action in done.actions] == [NOW + timedelta(days=1), None]


def test_severities_are_ordered_from_sev1():
    sev1, sev2, sev3 = IncidentSeverity
    assert worse_of(sev3, sev1) is worse_of(sev1, sev2) is sev1
    assert sev2.at_least(sev2)
    assert not sev3.at_least(sev2)
