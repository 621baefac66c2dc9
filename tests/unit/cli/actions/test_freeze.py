"""Freezing from the command line: what is kept, announced and shown."""

from __future__ import annotations

import json

import pytest

from orchestrator import environments
from orchestrator.cli.actions import deploy, freeze, history
from orchestrator.cli.context import Context
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import NotRecorded, Refused, Throttled
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


def failing_once(monkeypatch, owner, name):
    """Let a call fail once, as a throttle does."""
    call, failures = getattr(owner, name), [Throttled("slow down")]

    def fail(*args, **params):
        if failures:
            raise failures.pop()
        return call(*args, **params)

    monkeypatch.setitem(vars(owner), name, fail)  # a cloud is frozen


STEPS = ("record_event", "read_lock", "announce", "mark_announced")


def owner_of(context, step):
    cloud = context.cloud
    return {"announce": cloud, "mark_announced": cloud.freezes}.get(step, cloud.ledger)


@pytest.mark.parametrize("step", STEPS)
def test_a_freeze_that_was_only_half_done_is_finished_when_it_is_repeated(context, events, monkeypatch, step):
    failing_once(monkeypatch, owner_of(context, step), step)
    with pytest.raises((Throttled, NotRecorded)):
        freeze.freeze_environment(context, "the auditors are here", "ann")
    assert context.cloud.freezes.read_freeze().is_active
    frozen, words = freeze.freeze_environment(context, "the auditors are here", "ann")
    assert "frozen by ann" in words
    assert frozen == context.cloud.freezes.read_freeze()
    assert frozen.announced
    # An announcement that is made may be made again; the ledger has the event once.
    assert {kind for kind, _ in events.put} == {"EnvironmentFrozen"}
    assert [one.name for one in context.cloud.ledger.read_events(5)] == ["freeze"]
    with pytest.raises(Refused, match="frozen already"):
        freeze.freeze_environment(context, "the auditors are here", "ann")


@pytest.mark.parametrize("step", ["record_event", "announce", "mark_announced"])
def test_an_end_that_was_only_half_done_is_finished_when_it_is_repeated(context, events, monkeypatch, step):
    freeze.freeze_environment(context, "the auditors are here", "ann")
    failing_once(monkeypatch, owner_of(context, step), step)
    with pytest.raises((Throttled, NotRecorded)):
        freeze.unfreeze_environment(context, "they left", "bob")
    assert not context.cloud.freezes.read_freeze().is_active
    lifted, words = freeze.unfreeze_environment(context, "they left", "bob")
    assert "no longer frozen by ann" in words
    assert lifted == context.cloud.freezes.read_freeze()
    assert {kind for kind, _ in events.put} == {"EnvironmentFrozen", "EnvironmentUnfrozen"}
    assert [one.name for one in context.cloud.ledger.read_events(5)] == ["unfreeze", "freeze"]
    with pytest.raises(Refused, match="nothing to lift"):
        freeze.unfreeze_environment(context, "they left", "bob")


def test_a_bus_that_takes_no_event_is_named_and_gets_it_when_the_command_is_repeated(context, events):
    events.fails = True
    for _ in range(2):
        frozen, words = freeze.freeze_environment(context, "the auditors are here", "ann")
        assert not frozen.announced
        assert "EventBridge has not accepted EnvironmentFrozen: run the command again" in words
    events.fails = False
    frozen, words = freeze.freeze_environment(context, "the auditors are here", "ann")
    assert frozen.announced
    assert "EventBridge" not in words
    assert [kind for kind, _ in events.put] == ["EnvironmentFrozen"]


def test_the_next_command_announces_what_the_one_before_it_did_not(context, events, monkeypatch):
    failing_once(monkeypatch, context.cloud, "announce")
    with pytest.raises(Throttled):
        freeze.freeze_environment(context, "the auditors are here", "ann")
    with pytest.raises(Refused, match="frozen by ann"):
        freeze.freeze_environment(context, "an audit", "bob")
    assert [detail["by"] for _, detail in events.put] == ["ann"]
    freeze.unfreeze_environment(context, "they left", "bob")
    failing_once(monkeypatch, context.cloud, "announce")
    with pytest.raises(Throttled):
        freeze.freeze_environment(context, "they are back", "cat")
    freeze.unfreeze_environment(context, "they left", "bob")
    kinds = [(kind, detail["reason"]) for kind, detail in events.put]
    assert kinds[1:] == [
        ("EnvironmentUnfrozen", "they left"),
        ("EnvironmentFrozen", "they are back"),
        ("EnvironmentUnfrozen", "they left"),
    ]


def test_an_end_is_not_held_up_by_a_freeze_that_cannot_be_announced(context, events):
    events.fails = True
    freeze.freeze_environment(context, "the auditors are here", "ann")
    lifted, words = freeze.unfreeze_environment(context, "they left", "bob")
    assert not lifted.is_active
    assert "EventBridge has not accepted EnvironmentUnfrozen" in words


def test_neither_goes_without_a_reason(context):
    for command in (freeze.freeze, freeze.unfreeze):
        with pytest.raises(Refused, match="give a reason"):
            command(context, " ", "ann", json=True)
