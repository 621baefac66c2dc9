"""What a window refuses and silences, and what it never does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.incidents.register import Opening, opening_drafts
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.maintenance.effects import refuse_under_maintenance, silences_incident, silencing_window
from orchestrator.domain.maintenance.schedule import Schedule
from tests.samples import NOW
from tests.unit.domain.incidents.worlds import POLICY, Incidents, signal
from tests.unit.domain.maintenance.worlds import HOUR, MINUTE, only, planned

SCHEDULE = planned(HOUR, urgent="now", allowed=("tables",), silenced=("service-degraded", "iam-policy-changed"))
WINDOW = only(SCHEDULE)
DURING = WINDOW.starts_at + MINUTE
DEGRADED = "alarm:ib-oauth-service-degraded-prod"
POLICY_CHANGED = "alarm:ib-oauth-iam-policy-changed-prod"


def test_a_deployment_is_refused_with_the_window_its_end_and_the_remedy():
    with pytest.raises(Refused) as refusal:
        refuse_under_maintenance(SCHEDULE, "d-1", DURING)
    assert refusal.value.field == "maintenance"
    assert str(refusal.value.value) == WINDOW.description
    assert f"orchestrator maintenance end {WINDOW.id}" in refusal.value.remedy
    assert "it allows d-tables alone" in refusal.value.remedy
    with pytest.raises(Refused, match="it allows no deployment"):
        refuse_under_maintenance(planned(HOUR, urgent="now"), "d-1", DURING)


def test_what_is_allowed_passes_and_outside_the_window_everything_does():
    refuse_under_maintenance(SCHEDULE, "d-tables", DURING)
    refuse_under_maintenance(SCHEDULE, "d-1", WINDOW.starts_at - MINUTE)
    refuse_under_maintenance(SCHEDULE, "d-1", WINDOW.ends_at)
    refuse_under_maintenance(Schedule(), "d-1", DURING)
    with pytest.raises(Refused):
        refuse_under_maintenance(SCHEDULE, "d-1", WINDOW.starts_at)


def test_an_alarm_is_silenced_by_its_name_while_the_window_is_under_way():
    assert silencing_window(SCHEDULE, "service-degraded", DURING) == WINDOW
    assert silencing_window(SCHEDULE, "latency", DURING) is None
    assert silencing_window(SCHEDULE, "service-degraded", WINDOW.ends_at) is None


def incident_of(*subjects, at=DURING):
    world = Incidents()
    for subject, opener, cause in subjects:
        world.receive(signal(subject, opener, at, cause), at)
    return world.all[0]


def silences(incident, now=DURING):
    return silences_incident(SCHEDULE, incident, "prod", now)


def test_an_incident_of_silenced_alarms_alone_is_not_paged_until_the_window_ends():
    incident = incident_of((DEGRADED, "service-degraded", "service"))
    assert incident.subjects == (DEGRADED,)
    assert silences(incident)
    assert not silences(incident, WINDOW.ends_at)
    assert silences(incident_of((POLICY_CHANGED, "iam-policy-changed", "iam-policy-changed")))


@pytest.mark.parametrize(
    "subjects",
    [
        (("rollback:d-1", "rollback", "service"),),
        ((DEGRADED, "service-degraded", "service"), ("rollback:d-1", "rollback", "service")),
        (("alarm:ib-oauth-rollback-failed-prod", "rollback-failed", "service"),),
    ],
)
def test_an_incident_of_anything_else_is_paged(subjects):
    assert not silences(incident_of(*subjects))


def test_an_incident_of_before_the_window_goes_on_to_page():
    before = WINDOW.starts_at - MINUTE
    assert not silences(incident_of((DEGRADED, "service-degraded", "service"), at=before))


def test_an_incident_of_a_person_is_paged_even_if_a_silenced_alarm_joins_it():
    world = Incidents()
    opening = Opening("service", "logins fail", IncidentSeverity.SEV2, "logins fail", "ann")
    world.write(replace(opening_drafts(opening, None, POLICY, DURING), register=world.register), DURING)
    assert not silences(world.all[0])
    world.receive(signal(DEGRADED, "service-degraded", DURING), DURING)
    assert world.all[0].subjects == (DEGRADED,)
    assert not silences(world.all[0])


def test_a_reopened_episode_has_subjects_of_its_own():
    world = Incidents()
    world.receive(signal("rollback:d-1", "rollback", NOW), NOW)
    world.receive(signal("rollback:d-1", "", NOW + MINUTE), NOW + MINUTE)
    world.receive(signal(DEGRADED, "service-degraded", DURING), DURING)
    incident = world.all[0]
    assert (incident.episode, incident.subjects) == (2, (DEGRADED,))
    assert silences(incident)


def test_an_episode_without_a_signal_is_paged():
    incident = incident_of((DEGRADED, "service-degraded", "service"))
    assert not silences(replace(incident, subjects=()))
