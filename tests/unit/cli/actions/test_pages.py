"""The pages for a person: status begins with what is live, explain is a page, and `--json` has the rest."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.cli import context as cli_context
from orchestrator.cli.main import app
from orchestrator.domain.deployment.decision import Action, Decision
from orchestrator.domain.deployment.plan import Function
from orchestrator.domain.deployment.record import DecisionEntry, DeploymentOutcome, DeploymentPhase, Release, Shift
from orchestrator.domain.verdict import Evidence, Verdict, Window
from tests.samples import NOW, seconds
from tests.unit.cli.actions.scenes import Scene

RUN = CliRunner()


@pytest.fixture
def scene(monkeypatch):
    scene = Scene()
    monkeypatch.setattr(cli_context, "context_of", lambda _name: scene.context)
    return scene


@pytest.fixture
def live(scene):
    """A deployment that succeeded, and after it one that was refused."""
    functions = tuple(Function(name, f"ib-oauth-{name}-local", "0", "1") for name in environments.FUNCTIONS)
    ended = {"phase": DeploymentPhase.ENDED, "functions": functions}
    live = scene.record(
        id="d-live",
        release=Release("sha256:" + "ab" * 32),
        outcome=DeploymentOutcome.SUCCEEDED,
        ended_at=NOW + seconds(60),
        shifts=(Shift(0, 10, NOW), Shift(2, 100, NOW + seconds(50))),
        **ended,
    )
    refused = scene.record(
        id="d-no",
        requested_at=NOW + seconds(90),
        outcome=DeploymentOutcome.REFUSED,
        ended_at=NOW + seconds(91),
        reason="the environment is frozen",
        **ended,
    )
    scene.create(live)()
    scene.create(refused)()
    return live


def run(*arguments):
    answer = RUN.invoke(app, [*arguments], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def test_status_begins_with_what_is_live_and_not_with_the_newest_request(scene, live):
    lines = run("status").splitlines()
    assert lines[0].startswith("local: live is release abababababab since 2026-11-23")
    assert lines[0].endswith("by d-live")
    assert any(line.startswith("newest request: d-no was refused") for line in lines)


def test_status_says_when_no_recorded_deployment_made_the_versions_live(scene, live):
    scene.create(replace(live, id="d-other", requested_at=NOW + seconds(99)))()
    for name in environments.FUNCTIONS:
        scene.plane.functions[f"ib-oauth-{name}-local"].aliases["live"]["FunctionVersion"] = "7"
    assert run("status").startswith("local: live are the versions below; no recorded deployment")
    assert json.loads(run("status", "--json"))["live"] is None


def test_status_names_what_is_live_in_json(scene, live):
    status = json.loads(run("status", "--json"))
    assert status["live"] == {"deployment": "d-live", "release": live.release.digest, "since": "2026-11-23T03:01:00Z"}
    assert (status["newest_deployment"], status["in_progress"], status["paused"]) == ("d-no", None, None)


def test_status_shows_the_deployment_that_holds_the_lock(scene, live):
    scene.create(scene.record(id="d-now", requested_at=NOW + seconds(95), phase=DeploymentPhase.SHIFTING))()
    scene.holding_lock("d-now")
    output = run("status")
    assert "d-now is in progress: SHIFTING" in output
    assert "newest request" not in output


BIG = {"functions": {"token": {"stable": {"requests": 900}, "canary": {"requests": 60}, "grants": "x" * 5000}}}


@pytest.fixture
def judged(scene, live):
    token = scene.holding_lock("d-live")
    window = Window(NOW, NOW + seconds(30))
    verdicts = [Verdict.passed("token:5 0 5xx of 60"), Verdict.failed("token:5 returns 5xx: 10 of 60 (17 %)")]
    for number, verdict in enumerate(verdicts):
        evidence = (Evidence("metrics", verdict, {}, window, "cloudwatch", 60, BIG),)
        decision = Decision(Action.BAKE if number == 0 else Action.ROLL_BACK, 0, number, 0, verdict.reason)
        entry = DecisionEntry("d-live", 0, NOW, "AnalyzeCanary", f"t{number}", decision, verdict, evidence)
        scene.cloud.ledger.append_decision(entry, live, token)


@pytest.mark.parametrize("columns", ["40", "100"])
def test_explain_is_a_page_of_what_why_and_numbers(scene, judged, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    page = run("explain", "d-live")
    flat = " ".join(page.split())
    assert flat.startswith("d-live SUCCEEDED after 60 s")
    assert "token:5 returns 5xx: 10 of 60 (17 %)" in flat
    assert "60 on ?" in flat
    assert "thresholds: 5xx at most 5 %" in flat
    assert "evidence of 1 other evaluations: `orchestrator explain d-live --env local --json`" in flat
    assert "{" not in page, "raw JSON is for --json"
    assert "xxxx" not in page
    assert len(page) < 6000
    lines = [line.strip() for line in page.splitlines() if line.strip()]
    assert sum(len(line) == 1 for line in lines) == 0
    assert all(len(line) <= int(columns) for line in page.splitlines())


def test_explain_has_all_evidence_in_json(scene, judged):
    decisions = json.loads(run("explain", "d-live", "--json"))["decisions"]
    assert [decision["evidence"][0]["figures"] for decision in decisions] == [BIG, BIG]


@pytest.mark.parametrize("columns", ["40", "200"])
def test_history_is_readable_at_any_width(scene, live, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    page = run("history")
    assert all(word in page for word in ("d-live", "SUCCEEDED", "d-no", "REFUSED", "abababababab"))
    assert ("deployment: d-live" in page) is (columns == "40")
