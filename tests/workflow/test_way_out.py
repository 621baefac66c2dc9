"""What an operator decides stands, what our own failure undoes is not held against the release, and there is always a way out."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import pytest

from orchestrator import environments
from orchestrator.application.start_rollback import concerned_deployment
from orchestrator.cli.actions import deploy as commands
from orchestrator.cli.actions import repair
from orchestrator.cli.actions import verify as verify_action
from orchestrator.cli.actions.status import show_status
from orchestrator.cli.context import Context
from orchestrator.domain.deployment.record import DeploymentOutcome, DeploymentPhase
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.verdict import Outcome
from tests.fakes.clouds import ACCOUNT, machine_arn
from tests.fakes.errors import client_error
from tests.samples import FUNCTIONS
from tests.workflow.cases import STRATEGY, create_machines, task_states
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import Scenario, World, function_arns, inhabited, straight

GOOD = Scenario()
ABORTS_WITHIN_SECONDS = 5.0


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        create_machines(moto, function_arns)
        yield moto


@contextmanager
def living(interpreter, name, scenario=GOOD, bridge=straight):
    world = World(interpreter, name, scenario, bridge)
    context = Context(replace(environments.load("local"), name="test"), world.clients.__getitem__)
    vars(context)["account"] = ACCOUNT
    vars(context)["cloud"] = world.cloud
    world.context = context
    with inhabited(world), mock.patch.object(verify_action, "verify_stable", world.look):
        yield world


def routing(world):
    return {name: world.plane.routing(f"ib-oauth-{name}-test") for name in FUNCTIONS}


def on(**versions):
    return {name: (version, {}) for name, version in versions.items()}


def all_on(version):
    return on(**dict.fromkeys(FUNCTIONS, version))


def lose(world, name, version):
    del world.plane.functions[f"ib-oauth-{name}-test"].versions[version]


def record(world, name):
    return world.cloud.ledger.read_record(name)


def attempts(world, name):
    return [one for one in world.states.executions.values() if one.name.startswith(f"rollback-{name}-")]


def move(world, name, version, weights=None):
    """An operator's update of an alias, without the lock."""
    world.plane.update_alias(
        FunctionName=f"ib-oauth-{name}-test",
        Name="live",
        FunctionVersion=version,
        RoutingConfig={"AdditionalVersionWeights": weights or {}},
        Description="by hand",
    )


# --- a missing target ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", FUNCTIONS)
def test_no_alias_is_written_if_one_target_is_missing_and_the_lock_is_free_again(interpreter, missing):
    with living(interpreter, f"d-lost-{missing}") as world:
        world.deploy(strategy=STRATEGY)
        lose(world, missing, "1")
        written = len(world.plane.log)
        world.ring("e-1")
        world.run_started()
        world.settle()
        ended = record(world, world.name)
        assert world.plane.log[written:] == []
        assert routing(world) == all_on("2")
        assert (ended.outcome, ended.phase) == (DeploymentOutcome.NOT_ROLLED_BACK, DeploymentPhase.ENDED)
        assert len(attempts(world, world.name)) == 1, "another attempt would find the same"
        assert not world.cloud.ledger.read_lock().held
        texts = [text for _, _, text in world.topics.published]
        assert any(f"ib-oauth-{missing}-test:1" in text and "orchestrator rollback --to" in text for text in texts)
        assert "RollbackImpossible" in [kind for kind, _ in world.events.put]


@pytest.mark.parametrize("watch", [True, False])
def test_the_command_refuses_before_it_starts_anything(interpreter, watch):
    with living(interpreter, f"d-refused-{watch}") as world:
        world.deploy(strategy=STRATEGY)
        lose(world, "token", "1")
        with pytest.raises(Refused, match=r"ib-oauth-token-test:1.*rollback --to VERSIONS --env test"):
            commands.roll_back(world.context, None, "it smells", "ann", watch=watch, json=True)
        assert attempts(world, world.name) == []


def test_a_promoted_release_whose_target_is_missing_blocks_no_later_deployment(interpreter):
    """The record of it was open and the lock was held: attempts followed each other, and every deployment was refused."""

    def lose_after_promotion(invocation, run):
        if (invocation.machine, invocation.state) == ("deployment", "Promote"):
            answer = run()
            lose(world, "token", "1")
            return answer
        return run()

    with living(interpreter, "d-open", Scenario({100: Outcome.FAIL}), lose_after_promotion) as world:
        world.deploy(strategy=STRATEGY)
        world.settle()
        assert record(world, "d-open").outcome is DeploymentOutcome.NOT_ROLLED_BACK
        world.scenario, world.bridge = GOOD, straight
        for name in FUNCTIONS:
            world.plane.change(f"ib-oauth-{name}-test", "code-3")
        start(world, "d-fixed")
        assert record(world, "d-fixed").outcome is DeploymentOutcome.SUCCEEDED
        assert routing(world) == all_on("3")


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


# --- aliases that were changed by hand -----------------------------------------------------------------------


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
        assert concerned_deployment(world.cloud).id == world.name, "an alarm is evaluated for it, too"
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


def start(world, name):
    world.states.start_execution(
        stateMachineArn=machine_arn("deployment"),
        name=f"{name}",
        input=json.dumps({"requested_by": "bob", "strategy": STRATEGY}),
    )
    world.run_started()


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


# --- a second deployment while another runs -------------------------------------------------------------------


