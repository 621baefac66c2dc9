"""`status` names what needs a person."""

from __future__ import annotations

import json

from orchestrator.cli.actions import status
from tests.served_console import scene_in_flight
from tests.unit.cli.actions.scenes import Scene


def test_an_alarm_that_does_not_exist_is_named(capsys):
    scene, _ = scene_in_flight()
    status.show_status(scene.context, json=False)
    assert "does not exist" not in capsys.readouterr().out
    scene.alarms.deleted = {"ib-oauth-token-latency-test"}
    status.show_status(scene.context, json=False)
    assert "the alarm ib-oauth-token-latency-test does not exist" in capsys.readouterr().out
    status.show_status(scene.context, json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["alarms_firing"], shown["alarms_missing"]) == ([], ["ib-oauth-token-latency-test"])


def test_every_alarm_of_the_environment_that_fires_is_named_the_most_severe_first(capsys):
    scene, _ = scene_in_flight()
    scene.alarms.sections = {
        "ib-oauth-backup-overdue-local": "backup-overdue",
        "ib-oauth-deployment-failed-local": "deployment-failed",
        "ib-oauth-rollback-failed-local": "rollback-failed",
        "ib-oauth-recovery-drill-failed-local": "recovery-drill-failed",
    }
    scene.alarms.ringing = {*scene.alarms.sections, "ib-oauth-service-degraded-local", "ib-oauth-backup-overdue-prod"}
    expected = [
        "ib-oauth-rollback-failed-local",
        "ib-oauth-deployment-failed-local",
        "ib-oauth-service-degraded-local",
        "ib-oauth-backup-overdue-local",
        "ib-oauth-recovery-drill-failed-local",
    ]

    status.show_status(scene.context, json=True)
    assert json.loads(capsys.readouterr().out)["alarms_firing"] == expected
    status.show_status(scene.context, json=False)
    assert f"alarms firing: {', '.join(expected)}" in " ".join(capsys.readouterr().out.split())


def test_alarms_of_an_environment_whose_name_ends_alike_are_left_out(capsys, monkeypatch):
    scene = Scene()
    monkeypatch.setattr("orchestrator.environments.names", lambda: ("local", "eu-local"))
    scene.alarms.ringing = {"ib-oauth-backup-overdue-local", "ib-oauth-backup-overdue-eu-local"}
    status.show_status(scene.context, json=True)
    assert json.loads(capsys.readouterr().out)["alarms_firing"] == ["ib-oauth-backup-overdue-local"]


def test_before_the_first_deployment_alarms_that_fire_are_named_too(capsys):
    scene = Scene()
    scene.alarms.ringing = {"ib-oauth-backup-overdue-local"}
    status.show_status(scene.context, json=True)
    assert json.loads(capsys.readouterr().out)["alarms_firing"] == ["ib-oauth-backup-overdue-local"]


def test_an_alarm_by_which_deployments_are_judged_is_named_whatever_its_name(capsys):
    scene, _ = scene_in_flight()
    scene.alarms.ringing = {"ib-oauth-token-latency-test"}
    status.show_status(scene.context, json=True)
    assert json.loads(capsys.readouterr().out)["alarms_firing"] == ["ib-oauth-token-latency-test"]
