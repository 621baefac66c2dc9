"""Freezing from the command line: what is kept, announced and shown."""

from __future__ import annotations

import json

import pytest

import environments
from orchestrator.cli import freezing, reading, shipping
from orchestrator.cli.context import Context
from orchestrator.domain.errors import Refused
from orchestrator.domain.records import Kind
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import cloud_over
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.messages import FakeEvents
from tests.samples import EXECUTION, NOW


@pytest.fixture
def events():
    return FakeEvents()


@pytest.fixture
def context(events):
    clients = {"dynamodb": FakeDynamoDB(), "lambda": LambdaControlPlane(), "events": events}
    context = Context(environments.load("prod"), clients.__getitem__)
    vars(context)["cloud"] = cloud_over(clients, SimulatedClock().now)
    return context


def test_a_freeze_is_told_announced_and_kept(context, events, capsys):
    freezing.freeze(context, "the auditors are here", "ann", json=False)
    assert "prod is frozen by ann since" in capsys.readouterr().out
    ((kind, detail),) = events.put
    assert (kind, detail["by"], detail["reason"]) == ("EnvironmentFrozen", "ann", "the auditors are here")
    (signal,) = context.cloud.ledger.signals(5)
    assert (signal.name, signal.acted) == ("freeze", True)
    assert "the auditors are here" in signal.why


def test_who_freezes_is_told_what_is_under_way(context, capsys):
    ledger = context.cloud.ledger
    ledger.take_claim(ledger.claim(), EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)
    freezing.freeze(context, "why not", "ann", json=False)
    assert "d-1 is under way and goes on" in capsys.readouterr().out


def test_a_deployment_is_refused_before_anything_starts(context):
    freezing.freeze(context, "the auditors are here", "ann", json=True)
    given = {"requested_by": "bob", "checklist": dict.fromkeys(context.policy.checklist, "https://ci.example")}
    with pytest.raises(Refused, match="frozen by ann"):
        shipping.deploy(context, given, None, watch=False, json=True)


def test_history_begins_with_the_freeze_while_it_holds(context, capsys):
    freezing.freeze(context, "the auditors are here", "ann", json=True)
    capsys.readouterr()
    reading.history(context, 5, json=False)
    assert "the auditors are here; no deployment begins" in capsys.readouterr().out
    freezing.thaw(context, "they left", "bob", json=True)
    capsys.readouterr()
    reading.history(context, 5, json=False)
    assert "auditors" not in capsys.readouterr().out
    reading.history(context, 5, json=True)
    assert json.loads(capsys.readouterr().out)["freeze"]["thaw_reason"] == "they left"


def test_a_thaw_says_what_it_lifts_and_who_had_put_it_on(context, events, capsys):
    freezing.freeze(context, "the auditors are here", "ann", json=True)
    freezing.thaw(context, "they left", "bob", json=False)
    assert "prod is no longer frozen by ann" in capsys.readouterr().out
    assert [kind for kind, _ in events.put] == ["EnvironmentFrozen", "EnvironmentThawed"]
    assert [signal.name for signal in context.cloud.ledger.signals(5)] == ["thaw", "freeze"]


def test_neither_goes_without_a_reason(context):
    for command in (freezing.freeze, freezing.thaw):
        with pytest.raises(Refused, match="say why"):
            command(context, " ", "ann", json=True)
