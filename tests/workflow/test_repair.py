"""Operators roll back to versions that they name, and repair aliases that were changed by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator.application.start_rollback import concerned_deployment
from orchestrator.cli.actions import deploy as commands
from orchestrator.cli.actions import repair
from orchestrator.cli.actions import verify as verify_action
from orchestrator.cli.actions.status import show_status
from orchestrator.domain.deployment.record import DeploymentOutcome, DeploymentPhase
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.verdict import Outcome
from tests.fakes.errors import client_error
from tests.samples import FUNCTIONS
from tests.workflow.cases import STRATEGY, create_machines
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.operators import all_on, living, move, on, record, routing, start
from tests.workflow.world import Scenario, function_arns


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        create_machines(moto, function_arns)
        yield moto


def test_a_rollback_to_named_versions_moves_all_aliases_under_the_lock(interpreter, capsys):
    with living(interpreter, "d-to") as world:
        world.deploy(strategy=STRATEGY)
        assert repair.roll_back_to(world.context, "token=1", "it smells", "ann", watch=False, json=True) == 0
        printed = json.loads(capsys.readouterr().out)
        world.run_started()
        ended = record(world, printed["deployment"])
        assert routing(world) == on(authorize="2", public="2", token="1")
        assert (ended.outcome, ended.requested_by, ended.repair) == (DeploymentOutcome.ROLLED_BACK, "ann", True)
        assert world.cloud.ledger.rolled_back_by(record(world, "d-to").release.digest) == ""
        assert not world.cloud.ledger.read_lock().held
        assert world.ring("e-late").startswith("an operator moved the aliases")
        assert routing(world)["authorize"] == ("2", {}), (
            "an alarm of the earlier deployment is not obeyed after a repair"
        )


@pytest.mark.parametrize(("versions", "why"), [("token=9", "no longer exists"), ("other=1", "each function once")])
def test_a_rollback_to_versions_that_are_not_there_starts_nothing(interpreter, versions, why):
    with living(interpreter, f"d-not-{versions[:5]}") as world:
        world.deploy(strategy=STRATEGY)
        started = len(world.states.executions)
        with pytest.raises(Refused, match=why):
            repair.roll_back_to(world.context, versions, "it smells", "ann", watch=False, json=True)
        assert len(world.states.executions) == started


def test_a_rollback_to_versions_of_other_tables_is_refused(interpreter):
    with living(interpreter, "d-tables") as world:
        world.deploy(strategy=STRATEGY)
        token = world.plane.functions["ib-oauth-token-test"].versions
        token["1"]["Environment"] = {"Variables": {"TOKENS_TABLE": "ib-oauth-tokens-test"}}
        token["2"]["Environment"] = {"Variables": {"TOKENS_TABLE": "ib-oauth-restored-re-1-tokens-test"}}
        with pytest.raises(Refused, match=r"token=1.*other tables"):
            repair.roll_back_to(world.context, "token=1", "it smells", "ann", watch=False, json=True)


def test_a_stuck_rollback_takes_the_versions_that_an_operator_names(interpreter):
    """Its aliases cannot be written: every attempt fails, keeps the lock, and every deployment is refused."""

    def refuse_reverts(invocation, run):
        if invocation.state == "RevertAliases" and not world.cloud.ledger.read_targets("d-stuck"):
            raise client_error("AccessDeniedException", "no")
        return run()

    with living(interpreter, "d-stuck", Scenario({50: Outcome.FAIL}), refuse_reverts) as world:
        world.deploy(strategy=STRATEGY)
        world.announced.clear()
        assert world.cloud.ledger.read_lock().deployment == "d-stuck"
        assert repair.roll_back_to(world.context, "token=2,public=2", "stuck", "ann", watch=False, json=True) == 0
        world.run_started()
        assert routing(world) == on(authorize="1", public="2", token="2")
        assert record(world, "d-stuck").outcome is DeploymentOutcome.ROLLED_BACK
        assert not world.cloud.ledger.read_lock().held


def test_an_operator_waits_for_a_holder_that_has_ended_and_is_refused_by_one_that_runs(interpreter):
    """`--watch` returns when the record is complete, a moment before the lock is released."""
    with living(interpreter, "d-ends") as world:
        world.deploy(strategy=STRATEGY)
        ledger = world.cloud.ledger
        holder = world.states.executions[world.execution]
        world.states.executions[world.execution] = replace(holder, phase="RUNNING")
        lock = ledger.acquire_lock(ledger.read_lock(), holder.arn, world.name, Kind.DEPLOYMENT, world.clock.now())
        slept = []

        def release(seconds):
            slept.append(seconds)
            ledger.release_lock(lock.fencing_token)

        vars(world.cloud)["sleep"] = release
        assert repair.roll_back_to(world.context, "token=1", "it smells", "ann", watch=False, json=True) == 0
        assert slept == [1]
        open_again = replace(record(world, world.name), outcome=None, ended_at=None, phase=DeploymentPhase.SHIFTING)
        ledger.save_unlocked(open_again)
        ledger.acquire_lock(ledger.read_lock(), holder.arn, world.name, Kind.DEPLOYMENT, world.clock.now())
        with pytest.raises(Refused, match="held by deployment d-ends, requested by ann"):
            repair.roll_back_to(world.context, "token=1", "it smells", "ann", watch=False, json=True)


@pytest.mark.parametrize(("way", "version"), [("adopt", "1"), ("revert", "2")])
@pytest.mark.parametrize("weights", [{}, {"2": 0.2}], ids=["moved", "split"])
def test_aliases_that_were_changed_by_hand_are_repaired_by_one_command(interpreter, capsys, way, version, weights):
    with living(interpreter, f"d-hand-{way}-{bool(weights)}") as world:
        world.deploy(strategy=STRATEGY)
        for name in FUNCTIONS:
            move(world, name, "1", weights)
            world.plane.change(f"ib-oauth-{name}-test", "code-3")
        options = {"reason": "by hand", "by": "ann", "watch": False, "json": True}
        assert repair.repair(world.context, adopt=False, revert=False, **options) == 0
        plan = json.loads(capsys.readouterr().out)
        assert (plan["adopt"], plan["revert"]) == (dict.fromkeys(FUNCTIONS, "1"), dict.fromkeys(FUNCTIONS, "2"))
        assert plan["problems"]
        assert {one for one, _ in routing(world).values()} == {"1"}, "a plan changes nothing"
        assert repair.repair(world.context, adopt=way == "adopt", revert=way == "revert", **options) == 0
        world.run_started()
        assert routing(world) == all_on(version)
        with pytest.raises(Refused, match="nothing to repair"):
            repair.repair(world.context, adopt=True, revert=False, **options)
        start(world, f"{world.name}-next")
        assert record(world, f"{world.name}-next").outcome is DeploymentOutcome.SUCCEEDED


@pytest.mark.parametrize("way", ["adopt", "revert"])
def test_after_a_repair_that_kept_its_versions_a_release_can_still_be_rolled_back(interpreter, way):
    """The repair was the newest that moved traffic: it was rolled back already, and the release before it could not be."""
    with living(interpreter, f"d-kept-{way}") as world:
        world.deploy(strategy=STRATEGY)
        move(world, "token", "2", {"1": 0.3})
        options = {"reason": "by hand", "by": "ann", "watch": False, "json": True}
        repair.repair(world.context, adopt=way == "adopt", revert=way == "revert", **options)
        world.run_started()
        assert concerned_deployment(world.cloud, world.cloud.ledger.read_lock()).id == world.name, (
            "an alarm is evaluated for it, too"
        )
        commands.roll_back(world.context, None, "it smells", "ann", watch=False, json=True)
        world.run_started()
        assert routing(world) == all_on("1")
        assert record(world, world.name).outcome is DeploymentOutcome.ROLLED_BACK


def test_after_a_repair_to_other_versions_there_is_nothing_to_roll_back(interpreter):
    with living(interpreter, "d-replaced") as world:
        world.deploy(strategy=STRATEGY)
        options = {"reason": "by hand", "by": "ann", "watch": False, "json": True}
        repair.roll_back_to(world.context, ",".join(f"{name}=1" for name in FUNCTIONS), **options)
        world.run_started()
        with pytest.raises(Refused, match="already rolled back; `orchestrator rollback --to VERSIONS`"):
            commands.roll_back(world.context, None, "it smells", "ann", watch=False, json=True)
        with pytest.raises(Refused, match="shifted traffic later"):
            commands.roll_back(world.context, world.name, "it smells", "ann", watch=False, json=True)
        assert routing(world) == all_on("1")


def test_a_split_alias_is_refused_with_the_remedy_that_works(interpreter):
    with living(interpreter, "d-split") as world:
        world.deploy(strategy=STRATEGY)
        move(world, "token", "2", {"1": 0.2})
        start(world, "d-after-split")
        why = world.cloud.ledger.read_refusal("d-after-split").why
        assert "`orchestrator repair --env test`" in why
        assert "orchestrator rollback" not in why


def test_a_mixed_environment_is_named_by_status_and_verify_whatever_the_newest_record_is(interpreter, capsys):
    with living(interpreter, "d-mixed") as world:
        world.deploy(strategy=STRATEGY)
        move(world, "token", "1")
        refused = replace(
            record(world, "d-mixed"),
            id="d-refused",
            outcome=DeploymentOutcome.REFUSED,
            requested_at=world.clock.now(),
        )
        world.cloud.ledger.create_record(
            replace(
                refused,
                functions=tuple(
                    replace(function, stable_version="1" if function.name == "token" else "2")
                    for function in refused.functions
                ),
            )
        )
        show_status(world.context, json=True)
        (problem,) = json.loads(capsys.readouterr().out)["problems"]
        assert "since d-mixed: token is on 1 and not on 2" in problem
        show_status(world.context, json=False)
        assert "orchestrator repair --env test" in capsys.readouterr().out
        assert verify_action.verify(world.context, json=True) == 1
        printed = json.loads(capsys.readouterr().out)
        assert printed["verdict"]["outcome"] == "FAIL"
        assert problem in printed["verdict"]["reason"]
        assert problem in world.deliver_event("reconcile", {"id": "tick"})


def test_a_live_state_without_a_problem_is_verified(interpreter, capsys):
    with living(interpreter, "d-fine") as world:
        world.deploy(strategy=STRATEGY)
        assert verify_action.verify(world.context, json=True) == 0
        assert json.loads(capsys.readouterr().out)["verdict"]["outcome"] == "PASS"
