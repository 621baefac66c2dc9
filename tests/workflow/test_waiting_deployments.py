"""A release turns out to be bad while the next deployment holds the environment lock and has moved no traffic yet."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from orchestrator.cli.actions import deploy as commands
from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.domain.environment_lock import Kind
from tests.fakes.clouds import execution_arn, machine_arn
from tests.fakes.step_functions import RUNNING
from tests.fakes.version_metrics import FakeVersionMetrics
from tests.samples import FUNCTIONS, service
from tests.workflow.cases import STRATEGY, create_machines
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.operators import all_on, attempts, living, record, routing
from tests.workflow.world import function_arns, raised

PAUSE = {"type": "pause", "deadline_seconds": 86_400}
WAITS_SECONDS = 600


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        create_machines(moto, function_arns)
        yield moto


def window(world):
    opens = (world.clock.now().hour + 2) % 24
    return {"type": "window", "windows": [f"Mon-Sun {opens:02}:00-{opens:02}:59"], "deadline_seconds": 86_400}


def ring(world):
    world.ring("e-1")


def lose_the_event(world):
    world.clock.advance(60)
    world.deliver_event("reconcile", {"id": "tick"})


def operate(world):
    commands.roll_back(world.context, None, "logins fail", "ann", watch=False, json=True)


def go_bad(world):
    """The live release fails, and its alarm fires."""
    vars(world.cloud)["probe_clients"] = SimpleNamespace(metrics=FakeVersionMetrics(errors={"2": 0.9}))
    world.alarms.since = world.clock.now()
    world.alarms.ringing.add(service().alarms[0].rpartition(":")[2])


def deploy_next(world, gate, during):
    """Deploy over a release that has succeeded; do something while the next one waits at its gate."""
    name, acted = f"{world.name}-next", []

    def act():
        if not acted and world.deployment.outcome is DeploymentOutcome.SUCCEEDED and record(world, name).gates:
            acted.append(world.clock.now())
            go_bad(world)
            during(world)
            world.run_started()

    def bridge(invocation, run):
        answer = run()
        if invocation.state == "Pause":
            act()
        return answer

    def advance(seconds):
        if seconds > WAITS_SECONDS:
            act()
        world.clock.advance(seconds)

    world.bridge = bridge
    world.interpreter.connect(world.invoke, advance)
    for function in FUNCTIONS:
        world.plane.change(f"ib-oauth-{function}-test", "code-3")
    world.clock.advance(300)
    strategy = {"type": "canary", "steps": [gate, *STRATEGY["steps"]]}
    world.states.start_execution(
        stateMachineArn=machine_arn("deployment"),
        name=name,
        input=json.dumps({"requested_by": "bob", "strategy": strategy}),
    )
    world.run_started()
    assert acted, "it waited at its gate"
    return name


@pytest.mark.parametrize("waits_at", ["pause", "window"])
@pytest.mark.parametrize("during", [ring, lose_the_event, operate], ids=["alarm", "lost event", "operator"])
def test_a_bad_release_is_rolled_back_while_the_next_deployment_waits_before_its_first_shift(
    interpreter, waits_at, during
):
    with living(interpreter, f"d-bad-{waits_at}-{during.__name__[:4]}") as world:
        world.deploy(strategy=STRATEGY)
        name = deploy_next(world, PAUSE if waits_at == "pause" else window(world), during)
        world.settle()
        bad, waiting = record(world, world.name), record(world, name)
        assert (routing(world), bad.outcome) == (all_on("1"), DeploymentOutcome.ROLLED_BACK)
        assert (waiting.outcome, waiting.shifts) == (DeploymentOutcome.REFUSED, ())
        assert f"when deployment {world.name}, on which it builds, had to be rolled back: " in waiting.reason
        assert bad.rollback.trigger.reason in waiting.reason
        assert world.states.executions[execution_arn("deployment", name)].phase != RUNNING
        assert not world.cloud.ledger.read_lock().held
        assert len(attempts(world, world.name)) == 1
        assert attempts(world, name) == []
        refused = [detail for kind, detail in world.events.put if kind == "DeploymentRefused"]
        assert [(detail["deployment"], detail["reason"]) for detail in refused] == [(name, waiting.reason)]
        assert "aliases" not in world.deliver_event("reconcile", {"id": "tick"}), "what is live is as recorded"


def test_a_rollback_that_fails_before_it_holds_the_lock_is_repeated_while_the_next_deployment_waits(interpreter):
    failed = []

    def during(world):
        operate(world)
        inner = world.bridge

        def break_once(invocation, run):
            if invocation.state == "TakeOverLock" and not failed:
                failed.append(invocation.execution)
                return raised("AssertionError", "a defect")
            return inner(invocation, run)

        world.bridge = break_once
        world.run_started()
        world.alarms.ringing.clear()
        world.deliver_event("reconcile", {"id": "tick"})

    with living(interpreter, "d-again") as world:
        world.deploy(strategy=STRATEGY)
        name = deploy_next(world, PAUSE, during)
        world.settle()
        assert failed
        assert record(world, "d-again").outcome is DeploymentOutcome.ROLLED_BACK
        assert record(world, name).outcome is DeploymentOutcome.REFUSED


def test_a_deployment_that_waits_goes_on_if_the_live_release_is_not_to_blame(interpreter):
    def during(world):
        vars(world.cloud)["probe_clients"] = SimpleNamespace(metrics=FakeVersionMetrics(errors={"1": 0.1, "2": 0.1}))
        world.ring("e-1")
        answer = json.dumps({"request": "resume", "by": "ann", "at": world.clock.now().isoformat()})
        world.states.send_task_success(taskToken=world.cloud.ledger.pause_token("d-fair-next").token, output=answer)

    with living(interpreter, "d-fair") as world:
        world.deploy(strategy=STRATEGY)
        deploy_next(world, PAUSE, during)
        assert record(world, "d-fair").outcome is DeploymentOutcome.SUCCEEDED
        assert record(world, "d-fair-next").outcome is DeploymentOutcome.SUCCEEDED
        (event,) = world.cloud.ledger.read_events(5)
        assert (event.deployment, event.acted) == ("d-fair", False)


def test_while_a_restore_holds_the_lock_the_record_says_so_and_no_alias_moves(interpreter):
    with living(interpreter, "d-restore") as world:
        world.deploy(strategy=STRATEGY)
        restores, arn = world.cloud.restores, execution_arn("restore", "dr-1")
        restores.acquire_lock(restores.read_lock(), arn, "dr-1", Kind.RESTORE, world.clock.now())
        go_bad(world)
        why = world.ring("e-1")
        assert why.startswith("restore dr-1 holds the environment lock, so no alias is moved")
        (event,) = world.cloud.ledger.read_events(5)
        assert (event.deployment, event.acted, event.why) == ("d-restore", False, why)
        assert routing(world) == all_on("2")