@pytest.mark.parametrize(
    "state",
    [
        name
        for name in task_states("deployment")
        if name in {"CheckReadiness", "VerifyBeforeTraffic", "AnalyzeCanary", "VerifyAfterPromotion"}
    ],
)
def test_a_second_deployment_learns_of_the_first_and_not_to_undo_it(interpreter, state):
    interrupted = []

    def another(invocation, run):
        if invocation.state == state and invocation.execution.endswith("d-first-" + state) and not interrupted:
            interrupted.append(state)
            started = list(world.states.pending)
            world.states.pending.clear()
            start(world, f"d-second-{state}")
            world.states.pending.extend(started)
        return run()

    with living(interpreter, f"d-first-{state}", GOOD, another) as world:
        world.deploy(strategy=STRATEGY)
        why = world.cloud.ledger.read_refusal(f"d-second-{state}").why
        assert f"held by deployment d-first-{state}, requested by ann, since 2026" in why
        assert f"`orchestrator watch d-first-{state} --env test`" in why
        assert "orchestrator rollback" not in why
        assert record(world, f"d-first-{state}").outcome is DeploymentOutcome.SUCCEEDED


# --- what an operator decided ----------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["promote", "resume"])
@pytest.mark.parametrize("after", [Outcome.INCONCLUSIVE, Outcome.ERROR, Outcome.PASS])
def test_what_a_person_promoted_without_traffic_stands(interpreter, answer, after):
    scenario = Scenario({50: Outcome.INCONCLUSIVE, 100: after}, answer, "PAUSE")
    with living(interpreter, f"d-person-{answer}-{after}", scenario) as world:
        world.deploy(strategy=STRATEGY)
        world.settle()
        assert world.check() == "canary"
        assert record(world, world.name).promoted_by == "ann"


def test_a_proof_against_the_release_undoes_what_a_person_promoted(interpreter):
    scenario = Scenario({50: Outcome.INCONCLUSIVE, 100: Outcome.FAIL}, "promote", "PAUSE")
    with living(interpreter, "d-proof", scenario) as world:
        world.deploy(strategy=STRATEGY)
        world.settle()
        assert world.check() == "stable"


@pytest.mark.parametrize(
    "state",
    [
        "AcquireLock",
        "CheckReadiness",
        "PublishVersions",
        "VerifyBeforeTraffic",
        "AnalyzeCanary",
        "VerifyAfterPromotion",
    ],
)
def test_an_abort_takes_effect_at_once_in_every_state(interpreter, state):
    aborted = []

    def abort(invocation, run):
        if (invocation.machine, invocation.state) == ("deployment", state) and not aborted:
            aborted.append(world.clock.seconds())
            commands.send_command(world.context, world.name, "abort", "ann", json=True)
            world.run_started()
            if world.plane.log:
                assert routing(world) == all_on("1")
                assert world.clock.seconds() - aborted[0] <= ABORTS_WITHIN_SECONDS
        return run()

    with living(interpreter, f"d-abort-{state}", GOOD, abort) as world:
        world.deploy(strategy=STRATEGY)
        world.settle()
        assert world.check() == "stable"
        assert "ann" in record(world, world.name).reason


# --- our own failures -------------------------------------------------------------------------------------------


def broken_for_good(state):
    def bridge(invocation, run):
        if (invocation.machine, invocation.state) == ("deployment", state):
            raise client_error("TooManyRequestsException", "Rate Exceeded.", status=429)
        return run()

    return bridge


@pytest.mark.parametrize("state", ["CheckReadiness", "VerifyBeforeTraffic", "ShiftTraffic", "AnalyzeCanary", "Promote"])
def test_what_our_own_failure_undid_is_deployed_again_without_force(interpreter, state):
    with living(interpreter, f"d-ours-{state}", GOOD, broken_for_good(state)) as world:
        world.deploy(strategy=STRATEGY)
        world.settle()
        assert world.check() == "stable"
        world.bridge = straight
        start(world, f"d-again-{state}")
        assert record(world, f"d-again-{state}").outcome is DeploymentOutcome.SUCCEEDED


def test_a_release_that_failed_is_barred(interpreter):
    with living(interpreter, "d-bad", Scenario({50: Outcome.FAIL})) as world:
        world.deploy(strategy=STRATEGY)
        world.settle()
        start(world, "d-bad-again")
        assert "deployment d-bad rolled it back" in world.cloud.ledger.read_refusal("d-bad-again").why


@pytest.mark.parametrize("state", ["Complete", "Notify", "ReleaseLock"])
def test_bookkeeping_that_fails_for_good_undoes_nothing(interpreter, state):
    with living(interpreter, f"d-book-{state}", GOOD, broken_for_good(state)) as world:
        world.deploy(strategy=STRATEGY)
        world.settle()
        assert world.check() == "canary"
        assert record(world, world.name).outcome is DeploymentOutcome.SUCCEEDED


@pytest.mark.parametrize("machine_state", ["TakeOverLock", "RevertAliases", "RecordIncident"])
def test_the_rollback_of_a_finished_deployment_is_repeated_until_it_is_done(interpreter, machine_state):
    """It holds no lock before TakeOverLock: an alarm inside the rollback window was lost with its first attempt."""
    since = []

    def throttle(invocation, run):
        if (invocation.machine, invocation.state) == ("rollback", machine_state):
            since.append(world.clock.seconds())
            if world.clock.seconds() - since[0] < 120:
                raise client_error("TooManyRequestsException", "Rate Exceeded.", status=429)
        return run()

    with living(interpreter, f"d-late-{machine_state}", GOOD, throttle) as world:
        world.deploy(strategy=STRATEGY)
        world.ring("e-1")
        world.run_started()
        for _ in range(4):
            world.settle()
        assert since[-1] - since[0] >= 120
        assert world.check() == "stable"
        attempted = len(attempts(world, world.name))
        world.settle()
        assert len(attempts(world, world.name)) == attempted, "what is done is not repeated"
