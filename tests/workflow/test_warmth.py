"""Which versions are warm when: canary before its first request, stable while a rollback may come, and no version for nothing."""

from __future__ import annotations

import pytest

from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.domain.verdict import Outcome
from tests.workflow.cases import STRATEGY, create_machines
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import Scenario, World, function_arns, inhabited

TOKEN = "ib-oauth-token-test"
COUNT = 5


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        create_machines(moto, function_arns)
        yield moto


def minute(world: World) -> str:
    world.clock.advance(60)
    return world.deliver_event("reconcile", {"id": "tick"})


def test_canary_is_warm_before_it_is_called_and_stable_stays_warm_until_the_rollback_window_is_over(interpreter):
    seen = {}

    def watching(invocation, run):
        seen.setdefault(invocation.state, dict(world.plane.warm(TOKEN)))
        return run()

    world = World(interpreter, "d-warm", Scenario(warm=COUNT), watching)
    with inhabited(world):
        minute(world)
        assert world.plane.warm(TOKEN) == {"1": COUNT}
        world.deploy(strategy=STRATEGY)
        assert (seen["WarmUp"], seen["VerifyBeforeTraffic"]) == ({"1": COUNT}, {"1": COUNT, "2": COUNT})
        found = world.deployment
        assert found.outcome is DeploymentOutcome.SUCCEEDED
        assert [
            one.decision.action for one in world.cloud.ledger.read_decisions("d-warm") if one.state == "WarmUp"
        ] == [
            "WARM_UP",
            "WARM_UP",
            "WARM_UP",
            "PROCEED",
        ]
        minute(world)
        assert world.plane.warm(TOKEN) == {"1": COUNT, "2": COUNT}, "a rollback now would be warm"
        world.clock.advance(found.plan.limits.rollback_window.total_seconds())
        minute(world)
    assert world.plane.warm(TOKEN) == {"2": COUNT}
    assert [world.plane.warm(f"ib-oauth-{name}-test") for name in ("authorize", "public")] == [{}, {}]


def test_the_next_deployment_takes_what_the_one_before_kept_so_that_two_versions_fit_into_what_is_reserved(interpreter):
    world = World(interpreter, "d-fits-1", Scenario(warm=COUNT))
    world.plane.functions[TOKEN].reserved = 2 * COUNT
    with inhabited(world):
        world.deploy(strategy=STRATEGY)
        assert world.plane.warm(TOKEN) == {"1": COUNT, "2": COUNT}
        world.plane.change(TOKEN, "code-3")
        world.name = "d-fits-2"
        world.deploy(strategy=STRATEGY)
        assert world.deployment.outcome is DeploymentOutcome.SUCCEEDED
    assert world.plane.warm(TOKEN) == {"2": COUNT, "3": COUNT}


@pytest.mark.parametrize(
    ("scenario", "why"),
    [
        (Scenario(warm=COUNT, does_not_warm="FUNCTION_ERROR_INIT_FAILURE"), "FUNCTION_ERROR_INIT_FAILURE"),
        (Scenario({50: Outcome.FAIL}, warm=COUNT), "at 50 %"),
    ],
)
def test_a_canary_that_is_rolled_back_is_warm_for_no_client(interpreter, scenario, why):
    world = World(interpreter, f"d-{why.replace(' ', '')[:6]}", scenario)
    with inhabited(world):
        world.deploy(strategy=STRATEGY)
        world.settle()
        assert world.check() == "stable"
        assert why in world.deployment.rollback.trigger.reason
        world.plane.does_not_warm.clear()
        minute(world)
    assert world.plane.warm(TOKEN) == {"1": COUNT}


def test_a_canary_that_never_becomes_warm_is_rolled_back_after_ten_minutes(interpreter):
    world = World(interpreter, "d-never", Scenario(warm=COUNT))
    world.plane.warms_after = 1000
    with inhabited(world):
        world.deploy(strategy=STRATEGY)
        world.settle()
        assert world.check() == "stable"
    assert "canary is not warmed up after 600 s: token 0 of 5" in world.deployment.rollback.trigger.reason
    assert not world.deployment.shifts, "no client saw it"


def test_what_cannot_be_warmed_is_reported_and_dead_executions_are_looked_after_all_the_same(interpreter):
    world = World(interpreter, "d-told", Scenario(warm=COUNT))
    world.plane.functions[TOKEN].reserved = 1
    with inhabited(world):
        assert minute(world).startswith("the environment lock is free; provisioned concurrency not reconciled: ")


def test_turning_it_off_cools_every_version(interpreter):
    world = World(interpreter, "d-off", Scenario())
    world.plane.put_provisioned_concurrency_config(
        FunctionName=TOKEN, Qualifier="1", ProvisionedConcurrentExecutions=COUNT
    )
    with inhabited(world):
        minute(world)
    assert world.plane.warm(TOKEN) == {}
