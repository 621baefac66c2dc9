"""Approving a deployment, and what the other commands say at a gate."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from botocore.exceptions import NoCredentialsError
from typer.testing import CliRunner

from orchestrator.cli import context as cli_context
from orchestrator.cli.errors import DONE, REFUSED, UNREACHABLE
from orchestrator.cli.main import app
from orchestrator.cli.operator import caller
from orchestrator.domain.deployment.decision import Action, Decision
from orchestrator.domain.deployment.gates import GateRecord
from orchestrator.domain.deployment.record import DecisionEntry, DeploymentPhase, PauseToken, Shift
from orchestrator.domain.errors import Unreachable
from orchestrator.domain.verdict import Evidence, Verdict, Window
from tests.samples import NOW, delivery_table, plan, seconds
from tests.unit.cli.actions.scenes import Scene

RUN = CliRunner()
STEP = {"weight_percent": 10, "bake_seconds": 30}
APPROVE = {"type": "approve", "approvers": ["ann", "ben", "cleo"], "quorum": 2, "deadline_seconds": 600}
WINDOW = {"type": "window", "windows": ["Mon-Thu 08:00-16:00"], "deadline_seconds": 600}
PAUSE = {"type": "pause", "deadline_seconds": 600}


@pytest.fixture
def scene(monkeypatch):
    scene = Scene()
    scene.answers = []
    scene.states._answer = lambda token, output: scene.answers.append((token, json.loads(output))) or True
    monkeypatch.setattr(cli_context, "context_of", lambda _name: scene.context)
    return scene


def run(*arguments, by="ben"):
    return RUN.invoke(app, [*arguments], catch_exceptions=False, env={"ORCHESTRATOR_REQUESTED_BY": by})


def waiting(scene, gate, phase=DeploymentPhase.PAUSED, reached=True, requested_as=""):
    """A deployment that waits for a gate."""
    record = scene.record(
        requested_as=requested_as,
        phase=DeploymentPhase.LOCKED,
        plan=plan({"type": "canary", "steps": [STEP, gate]}),
        requested_by="ann",
        shifts=(Shift(0, 10, NOW),),
        gates=(GateRecord(0, NOW),) if reached else (),
    )
    scene.create(record)()
    token = scene.holding_lock()
    pause = PauseToken("secret", NOW, NOW + seconds(600), 0, 0, "gate")
    scene.cloud.ledger.record_pause(replace(record, phase=phase), pause, token)


def test_the_last_approval_of_the_quorum_continues_the_deployment_at_once(scene):
    waiting(scene, APPROVE)
    first = run("approve", "d-1", by="ann")
    assert (first.exit_code, scene.answers) == (DONE, [])
    assert "approved by ann; it lacks 1 of 2 approvals" in first.output
    second = json.loads(run("approve", "d-1", "--json").stdout)
    assert (second["approver"], second["lacks"]) == ("ben", "")
    ((token, command),) = scene.answers
    assert (token, command["request"], command["by"]) == ("secret", "approve", "ben")


def test_a_stranger_and_a_second_approval_of_one_person_are_refused(scene):
    waiting(scene, APPROVE)
    stranger = run("approve", "d-1", by="mallory")
    assert (stranger.exit_code, "approve is for ann, ben, cleo" in stranger.output) == (REFUSED, True)
    assert run("approve", "d-1").exit_code == DONE
    again = run("approve", "d-1")
    assert (again.exit_code, "you have approved it already; it lacks 1 of 2" in again.output) == (REFUSED, True)
    assert scene.answers == []


def test_an_approval_whose_answer_was_lost_can_be_repeated(scene):
    waiting(scene, {**APPROVE, "quorum": 1})
    assert run("approve", "d-1").exit_code == run("approve", "d-1").exit_code == DONE
    assert len(scene.answers) == 2


def test_the_requester_alone_is_not_enough(scene):
    waiting(scene, {**APPROVE, "quorum": 1})
    assert "it lacks an approval by another person than the requester, ann" in run("approve", "d-1", by="ann").output
    assert scene.answers == []


def test_the_requester_who_gave_another_name_is_not_enough_either(scene):
    arn = "arn:aws:sts::123456789012:assumed-role/deploy/ben"
    waiting(scene, {**APPROVE, "quorum": 1}, requested_as=arn)
    assert f"another person than the requester, ann ({arn})" in run("approve", "d-1", by="ben").output
    assert scene.answers == []
    assert "it continues at once" in run("approve", "d-1", by="cleo").output


@pytest.mark.parametrize(
    ("gate", "changes"),
    [(PAUSE, {}), (APPROVE, {"phase": DeploymentPhase.SHIFTING}), (APPROVE, {"reached": False})],
)
def test_a_deployment_that_waits_for_no_approval_is_refused(scene, gate, changes):
    waiting(scene, gate, **changes)
    answer = run("approve", "d-1")
    assert (answer.exit_code, "it waits for no approval" in answer.output) == (REFUSED, True)


@pytest.mark.parametrize("command", ["resume", "promote"])
def test_resume_and_promote_do_not_replace_an_approval_or_a_window(scene, command):
    waiting(scene, APPROVE)
    answer = run(command, "d-1")
    assert (answer.exit_code, "orchestrator approve d-1 --env local" in answer.output) == (REFUSED, True)
    assert scene.answers == []


@pytest.mark.parametrize("command", ["resume", "promote"])
def test_a_window_is_not_opened_by_a_command(scene, command):
    waiting(scene, WINDOW, phase=DeploymentPhase.SHIFTING)
    answer = run(command, "d-1")
    assert (answer.exit_code, "Mon-Thu 08:00-16:00 UTC" in answer.output) == (REFUSED, True)


@pytest.mark.parametrize("command", ["resume", "promote", "abort"])
def test_a_pause_is_answered_as_every_pause(scene, command):
    waiting(scene, PAUSE)
    assert run(command, "d-1").exit_code == DONE
    assert scene.answers[0][1]["request"] == command


def test_an_abort_answers_an_approval(scene):
    waiting(scene, APPROVE)
    assert run("abort", "d-1").exit_code == DONE
    assert scene.answers[0][1]["request"] == "abort"


def test_status_and_explain_show_the_gate_and_the_commands_that_answer_it(scene):
    waiting(scene, APPROVE)
    explained = run("explain", "d-1").output
    assert "gate approve: 2 of ann, ben, cleo: reached at" in explained
    assert "orchestrator approve d-1 --env local" in explained
    assert "orchestrator resume" not in explained
    pause = json.loads(run("status", "--json").stdout)["paused"]
    assert pause["commands"] == [f"orchestrator {command} d-1 --env local" for command in ("approve", "abort")]


def test_explain_shows_every_check_of_the_decisive_evaluation(scene):
    waiting(scene, PAUSE)
    check = {
        "verdict": "FAIL", "canary": {"bad": 60, "trials": 500}, "stable": {"bad": 9, "trials": 4500},
        "margin_percent": 0.5, "limit_percent": None, "dry_run": False,
    }  # fmt: skip
    pooled = {**check, "verdict": "PASS", "limit_percent": 0.75, "dry_run": True}
    verdict = Verdict.failed("check orders: canary 60 of 500 bad")
    figures = {"checks": {"orders": check, "logins": pooled}}
    evidence = Evidence("custom_checks", verdict, {}, Window(NOW, NOW), "checks", 500, figures)
    decision = Decision(Action.ROLL_BACK, 0, 0, 0, verdict.reason)
    entry = DecisionEntry("d-1", 0, NOW, "AnalyzeCanary", "1", decision, verdict, (evidence,))
    ledger = scene.cloud.ledger
    ledger.append_decision(entry, ledger.read_record("d-1"), 1)
    shown = " ".join(run("explain", "d-1").output.split())
    assert "orders FAIL 60 of 500 9 of 4500 stable + 0.5 points yes" in shown
    assert "logins PASS 60 of 500 9 of 4500 at most 0.75 % no, dry run" in shown


def test_in_an_account_the_approver_is_the_caller_by_sts_and_no_name_that_the_caller_chooses(monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_REQUESTED_BY", "ann")
    arn = "arn:aws:sts::123456789012:assumed-role/Approvers/ben"
    identity = SimpleNamespace(get_caller_identity=lambda: {"Arn": arn})
    context = SimpleNamespace(environment=SimpleNamespace(local=False), clients=lambda _: identity)
    assert caller(context) == arn

    def no_credentials():
        raise NoCredentialsError

    identity.get_caller_identity = no_credentials
    with pytest.raises(Unreachable):
        caller(context)


def test_without_credentials_nothing_is_approved(scene, monkeypatch):
    waiting(scene, APPROVE)

    def unreachable(_context):
        raise Unreachable("no credentials")

    monkeypatch.setattr("orchestrator.cli.actions.deploy.caller", unreachable)
    assert run("approve", "d-1").exit_code == UNREACHABLE
    assert scene.cloud.ledger.read_approvals("d-1", 0) == []


def test_strategies_show_the_gates_where_they_stand(monkeypatch):
    hook = {
        "name": "load-test", "kind": "lambda", "phases": ["before_traffic", "after_promotion"], "timeout_seconds": 5,
        "function": "arn:aws:lambda:us-west-1:123456789012:function:load-test",
    }  # fmt: skip
    strategies = {"plain": {"type": "all-at-once"}, "gated": {"type": "canary", "steps": [WINDOW, STEP, APPROVE]}}
    delivery = {**delivery_table(hooks=[hook], strategies=strategies), "default_strategy": "gated"}
    monkeypatch.setattr(
        "orchestrator.cli.actions.strategies.environments.load", lambda _: SimpleNamespace(delivery=delivery)
    )
    answer = RUN.invoke(app, ["strategies"], catch_exceptions=False, env={"COLUMNS": "250"})
    shown = " ".join(answer.output.split())
    assert (
        "[load-test: hook], [window: Mon-Thu 08:00-16:00 UTC], 10 % 30 s, [approve: 2 of ann, ben, cleo], 100 %, "
        "[load-test: hook]"
    ) in shown
    assert "plain [load-test: hook], 100 %, [load-test: hook]" in shown
    gated = json.loads(run("strategies", "--json").stdout)["gated"]
    assert [gate["kind"] for gate in gated["gates"]] == ["hook", "window", "approve", "hook"]
