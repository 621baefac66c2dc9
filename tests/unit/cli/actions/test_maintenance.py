"""Maintenance from the command line: what is written, shown and refused, over the whole program."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.cli import context as cli_context
from orchestrator.cli.actions import status
from orchestrator.cli.actions.release import read_changelog
from orchestrator.cli.context import Context
from orchestrator.cli.errors import REFUSED
from orchestrator.cli.main import app
from orchestrator.domain.audit.ledger_entries import entry_of_event
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.maintenance.schedule import Change
from tests.fakes.clouds import cloud_over
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.notification_queue import MovableClock
from tests.unit.cli.actions.scenes import Scene
from tests.unit.domain.maintenance.worlds import HOUR, MINUTE, only, planned

RUN = CliRunner(env={"COLUMNS": "250", "ORCHESTRATOR_REQUESTED_BY": "ann"})


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
def cloud(clock, monkeypatch):
    clients = {"dynamodb": FakeDynamoDB(), "lambda": LambdaControlPlane()}
    context = Context(environments.load("prod"), clients.__getitem__)
    vars(context)["cloud"] = cloud_over(clients, clock.now)
    monkeypatch.setattr(cli_context, "context_of", lambda _name: context)
    return context.cloud


def run(*words, code=0):
    answer = RUN.invoke(app, ["maintenance", *words])
    assert answer.exit_code == code, answer.output
    return answer.stdout or answer.stderr


def plan(clock, *words, starts=100 * HOUR, title="New token table", code=0):
    begins = clock.now() + starts
    times = ("--starts", begins.isoformat(), "--ends", (begins + 2 * HOUR).isoformat())
    return run("plan", title, "--text", "Retry", "--component", "token", *times, *words, code=code)


def planned_id(clock, **more):
    return json.loads(plan(clock, "--json", **more))["maintenance"]["id"]


def test_a_window_is_planned_listed_and_shown(cloud, clock):
    said = plan(clock, "--allow", "tables", "--silence", "latency", "--requested-by", "bob")
    for part in ("planned: New token table", "may start: d-tables", "does not page: latency", "announced: not yet"):
        assert part in said
    (window,) = json.loads(run("list", "--json"))["maintenance"]
    assert window["components"] == ["token"]
    assert window["steps"][0]["by"] == "bob"
    assert [word in run("list") for word in (window["id"], "planned", "New token table", "UTC")] == [True] * 4
    assert json.loads(run("show", window["id"], "--json"))["maintenance"] == window
    shown = run("show", window["id"])
    assert "components: token" in shown
    assert "bob" in shown
    (event,) = cloud.ledger.read_events(5)
    assert (event.source, event.name) == ("person", "maintenance plan by bob")
    assert entry_of_event(event).actor == "bob", "the audit trail names the person"


def test_an_environment_without_windows_says_so(cloud):
    assert run("list").strip() == "prod has no maintenance windows"
    assert cloud.maintenance.list_windows(5) == []


def test_a_window_is_started_early_and_ended_early(cloud, clock):
    name = planned_id(clock, starts=73 * HOUR)
    clock.advance(72 * 3600)
    assert "under way: New token table" in run("start", name, "--reason", "all are here")
    assert "every alarm pages" in run("show", name)
    assert cloud.maintenance.read_schedule().under_way(clock.now()).id == name
    assert "ended: New token table" in run("end", name, "--reason", "done")
    assert cloud.maintenance.read_schedule().under_way(clock.now()) is None
    assert [step.action for step in cloud.maintenance.read_window(name).steps] == ["PLAN", "START", "END"]
    assert json.loads(run("list", "--open", "--json"))["maintenance"] == []


def test_the_open_windows_are_listed_however_many_closed_ones_start_later(cloud, clock):
    first = planned_id(clock)
    second = planned_id(clock, starts=110 * HOUR)
    for number in range(3):
        run("cancel", planned_id(clock, starts=(200 + 10 * number) * HOUR), "--reason", "not now")
    for limit, expected in ((1, [second]), (2, [second, first]), (20, [second, first])):
        listed = json.loads(run("list", "--open", "--limit", str(limit), "--json"))["maintenance"]
        assert [one["id"] for one in listed] == expected
    assert first not in run("list", "--limit", "3")


def test_a_start_names_the_deployment_that_is_in_progress(cloud, clock):
    name = planned_id(clock, starts=73 * HOUR)
    clock.advance(72 * 3600)
    cloud.ledger.acquire_lock(cloud.ledger.read_lock(), "arn:execution", "d-9", Kind.DEPLOYMENT, clock.now())
    assert "d-9 is in progress and continues" in run("start", name, "--reason", "all are here")


def test_a_planned_window_is_cancelled(cloud, clock):
    name = planned_id(clock)
    assert "cancelled: New token table" in run("cancel", name, "--reason", "the provider is not ready")
    window = cloud.maintenance.read_window(name)
    assert window.steps[-1].reason == "the provider is not ready"
    begins, ends = (f"{at:%Y-%m-%d %H:%M} UTC" for at in (window.starts_at, window.ends_at))
    assert f"time: {begins} to {ends}" in run("show", name)
    row = next(line for line in run("list").splitlines() if name in line)
    assert row.index(begins) < row.index(ends)


def test_the_list_says_what_is_by_the_time_before_a_run_has_recorded_it(clock, cloud):
    name = planned_id(clock)
    clock.at = cloud.maintenance.read_window(name).starts_at
    assert "under way" in run("list")
    clock.advance(2 * 3600)
    assert "ended" in run("list")
    assert "it is over" in run("end", name, code=REFUSED)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show", "mnt-9"), "maintenance: 'mnt-9' is refused: name one that `orchestrator maintenance list` lists"),
        (("end", "NAME"), "it has not begun: `orchestrator maintenance cancel` cancels it"),
        (("cancel", "NAME", "--reason", " "), "--reason: ' ' is refused: give a value"),
        (("start", "NAME", "--reason", "x"), "it would take more than 8 hours"),
    ],
)
def test_a_wrong_command_is_refused_and_changes_nothing(cloud, clock, words, message):
    name = planned_id(clock)
    before = cloud.maintenance.read_schedule()
    assert message in run(*(name if word == "NAME" else word for word in words), code=REFUSED)
    assert cloud.maintenance.read_schedule() == before


def test_a_plan_is_refused_that_comes_too_soon_or_overlaps_or_has_no_zone(cloud, clock):
    name = planned_id(clock)
    assert f"{name} takes" in plan(clock, title="another", code=REFUSED)
    assert "72 hours ahead" in plan(clock, starts=HOUR, code=REFUSED)
    assert "planned" in plan(clock, "--urgent", "the key leaked", starts=HOUR)
    naive = ("--starts", "2026-12-24T20:00", "--ends", "2026-12-24T22:00Z")
    assert "with its zone" in run("plan", "t", "--text", "x", "--component", "token", *naive, code=REFUSED)
    assert len(cloud.maintenance.list_windows(5)) == 2


def test_a_plan_for_a_component_that_does_not_exist_is_refused_with_those_that_do(cloud, clock):
    message = plan(clock, "--component", "tokns", code=REFUSED)
    assert "--component: 'tokns' is refused: give one of login, tokens, user-data, or of the functions" in message
    assert "authorize, public, token" in message
    assert cloud.maintenance.list_windows(5) == []
    plan(clock, "--component", "tokens")


@pytest.fixture
def scene(monkeypatch):
    scene = Scene()
    monkeypatch.setattr(cli_context, "context_of", lambda _name: scene.context)
    window = only(planned(HOUR, urgent="now", allowed=("tables",)))
    now = scene.context.cloud.now()
    window = replace(window, starts_at=now - MINUTE, ends_at=now + HOUR)
    schedule = scene.context.cloud.maintenance.read_schedule()
    assert scene.context.cloud.maintenance.commit(Change(replace(schedule, windows=(window,)), (window,)))
    return scene


def test_a_deployment_is_refused_before_it_is_started_and_one_that_may_pass_is_not(scene):
    answer = RUN.invoke(app, ["deploy", "--idempotency-key", "other"])
    assert answer.exit_code == REFUSED
    assert "orchestrator maintenance end mnt-" in answer.stderr
    passed = RUN.invoke(app, ["deploy", "--idempotency-key", "tables"])
    assert "maintenance" not in passed.output


def test_status_names_the_window_under_way_and_what_may_start(scene, capsys):
    status.show_status(scene.context, json=False)
    assert "New token table; new deployments are rejected, except d-tables" in capsys.readouterr().out
    status.show_status(scene.context, json=True)
    assert json.loads(capsys.readouterr().out)["maintenance"]["title"] == "New token table"


def test_a_changelog_is_a_text_or_a_file_in_utf_8(tmp_path):
    file = tmp_path / "changes.md"
    file.write_text("\nTokens last 30 days, für alle.\n", encoding="utf-8")
    assert read_changelog("Tokens last longer") == "Tokens last longer"
    assert read_changelog(f"@{file}") == "Tokens last 30 days, für alle."
    file.write_bytes(b"\xff")
    for wrong in (f"@{file}", f"@{tmp_path}", "@missing"):
        with pytest.raises(Refused, match="give a text, or @ and a file in UTF-8") as refusal:
            read_changelog(wrong)
        assert refusal.value.field == "--changelog"
