"""The steps of an incident: when its cause is removed, and when that was not the end."""

from __future__ import annotations

import pytest

from orchestrator.domain.incidents.incident import Draft, EntryKind, replay
from orchestrator.domain.status_page.component_state import ComponentState
from orchestrator.domain.status_page.incident_steps import Step, updates_of
from tests.samples import NOW
from tests.unit.domain.status_page.pages import TOKENS, entries, firing, incident, minutes, opening, signalled
from tests.unit.domain.status_page.test_evidence import state

INVESTIGATING, IDENTIFIED, MONITORING, RESOLVED = Step
OPERATIONAL, _, _, DEGRADED, PARTIAL, _ = ComponentState
COMPOSITE, ROLLBACK = "alarm:ib-oauth-service-degraded-test", "rollback:d-1"
REMOVED = "The cause is removed. We are monitoring the result."


def began(subject, at=NOW):
    return Draft(EntryKind.SIGNALLED, "", details=signalled(subject, at))


def ended(subject, removed_at=None):
    removal = {"removed_at": removed_at.isoformat()} if removed_at else {}
    return Draft(EntryKind.CLEARED, "", details={"subject": subject, **removal})


START = opening(subject=COMPOSITE)
REMOVAL = ended(ROLLBACK, NOW + minutes(1))
ACKNOWLEDGED = Draft(EntryKind.ACKNOWLEDGED, "", "ann")


def steps(*drafts):
    return [update.step for update in reversed(incident(*drafts).updates)]


def test_a_rollback_that_removed_the_cause_is_monitored_and_does_not_weigh_until_the_alarm_ends():
    one = incident(START, began(ROLLBACK), REMOVAL)
    assert (one.step, one.updates[0].text, one.is_open) == (MONITORING, REMOVED, True)
    assert state(TOKENS, incidents=(one,)).state is OPERATIONAL
    assert state(TOKENS, firing("token-errors"), incidents=(one,)).state is PARTIAL
    over = incident(START, began(ROLLBACK), REMOVAL, ended(COMPOSITE), Draft(EntryKind.RESOLVED, ""))
    assert [update.step for update in reversed(over.updates)] == [INVESTIGATING, MONITORING, RESOLVED]


def test_a_rollback_that_ends_the_incident_is_not_monitored():
    assert steps(opening(subject=ROLLBACK), REMOVAL, Draft(EntryKind.RESOLVED, "")) == [INVESTIGATING, RESOLVED]


def test_a_rollback_that_found_nothing_to_undo_removed_no_cause():
    assert steps(START, began(ROLLBACK), ended(ROLLBACK)) == [INVESTIGATING]


@pytest.mark.parametrize("other", ["rollback:d-2", "alarm:ib-oauth-rollback-failed-test"])
def test_what_else_lasts_is_waited_for(other):
    drafts = [START, began(ROLLBACK), began(other), REMOVAL]
    assert steps(*drafts) == [INVESTIGATING]
    assert steps(*drafts, ended(other)) == [INVESTIGATING, MONITORING]


def test_a_new_signal_ends_the_monitoring_and_one_that_is_only_late_does_not():
    drafts = [opening(subject=ROLLBACK), began(COMPOSITE), REMOVAL]
    late, new = began("rollback:d-2", NOW + minutes(1)), began("rollback:d-2", NOW + minutes(2))
    assert steps(*drafts, late) == [INVESTIGATING, MONITORING]
    one = incident(*drafts, new)
    assert (one.step, one.updates[0].text.endswith("is back. We are investigating it.")) == (INVESTIGATING, True)
    assert state(TOKENS, incidents=(one,)).state is DEGRADED
    again = ended("rollback:d-2", NOW + minutes(3))
    assert steps(*drafts, new, again) == [INVESTIGATING, MONITORING, INVESTIGATING, MONITORING]


def test_a_new_signal_that_the_acknowledgement_follows_changes_nothing_else():
    waiting = [START, began(ROLLBACK), began("rollback:d-2"), REMOVAL, ACKNOWLEDGED]
    assert steps(*waiting, began("rollback:d-3", NOW + minutes(2))) == [INVESTIGATING, IDENTIFIED]


def test_an_acknowledgement_does_not_end_the_monitoring_but_a_person_s_severity_does():
    drafts = [START, began(ROLLBACK), REMOVAL, ACKNOWLEDGED]
    assert steps(*drafts) == [INVESTIGATING, MONITORING, MONITORING]
    worse = {"severity": "SEV1"}
    assert incident(*drafts, Draft(EntryKind.SEVERITY, "", "ann", worse)).step is IDENTIFIED
    assert incident(*drafts, Draft(EntryKind.SEVERITY, "", details=worse)).step is MONITORING


def test_what_a_person_opened_is_monitored_by_no_machine():
    assert steps(opening(by="ann"), began(ROLLBACK), REMOVAL) == [INVESTIGATING]


def test_each_episode_has_steps_of_its_own():
    again = Draft(EntryKind.REOPENED, "", details={**signalled(COMPOSITE, NOW + minutes(5)), "severity": "SEV2"})
    drafts = [START, began(ROLLBACK), REMOVAL, Draft(EntryKind.RESOLVED, ""), again]
    assert steps(*drafts) == [INVESTIGATING, RESOLVED, INVESTIGATING]
    assert steps(*drafts, ended("alarm:other")) == [INVESTIGATING, RESOLVED, INVESTIGATING]


def test_what_was_monitored_stays_in_the_history_after_a_later_resolution():
    chain = entries(START, began(ROLLBACK), REMOVAL)
    chain += entries(Draft(EntryKind.RESOLVED, ""), incident=replay(chain), at=NOW + minutes(2))
    assert [one.step for one in updates_of(chain, "Tokens")] == [RESOLVED, MONITORING, INVESTIGATING]
