"""Alarms as notifications: their severity is the runbook's, and both ends of one ALARM have one key."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from orchestrator.domain.notifications.alarms import ONE_PAGE, SECURITY, SEVERITIES, alarm_notifications, alarm_severity
from orchestrator.domain.notifications.notification import Audience, Figure, Severity, Transition

RUNBOOK = Path(__file__).resolve().parents[4] / "docs/runbooks/alarms.md"
BEGAN, ENDED = "2026-11-23T03:00:00.123+0000", "2026-11-23T03:05:00.000+0000"


def event(state="ALARM", previous="OK", section="backup-failed", name="ib-oauth-backup-failed-prod", **detail):
    times = {"ALARM": BEGAN}
    return {
        "detail": {
            "alarmName": name,
            "state": {"value": state, "timestamp": times.get(state, ENDED), "reason": "because (5.0)"},
            "previousState": {"value": previous, "timestamp": times.get(previous, "2026-11-22T00:00:00.000+0000")},
            "configuration": {"description": f"Broken. Runbook: docs/runbooks/alarms.md#{section}"},
            **detail,
        }
    }


def one(**changes):
    (notification,) = alarm_notifications(event(**changes), "prod")
    return notification


def test_severities_are_those_of_the_runbook():
    text = RUNBOOK.read_text(encoding="utf-8")
    found = re.findall(r"^### ([a-z0-9-]+)\n\n- \*\*Severity:\*\* SEV([123])\. ", text, re.MULTILINE)
    levels = {"1": Severity.CRITICAL, "2": Severity.ERROR, "3": Severity.WARNING}
    assert {section: levels[level] for section, level in found} == SEVERITIES
    assert SEVERITIES.keys() > ONE_PAGE | SECURITY


def test_both_ends_of_an_alarm_have_one_key_whichever_comes_first():
    began, ended = one(), one(state="OK", previous="ALARM")
    assert began.key == ended.key == "alarm:ib-oauth-backup-failed-prod:2026-11-23T03:00:00.123000+00:00"
    assert (began.transition, ended.transition) == (Transition.TRIGGER, Transition.RESOLVE)
    assert began.since == ended.since
    assert (ended.opened_as, ended.impact, ended.action) == (began.severity, "over", "")
    assert "is in ALARM" in began.title
    assert "is OK" in ended.title


@pytest.mark.parametrize(
    ("state", "previous", "transition"),
    [
        ("ALARM", "INSUFFICIENT_DATA", Transition.TRIGGER),
        ("INSUFFICIENT_DATA", "ALARM", Transition.RESOLVE),
    ],
)
def test_missing_data_begins_and_ends_an_alarm_as_ok_does(state, previous, transition):
    assert one(state=state, previous=previous).transition is transition


@pytest.mark.parametrize(("state", "previous"), [("OK", "INSUFFICIENT_DATA"), ("INSUFFICIENT_DATA", "OK")])
def test_what_neither_begins_nor_ends_an_alarm_is_no_notification(state, previous):
    assert alarm_notifications(event(state=state, previous=previous), "prod") == ()


def test_a_new_alarm_without_a_previous_state_begins():
    assert one(previousState=None).transition is Transition.TRIGGER


def test_the_alarms_of_the_service_are_one_page():
    notification = one(section="server-errors")
    assert notification.severity is Severity.WARNING
    assert "service-degraded is the page" in notification.impact
    assert "rolled back" in notification.action


def test_an_alarm_of_security_is_for_the_security_contacts():
    assert one(section="root-account-used").audience is Audience.SECURITY
    assert one().audience is Audience.OPERATORS


def test_a_composite_alarm_has_no_description_and_is_known_by_its_name():
    notification = one(name="ib-oauth-automatic-rollback-unavailable-prod", configuration={"alarmRule": "ALARM(x)"})
    assert (notification.severity, notification.command) == (
        Severity.CRITICAL,
        "docs/runbooks/alarms.md#automatic-rollback-unavailable",
    )


@pytest.mark.parametrize("configuration", [None, {}, {"description": None}, {"description": "ours"}])
def test_an_alarm_that_is_not_known_is_urgent(configuration):
    notification = one(name="ib-oauth-new-prod", configuration=configuration)
    assert (notification.severity, notification.command) == (Severity.ERROR, "orchestrator status --env prod")


def state_with(reason_data):
    return {"value": "ALARM", "timestamp": BEGAN, "reason": "r", "reasonData": reason_data}


def test_the_newest_value_stands_next_to_the_threshold():
    data = json.dumps({"statistic": "Average", "recentDatapoints": [1.0, 7.71234], "threshold": 5.0})
    assert one(state="ALARM").figures == ()
    (notification,) = alarm_notifications({"detail": {**event()["detail"], "state": state_with(data)}}, "prod")
    assert notification.figures == (Figure("Average", "7.7", "5"),)
    assert ("Average", "7.7, threshold 5") in notification.facts


@pytest.mark.parametrize(
    "data",
    [
        "no JSON", "[]", "{}", '{"threshold": 5}', '{"threshold": true, "recentDatapoints": [1]}',
        '{"threshold": 5, "recentDatapoints": ["x", null]}', '{"threshold": 1e999, "recentDatapoints": [1]}',
        '{"threshold": 5, "recentDatapoints": 7}',
    ],
)  # fmt: skip
def test_a_reason_without_numbers_has_no_figures(data):
    (notification,) = alarm_notifications({"detail": {**event()["detail"], "state": state_with(data)}}, "prod")
    assert notification.figures == ()


def test_a_value_without_a_statistic_is_a_value():
    data = json.dumps({"recentDatapoints": [1], "threshold": 0})
    (notification,) = alarm_notifications({"detail": {**event()["detail"], "state": state_with(data)}}, "prod")
    assert notification.figures == (Figure("Value", "1", "0"),)


@pytest.mark.parametrize(
    ("name", "description", "severity"),
    [
        ("ib-oauth-x-prod", "Broken. Runbook: docs/runbooks/alarms.md#rollback-failed", Severity.CRITICAL),
        ("ib-oauth-x-prod", "Broken. Runbook: docs/runbooks/alarms.md#backup-overdue", Severity.WARNING),
        ("ib-oauth-service-degraded-prod", "", Severity.ERROR),
        ("ib-oauth-automatic-rollback-unavailable-prod", "", Severity.CRITICAL),
        ("ib-oauth-x-prod", "of another team", Severity.ERROR),
    ],
)
def test_an_alarm_has_the_severity_of_its_section(name, description, severity):
    assert alarm_severity(name, description, "prod") is severity
