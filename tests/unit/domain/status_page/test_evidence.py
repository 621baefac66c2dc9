"""The state of a component: which evidence wins, and that missing evidence is never operational."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.incidents.incident import Draft, EntryKind
from orchestrator.domain.status_page.component_state import ComponentState, worst_of
from orchestrator.domain.status_page.evidence import (
    Evidence,
    component_status,
    count_failed_probes,
    probes_are_due,
)
from orchestrator.domain.status_page.maintenance import MaintenanceState
from tests.samples import NOW
from tests.unit.domain.status_page.pages import (
    ALL,
    LOGIN,
    QUIET,
    TOKENS,
    USER_DATA,
    firing,
    incident,
    minutes,
    of_alarm,
    opening,
    override,
    window,
)

OPERATIONAL, MAINTENANCE, UNKNOWN, DEGRADED, PARTIAL, MAJOR = ComponentState


def state(component=TOKENS, evidence=QUIET, incidents=(), windows=(), overrides=(), now=NOW):
    return component_status(component, evidence, incidents, windows, overrides, now)


def test_without_a_finding_a_component_is_operational_and_says_nothing():
    assert state() == state(evidence=firing())
    assert (state().state, state().reasons) == (OPERATIONAL, ())
    assert worst_of([]) is OPERATIONAL


@pytest.mark.parametrize(
    ("alarm", "component", "expected"),
    [
        ("token-latency", TOKENS, DEGRADED),
        ("token-server-errors", TOKENS, PARTIAL),
        ("token-server-errors", LOGIN, OPERATIONAL),
        ("refused-grants", TOKENS, PARTIAL),
        ("refused-grants", USER_DATA, OPERATIONAL),
        ("api-server-errors", USER_DATA, PARTIAL),
    ],
)
def test_an_alarm_degrades_the_components_of_its_function(alarm, component, expected):
    assert state(component, firing(alarm)).state is expected


def test_the_worst_finding_decides_and_only_its_reasons_are_published():
    found = state(evidence=firing("token-latency", "token-server-errors", "token-errors"))
    assert (found.state, found.reasons) == (PARTIAL, ("Some requests fail.",))


@pytest.mark.parametrize(("failed", "expected"), [(1, OPERATIONAL), (2, PARTIAL), (4, PARTIAL), (5, MAJOR)])
def test_probes_that_fail_in_a_row_are_an_outage_and_one_may_be_chance(failed, expected):
    evidence = replace(QUIET, failed_probes={"token": failed})
    assert state(evidence=evidence).state is expected
    assert state(LOGIN, evidence).state is OPERATIONAL


@pytest.mark.parametrize(
    ("newest", "expected"), [(NOW - minutes(3), OPERATIONAL), (NOW - minutes(3.1), PARTIAL), (None, PARTIAL)]
)
def test_silent_heartbeats_are_an_outage_of_the_components_that_write(newest, expected):
    evidence = replace(QUIET, heartbeats={"state": NOW, "tokens": newest})
    assert state(evidence=evidence).state is expected
    assert state(LOGIN, evidence).state is expected
    assert state(USER_DATA, evidence).state is OPERATIONAL


def test_missing_evidence_is_never_operational():
    assert state(evidence=Evidence(None)).state is UNKNOWN
    assert state(evidence=replace(QUIET, heartbeats=None)).state is UNKNOWN
    assert state(USER_DATA, replace(QUIET, heartbeats=None)).state is OPERATIONAL
    assert state(evidence=Evidence(None, {"token": 5})).state is MAJOR


@pytest.mark.parametrize(("severity", "expected"), [("SEV1", MAJOR), ("SEV2", DEGRADED)])
def test_an_open_incident_sets_its_components_by_its_severity(severity, expected):
    one = incident(opening(severity=severity, subject="alarm:ib-oauth-token-errors-test"))
    assert state(incidents=(one,)).state is expected
    assert state(incidents=(one,)).reasons == ("Problem with Tokens.",)
    assert state(LOGIN, incidents=(one,)).state is OPERATIONAL


def test_an_incident_that_became_minor_or_is_resolved_changes_no_state():
    minor = incident(opening(), Draft(EntryKind.SEVERITY, "less", "ann", {"severity": "SEV3"}))
    resolved = incident(opening(severity="SEV1"), Draft(EntryKind.RESOLVED, "over"))
    assert state(incidents=(minor, resolved)).state is OPERATIONAL


def test_an_override_wins_over_maintenance_and_maintenance_over_the_machines():
    running = window(components=(), state=MaintenanceState.IN_PROGRESS)
    broken = firing("token-server-errors")
    assert state(evidence=broken, windows=(running,)).state is MAINTENANCE
    assert state(evidence=broken, windows=(running,)).reasons == ("Database upgrade",)
    calm = override(state=OPERATIONAL, reason="A false alarm.")
    assert state(evidence=broken, windows=(running,), overrides=(calm,)).state is OPERATIONAL


def test_an_override_and_a_window_apply_only_to_their_component_and_their_time():
    assert state(LOGIN, overrides=(override(),)).state is OPERATIONAL
    assert state(overrides=(override(),), now=NOW + minutes(59)).state is MAJOR
    late = NOW + minutes(60)
    beating = replace(QUIET, heartbeats={})
    assert state(evidence=beating, overrides=(override(),), now=late).state is OPERATIONAL
    assert state(LOGIN, beating, windows=(window(),), now=late).state is MAINTENANCE
    assert state(TOKENS, beating, windows=(window(),), now=late).state is OPERATIONAL
    assert state(LOGIN, windows=(window(state=MaintenanceState.CANCELLED, starts_at=NOW),)).state is OPERATIONAL


def test_an_alarm_that_does_not_exist_leaves_its_components_unknown():
    missing = replace(QUIET, alarms={"token-latency": None, "authorize-latency": False})
    assert [state(one, missing).state for one in (LOGIN, TOKENS, USER_DATA)] == [OPERATIONAL, UNKNOWN, OPERATIONAL]


def test_probes_count_in_a_row_and_those_of_one_moment_are_one():
    answers = {"authorize": 400, "token": None, "public": 503}
    assert count_failed_probes({"authorize": 4, "token": 1}, answers) == {"authorize": 0, "token": 2, "public": 1}
    assert probes_are_due(None, NOW)
    assert probes_are_due(NOW, NOW + minutes(1 / 3))
    assert not probes_are_due(NOW, NOW + minutes(0.3))


def test_an_alarm_of_no_function_is_of_all_components():
    assert of_alarm("ib-oauth-api-server-errors-test") == ALL
    assert of_alarm("ib-oauth-authorize-latency-test") == ("login",)
