"""What clients read of an incident, and what stays inside."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.incidents.incident import Draft, EntryKind
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.status_page.incident_steps import Step
from orchestrator.domain.status_page.published_incidents import UNPUBLISHED
from tests.samples import NOW
from tests.unit.domain.status_page.pages import ALL, SETTINGS, incident, opening, signalled


def test_what_machines_write_stays_inside_and_the_page_has_sentences_of_its_own():
    one = incident(
        opening(subject="rollback:d-1"),
        Draft(EntryKind.PAGED, "ann is paged", details={"level": 1, "round": 1, "person": "ann"}),
        Draft(EntryKind.UPDATE, "reported late: 7.7 % > 5 %"),
        Draft(EntryKind.ACKNOWLEDGED, "ann: on my way", "ann"),
        Draft(EntryKind.RESOLVED, "aliases are back"),
        Draft(EntryKind.REOPENED, "again", details={"severity": "SEV2"}),
    )
    assert one.title == "Problem with Login, Tokens, User data and keys"
    assert [(update.step, update.text) for update in reversed(one.updates)] == [
        (Step.INVESTIGATING, "We are investigating a problem with Login, Tokens, User data and keys."),
        (Step.IDENTIFIED, "An engineer is working on it."),
        (Step.RESOLVED, "The problem is resolved."),
        (Step.INVESTIGATING, "The problem with Login, Tokens, User data and keys is back. We are investigating it."),
    ]
    assert "ann" not in repr(one)
    assert "7.7" not in repr(one)
    assert (one.step, one.is_open, one.updated_at) == (Step.INVESTIGATING, True, NOW)


def test_what_a_person_writes_for_those_who_follow_is_published_as_it_is():
    one = incident(
        opening(by="ann", title="Logins fail.", cause="login"),
        Draft(EntryKind.ACKNOWLEDGED, "", "ann"),
        Draft(EntryKind.UPDATE, "The upstream is down.\x1b", "ann"),
    )
    assert (one.title, one.components) == ("Logins fail", ("login",))
    assert (one.updates[0].text, one.updates[0].step) == ("The upstream is down.\\x1b", Step.IDENTIFIED)


def test_the_components_are_those_of_its_alarms_or_all():
    alarms = [
        Draft(EntryKind.SIGNALLED, "", details=signalled(f"alarm:ib-oauth-{name}-test"))
        for name in ("token-errors", "authorize-latency")
    ]
    assert incident(opening(), *alarms).components == ("login", "tokens")
    assert incident(opening()).components == ALL
    cleared = Draft(EntryKind.CLEARED, "", details={"subject": "alarm:ib-oauth-token-errors-test"})
    assert incident(opening(), cleared).components == ALL


@pytest.mark.parametrize("cause", sorted(UNPUBLISHED))
def test_drills_and_security_alarms_are_not_published(cause):
    assert incident(opening(cause=cause, severity="SEV1")) is None


def test_an_incident_is_published_once_it_was_severe_enough_and_stays_so():
    assert incident(opening(severity="SEV3")) is None
    raised = Draft(EntryKind.SEVERITY, "", "ann", {"severity": "SEV1"})
    lowered = Draft(EntryKind.SEVERITY, "", "ann", {"severity": "SEV3"})
    assert incident(opening(severity="SEV3"), raised, lowered).severity is IncidentSeverity.SEV3
    least = replace(SETTINGS, published_from=IncidentSeverity.SEV3)
    assert incident(opening(severity="SEV3"), settings=least)


def test_a_resolved_incident_is_recent_for_a_time():
    one = incident(opening(), Draft(EntryKind.RESOLVED, ""))
    assert one.is_recent(NOW + timedelta(days=15), timedelta(days=15))
    assert not one.is_recent(NOW + timedelta(days=15, seconds=1), timedelta(days=15))
    assert incident().is_recent(NOW + timedelta(days=400), timedelta(days=15))
