"""The orchestrator's events as notifications: each says what, since when, the impact, the numbers, and where to look."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.domain.notifications.bus_event import Objectives
from orchestrator.domain.notifications.bus_events import TEST_EVENT, TRANSLATIONS, bus_notifications
from orchestrator.domain.notifications.notification import Audience, EventKind, Figure, Severity, Transition
from tests.json_schema import EVENT_SCHEMAS, validate_event

ROOT = Path(__file__).resolve().parents[4]
AT = "2026-11-23T03:00:00+00:00"
OBJECTIVES = Objectives(7200, 600)
RECOVERY = {"recovery": "dr-1"}
COMPLETED = {
    **RECOVERY, "outcome": "SUCCEEDED", "reason": "all checks passed", "fault": None, "recovery_seconds": 1500.4,
    "data_loss_seconds": 2.0, "evidence": "e-1",
}  # fmt: skip
STARTED = {
    **RECOVERY, "fencing_token": 3, "requested_by": "ann", "point": AT, "tables": ["state", "tokens"],
    "expected_usd": 0.5, "fault": None,
}  # fmt: skip
ROLLED_BACK = {
    "deployment": "d-1", "cause": "7.7 % > 5 %", "traffic_to": "STABLE", "healthy": True,
    "figures": {"trigger_to_restored_seconds": 2.93, "exposed_seconds": "unknown"},
}  # fmt: skip
DETAILS = {
    "DeploymentPlanned": {
        "deployment": "d-1", "release": "sha256:1", "commit": "0" * 40, "strategy": "canary-10-50", "steps": [],
        "evaluations": 2, "transitions": 9, "requested_by": "ann", "outside_calendar": "", "known_good": None,
    },
    "TrafficShifted": {"deployment": "d-1", "step": 0, "weight_percent": 10},
    "DeploymentPaused": {"deployment": "d-1", "reason": "too few requests", "deadline": "2026-11-23T07:00:00+00:00"},
    "DeploymentPromoted": {"deployment": "d-1"},
    "DeploymentSucceeded": {"deployment": "d-1", "reason": "stable is now token 5"},
    "DeploymentNothingToShip": {"deployment": "d-1", "reason": "$LATEST equals the stable versions"},
    "DeploymentRefused": {"deployment": "d-1", "reason": "frozen"},
    "RollbackStarted": {"deployment": "d-1", "execution": "rollback-d-1-1", "source": "alarm", "reason": "7.7 % > 5 %"},
    "AliasesReverted": {"deployment": "d-1", "reverted_at": AT, "functions": ["public", "token"]},
    "RollbackCompleted": ROLLED_BACK,
    "RollbackImpossible": {"deployment": "d-1", "reason": "token 4 no longer exists"},
    "RollbackSkipped": {"deployment": "d-1", "reason": "not to blame", "alarm": "ib-oauth-token-latency-prod"},
    "DrillStarted": STARTED,
    "DrillTablesRestored": {**RECOVERY, "copies": ["a", "b"]},
    "DrillCompleted": COMPLETED,
    "DrillRefused": {**RECOVERY, "reason": "cost 7: raise max_cost_usd"},
    "RestoreStarted": STARTED,
    "RestoreTablesRestored": {**RECOVERY, "copies": ["a", "b"]},
    "RestoreCompleted": COMPLETED,
    "RestoreRefused": {**RECOVERY, "reason": "cost 7: raise max_cost_usd"},
    "EnvironmentFrozen": {"deployment": "", "by": "ann", "reason": "holidays"},
    "EnvironmentUnfrozen": {"deployment": "", "by": "ann", "reason": "over"},
    TEST_EVENT: {"test": "0" * 16, "destination": "", "by": "ann"},
}  # fmt: skip
NO_SHORT_CUT = {
    **dict.fromkeys(("DeploymentPlanned", "RollbackSkipped", "DrillStarted"), (Transition.TRIGGER, Severity.INFO)),
    **dict.fromkeys(("TrafficShifted", "DeploymentPromoted", "DrillTablesRestored"), (Transition.UPDATE, Severity.INFO)),
    "DeploymentPaused": (Transition.UPDATE, Severity.WARNING),
    "DeploymentSucceeded": (Transition.RESOLVE, Severity.INFO),
    "DeploymentNothingToShip": (Transition.RESOLVE, Severity.INFO),
    "DeploymentRefused": (Transition.RESOLVE, Severity.INFO),
    "RollbackStarted": (Transition.TRIGGER, Severity.ERROR),
    "AliasesReverted": (Transition.UPDATE, Severity.ERROR),
    "RollbackCompleted": (Transition.RESOLVE, Severity.ERROR),
    "RollbackImpossible": (Transition.UPDATE, Severity.CRITICAL),
    "DrillCompleted": (Transition.RESOLVE, Severity.INFO),
    "DrillRefused": (Transition.RESOLVE, Severity.INFO),
    "RestoreStarted": (Transition.TRIGGER, Severity.WARNING),
    "RestoreTablesRestored": (Transition.UPDATE, Severity.WARNING),
    "RestoreCompleted": (Transition.RESOLVE, Severity.WARNING),
    "RestoreRefused": (Transition.RESOLVE, Severity.INFO),
    "EnvironmentFrozen": (Transition.TRIGGER, Severity.INFO),
    "EnvironmentUnfrozen": (Transition.TRIGGER, Severity.INFO),
    TEST_EVENT: (Transition.TRIGGER, Severity.INFO),
}  # fmt: skip


def notifications(kind, **changes):
    detail = {"environment": "prod", "at": AT, **DETAILS[kind], **changes}
    validate_event(kind, detail)
    return bus_notifications(kind, detail, "prod", OBJECTIVES)


def first(kind, **changes):
    return notifications(kind, **changes)[0]


def test_every_translated_event_is_described_and_has_an_example_here():
    assert set(DETAILS) == set(TRANSLATIONS) == set(NO_SHORT_CUT) <= set(EVENT_SCHEMAS)


@pytest.mark.parametrize("kind", DETAILS)
def test_an_event_is_a_notification_of_its_transition_and_severity(kind):
    notification = first(kind)
    assert (notification.transition, notification.severity) == NO_SHORT_CUT[kind]
    assert notification.title.startswith("prod: ")
    assert notification.at.isoformat() == AT
    assert notification.command.startswith("orchestrator ")
    facts = dict(notification.facts)
    assert facts["Severity"] == notification.severity
    assert facts["Since"] == "2026-11-23 03:00:00 UTC"
    assert all(facts.values())


def test_other_events_are_none():
    assert bus_notifications("CanaryAnalyzed", {"at": AT}, "prod", OBJECTIVES) == ()


def test_a_deployment_has_one_key_and_a_rollback_another():
    deployment = {first(kind).key for kind in DETAILS if kind.startswith(("Deployment", "Traffic"))}
    rollback = {first(kind).key for kind in ("RollbackStarted", "AliasesReverted", "RollbackCompleted")}
    assert (deployment, rollback) == ({"deployment:d-1"}, {"rollback:d-1"})
    assert {first(kind).key for kind in DETAILS if kind.startswith("Drill")} == {"recovery:dr-1"}


def test_the_transitions_of_a_key_have_different_ids_and_a_repeated_event_has_the_same():
    assert first("TrafficShifted").id != first("TrafficShifted", weight_percent=50).id
    assert first("RollbackStarted").id != first("RollbackStarted", execution="rollback-d-1-2").id
    later = "2026-11-23T08:00:00+00:00"
    assert first("DeploymentPaused").id == first("DeploymentPaused", deadline=later).id
    assert first("DeploymentPaused").id != first("DeploymentPaused", reason="approval").id
    assert first("RollbackSkipped").key != first("RollbackSkipped", alarm="another").key
    assert first("EnvironmentFrozen").key != first("EnvironmentUnfrozen").key


def test_the_end_of_something_names_the_severity_with_which_it_began():
    assert first("DeploymentSucceeded").opened_as is first("DeploymentPlanned").severity
    assert first("RollbackCompleted").opened_as is first("RollbackStarted").severity
    assert first("DrillCompleted").opened_as is first("DrillStarted").severity
    assert first("RestoreCompleted").opened_as is first("RestoreStarted").severity
    # Most are refused before they were planned or begun.
    assert first("DeploymentRefused").opened_as is first("DrillRefused").opened_as is None


def test_a_rollback_that_did_not_help_stays_open_and_is_critical():
    notification = first("RollbackCompleted", healthy=False)
    assert (notification.transition, notification.severity) == (Transition.UPDATE, Severity.CRITICAL)
    assert "is not healthy" in notification.title
    assert notification.figures == (Figure("Trigger to reverted", "2.9 s"),)


def test_a_restore_that_failed_stays_open_and_a_drill_that_failed_ends_as_a_warning():
    restore, drill = first("RestoreCompleted", outcome="FAILED"), first("DrillCompleted", outcome="FAILED")
    assert (restore.transition, restore.severity) == (Transition.UPDATE, Severity.ERROR)
    assert (drill.transition, drill.severity, drill.failed) == (Transition.RESOLVE, Severity.WARNING, True)


def test_numbers_stand_next_to_their_thresholds():
    assert dict(first("DrillCompleted").facts) | {
        "Recovery time": "1500 s, threshold 7200 s",
        "Data loss": "2 s, threshold 600 s",
    } == dict(first("DrillCompleted").facts)
    assert [figure.name for figure in first("DrillCompleted", data_loss_seconds=None).figures] == ["Recovery time"]
    assert first("TrafficShifted").figures[0].words == "10 %"


def test_clients_learn_that_the_service_was_updated_and_nothing_of_the_orchestrator():
    for kind, key in (("DeploymentSucceeded", "updated:d-1"), ("RollbackCompleted", "withdrawn:d-1")):
        (notification,) = [one for one in notifications(kind) if one.audience is Audience.CLIENTS]
        assert notification.key == key
        assert (notification.reason, notification.command, notification.action) == ("", "", "")
        assert "orchestrator" not in notification.title + notification.impact
    assert [one.kind for one in notifications("DeploymentSucceeded")] == [EventKind.DEPLOYMENT, EventKind.DEPLOYMENT]
    clients = {kind for kind in DETAILS if any(one.audience is Audience.CLIENTS for one in notifications(kind))}
    assert clients == {"DeploymentSucceeded", "RollbackCompleted", TEST_EVENT}


def test_clients_get_the_changelog_of_a_deployment_that_has_one():
    to_clients = {
        text: one.impact
        for text in ("", "Tokens last longer.")
        for one in notifications("DeploymentSucceeded", changelog=text)
        if one.audience is Audience.CLIENTS
    }
    assert to_clients == {
        "": "The OAuth service was updated. No action is needed.",
        "Tokens last longer.": "Tokens last longer.",
    }


def test_a_rollback_ends_at_pagers_and_at_github_what_the_deployment_opened():
    closing = notifications("RollbackStarted")[1]
    assert (closing.key, closing.transition, closing.only_states) == ("deployment:d-1", Transition.RESOLVE, True)
    assert (closing.failed, closing.opened_as) == (True, first("DeploymentPlanned").severity)


def test_a_rollback_that_was_not_needed_has_no_state_of_the_deployment():
    assert first("RollbackSkipped").subject == ""


def test_a_test_is_for_every_audience_and_closes_what_it_opened():
    found = notifications(TEST_EVENT)
    assert {one.audience for one in found} == set(Audience)
    assert {(one.transition, one.only_pagers) for one in found} == {
        (Transition.TRIGGER, False),
        (Transition.RESOLVE, True),
    }
    assert all("TEST" in one.title and "ann" in one.title for one in found)


def test_a_rollback_without_a_deployment_says_so():
    assert "no deployment is not rolled back" in first("RollbackSkipped", deployment="").title
