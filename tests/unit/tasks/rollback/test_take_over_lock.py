"""A rollback that finds nothing to revert ends the incident that it opened."""

from __future__ import annotations

from orchestrator.application.incidents.incident_log import receive_event
from orchestrator.domain.deployment.record import DeploymentOutcome, DeploymentPhase
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.incidents.incident import IncidentState
from orchestrator.tasks.rollback.take_over_lock import take_over_lock
from orchestrator.tasks.runtime import TaskInput
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import cloud_over, execution_arn
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.messages import FakeEvents
from tests.fakes.step_functions import FakeStepFunctions
from tests.samples import deployment, seconds

DEPLOYMENT, ROLLBACK = execution_arn("deployment", "d-1"), execution_arn("rollback", "rollback-d-1-1")


def test_a_rollback_of_a_deployment_that_has_ended_releases_the_lock_of_its_dead_execution_and_says_that_it_is_over():
    clock, events = SimulatedClock(), FakeEvents()
    states = FakeStepFunctions(clock.now, lambda _arn: None, lambda _token, _output: False)
    clients = {"dynamodb": FakeDynamoDB(), "lambda": LambdaControlPlane(), "stepfunctions": states, "events": events}
    cloud = cloud_over(clients, clock.now)
    refused = deployment(
        execution=DEPLOYMENT, phase=DeploymentPhase.ENDED, outcome=DeploymentOutcome.REFUSED, ended_at=clock.now()
    )
    cloud.ledger.create_record(refused)
    states.start_execution(
        stateMachineArn=DEPLOYMENT.replace(":execution:", ":stateMachine:").rpartition(":")[0], name="d-1", input="{}"
    )
    states.end(DEPLOYMENT, "FAILED")
    cloud.ledger.acquire_lock(cloud.ledger.read_lock(), DEPLOYMENT, "d-1", Kind.DEPLOYMENT, clock.now())
    started = {
        "deployment": "d-1",
        "source": "execution",
        "reason": "it died",
        "at": (clock.now() - seconds(1)).isoformat(),
    }
    receive_event({"id": "e", "detail-type": "RollbackStarted", "detail": started}, cloud)
    task_input = TaskInput(
        execution=ROLLBACK, deployment="d-1", state_name="TakeOverLock", entered="t", state={"deployment": "d-1"}
    )
    output = take_over_lock(task_input, cloud)
    assert output.fencing_token == 2
    kind, detail = events.put[-1]
    assert (kind, detail["deployment"]) == ("RollbackSkipped", "d-1")
    receive_event({"id": "e", "detail-type": kind, "detail": detail}, cloud)
    (name,) = cloud.incidents.list_ids(5)
    assert cloud.incidents.read_incident(name).state is IncidentState.RESOLVED
