"""`status` names what needs a person."""

from __future__ import annotations

import json

from orchestrator.cli.actions import status
from tests.served_console import scene_in_flight


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
