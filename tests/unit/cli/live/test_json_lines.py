"""`--watch --json`: one event a line from the first second on, and the result as the last line."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from orchestrator.cli import context as cli_context
from orchestrator.cli.actions import keys
from orchestrator.cli.live.json_lines import deployment_events, recovery_events
from orchestrator.cli.main import app
from orchestrator.domain.deployment.gates import Approval, Gate, GateKind, GateRecord
from orchestrator.domain.deployment.record import (
    DeploymentOutcome,
    DeploymentPhase,
    PauseToken,
    Rollback,
    RollbackTrigger,
    Shift,
)
from orchestrator.domain.errors import Unreachable
from orchestrator.domain.signing_keys import KeyPhase, SigningKey, SigningKeyRing
from tests.followed import DECISIONS, drill, in_flight, recovery_snapshot, rolled_back, snapshot
from tests.samples import NOW, plan, seconds
from tests.unit.cli.actions.scenes import Scene

RUN = CliRunner()


@pytest.fixture
def scene(monkeypatch):
    scene = Scene()
    monkeypatch.setattr(cli_context, "context_of", lambda _name: scene.context)
    return scene


def run(*arguments):
    answer = RUN.invoke(app, [*arguments], catch_exceptions=False)
    return answer, [json.loads(line) for line in answer.stdout.splitlines()]


def types(lines):
    return [line["type"] for line in lines]


def with_values(scene, record):
    values = {name: value for name, value in vars(record).items() if name not in {"environment", "execution"}}
    return scene.record(**values)


def ended(record):
    return replace(
        record,
        phase=DeploymentPhase.ENDED,
        outcome=DeploymentOutcome.SUCCEEDED,
        reason="fine",
        ended_at=NOW + seconds(9),
    )


def test_every_line_has_a_time_and_a_type_and_the_last_is_the_object_of_the_end(scene):
    planned = scene.record(shifts=())
    shifted = replace(planned, phase=DeploymentPhase.SHIFTING, shifts=(Shift(0, 10, NOW + seconds(1)),))
    scene.story = [scene.create(planned), scene.save(shifted), scene.save(ended(shifted))]
    answer, lines = run("deploy", "--idempotency-key", "1", "--requested-by", "ann", "--watch", "--json")
    assert answer.exit_code == 0
    assert types(lines) == ["request", "planned", "phase", "shift", "phase", "phase", "result"]
    assert all(datetime.fromisoformat(line["time"]).tzinfo for line in lines)
    assert all(list(line)[:2] == ["time", "type"] for line in lines)
    request, result = lines[0], lines[-1]
    assert (request["deployment"], request["environment"], request["requested_by"]) == ("d-1", "local", "ann")
    assert set(result) == {"time", "type", "outcome", "deployment"}
    assert result["deployment"]["outcome"] == "SUCCEEDED"
    assert result["outcome"] == "d-1 SUCCEEDED after 9 s: fine"


class Stream(io.StringIO):
    """Standard output that remembers what had been flushed at each moment."""

    flushed = ""

    def flush(self):
        self.flushed = self.getvalue()


def test_the_lines_arrive_before_the_end(scene, monkeypatch):
    stream, seen = Stream(), []
    planned = scene.record(shifts=())
    scene.story = [
        lambda: seen.append(types(map(json.loads, stream.flushed.splitlines()))),
        scene.create(planned),
        lambda: seen.append(types(map(json.loads, stream.flushed.splitlines()))),
        scene.save(ended(planned)),
    ]
    from orchestrator.cli.rendering.follow import follow_deployment

    scene.start()
    monkeypatch.setattr(sys, "stdout", stream)
    follow_deployment(scene.context, "d-1", "ann", json=True)
    assert seen == [["request"], ["request", "planned", "phase"]]


def test_watch_streams_as_well_and_a_deployment_that_has_ended_is_shown_from_its_beginning(scene):
    scene.create(ended(with_values(scene, in_flight())))()
    token = scene.holding_lock()
    for entry in DECISIONS:
        scene.cloud.ledger.append_decision(entry, scene.cloud.ledger.read_record("d-1"), token)
    _, lines = run("watch", "d-1", "--json")
    assert sorted(types(lines)) == sorted(["request", "planned", *["decision"] * 3, "shift", "phase", "result"])
    recorded = [line["decision"] for line in lines if line["type"] == "decision"]
    assert [entry["number"] for entry in recorded] == [1, 2, 3]
    assert recorded[-1]["evidence"][0]["probe"] == "metrics"


def test_a_refusal_after_the_first_line_is_the_last_line(scene):
    scene.story = [scene.refuse("release: 'x' is refused: it is bad")]
    answer, lines = run("deploy", "--idempotency-key", "1", "--watch", "--json")
    assert answer.exit_code == 2
    assert types(lines) == ["request", "result"]
    assert "it is bad" in lines[-1]["error"]["message"]


@pytest.mark.parametrize("arguments", [("deploy", "--steps", "x", "--watch"), ("watch", " "), ("deploy", "--steps", " ", "--watch")])  # fmt: skip
def test_an_option_that_is_refused_is_one_line_too(scene, arguments):
    answer, lines = run(*arguments, "--json")
    assert answer.exit_code == 2
    assert types(lines) == ["result"]
    assert lines[0]["error"]["remedy"]


def test_without_watch_there_is_one_object_over_several_lines(scene):
    scene.story = [scene.refuse("release: 'x' is refused: it is bad")]
    answer = RUN.invoke(app, ["deploy", "--idempotency-key", "1", "--json"], catch_exceptions=False)
    assert "type" not in json.loads(answer.stdout)
    assert answer.stdout.startswith("{\n")


@pytest.mark.parametrize(
    "arguments", [("promote", "d-none"), ("abort", "d-none"), ("rollback", "d-none"), ("status", "--env", " ")]
)
def test_a_command_that_does_not_watch_prints_its_refusal_as_one_object_over_several_lines(scene, arguments):
    answer = RUN.invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert answer.stdout.startswith("{\n")
    assert set(json.loads(answer.stdout)) == {"error"}


def test_an_outage_is_one_event(scene, monkeypatch):
    flying = with_values(scene, in_flight())
    scene.create(flying)()
    scene.start()
    read, left = scene.cloud.ledger.read_record, [6]

    def unreachable(name):
        left[0] -= 1
        if left[0] >= 0:
            raise Unreachable("no route")
        return read(name)

    monkeypatch.setattr(scene.cloud.ledger, "read_record", unreachable)
    scene.story = [lambda: None] * 5 + [scene.save(ended(flying))]
    _, lines = run("watch", "d-1", "--json")
    assert [line["reason"] for line in lines if line["type"] == "unreachable"] == ["no route"]
    assert lines[-1]["type"] == "result"


# --- what happened between two snapshots -----------------------------------------------------------------------


def test_nothing_new_is_no_event():
    assert deployment_events(snapshot(), snapshot(at=31)) == []
    assert recovery_events(recovery_snapshot(), recovery_snapshot(at=101)) == []


def test_a_gate_is_reached_and_passed():
    gate = Gate(GateKind.APPROVE, "approve", 1, timedelta(hours=1), ("bob",))
    before = in_flight(plan=replace(plan(), gates=(gate,)))
    reached = replace(before, gates=(GateRecord(0, NOW + seconds(31)),))
    passed = replace(before, gates=(GateRecord(0, NOW + seconds(31), NOW + seconds(32), "bob"),))
    first = deployment_events(snapshot(before), snapshot(reached, approvals=(Approval("bob", NOW + seconds(32)),)))
    assert types(first) == ["gate reached", "approval"]
    (second,) = deployment_events(snapshot(reached), snapshot(passed))
    assert (second["type"], second["by"], second["waits_for"]) == ("gate passed", "bob", "approve: 1 of bob")
    assert types(deployment_events(snapshot(before), snapshot(passed))) == ["gate reached", "gate passed"]


def test_a_pause_has_its_commands_and_not_its_token():
    pause = PauseToken("secret", NOW + seconds(31), NOW + seconds(600), 0, 2, "no evidence")
    paused = in_flight(phase=DeploymentPhase.PAUSED)
    events = deployment_events(snapshot(), snapshot(paused, pause=pause))
    assert sorted(types(events)) == ["pause", "phase"]
    (event,) = [event for event in events if event["type"] == "pause"]
    assert len(event["pause"]["commands"]) == 3
    assert "secret" not in str(event)
    assert types(deployment_events(snapshot(paused, pause=pause), snapshot(paused, pause=pause))) == []


def test_a_rollback_is_triggered_locked_and_reverted():
    record = rolled_back(phase=DeploymentPhase.ROLLING_BACK, ended_at=None, outcome=None)
    full = record.rollback
    triggered = replace(record, rollback=replace(full, locked_at=None, reverted_at=None))
    locked = replace(record, rollback=replace(full, reverted_at=None))
    steps = [in_flight(), triggered, locked, record]
    found = [types(deployment_events(snapshot(before), snapshot(after))) for before, after in pairwise(steps)]
    assert found == [["phase", "rollback"], ["lock acquired"], ["aliases reverted"]]
    other = replace(record, rollback=Rollback(RollbackTrigger("person", "again", NOW)))
    assert types(deployment_events(snapshot(record), snapshot(other))) == ["rollback"]


def test_a_recovery_reports_each_phase_when_it_has_ended_and_each_check():
    begun = recovery_snapshot(recovery=drill("dr-9", 1, 2))
    further = recovery_snapshot()
    assert types(recovery_events(None, begun)) == ["planned", "phase"]
    events = recovery_events(begun, further)
    assert [event["phase"] for event in events if event["type"] == "phase"] == ["AcquireLock", "StartRestore"]
    assert [event["check"].check for event in events if event["type"] == "check"] == ["settings.state"]
    over = replace(further, recovery=replace(further.recovery, ended_at=NOW + seconds(90)))
    assert [event["phase"] for event in recovery_events(further, over)] == ["AwaitRestore"]


def test_a_rotation_of_keys_streams_each_change_of_the_ring(monkeypatch, capsys):
    signing = SigningKey("key-1", "kid-1", KeyPhase.SIGNING, NOW)
    published = SigningKey("key-2", "kid-2", KeyPhase.PUBLISHED, NOW)
    begun = SigningKeyRing(1, NOW, (signing, published))
    signs = SigningKeyRing(
        2, NOW + seconds(60), (replace(signing, phase=KeyPhase.RETIRING), replace(published, phase=KeyPhase.SIGNING))
    )
    over = SigningKeyRing(3, NOW + seconds(90), (replace(published, phase=KeyPhase.SIGNING),))
    readings = iter([begun, signs, over, over])
    cloud = SimpleNamespace(
        key_ring=SimpleNamespace(read_ring=lambda: next(readings), read_states=lambda ring: {}),
        now=lambda: NOW,
        ledger=SimpleNamespace(record_event=lambda _event: True),
    )
    context = SimpleNamespace(cloud=cloud, name="test", environment=SimpleNamespace(key_rotation_days=90))
    monkeypatch.setattr(keys.key_rotation, "publish_new_key", lambda *_: begun)
    monkeypatch.setattr(keys.time, "sleep", lambda _seconds: None)
    keys.rotate(context, "ann", watch=True, json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert types(lines) == ["request", "keys", "keys", "result"]
    assert [line.get("version") for line in lines] == [None, 2, 3, 3]
    assert lines[0]["kid"] == "kid-2"
