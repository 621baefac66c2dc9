"""The first release of an environment, with none before it: `cdk deploy` made it live, and a deployment records it."""

from __future__ import annotations

import pytest

from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.domain.deployment.release import ReleaseManifest, attest, manifest_digest, refuse_unattested
from orchestrator.domain.doctor.operation import check_release
from orchestrator.domain.doctor.result import Level
from tests.samples import FUNCTIONS
from tests.workflow.cases import STRATEGY, create_machines
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import Scenario, World, function_arns, inhabited

ASSETS = {"service": "ab" * 32, "orchestrator": "cd" * 32}
MANIFEST = ReleaseManifest(manifest_digest(ASSETS), "c0ffee", ASSETS, {})


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        create_machines(moto, function_arns)
        yield moto


@pytest.fixture
def new_environment(interpreter, request):
    """An environment as the first `cdk deploy` leaves it: `$LATEST` is version 1, and `live` points at it."""
    world = World(interpreter, request.node.name[:40].replace("_", "-"), Scenario(changed=False))
    with inhabited(world):
        yield world


def deploy(world, **options):
    world.deploy(**options)
    world.settle()
    return world.deployment


def test_the_first_deployment_records_what_is_live_and_moves_nothing(new_environment):
    assert check_release(None, (), "test").level is Level.FAIL
    first = deploy(new_environment, strategy=STRATEGY)
    assert first.outcome is DeploymentOutcome.NOTHING_TO_SHIP, first.reason
    assert first.reason == "$LATEST equals the stable versions"
    assert new_environment.versions() == {("1", "{}")}
    assert {function.stable_version for function in first.functions} == {"1"}
    assert check_release(first, (), "test").level is Level.PASS


def test_it_is_attested_for_the_next_environment(new_environment):
    first = deploy(new_environment, strategy=STRATEGY)
    latest = {name: new_environment.plane.functions[f"ib-oauth-{name}-test"].latest["CodeSha256"] for name in FUNCTIONS}
    assert attest(MANIFEST, first).code == latest
    refuse_unattested(MANIFEST, attest(MANIFEST, first), "test", latest)


def test_the_second_release_is_an_ordinary_one_and_the_first_is_its_stable_version(new_environment):
    assert deploy(new_environment, strategy=STRATEGY).outcome is DeploymentOutcome.NOTHING_TO_SHIP
    for function in FUNCTIONS:
        new_environment.plane.change(f"ib-oauth-{function}-test", "code-2")
    new_environment.name = f"{new_environment.name}-second"
    new_environment.clock.advance(60)
    second = deploy(new_environment, strategy=STRATEGY)
    assert second.outcome is DeploymentOutcome.SUCCEEDED, second.reason
    assert new_environment.versions() == {("2", "{}")}
    assert {function.stable_version for function in second.functions} == {"1"}
