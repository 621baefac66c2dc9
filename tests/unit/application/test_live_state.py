"""The live state as the reconciler reports it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator.application.live_state import PROBLEMS, report_live_state
from orchestrator.aws.cloudwatch.embedded_metrics import EmbeddedMetrics
from orchestrator.domain.deployment.record import DeploymentOutcome, DeploymentPhase
from orchestrator.domain.environment_lock import Kind
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import cloud_over, execution_arn, machine_arn
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.step_functions import FakeStepFunctions
from tests.samples import FUNCTIONS, NOW, deployment, functions, seconds

LIVE = deployment(
    functions=functions("1", "1"), phase=DeploymentPhase.ENDED, outcome=DeploymentOutcome.SUCCEEDED, ended_at=NOW
)


@pytest.fixture
def plane():
    plane = LambdaControlPlane()
    for name in FUNCTIONS:
        plane.add(f"ib-oauth-{name}-test", Environment={"Variables": {"RELEASE": '{"build":"b1"}'}})
    return plane


@pytest.fixture
def states():
    return FakeStepFunctions(SimulatedClock().now, lambda _arn: None, lambda _token, _output: False)


@pytest.fixture
def lines():
    return []


@pytest.fixture
def cloud(plane, states, lines):
    clients = {"dynamodb": FakeDynamoDB(), "lambda": plane, "stepfunctions": states}
    cloud = cloud_over(clients, SimulatedClock().now)
    vars(cloud)["embedded_metrics"] = EmbeddedMetrics("test", cloud.now, lambda line: lines.append(json.loads(line)))
    cloud.ledger.create_record(LIVE)
    return cloud


def publish(plane, name, build):
    """Publish a version of another build and point the alias at it."""
    function = f"ib-oauth-{name}-test"
    plane.change(function, f"code-{build}", Environment={"Variables": {"RELEASE": json.dumps({"build": build})}})
    version = plane.publish_version(FunctionName=function)["Version"]
    plane.update_alias(FunctionName=function, Name="live", FunctionVersion=version)


def counted(lines):
    return [line[PROBLEMS] for line in lines if PROBLEMS in line]


def test_a_live_state_as_recorded_is_counted_as_no_problem(cloud, lines):
    assert report_live_state(cloud) == ""
    assert counted(lines) == [0]


def test_a_mixed_environment_is_reported_whatever_the_newest_record_is(cloud, plane, lines):
    publish(plane, "token", "b2")
    refused = replace(LIVE, id="d-2", outcome=DeploymentOutcome.REFUSED, requested_at=NOW + seconds(60))
    cloud.ledger.create_record(replace(refused, functions=functions("2", "2")))
    reported = report_live_state(cloud)
    assert (
        "functions of different releases are live: authorize 1, public 1 of build b1; token 2 of build b2" in reported
    )
    assert "since d-1: token is on 2 and not on 1" in reported
    assert counted(lines) == [2]


@pytest.mark.parametrize(("phase", "problems"), [("RUNNING", 0), ("FAILED", 1)])
def test_weights_are_expected_only_while_a_deployment_runs(cloud, plane, states, lines, phase, problems):
    arn = execution_arn("deployment", "d-2")
    states.start_execution(stateMachineArn=machine_arn("deployment"), name="d-2", input="{}")
    states.end(arn, phase)
    cloud.ledger.acquire_lock(cloud.ledger.read_lock(), arn, "d-2", Kind.DEPLOYMENT, NOW)
    plane.change("ib-oauth-token-test", "code-2")
    plane.publish_version(FunctionName="ib-oauth-token-test")
    weights = {"AdditionalVersionWeights": {"2": 0.2}}
    plane.update_alias(FunctionName="ib-oauth-token-test", Name="live", RoutingConfig=weights)
    report_live_state(cloud)
    assert counted(lines) == [problems]


def test_nothing_is_reported_while_the_lock_changes_hands(cloud, plane, lines, monkeypatch):
    publish(plane, "token", "b2")
    ledger, read = cloud.ledger, cloud.aliases.read_alias

    def meanwhile(function_name):
        lock = ledger.acquire_lock(ledger.read_lock(), "another", "d-2", Kind.DEPLOYMENT, NOW)
        ledger.release_lock(lock.fencing_token)
        return read(function_name)

    monkeypatch.setattr(cloud.aliases, "read_alias", meanwhile)
    assert report_live_state(cloud) == ""
    assert counted(lines) == []


def test_a_live_state_that_cannot_be_read_is_not_reported_as_good(cloud, plane, lines):
    del plane.functions["ib-oauth-token-test"]
    assert report_live_state(cloud) == ""
    assert counted(lines) == []


@pytest.mark.parametrize("release", ["", "{}", "not JSON", '{"commit":"c"}', '{"build":' + "[" * 100_000], ids=range(5))
def test_a_function_that_does_not_say_its_build_is_of_no_other_release(cloud, plane, lines, release):
    plane.functions["ib-oauth-token-test"].versions["1"]["Environment"] = {"Variables": {"RELEASE": release}}
    assert report_live_state(cloud) == ""
    assert counted(lines) == [0]
