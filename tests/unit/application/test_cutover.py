"""The result of a cutover, read while Step Functions may not see its deployment's start yet."""

from __future__ import annotations

import pytest

from orchestrator.application.cutover import cutover_result
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.verdict import Outcome
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import cloud_over, machine_arn
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.errors import client_error
from tests.fakes.intercepted import Intercepted
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.step_functions import FakeStepFunctions
from tests.samples import recovery

RESTORE = recovery(id="re-1", kind=Kind.RESTORE, deployment="d-1")


@pytest.mark.parametrize(("misses", "outcome"), [(0, None), (1, None), (2, Outcome.FAIL)])
def test_a_deployment_that_one_read_does_not_see_right_after_its_start_has_not_ended(misses, outcome):
    states = FakeStepFunctions(SimulatedClock().now, lambda _arn: None, lambda _token, _output: False)
    answers = [client_error("ExecutionDoesNotExist")] * misses

    def lag(operation, _arguments, call):
        if operation == "describe_execution" and answers:
            raise answers.pop()
        return call()

    clients = {"dynamodb": FakeDynamoDB(), "lambda": LambdaControlPlane(), "stepfunctions": Intercepted(states, lag)}
    cloud = cloud_over(clients, SimulatedClock().now)
    assert cloud.executions.start_execution(machine_arn("deployment"), "d-1", {})

    result = cutover_result(cloud, RESTORE, {})

    assert (result.verdict.outcome if result else None) is outcome
