"""Alarms, dead-letter queues, permissions, quotas, and the results of doctor's checks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.capacity.account_concurrency import Concurrency
from orchestrator.domain.doctor import operation
from orchestrator.domain.doctor.operation import AlarmReading
from orchestrator.domain.doctor.result import denied, passed, skipped, unread, warned
from orchestrator.domain.upkeep.alarm_history import check_alarm_history
from orchestrator.domain.upkeep.finding import Owner, Severity
from orchestrator.domain.upkeep.resources import PermissionUse, check_dead_letters, check_headroom, check_permissions
from orchestrator.domain.upkeep.result import Status, result_of_doctor

NOW = datetime(2026, 11, 30, 6, tzinfo=UTC)
DAY = timedelta(days=1)


def times(number, hours=1):
    return [NOW - timedelta(hours=hours * one) for one in range(number)]


@pytest.mark.parametrize(("number", "severity"), [(7, Severity.MEDIUM), (35, Severity.HIGH)])
def test_an_alarm_that_fires_too_often_is_found_and_named(number, severity):
    result = check_alarm_history([AlarmReading("noisy", "OK", True)], {"noisy": times(number)}, NOW)
    (finding,) = result.findings
    assert (finding.subject, finding.severity) == ("noisy", severity)
    assert finding.evidence["fired_per_week"] == number
    assert "--alarm-name noisy" in finding.remedy
    assert result.reason == f"1 alarms fired {number} times in 30 days"


def test_an_alarm_that_fired_often_a_week_ago_is_not_found():
    fired = {"once": [NOW - 8 * DAY] * 9}
    assert check_alarm_history([AlarmReading("once", "OK", True)], fired, NOW).status is Status.CLEAR


def test_alarms_that_never_fired_are_named_and_those_without_data_are_worse():
    alarms = [
        AlarmReading("b", "OK", True),
        AlarmReading("a", "OK", True),
        AlarmReading("c", "INSUFFICIENT_DATA", True),
    ]
    blind, quiet = check_alarm_history(alarms, {}, NOW).findings
    assert (blind.severity, blind.evidence["names"]) == (Severity.MEDIUM, "c")
    assert (quiet.severity, quiet.evidence["names"]) == (Severity.LOW, "a, b")


def test_no_alarm_at_all_is_no_pass():
    assert check_alarm_history([], {}, NOW).status is Status.NOT_CHECKED


def test_a_full_dead_letter_queue_is_found_and_named():
    result = check_dead_letters({"ib-oauth-dead-letters-prod": 3, "ib-oauth-notification-dead-letters-prod": 0}, "prod")
    (finding,) = result.findings
    assert (finding.subject, finding.severity) == ("ib-oauth-dead-letters-prod", Severity.HIGH)
    assert finding.evidence == {"messages": 3}
    assert "get-queue-url --queue-name ib-oauth-dead-letters-prod" in finding.remedy


def test_empty_queues_are_clear_and_no_queue_is_no_pass():
    assert check_dead_letters({"q": 0}, "prod").status is Status.CLEAR
    assert check_dead_letters({}, "prod").status is Status.NOT_CHECKED


def test_an_unused_permission_is_found_and_named():
    old = {"role": NOW - 200 * DAY}
    uses = [
        PermissionUse("role", "dynamodb", NOW - DAY),
        PermissionUse("role", "kms", NOW - 120 * DAY),
        PermissionUse("role", "s3", None, ("PutObject", "DeleteObject")),
    ]
    result = check_permissions(uses, old, NOW, NOW - 400 * DAY)
    (finding,) = result.findings
    assert (finding.subject, finding.owner, finding.severity) == ("role", Owner.SECURITY, Severity.MEDIUM)
    assert finding.summary == "not used for 90 days: kms, s3 (PutObject, DeleteObject)"
    assert finding.evidence == {"services": 2, "last_used_days": 120}
    never = check_permissions(uses[2:], old, NOW, NOW - 400 * DAY).findings[0]
    assert never.evidence["last_used_days"] == "never"


def test_a_young_role_and_a_short_tracking_period_prove_nothing():
    uses = [PermissionUse("role", "s3", None)]
    assert check_permissions(uses, {"role": NOW - 5 * DAY}, NOW, NOW - 400 * DAY).status is Status.CLEAR
    assert check_permissions(uses, {"role": NOW - 200 * DAY}, NOW, NOW - 5 * DAY).status is Status.CLEAR
    assert check_permissions([], {}, NOW, NOW).status is Status.NOT_CHECKED


@pytest.mark.parametrize(("peak", "severity"), [(799, None), (800, Severity.HIGH), (950, Severity.CRITICAL)])
def test_little_room_up_to_the_quota_is_found(peak, severity):
    result = check_headroom(Concurrency(1000, 900), peak, 80)
    assert [one.severity for one in result.findings] == ([severity] if severity else [])
    assert result.reason.startswith(f"{peak} of 1000 concurrent executions")


def test_without_a_measured_peak_the_quota_is_not_checked():
    assert check_headroom(Concurrency(1000, 900), None, 80).status is Status.NOT_CHECKED


def test_a_missed_drill_is_found_and_named():
    missed = operation.check_drill(NOW - 200 * timedelta(hours=1), timedelta(hours=192), NOW, "prod")
    result = result_of_doctor("drill", missed)
    (finding,) = result.findings
    assert (finding.check, finding.severity, finding.remedy) == (
        "drill",
        Severity.HIGH,
        "orchestrator drill --env prod --watch",
    )
    assert "200 h old" in finding.summary


@pytest.mark.parametrize(
    ("reading", "status", "findings", "unreachable"),
    [
        (passed("fine"), Status.CLEAR, 0, False),
        (warned("look", "do x"), Status.FINDINGS, 1, False),
        (skipped("the local cloud has no bill"), Status.NOT_APPLICABLE, 0, False),
        (denied("sns:X"), Status.NOT_CHECKED, 0, False),
        (unread("no answer"), Status.NOT_CHECKED, 0, True),
    ],
)
def test_what_doctor_could_not_read_is_not_clear(reading, status, findings, unreachable):
    result = result_of_doctor("check", reading)
    assert (result.status, len(result.findings), result.unreachable) == (status, findings, unreachable)
    assert result.complete == (status is not Status.NOT_CHECKED)
