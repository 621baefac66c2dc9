from dataclasses import replace

import pytest

from orchestrator.domain.deployment.decision import Action, Decision
from orchestrator.domain.deployment.record import DecisionEntry, Rollback, RollbackTrigger, Shift
from orchestrator.domain.rollback.incident import incident_metrics, open_incident
from tests.samples import NOW, deployment, seconds

TRIGGER = RollbackTrigger("alarm", "token-server-errors: 7 of 9", NOW + seconds(20))
ROLLED = deployment(
    shifts=(Shift(0, 10, NOW + seconds(5)),),
    rollback=Rollback(TRIGGER, "x", NOW + seconds(21), NOW + seconds(22), NOW + seconds(23)),
)
LOOK = DecisionEntry("d-1", 1, NOW + seconds(15), "AnalyzeCanary", "then", Decision(Action.BAKE, 0, 1, 10, "fine"))


def test_a_timeline_shows_what_happened_in_the_order_of_time():
    incident = open_incident(ROLLED, [LOOK], NOW + seconds(30))
    assert [what for what, _ in incident.timeline] == [
        "requested",
        "shifted to 10 %",
        "AnalyzeCanary: BAKE",
        "rollback triggered by alarm",
        "lock taken over",
        "aliases reverted",
        "stable verified",
    ]
    assert (incident.id, incident.cause) == ("i-d-1", "token-server-errors: 7 of 9")
    assert (incident.opened_at, incident.closed_at) == (NOW + seconds(20), NOW + seconds(30))


def test_figures_say_how_long_clients_were_exposed():
    assert open_incident(ROLLED, [], NOW).figures == {"trigger_to_restored_seconds": 2.0, "exposed_seconds": 17.0}


def test_without_a_shift_no_client_was_exposed():
    assert open_incident(replace(ROLLED, shifts=()), [], NOW).figures == {"trigger_to_restored_seconds": 2.0}


def test_an_incidents_figures_become_metrics_where_they_are_known():
    assert incident_metrics(open_incident(ROLLED, [], NOW)) == {"RollbackSeconds": 2.0, "CustomerExposureSeconds": 17.0}
    assert incident_metrics(open_incident(replace(ROLLED, shifts=()), [], NOW)) == {"RollbackSeconds": 2.0}
    assert incident_metrics(open_incident(replace(ROLLED, rollback=Rollback(TRIGGER)), [], NOW)) == {}


def test_what_was_not_reached_is_left_out():
    incident = open_incident(replace(ROLLED, rollback=Rollback(TRIGGER)), [], NOW)
    assert incident.figures == {}
    assert "aliases reverted" not in {what for what, _ in incident.timeline}


def test_only_a_rollback_makes_an_incident():
    with pytest.raises(AssertionError, match="an incident needs a rollback"):
        open_incident(deployment(), [], NOW)
