"""Freezing from the command line: what is kept, announced and shown."""

from __future__ import annotations

import json

import pytest

from orchestrator import environments
from orchestrator.cli.actions import deploy, freeze, history
from orchestrator.cli.context import Context
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
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


def test_a_freeze_is_printed_announced_and_kept(context, events, capsys):
    freeze.freeze(context, "the auditors are here", "ann", json=False)
    assert "prod is frozen by ann since" in capsys.readouterr().out
    ((kind, detail),) = events.put
    assert (kind, detail["by"], detail["reason"]) == ("EnvironmentFrozen", "ann", "the auditors are here")
    (signal,) = context.cloud.ledger.read_events(5)
    assert (signal.name, signal.acted) == ("freeze", True)
    assert "the auditors are here" in signal.why


def test_who_freezes_learns_what_is_under_way(context, capsys):
    ledger = context.cloud.ledger
    ledger.acquire_lock(ledger.read_lock(), EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)
    freeze.freeze(context, "why not", "ann", json=False)
    assert "d-1 is in progress and continues" in capsys.readouterr().out


def test_a_deployment_is_refused_before_anything_starts(context):
    freeze.freeze(context, "the auditors are here", "ann", json=True)
    params = {"requested_by": "bob", "checklist": dict.fromkeys(context.policy.checklist, "https://ci.example")}
    with pytest.raises(Refused, match="frozen by ann"):
        deploy.deploy(context, params, None, watch=False, json=True)


def test_history_begins_with_the_freeze_while_it_holds(context, capsys):
    freeze.freeze(context, "the auditors are here", "ann", json=True)
    capsys.readouterr()
    history.list_history(context, 5, json=False)
    assert "the auditors are here; new deployments are rejected" in capsys.readouterr().out
    freeze.unfreeze(context, "they left", "bob", json=True)
    capsys.readouterr()
    history.list_history(context, 5, json=False)
    assert "auditors" not in capsys.readouterr().out
    history.list_history(context, 5, json=True)
    assert json.loads(capsys.readouterr().out)["freeze"]["unfreeze_reason"] == "they left"


def test_a_thaw_says_what_it_lifts_and_who_had_put_it_on(context, events, capsys):
    freeze.freeze(context, "the auditors are here", "ann", json=True)
    freeze.unfreeze(context, "they left", "bob", json=False)
    assert "prod is no longer frozen by ann" in capsys.readouterr().out
    assert [kind for kind, _ in events.put] == ["EnvironmentFrozen", "EnvironmentUnfrozen"]
    assert [signal.name for signal in context.cloud.ledger.read_events(5)] == ["unfreeze", "freeze"]


def test_neither_goes_without_a_reason(context):
    for command in (freeze.freeze, freeze.unfreeze):
        with pytest.raises(Refused, match="give a reason"):
            command(context, " ", "ann", json=True)
