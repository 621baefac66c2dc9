"""What operators see and do while a deployment or rollback runs."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

from orchestrator import environments
from orchestrator.cli.actions import verify as verify_action
from orchestrator.cli.context import Context
from tests.fakes.clouds import ACCOUNT, machine_arn
from tests.samples import FUNCTIONS
from tests.workflow.cases import STRATEGY
from tests.workflow.world import Scenario, World, inhabited, straight

GOOD = Scenario()


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


def start(world, name):
    world.states.start_execution(
        stateMachineArn=machine_arn("deployment"),
        name=f"{name}",
        input=json.dumps({"requested_by": "bob", "strategy": STRATEGY}),
    )
    world.run_started()
