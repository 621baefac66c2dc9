"""The timeline that collects itself from the ledger, and the numbers of the post-mortem."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from orchestrator.domain.deployment.decision import Action, Decision
from orchestrator.domain.deployment.record import (
    DecisionBasis,
    DecisionEntry,
    DeploymentOutcome,
    EventRecord,
    Rollback,
    RollbackTrigger,
    Shift,
)
from orchestrator.domain.incidents.commands import acknowledge
from orchestrator.domain.incidents.postmortem import (
    NOT_MEASURED,
    QUESTIONS,
    TrafficCounts,
    impact_of,
    impact_rows,
)
from orchestrator.domain.incidents.timeline import LedgerFacts, span_of, timeline_of
from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.domain.verdict import Verdict
from tests.samples import NOW, deployment, recovery
from tests.unit.domain.incidents.worlds import Incidents, minutes, signal

TRIGGER = RollbackTrigger("alarm", "7.7 % > 5 %", NOW)
ROLLED_BACK = deployment(
    requested_at=NOW - minutes(10),
    shifts=(Shift(0, 10, NOW - minutes(5)),),
    rollback=Rollback(TRIGGER, reverted_at=NOW + minutes(1), verified_at=NOW + minutes(2)),
    outcome=DeploymentOutcome.ROLLED_BACK,
    ended_at=NOW + minutes(3),
)
DECISIONS = (
    DecisionEntry("d-1", 1, NOW - minutes(4), "AnalyzeCanary", "e", Decision(Action.ADVANCE, 0, 0, 0, "fine")),
    DecisionEntry(
        "d-1", 2, NOW - minutes(1), "AnalyzeCanary", "e", Decision(Action.ROLL_BACK, 0, 0, 0, "bad"),
        verdict=Verdict.failed("7.7 % errors"), basis=DecisionBasis(NOW, by="ann"),
    ),
)  # fmt: skip
EVENTS = (
    EventRecord("e-1", NOW, "alarm", "token-server-errors", acted=True, why="rolled back", deployment="d-1"),
    EventRecord("e-2", NOW + minutes(4), "person", "freeze", acted=True, why=""),
    EventRecord("e-3", NOW - minutes(61), "alarm", "too-early", acted=False, why="no deployment"),
)
DRILL = replace(recovery(), requested_at=NOW - minutes(30), ended_at=NOW, outcome=RecoveryOutcome.FAILED, reason="row")
FACTS = LedgerFacts(EVENTS, (ROLLED_BACK,), {"d-1": DECISIONS}, (DRILL, replace(DRILL, ended_at=None)))


def resolved():
    world = Incidents()
    world.receive(signal("rollback:d-1", "rollback"))
    world.tick(NOW)
    world.command(world.all[0].id, acknowledge(world.all[0], "ann", ""), NOW + minutes(1))
    world.receive(signal("rollback:d-1", "", NOW + minutes(5)), NOW + minutes(5))
    return world.all[0], world.chains[world.all[0].id]


def test_the_timeline_has_what_the_system_and_people_did_in_order_of_time():
    incident, entries = resolved()
    moments = timeline_of(incident, entries, FACTS, NOW + minutes(60))
    assert [moment.at for moment in moments] == sorted(moment.at for moment in moments)
    lines = [(moment.source, moment.text, moment.by) for moment in moments]
    for expected in (
        ("deployment", "requested", ROLLED_BACK.requested_by),
        ("weight", "10 % of traffic to the canary", ""),
        ("verdict", "AnalyzeCanary: ADVANCE, fine", ""),
        ("verdict", "AnalyzeCanary: ROLL_BACK, FAIL: 7.7 % errors", "ann"),
        ("alarm", "token-server-errors: rolled back", "alarm"),
        ("command", "freeze", "person"),
        ("rollback", "triggered: 7.7 % > 5 %", "alarm"),
        ("rollback", "aliases point at stable", ""),
        ("rollback", "stable passed its checks", ""),
        ("deployment", "ended ROLLED_BACK", ""),
        ("recovery", f"{DRILL.kind} ended FAILED: row", ""),
        ("incident", "ACKNOWLEDGED: acknowledged", "ann"),
    ):
        assert expected in lines
    assert not any("too-early" in moment.text for moment in moments)


def test_a_deployment_without_a_rollback_has_its_request_alone():
    incident, entries = resolved()
    facts = LedgerFacts(deployments=(deployment(requested_at=NOW),))
    assert [one.text for one in timeline_of(incident, entries, facts, NOW) if one.source == "deployment"] == [
        "requested"
    ]
    half = deployment(requested_at=NOW, rollback=Rollback(TRIGGER))
    texts = [one.text for one in timeline_of(incident, entries, LedgerFacts(deployments=(half,)), NOW)]
    assert "triggered: 7.7 % > 5 %" in texts
    assert "aliases point at stable" not in texts


def test_a_span_begins_an_hour_before_the_incident_and_ends_with_it():
    incident, _ = resolved()
    span = span_of(incident, NOW + timedelta(days=1))
    assert (span.start, span.end) == (NOW - timedelta(hours=1), NOW + minutes(5))
    assert span.overlaps(NOW - timedelta(days=1), None)
    assert span.overlaps(NOW - timedelta(days=1), NOW)
    assert not span.overlaps(NOW - timedelta(days=1), NOW - timedelta(hours=2))
    assert not span.overlaps(NOW + minutes(6), None)
    assert span_of(replace(incident, resolved_at=None), NOW + minutes(9)).end == NOW + minutes(9)


def test_the_impact_is_in_numbers():
    incident, _ = resolved()
    rows = dict(impact_rows(impact_of(incident, FACTS, TrafficCounts(1000, 77, 3), NOW + minutes(60))))
    assert rows == {
        "Clients with requests": "3",
        "Requests": "1000",
        "Failed requests (5xx)": "77 (7.7 %)",
        "Exposure to a canary that was rolled back": "360 s",
        "Lasted": "300 s",
        "Time to acknowledge": "60 s",
        "Rollbacks": "1",
        "Pages in the last episode": "1",
    }


def test_what_was_not_measured_is_never_zero_and_what_did_not_happen_is_named():
    incident, _ = resolved()
    unanswered = replace(incident, acknowledged_at=None, resolved_at=None)
    rows = dict(impact_rows(impact_of(unanswered, LedgerFacts(), TrafficCounts(), NOW + minutes(60))))
    missing = {name for name, value in rows.items() if value == NOT_MEASURED}
    assert missing == {"Clients with requests", "Requests", "Failed requests (5xx)"}
    assert rows["Lasted"] == "3600 s"
    assert rows["Exposure to a canary that was rolled back"] == "none"
    assert rows["Time to acknowledge"] == "not acknowledged"
    none = impact_of(incident, LedgerFacts(), TrafficCounts(0, 0, 0), NOW)
    assert dict(impact_rows(none))["Failed requests (5xx)"] == "0"
    not_reverted = LedgerFacts(deployments=(deployment(requested_at=NOW, rollback=Rollback(TRIGGER)),))
    rows = dict(impact_rows(impact_of(incident, not_reverted, TrafficCounts(), NOW)))
    assert rows["Exposure to a canary that was rolled back"] == NOT_MEASURED


def test_the_questions_ask_for_causes_and_for_no_culprit():
    assert len(QUESTIONS) >= 5
    assert not any("who " in heading.lower() for heading, _ in QUESTIONS)
