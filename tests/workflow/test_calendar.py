"""The calendar of an environment, through the real definition: refused, waited for, overridden by an operator."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator import environments
from orchestrator.cli.actions.deploy import send_command
from orchestrator.cli.context import Context
from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.domain.verdict import Outcome
from tests.fakes.clouds import ACCOUNT
from tests.workflow.cases import STRATEGY, create_machines
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import Scenario, World, function_arns, inhabited


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        create_machines(moto, function_arns)
        yield moto


def closed_world(interpreter, name: str, when_closed: str, scenario: Scenario | None = None, *, days: int = 1) -> World:
    """Return a world whose calendar is closed today, and open from midnight on or after more days."""
    world = World(interpreter, name, scenario or Scenario())
    policy = json.loads(world.cloud.settings["DELIVERY_POLICY"])
    today = world.clock.now().date()
    until = today + timedelta(days=days - 1)
    calendar = {
        "time_zone": "UTC",
        "blackouts": [{"from": today.isoformat(), "until": until.isoformat(), "reason": "the auditors are here"}],
        "when_closed": when_closed,
    }
    world.cloud.settings["DELIVERY_POLICY"] = json.dumps({**policy, "calendar": calendar})
    return world


def test_a_closed_calendar_refuses_a_deployment_by_its_reason_and_nothing_is_touched(interpreter):
    world = closed_world(interpreter, "d-closed", "REFUSE")
    with inhabited(world):
        world.deploy(strategy=STRATEGY)
        world.settle()
    assert world.check() == "stable"
    assert world.ended[world.execution].path == ("Plan", "Complete", "Notify", "ReleaseLock", "Completed", "Refused")
    assert "the auditors are here" in world.cloud.ledger.read_refusal("d-closed").why
    assert world.deployment is None


def test_an_operator_deploys_outside_the_calendar_with_a_reason_that_the_record_keeps(interpreter):
    world = closed_world(interpreter, "d-urgent", "REFUSE")
    with inhabited(world):
        world.deploy(strategy=STRATEGY, outside_calendar="tokens leak")
        world.settle()
        world.check()
    assert world.deployment.outcome is DeploymentOutcome.SUCCEEDED
    assert world.deployment.outside_calendar == "tokens leak"
    planned = next(detail for kind, detail in world.events.put if kind == "DeploymentPlanned")
    assert planned["outside_calendar"] == "tokens leak"


def test_a_deployment_that_waits_gets_no_traffic_before_the_calendar_opens(interpreter):
    world = closed_world(interpreter, "d-patient", "WAIT")
    midnight = world.clock.now().replace(hour=0, minute=0, second=0, microsecond=0).timestamp() + 86_400
    with inhabited(world):
        world.deploy(strategy=STRATEGY)
        world.settle()
        world.check()
    assert world.deployment.outcome is DeploymentOutcome.SUCCEEDED
    assert world.deployment.first_shift_at.timestamp() >= midnight
    assert world.deployment.gates[0].by == "its window is open"
    assert world.deployment.outside_calendar == ""


def test_a_deployment_that_is_aborted_while_it_waits_can_be_deployed_outside_the_calendar(interpreter):
    aborted = []

    def abort(invocation, run):
        answer = run()
        found = world.deployment
        if found is not None and found.waiting_gate is not None and not aborted:
            aborted.append(invocation.state)
            context = Context(replace(environments.load("local"), name="test"), world.clients.__getitem__)
            vars(context).update(account=ACCOUNT, cloud=world.cloud)
            send_command(context, world.name, "abort", "ann", json=True)
            world.run_started()
        return answer

    world = closed_world(interpreter, "d-urgent-after-all", "WAIT")
    world.bridge = abort
    with inhabited(world):
        world.deploy(strategy=STRATEGY)
        world.settle()
        assert (world.check(), len(aborted)) == ("stable", 1)
        ended = world.deployment
        assert (ended.outcome, ended.reason) == (DeploymentOutcome.ROLLED_BACK, "aborted by ann")
        assert world.cloud.ledger.rolled_back_by(ended.release.digest) == ""
        world.name = "d-urgent-now"
        world.deploy(strategy=STRATEGY, outside_calendar="tokens leak")
        world.settle()
    assert world.deployment.outcome is DeploymentOutcome.SUCCEEDED


@pytest.mark.parametrize("strategy", ["short", "long"])
def test_a_deployment_that_could_not_wait_long_enough_is_refused_and_nothing_is_touched(interpreter, strategy):
    days = {"short": 7, "long": 2}[strategy]
    world = closed_world(interpreter, f"d-too-late-{strategy}", "WAIT", days=days)
    approve = {"type": "approve", "approvers": ["ben"], "deadline_seconds": 5 * 86_400}
    chosen = {"short": STRATEGY, "long": {**STRATEGY, "steps": [*STRATEGY["steps"], approve]}}[strategy]
    with inhabited(world):
        world.deploy(strategy=chosen)
        world.settle()
    assert world.check() == "stable"
    assert world.deployment is None
    refusal = world.cloud.ledger.read_refusal(world.name)
    assert "closed until" in refusal.why
    assert "--outside-calendar REASON" in refusal.why


def test_an_open_calendar_holds_nothing_although_the_clock_goes_on(interpreter):
    world = closed_world(interpreter, "d-open", "WAIT")
    policy = json.loads(world.cloud.settings["DELIVERY_POLICY"])
    calendar = {"time_zone": "UTC", "when_closed": "WAIT"}
    world.cloud.settings["DELIVERY_POLICY"] = json.dumps({**policy, "calendar": calendar})
    now = world.cloud.now

    def ticking():
        world.clock.advance(0.001)
        return now()

    object.__setattr__(world.cloud, "now", ticking)
    with inhabited(world):
        world.deploy(strategy=STRATEGY, outside_calendar="not needed")
        world.settle()
        world.check()
    assert world.deployment.outcome is DeploymentOutcome.SUCCEEDED
    assert (world.deployment.plan.gates, world.deployment.outside_calendar) == ((), "")


def test_a_rollback_waits_for_no_calendar(interpreter):
    world = closed_world(interpreter, "d-bad", "REFUSE", Scenario({50: Outcome.FAIL}))
    with inhabited(world):
        world.deploy(strategy=STRATEGY, outside_calendar="we thought it would help")
        world.settle()
        world.check()
    assert world.deployment.outcome is DeploymentOutcome.ROLLED_BACK
