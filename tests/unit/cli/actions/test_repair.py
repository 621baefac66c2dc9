"""`repair`, `rollback --to` and `abort` from the command line: what is refused, what is planned, and what is started."""

from __future__ import annotations

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.cli import context as cli_context
from orchestrator.cli.errors import DONE, REFUSED
from orchestrator.cli.main import app
from orchestrator.domain.deployment.record import DeploymentOutcome, DeploymentPhase, Shift
from orchestrator.domain.environment_lock import Kind
from tests.samples import NOW, functions, seconds
from tests.unit.cli.actions.scenes import Scene


@pytest.fixture
def scene(monkeypatch):
    scene = Scene()
    monkeypatch.setattr(cli_context, "context_of", lambda _name: scene.context)
    return scene


@pytest.fixture
def live(scene):
    """A deployment that has left every function on version 1."""
    record = scene.record(
        functions=functions("1", "1"),
        shifts=(Shift(0, 100, NOW),),
        phase=DeploymentPhase.ENDED,
        outcome=DeploymentOutcome.SUCCEEDED,
        ended_at=NOW,
    )
    scene.create(record)()
    return record


def run(*arguments):
    answer = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*arguments], catch_exceptions=False)
    return answer.exit_code, answer.output


def split(scene, name="token"):
    function = f"ib-oauth-{name}-local"
    scene.plane.change(function, "code-2")
    scene.plane.publish_version(FunctionName=function)
    weights = {"AdditionalVersionWeights": {"2": 0.2}}
    scene.plane.update_alias(FunctionName=function, Name="live", RoutingConfig=weights)


def started(scene):
    return [one.name for one in scene.states.executions.values() if one.name.startswith("rollback-")]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("repair", "--adopt", "--revert"), "give --adopt or --revert, not both"),
        (("repair", "--adopt"), "there is nothing to repair"),
        (("repair", "--revert"), "there is nothing to repair"),
        (("rollback", "d-1", "--to", "token=1"), "give a deployment or --to, not both"),
        (("rollback", "--to", "token"), "give each function once with its version"),
        (("rollback", "--to", "token=7"), "no longer exists, so no alias is moved"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_starts(scene, live, arguments, why):
    code, output = run(*arguments)
    assert (code, started(scene)) == (REFUSED, [])
    assert why in output


@pytest.mark.parametrize("arguments", [("rollback", "--to", "token=1"), ("repair", "--adopt")])
def test_an_environment_without_a_deployment_cannot_be_repaired(scene, arguments):
    split(scene)
    code, output = run(*arguments)
    assert (code, started(scene)) == (REFUSED, [])
    assert "deploy once" in output


def test_without_a_recorded_state_there_is_nothing_to_revert_to(scene):
    scene.create(scene.record(outcome=DeploymentOutcome.REFUSED, ended_at=NOW))()
    split(scene)
    code, output = run("repair", "--revert")
    assert code == REFUSED
    assert "the ledger has no live state yet" in output


def test_the_plan_names_the_problem_and_both_ways_out_and_starts_nothing(scene, live):
    split(scene)
    code, output = run("repair")
    assert (code, started(scene)) == (DONE, [])
    assert "aliases have weights although no deployment is under way: token 20 % on 2" in output
    assert "orchestrator repair --adopt --env local" in output
    assert "orchestrator repair --revert --env local" in output


def test_a_sound_environment_has_nothing_to_repair(scene, live):
    code, output = run("repair")
    assert code == DONE
    assert "there is nothing to repair" in output
    assert "--adopt" not in output


@pytest.mark.parametrize("arguments", [("repair", "--adopt"), ("repair", "--revert"), ("rollback", "--to", "token=1")])
def test_a_way_out_is_started_as_a_rollback_of_its_own(scene, live, arguments):
    split(scene)
    code, output = run(*arguments, "--requested-by", "ann")
    (name,) = started(scene)
    assert code == DONE
    assert f"started {name} to authorize 1, public 1, token 1" in output
    repair = scene.cloud.ledger.read_record(name.removeprefix("rollback-").removesuffix("-1"))
    assert (repair.repair, repair.requested_by) == (True, "ann")
    assert {function.stable_version for function in repair.functions} == {"1"}
    assert [trigger.source for trigger in scene.cloud.ledger.read_triggers(repair.id)] == ["person"]


def test_functions_of_different_releases_are_not_adopted(scene, live):
    for name, build in zip(sorted(environments.FUNCTIONS), ("b1", "b1", "b2"), strict=True):
        version = scene.plane.functions[f"ib-oauth-{name}-local"].versions["1"]
        version["Environment"] = {"Variables": {"RELEASE": f'{{"build":"{build}"}}'}}
    code, output = run("repair", "--adopt")
    assert code == REFUSED
    assert "functions of different releases are live" in output


def test_a_lock_that_a_dead_restore_left_is_waited_for(scene, live):
    split(scene)
    scene.cloud.ledger.acquire_lock(scene.cloud.ledger.read_lock(), "arn:dead", "re-1", Kind.RESTORE, NOW)
    code, output = run("repair", "--revert")
    assert (code, started(scene)) == (REFUSED, [])
    assert "try again after it" in output


@pytest.mark.parametrize("phase", [DeploymentPhase.PLANNED, DeploymentPhase.SHIFTING, DeploymentPhase.PROMOTED])
def test_an_abort_starts_the_rollback_and_leaves_word_for_a_deployment_that_has_no_lock_yet(scene, phase):
    scene.create(scene.record(phase=phase))()
    code, output = run("abort", "d-1", "--requested-by", "ann")
    assert (code, started(scene)) == (DONE, ["rollback-d-1-1"])
    assert "is being aborted: rollback-d-1-1 takes over the lock now" in output
    command = scene.cloud.ledger.pending_command("d-1")
    assert command is not None
    assert (command.request, command.by) == ("abort", "ann")


def test_a_deployment_that_has_ended_is_not_aborted(scene, live):
    code, output = run("abort", "d-1")
    assert (code, started(scene)) == (REFUSED, [])
    assert "there is nothing to abort" in output


def test_the_newest_deployment_that_moved_traffic_is_rolled_back_however_many_were_refused_since(scene, live):
    for number in range(60):
        refused = replace(
            live,
            id=f"d-no-{number}",
            shifts=(),
            outcome=DeploymentOutcome.REFUSED,
            requested_at=NOW + seconds(1 + number),
        )
        scene.create(refused)()
    code, _ = run("rollback")
    assert (code, started(scene)) == (DONE, ["rollback-d-1-1"])
