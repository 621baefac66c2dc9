"""Which events are signals of incidents, of which cause, and whether they begin or end something."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrator.domain.incidents.policy import DEFAULT_SEVERITIES
from orchestrator.domain.incidents.signals import ENDS_OF_ROLLBACKS, EVENT_TYPES, signal_of
from tests.samples import NOW
from tests.unit.application.notifications.conftest import alarm_event

AT = NOW.isoformat()


def bus(kind, **detail):
    return signal_of({"detail-type": kind, "detail": {"environment": "test", "at": AT, **detail}}, "test")


def alarm(name, section, state="ALARM", previous="OK"):
    return signal_of(alarm_event(name, state, previous, 60, 0, section), "test")


STARTED = {"deployment": "d-1", "execution": "rollback-d-1-1", "source": "alarm", "reason": "7.7 % > 5 %"}
COMPLETED = {"deployment": "d-1", "cause": "7.7 % > 5 %", "figures": {}, "traffic_to": "STABLE"}
RECOVERY = {"recovery": "dr-1", "reason": "a row is missing"}


@pytest.mark.parametrize(
    ("kind", "detail", "subject", "cause", "opener", "title"),
    [
        ("RollbackStarted", STARTED, "rollback:d-1", "service", "rollback", "d-1 is rolled back"),
        ("RollbackCompleted", {**COMPLETED, "healthy": True}, "rollback:d-1", "service", "", "rollback of d-1 completed, stable is healthy"),
        ("RollbackCompleted", {**COMPLETED, "healthy": False}, "rollback:d-1", "service", "rollback-failed", "rollback of d-1 completed, stable is not healthy"),
        ("RollbackImpossible", {"deployment": "d-1", "reason": "token 4 is gone"}, "rollback:d-1", "service", "rollback-failed", "rollback of d-1 is impossible"),
        ("RollbackSkipped", {"deployment": "d-1", "reason": "it ended REFUSED"}, "rollback:d-1", "service", "", "there is nothing left to roll back of d-1"),
        ("DrillCompleted", {**RECOVERY, "outcome": "FAILED"}, "drill", "recovery-drill", "recovery-drill-failed", "drill dr-1 failed"),
        ("DrillCompleted", {**RECOVERY, "outcome": "SUCCEEDED"}, "drill", "recovery-drill", "", "drill dr-1 succeeded"),
        ("RestoreCompleted", {**RECOVERY, "outcome": "FAILED"}, "restore", "restore", "restore-failed", "restore dr-1 failed"),
        ("RestoreCompleted", {**RECOVERY, "outcome": "SUCCEEDED"}, "restore", "restore", "", "restore dr-1 succeeded"),
    ],
)  # fmt: skip
def test_an_event_of_the_bus_is_a_signal(kind, detail, subject, cause, opener, title):
    signal = bus(kind, **detail)
    assert (signal.subject, signal.cause, signal.opener, signal.title) == (subject, cause, opener, title)
    assert signal.at == NOW
    assert signal.begins is bool(opener)


@pytest.mark.parametrize("kind", ENDS_OF_ROLLBACKS)
def test_a_rollback_ends_when_there_is_nothing_left_to_roll_back(kind):
    assert bus(kind, deployment="d-1", reason="r").subject == "rollback:d-1"


def test_an_alarm_that_is_not_to_blame_says_nothing_about_a_rollback():
    assert bus("RollbackSkipped", deployment="d-1", reason="not to blame", alarm="a") is None


@pytest.mark.parametrize("kind", ["TrafficShifted", "IncidentOpened", "ReleaseReady"])
def test_other_events_are_no_signals(kind):
    assert kind not in EVENT_TYPES
    assert bus(kind, deployment="d-1") is None


@pytest.mark.parametrize(
    ("name", "section", "cause"),
    [
        ("ib-oauth-service-degraded-test", "service-degraded", "service"),
        ("ib-oauth-automatic-rollback-unavailable-test", "automatic-rollback-unavailable", "service"),
        ("ib-oauth-orchestrator-rollback-failed-test", "rollback-failed", "service"),
        ("ib-oauth-root-account-used-test", "root-account-used", "root-account-used"),
    ],
)
def test_an_alarm_begins_and_ends_the_same_subject(name, section, cause):
    begins, ends = alarm(name, section), alarm(name, section, "OK", "ALARM")
    assert (begins.subject, begins.cause, begins.opener) == (f"alarm:{name}", cause, section)
    assert (ends.subject, ends.cause, ends.opener) == (f"alarm:{name}", cause, "")
    assert begins.title == f"{name} is in ALARM"
    assert begins.at == datetime(2026, 11, 23, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("section", ["server-errors", "recovery-drill-failed", "log-volume", "unheard-of"])
def test_alarms_that_have_an_event_or_a_composite_of_their_own_open_nothing(section):
    assert alarm("ib-oauth-x-test", section) is None


def test_an_alarm_that_neither_begins_nor_ends_is_no_signal():
    assert alarm("ib-oauth-service-degraded-test", "service-degraded", "OK", "INSUFFICIENT_DATA") is None
    assert alarm("ib-oauth-service-degraded-test", "service-degraded", "ALARM", "ALARM") is None


def test_every_signal_that_begins_has_a_severity_by_default():
    openers = {"rollback", "rollback-failed", "recovery-drill-failed", "restore-failed", "service-degraded"}
    assert openers <= set(DEFAULT_SEVERITIES)
    assert DEFAULT_SEVERITIES["access-denied"] is DEFAULT_SEVERITIES["waf-blocked-requests"] is None
