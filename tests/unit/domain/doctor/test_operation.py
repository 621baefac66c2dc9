"""An environment in operation: who is notified, what fires, what changed, and what can be recovered."""

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.deployment.freeze import Freeze
from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.domain.doctor import operation
from orchestrator.domain.doctor.examples import example_values
from orchestrator.domain.doctor.operation import AlarmReading, Subscription
from orchestrator.domain.doctor.result import Level
from tests.samples import NOW, deployment

ANN, BOB = "ann@acme.example", "bob@acme.example"


def test_values_of_examples_must_be_replaced():
    tables = {"api": {"domain": {"name": "api.example.com", "id": "Z0000000EXAMPLE"}}, "keys": ["a", "b.example.org"]}
    found = example_values({**tables, "owner": "identity", "limit": 3, "url": "https://myexample.community"}, "prod")
    assert found == {
        "prod.api.domain.name": "api.example.com",
        "prod.api.domain.id": "Z0000000EXAMPLE",
        "prod.keys[1]": "b.example.org",
    }
    assert operation.check_settings({}).level is Level.PASS
    result = operation.check_settings(found)
    assert result.level is Level.FAIL
    assert "prod.api.domain.name = api.example.com" in result.reason


@pytest.mark.parametrize(
    ("subscriptions", "level", "reason"),
    [
        ({"operators": [(ANN, True), (BOB, True)]}, Level.PASS, "2 confirmed"),
        ({"operators": [(ANN, True), (BOB, False)]}, Level.WARN, f"not confirmed: {BOB} (operators)"),
        ({"operators": [(ANN, False), (BOB, False)]}, Level.FAIL, "no operator is notified"),
        ({"operators": [(ANN, True)]}, Level.FAIL, f"not subscribed: {BOB} (operators)"),
        ({}, Level.FAIL, "not subscribed"),
    ],
)
def test_every_contact_must_confirm_its_subscription(subscriptions, level, reason):
    found = {topic: [Subscription(*one) for one in many] for topic, many in subscriptions.items()}
    result = operation.check_subscriptions({"operators": [ANN, BOB], "clients": []}, found, "prod")
    assert result.level is level
    assert reason in result.reason


def test_an_environment_without_operators_notifies_none():
    result = operation.check_subscriptions({"operators": []}, {}, "prod")
    assert (result.level, "[prod.contacts] operators" in result.remedy) == (Level.FAIL, True)
    pending = operation.check_subscriptions(
        {"operators": [ANN]}, {"operators": [Subscription(ANN, confirmed=False)]}, "prod"
    )
    assert "open the confirmation" in pending.remedy


def test_alarms_must_have_actions_and_be_quiet():
    quiet, firing = AlarmReading("a-prod", "OK", actions=True), AlarmReading("b-prod", "ALARM", actions=False)
    assert operation.check_alarm_actions([quiet], "prod").level is Level.PASS
    assert operation.check_alarm_actions([], "prod").level is Level.FAIL
    disabled = operation.check_alarm_actions([quiet, firing], "prod")
    assert (disabled.level, disabled.remedy) == (Level.FAIL, "aws cloudwatch enable-alarm-actions --alarm-names b-prod")
    assert operation.check_alarm_states([quiet, replace(quiet, state="INSUFFICIENT_DATA")]).level is Level.PASS
    assert operation.check_alarm_states([quiet, firing]).reason == "in ALARM: b-prod"


def test_a_configuration_that_changed_since_the_snapshot_is_a_warning():
    assert operation.check_drift(None, (), "prod").remedy == "orchestrator config backup --env prod"
    assert operation.check_drift("c-1", (), "prod").level is Level.PASS
    changed = operation.check_drift("c-1", ["role a", "role a", "alarm b"], "prod")
    assert (changed.level, changed.reason) == (Level.WARN, "changed since c-1: alarm b, role a")


def test_long_lists_are_cut():
    names = [f"t-{number}" for number in range(8)]
    assert operation.check_drift("c-1", names, "prod").reason.endswith("t-4 and 3 more")


def test_every_table_must_have_point_in_time_recovery():
    assert operation.check_point_in_time({"a": True, "b": True}, "prod").level is Level.PASS
    off = operation.check_point_in_time({"a": True, "b": False}, "prod")
    assert (off.level, off.reason) == (Level.FAIL, "off for b")


@pytest.mark.parametrize(("hours", "level"), [(1, Level.PASS), (36, Level.PASS), (37, Level.FAIL), (None, Level.FAIL)])
def test_every_table_must_have_a_backup_of_the_last_day(hours, level):
    at = None if hours is None else NOW - timedelta(hours=hours)
    result = operation.check_backups({"state": at, "tokens": NOW}, NOW, 5)
    assert result.level is level
    assert ("state" in result.reason) == (level is Level.FAIL)


@pytest.mark.parametrize(("hours", "level"), [(1, Level.PASS), (49, Level.PASS), (50, Level.FAIL), (None, Level.FAIL)])
def test_a_drill_must_have_succeeded_in_time(hours, level):
    at = None if hours is None else NOW - timedelta(hours=hours)
    result = operation.check_drill(at, timedelta(hours=49), NOW, "prod")
    assert (result.level, bool(result.remedy)) == (level, level is Level.FAIL)


def test_a_freeze_is_a_warning_until_it_ends():
    freeze = Freeze("ann", "holidays", NOW)
    frozen = operation.check_freeze(freeze, "prod")
    assert (frozen.level, "holidays" in frozen.reason) == (Level.WARN, True)
    assert operation.check_freeze(replace(freeze, unfrozen_at=NOW), "prod").level is Level.PASS
    assert operation.check_freeze(None, "prod").level is Level.PASS


def test_aliases_must_be_where_the_ledger_recorded_them():
    assert operation.check_live_state((), "prod").level is Level.PASS
    wrong = operation.check_live_state(("token is on 3 and not on 2",), "prod")
    assert (wrong.level, wrong.remedy) == (Level.FAIL, "orchestrator repair --env prod")


def test_before_the_first_deployment_the_check_says_what_it_needs():
    assert "orchestrator deploy --env dev --watch" in operation.check_release(None, (), "dev").remedy
    first = operation.check_release(None, ("tests",), "prod")
    assert first.level is Level.FAIL
    assert "orchestrator release promote RELEASE --env prod" in first.remedy
    ended = deployment(outcome=DeploymentOutcome.NOTHING_TO_SHIP, ended_at=NOW)
    assert operation.check_release(ended, ("tests",), "prod").level is Level.PASS
    assert operation.check_release(deployment(), ("tests",), "prod").level is Level.FAIL
