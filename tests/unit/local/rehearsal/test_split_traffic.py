"""The strategy with which scenarios split the traffic is one that the local environment accepts, and it waits."""

from types import SimpleNamespace

import pytest

from orchestrator import environments
from orchestrator.domain.deployment.policy import DeliveryPolicy
from orchestrator.domain.deployment.strategy import read_strategy
from orchestrator.local.deployed_environment import ENVIRONMENT, LocalEnvironment
from orchestrator.local.rehearsal.split_traffic import STRATEGY, split_traffic
from orchestrator.local.rehearsal_clients import RehearsalFailed


def test_the_local_environment_accepts_the_strategy_and_keeps_half_of_the_traffic_on_the_canary_until_a_command():
    policy = DeliveryPolicy.parse(environments.load(ENVIRONMENT).delivery)
    strategy = read_strategy(STRATEGY, policy)
    assert [step.weight_percent for step in strategy.steps][:1] == [50]
    assert [gate.kind for gate in strategy.gates] == ["pause"]


def test_a_refused_deployment_ends_the_scenario_at_once_with_the_reason():
    ledger = SimpleNamespace(read_refusal=lambda _: SimpleNamespace(why="bake_seconds: 600 is refused"))
    here = LocalEnvironment(
        local=SimpleNamespace(region="us-west-1"),
        cloud=SimpleNamespace(
            ledger=ledger, executions=SimpleNamespace(start_execution=lambda *_: True), clients=lambda _: None
        ),
        platform_url="",
        api_url="",
    )
    with pytest.raises(RehearsalFailed, match="d-split was refused: bake_seconds"):
        split_traffic(here, "d-split")
