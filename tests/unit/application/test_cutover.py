"""The result of a cutover, read while Step Functions may not see its deployment's start yet."""

from __future__ import annotations

import pytest

from orchestrator.application.cutover.result import cutover_result
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.record import CUTOVER_CHECK, CheckResult
from orchestrator.domain.verdict import Outcome, Verdict
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import cloud_over, machine_arn
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.errors import client_error
from tests.fakes.intercepted import Intercepted
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.step_functions import FakeStepFunctions
from tests.samples import recovery

RESTORE = recovery(id="re-1", kind=Kind.RESTORE, deployment="d-1")


@pytest.mark.parametrize("verdict", [Verdict.failed("d-1 ended ROLLED_BACK: it fired"), Verdict.passed("d-1: fine")])
@pytest.mark.parametrize("deployment", ["", "d-1"])
@pytest.mark.parametrize("error", [{}, {"Error": "States.Timeout", "Cause": ""}])
def test_a_result_that_an_earlier_attempt_recorded_stays_when_the_restore_has_forgotten_the_deployment(
    verdict, deployment, error
):
    """AwaitCutover saved it, and its response was lost: the retry must not replace its reason."""
    recorded = CheckResult(CUTOVER_CHECK, verdict, {"deployment": "d-1"})
    restore = recovery(id="re-1", kind=Kind.RESTORE, deployment=deployment, check_results=(recorded,))
    clients = {"dynamodb": FakeDynamoDB(), "lambda": LambdaControlPlane()}
    assert cutover_result(cloud_over(clients, SimulatedClock().now), restore, error) == recorded


@pytest.mark.parametrize("error", [{}, {"Error": "Refused", "Cause": "a check failed"}])
def test_a_restore_without_a_deployment_or_a_result_did_not_request_one(error):
    other = CheckResult("contents.1", Verdict.passed("equal"))
    restore = recovery(id="re-1", kind=Kind.RESTORE, check_results=(other,))
    clients = {"dynamodb": FakeDynamoDB(), "lambda": LambdaControlPlane()}
    result = cutover_result(cloud_over(clients, SimulatedClock().now), restore, error)
    assert result == CheckResult(CUTOVER_CHECK, Verdict.failed("a check failed" if error else "it was not requested"))


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
