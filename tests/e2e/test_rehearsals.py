"""Disasters on a local cloud: each ends as its scenario says, with what was measured."""

from dataclasses import replace

import pytest

from orchestrator.domain.rehearsal.catalogue import SCENARIOS, find_scenarios
from orchestrator.domain.rehearsal.result import verdict_of
from orchestrator.domain.rehearsal.scenario import CloudUse
from orchestrator.domain.verdict import Outcome
from orchestrator.local.rehearsal.runner import deploy_first, rehearse_alone, run_scenarios
from orchestrator.local.rehearsal.stage import open_stage

pytestmark = pytest.mark.timeout(900)
CHEAP = ("ledger-lost", "key-disabled")
SHARED = [scenario for scenario in SCENARIOS if scenario.cloud is CloudUse.SHARED]
OWN = [scenario for scenario in SCENARIOS if scenario.cloud is CloudUse.OWN]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with open_stage(tmp_path_factory.mktemp("rehearsal"), print) as stage:
        deploy_first(stage)
        yield stage


@pytest.mark.parametrize("name", CHEAP)
def test_a_disaster_ends_as_its_scenario_says_without_the_wait_for_its_alarm(stage, name):
    (scenario,) = find_scenarios([name])
    (run,) = run_scenarios(stage, [scenario], await_alarm=False)
    verdict = verdict_of(replace(scenario, alarm=""), run)
    assert verdict.outcome is Outcome.PASS, (verdict.reason, run)


@pytest.mark.proof
@pytest.mark.parametrize("scenario", SHARED, ids=[scenario.name for scenario in SHARED])
def test_a_disaster_ends_as_its_scenario_says_after_its_alarm(stage, scenario):
    (run,) = run_scenarios(stage, [scenario])
    verdict = verdict_of(scenario, run)
    assert verdict.outcome is Outcome.PASS, (verdict.reason, run)


@pytest.mark.proof
@pytest.mark.parametrize("scenario", OWN, ids=[scenario.name for scenario in OWN])
def test_a_disaster_that_its_cloud_does_not_survive_ends_as_its_scenario_says(tmp_path, scenario):
    run = rehearse_alone(tmp_path, scenario, print)
    verdict = verdict_of(scenario, run)
    assert verdict.outcome is Outcome.PASS, (verdict.reason, run)
