"""The holder of the lock, as it is reported to a request that needs the lock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.application.lock_holder import refuse_running_holder, refuse_unfinished_holder
from orchestrator.domain.deployment.record import DeploymentOutcome, DeploymentPhase
from orchestrator.domain.environment_lock import EnvironmentLock, Kind
from orchestrator.domain.errors import LockLost, Refused
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import cloud_over, execution_arn, machine_arn
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.step_functions import FakeStepFunctions
from tests.samples import NOW, deployment, recovery

IN_FLIGHT = deployment(requested_by="ann", phase=DeploymentPhase.SHIFTING)
ENDED = replace(IN_FLIGHT, phase=DeploymentPhase.ENDED, outcome=DeploymentOutcome.SUCCEEDED, ended_at=NOW)


@pytest.fixture
def states():
    return FakeStepFunctions(SimulatedClock().now, lambda _arn: None, lambda _token, _output: False)


@pytest.fixture
def cloud(states):
    clients = {"dynamodb": FakeDynamoDB(), "lambda": LambdaControlPlane(), "stepfunctions": states}
    return cloud_over(clients, SimulatedClock().now)


def held(states, kind=Kind.DEPLOYMENT, subject="d-1", *, phase="RUNNING"):
    arn = execution_arn(kind.value, subject)
    states.start_execution(stateMachineArn=machine_arn(kind.value), name=subject, input="{}")
    states.end(arn, phase)
    return EnvironmentLock(4, arn, subject, kind, NOW)


def test_a_free_lock_and_a_dead_holder_are_no_hindrance(cloud, states):
    assert refuse_running_holder(EnvironmentLock(4), cloud) is None
    assert refuse_running_holder(held(states, phase="FAILED"), cloud) is None
    assert refuse_unfinished_holder(EnvironmentLock(4), cloud) is None


def test_a_deployment_in_flight_is_named_with_who_requested_it(cloud, states):
    cloud.ledger.create_record(IN_FLIGHT)
    with pytest.raises(Refused, match="held by deployment d-1, requested by ann, since 2026-11-23 03:00:00 UTC"):
        refuse_running_holder(held(states), cloud)


def test_a_holder_whose_plan_was_not_stored_is_named_by_its_id(cloud, states):
    with pytest.raises(Refused, match="held by deployment d-1, since"):
        refuse_running_holder(held(states), cloud)


def test_a_restore_is_named_with_who_requested_it(cloud, states):
    cloud.restores.create_record(recovery(id="re-1", kind=Kind.RESTORE, requested_by="bob"))
    with pytest.raises(Refused, match="held by restore re-1, requested by bob"):
        refuse_running_holder(held(states, Kind.RESTORE, "re-1"), cloud)


def test_a_holder_that_has_ended_is_waited_for_and_not_refused(cloud, states):
    cloud.ledger.create_record(ENDED)
    with pytest.raises(LockLost, match="about to release"):
        refuse_running_holder(held(states), cloud)


def test_a_deployment_that_is_being_rolled_back_after_its_end_is_not_about_to_release_the_lock(cloud, states):
    cloud.ledger.create_record(replace(ENDED, phase=DeploymentPhase.ROLLING_BACK))
    with pytest.raises(Refused, match="held by rollback d-1"):
        refuse_running_holder(held(states, Kind.ROLLBACK), cloud)


@pytest.mark.parametrize("record", [IN_FLIGHT, replace(ENDED, phase=DeploymentPhase.ROLLING_BACK)])
def test_a_dead_holder_that_is_not_rolled_back_is_refused(cloud, states, record):
    cloud.ledger.create_record(record)
    with pytest.raises(Refused, match="its rollback starts within a minute"):
        refuse_unfinished_holder(held(states, phase="FAILED"), cloud)


def test_a_dead_holder_that_ended_before_leaves_nothing(cloud, states):
    cloud.ledger.create_record(ENDED)
    assert refuse_unfinished_holder(held(states, phase="FAILED"), cloud) is None
