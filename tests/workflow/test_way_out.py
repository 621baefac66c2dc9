"""What an operator decides stands, what our own failure undoes is not held against the release, and there is always a way out."""

from __future__ import annotations

import pytest

from orchestrator.cli.actions import deploy as commands
from orchestrator.domain.deployment.record import DeploymentOutcome, DeploymentPhase
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.back.history import Comparison, compare_item, kind_of_item
from orchestrator.domain.verdict import Outcome
from tests.fakes.errors import client_error
from tests.samples import FUNCTIONS
from tests.workflow.cases import STRATEGY, create_machines, task_states
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.operators import GOOD, all_on, attempts, living, lose, record, routing, start
from tests.workflow.world import Scenario, function_arns, straight

ABORTS_WITHIN_SECONDS = 5.0


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        create_machines(moto, function_arns)
        yield moto


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
        key = (f"deployment#{world.name}", "record")
        before = world.table.items[key]
        world.ring("e-1")
        world.run_started()
        for _ in range(4):
            world.settle()
        assert since[-1] - since[0] >= 120
        assert world.check() == "stable"
        compared = compare_item(kind_of_item(*key), world.table.items[key], before)
        assert compared is Comparison.CHANGED, (
            "a copied history has it as a rollback after the end, not as an alteration"
        )
        attempted = len(attempts(world, world.name))
        world.settle()
        assert len(attempts(world, world.name)) == attempted, "what is done is not repeated"
