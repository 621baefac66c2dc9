"""Starting, following, undoing and answering deployments from the command line: exit codes and what is said."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from orchestrator.cli import context as cli_context
from orchestrator.cli.errors import DONE, FAILED, REFUSED, UNREACHABLE
from orchestrator.cli.main import app
from orchestrator.cli.rendering.follow import CONTINUED_WITHIN_SECONDS, PLANNED_WITHIN_SECONDS
from orchestrator.domain.deployment.record import (
    DeploymentOutcome,
    DeploymentPhase,
    PauseToken,
    Rollback,
    RollbackTrigger,
    Shift,
)
from tests.samples import NOW, seconds
from tests.unit.cli.actions.scenes import Scene

RUN = CliRunner()
WATCHED = pytest.mark.parametrize("watch", [(), ("--watch",)], ids=["started", "watched"])


@pytest.fixture
def scene(monkeypatch):
    scene = Scene()
    monkeypatch.setattr(cli_context, "context_of", lambda _name: scene.context)
    return scene


def run(*arguments):
    return RUN.invoke(app, [*arguments], catch_exceptions=False)


def elapsed(scene):
    return (scene.clock.now() - NOW).total_seconds()


# --- refusals have one exit code, wherever they are found out ------------------------------------------------


def by_plan(scene, _planned):
    return [scene.refuse("release: 'x' is refused: deployment d-0 rolled it back")]


def by_lock(scene, planned):
    return [scene.create(planned), scene.refuse_planned(planned, "release: 'x' is refused: another holds the lock")]


def by_readiness(scene, planned):
    locked = replace(planned, phase=DeploymentPhase.LOCKED)
    return [scene.create(planned), scene.save(locked), scene.refuse_planned(locked, "release: 'x' is refused: soon")]


@WATCHED
@pytest.mark.parametrize("refuse", [by_plan, by_lock, by_readiness])
def test_a_refusal_is_reported_with_exit_code_2_wherever_it_is_found(scene, refuse, watch):
    scene.story = refuse(scene, scene.record())
    answer = run("deploy", "--idempotency-key", "1", *watch)
    assert answer.exit_code == REFUSED, answer.output
    assert "release: 'x' is refused" in answer.output
    assert "nothing was changed" in answer.output
    assert "refused: Refused" not in answer.output


@pytest.mark.parametrize("refuse", [by_plan, by_lock, by_readiness])
def test_a_refusal_is_one_json_object(scene, refuse):
    scene.story = refuse(scene, scene.record())
    answer = run("deploy", "--idempotency-key", "1", "--json")
    assert answer.exit_code == REFUSED
    assert "is refused" in json.dumps(json.loads(answer.stdout))


def test_a_deployment_that_was_accepted_is_started_and_shown_with_its_plan(scene):
    planned = scene.record()
    scene.story = [scene.create(planned), scene.save(replace(planned, phase=DeploymentPhase.READY))]
    answer = run("deploy", "--idempotency-key", "1")
    assert answer.exit_code == DONE
    assert "started d-1 with canary-10-50: 2 steps" in answer.output
    assert elapsed(scene) < 5


def test_a_plan_that_does_not_answer_is_no_success_and_no_refusal(scene):
    answer = run("deploy", "--idempotency-key", "1")
    assert answer.exit_code == UNREACHABLE
    assert "the plan of d-1 has not answered within 60 s" in answer.output
    assert elapsed(scene) == pytest.approx(PLANNED_WITHIN_SECONDS, abs=1)


def test_checks_that_take_long_leave_the_answer_open_and_say_so(scene):
    scene.story = [scene.create(scene.record())]
    answer = run("deploy", "--idempotency-key", "1")
    assert answer.exit_code == DONE
    assert "its checks have not answered yet" in answer.output


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (DeploymentOutcome.SUCCEEDED, DONE),
        (DeploymentOutcome.NOTHING_TO_SHIP, DONE),
        (DeploymentOutcome.ROLLED_BACK, FAILED),
        (DeploymentOutcome.NOT_ROLLED_BACK, FAILED),
        (DeploymentOutcome.REFUSED, REFUSED),
    ],
)
@WATCHED
def test_the_exit_code_of_a_deployment_that_has_ended_is_its_outcome_s(scene, outcome, code, watch):
    ended = scene.record(outcome=outcome, phase=DeploymentPhase.ENDED, ended_at=NOW + seconds(9), reason="so it is")
    scene.create(ended)()
    answer = run("deploy", "--idempotency-key", "1", *watch)
    assert answer.exit_code == code
    assert "so it is" in answer.output


# --- the same key, another request ---------------------------------------------------------------------------


@pytest.mark.parametrize("running", [True, False], ids=["running", "ended"])
@WATCHED
def test_the_same_key_with_another_request_is_refused_and_starts_nothing(scene, running, watch):
    planned = scene.record(phase=DeploymentPhase.READY)
    scene.story = [scene.create(planned)]
    assert run("deploy", "--idempotency-key", "1", "--steps", "10:60").exit_code == DONE
    if not running:
        scene.states.end(scene.execution("deployment", "d-1"), "SUCCEEDED")
    answer = run("deploy", "--idempotency-key", "1", "--steps", "50:60", *watch)
    assert answer.exit_code == REFUSED
    assert "idempotency_key: 'd-1' is refused: it belongs to a request with another strategy" in answer.output
    assert len(scene.states.executions) == 1
    assert run("deploy", "--idempotency-key", "1", "--steps", "10:60", "--requested-by", "bob").exit_code == DONE


# --- sizes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("deploy", "--release", "sha256:" + "a" * 100_000), "release"),
        (("deploy", "--requested-by", "a" * 100_000), "--requested-by"),
        (("rollback", "d-1", "--requested-by", "a" * 100_000), "--requested-by"),
        (("freeze", "--reason", "x", "--requested-by", "a" * 100_000), "--requested-by"),
        (("deploy", "--checklist", "tests=" + "a" * 100_000), "checklist.tests"),
        (("deploy", "--idempotency-key", "a" * 100_000), "idempotency_key"),
        (("deploy", "--strategy", "a" * 100_000), "strategy"),
        (("rollback", "d-1", "--reason", "a" * 100_000), "--reason"),
        (("freeze", "--reason", "a" * 100_000), "--reason"),
        (("unfreeze", "--reason", "a" * 100_000), "--reason"),
    ],
)
def test_what_no_record_can_hold_is_refused_before_anything_is_written_or_started(scene, arguments, field):
    answer = run(*arguments, "--json")
    assert answer.exit_code == REFUSED
    error = json.loads(answer.stdout)["error"]
    assert error["field"] == field
    assert error["remedy"]
    assert len(answer.stdout) < 2000
    assert (scene.states.executions, scene.table.items, scene.events.put) == ({}, {}, [])


# --- a rollback is followed to its end -----------------------------------------------------------------------


def ended_deployment(scene):
    shifts = (Shift(0, 10, NOW), Shift(2, 100, NOW + seconds(5)))
    return scene.record(
        shifts=shifts, phase=DeploymentPhase.ENDED, outcome=DeploymentOutcome.SUCCEEDED, ended_at=NOW + seconds(20)
    )


def rolling_back(scene, record):
    trigger = RollbackTrigger("person", "because", scene.clock.now())
    rollback = Rollback(trigger, scene.execution("rollback", "rollback-d-1-1"), NOW + seconds(21))
    return replace(record, phase=DeploymentPhase.ROLLING_BACK, rollback=rollback)


def rolled_back(record):
    reverted = replace(record.rollback, reverted_at=NOW + seconds(22))
    return replace(
        record,
        rollback=reverted,
        phase=DeploymentPhase.ENDED,
        outcome=DeploymentOutcome.ROLLED_BACK,
        reason="because",
        ended_at=NOW + seconds(23),
    )


@pytest.mark.parametrize("as_json", [False, True])
def test_the_rollback_of_a_deployment_that_has_ended_is_followed_until_it_is_rolled_back(scene, as_json):
    ended = ended_deployment(scene)
    scene.create(ended)()
    during = rolling_back(scene, ended)
    scene.story = [scene.save(during), scene.save(rolled_back(during))]
    answer = run("rollback", "d-1", "--watch", *(["--json"] if as_json else []))
    assert answer.exit_code == DONE, answer.output
    if as_json:
        result = json.loads(answer.stdout.splitlines()[-1])
        assert (result["type"], result["deployment"]["outcome"]) == ("result", "ROLLED_BACK")
    else:
        assert answer.output.strip().splitlines()[-1].startswith("d-1 ROLLED_BACK after 23 s: because")


def test_a_deployment_that_is_being_rolled_back_after_its_end_is_watched_until_that_is_over(scene):
    during = rolling_back(scene, ended_deployment(scene))
    scene.create(during)()
    scene.start()
    scene.story = [scene.save(rolled_back(during))]
    answer = run("watch", "d-1")
    assert answer.exit_code == FAILED
    assert "d-1 ROLLED_BACK" in answer.output


def test_a_rollback_that_finds_nothing_to_do_is_a_refusal_before_it_starts(scene):
    refused = scene.record(outcome=DeploymentOutcome.REFUSED, phase=DeploymentPhase.ENDED, ended_at=NOW, reason="no")
    scene.create(refused)()
    answer = run("rollback", "d-1", "--watch")
    assert answer.exit_code == REFUSED
    assert "there is nothing to roll back: the deployment ended REFUSED: no" in answer.output
    assert scene.states.executions == {}


def test_a_rollback_that_found_nothing_to_do_a_moment_later_is_a_refusal_too(scene):
    scene.create(ended_deployment(scene))()
    scene.story = [lambda: scene.states.end(scene.execution("rollback", "rollback-d-1-1"), "SUCCEEDED")]
    answer = run("rollback", "d-1", "--watch")
    assert answer.exit_code == REFUSED
    assert "rollback-d-1-1 found nothing to roll back" in answer.output


def test_a_rollback_that_died_and_that_nothing_continues_is_not_followed_for_ever(scene):
    ended = ended_deployment(scene)
    scene.create(ended)()
    arn = scene.execution("rollback", "rollback-d-1-1")
    scene.story = [scene.save(rolling_back(scene, ended)), lambda: scene.states.end(arn, "FAILED")]
    answer = run("rollback", "d-1", "--watch")
    assert answer.exit_code == FAILED
    assert "docs/runbooks/break-glass.md" in answer.output
    assert CONTINUED_WITHIN_SECONDS < elapsed(scene) < CONTINUED_WITHIN_SECONDS + 60


# --- a deployment that does not exist ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", ["watch", "rollback", "promote", "resume", "abort", "explain"], ids=lambda name: name
)
def test_a_deployment_that_does_not_exist_is_refused_at_once(scene, command):
    answer = run(command, "d-typo")
    assert answer.exit_code == REFUSED
    assert "deployment: 'd-typo' is refused: there is no such deployment" in answer.output
    assert elapsed(scene) <= 1  # the time of one more read, which may see an execution that has just started


@pytest.mark.parametrize("command", ["rollback", "promote", "resume", "abort"])
def test_a_request_that_was_refused_is_reported_as_that(scene, command):
    scene.refuse("release: 'x' is refused: it is bad")()
    answer = run(command, "d-1")
    assert answer.exit_code == REFUSED
    assert "it was refused: release: 'x' is refused: it is bad" in answer.output


def test_a_drill_that_does_not_exist_is_not_watched(scene):
    answer = run("watch", "dr-1")
    assert answer.exit_code == REFUSED
    assert "recovery: 'dr-1' is refused: there is no such drill or restore" in answer.output
    assert elapsed(scene) == 0


def test_a_deployment_that_starts_is_waited_for(scene):
    scene.start()
    ended = scene.record(outcome=DeploymentOutcome.SUCCEEDED, phase=DeploymentPhase.ENDED, ended_at=NOW, reason="done")
    scene.story = [scene.create(ended)]
    answer = run("watch", "d-1")
    assert answer.exit_code == DONE
    assert "d-1 SUCCEEDED" in answer.output


# --- a pause -------------------------------------------------------------------------------------------------

COMMANDS = [f"orchestrator {command} d-1 --env local" for command in ("resume", "promote", "abort")]
DEADLINE = NOW + timedelta(hours=1)


@pytest.fixture
def paused(scene):
    record = scene.record(phase=DeploymentPhase.LOCKED, shifts=(Shift(0, 10, NOW),))
    scene.create(record)()
    scene.start()
    token = scene.holding_lock()
    pause = PauseToken("secret", NOW + seconds(30), DEADLINE, 0, 2, "no evidence within the longest bake")
    waiting = replace(record, phase=DeploymentPhase.PAUSED)
    scene.cloud.ledger.record_pause(waiting, pause, token)
    return waiting


def test_a_pause_is_watched_with_its_reason_its_deadline_and_its_three_answers(scene, paused):
    ended = replace(
        paused,
        phase=DeploymentPhase.ENDED,
        outcome=DeploymentOutcome.ROLLED_BACK,
        reason="no operator answered the pause",
        ended_at=DEADLINE,
    )
    scene.story = [lambda: None, lambda: None, scene.save(ended)]
    answer = run("watch", "d-1")
    assert f"it waits for an operator until {DEADLINE.astimezone():%Y-%m-%d %H:%M:%S}" in answer.output
    assert "no evidence within the longest bake" in answer.output
    assert [answer.output.count(command) for command in COMMANDS] == [1, 1, 1]
    assert "without an answer it is rolled back" in answer.output
    assert "no operator answered the pause" in answer.output.splitlines()[-1]
    assert answer.exit_code == FAILED


@pytest.mark.parametrize("command", [("status",), ("explain", "d-1")])
def test_status_and_explain_say_how_to_answer_a_pause(scene, paused, command):
    output = run(*command).output
    assert all(line in output for line in COMMANDS)
    assert f"until {DEADLINE.astimezone():%Y-%m-%d %H:%M:%S}" in output
    shown = run(*command, "--json").stdout
    answer = json.loads(shown)
    pause = answer["paused"] if command == ("status",) else answer["pause"]
    assert pause["commands"] == COMMANDS
    assert "secret" not in shown, "who has the token can answer"
