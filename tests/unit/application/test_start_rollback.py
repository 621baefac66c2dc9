"""Starting a rollback: one that runs is found, one that failed is followed by the next, and at some point an operator is notified."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.application.start_rollback import ATTEMPTS, TooManyAttempts, start_rollback
from orchestrator.domain.deployment.record import DeploymentOutcome, RollbackTrigger
from orchestrator.domain.rollback.decision import DEAD_EXECUTION
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import cloud_over, execution_arn
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.messages import FakeEvents
from tests.fakes.step_functions import FakeStepFunctions
from tests.samples import NOW, deployment

TRIGGER = RollbackTrigger("person", "it smells", NOW)


@pytest.fixture
def states():
    return FakeStepFunctions(SimulatedClock().now, lambda _arn: None, lambda _token, _output: False)


@pytest.fixture
def cloud(states):
    clients = {
        "dynamodb": FakeDynamoDB(), "lambda": LambdaControlPlane(), "stepfunctions": states, "events": FakeEvents(),
    }  # fmt: skip
    return cloud_over(clients, SimulatedClock().now)


def attempt(number):
    return execution_arn("rollback", f"rollback-d-1-{number}")


def test_the_trigger_is_kept_before_anything_starts(cloud, states, monkeypatch):
    def refuse(**_):
        raise AssertionError("Step Functions is down")

    monkeypatch.setattr(states, "start_execution", refuse)
    with pytest.raises(AssertionError):
        start_rollback(cloud, "d-1", TRIGGER)
    assert cloud.ledger.read_triggers("d-1") == [TRIGGER]


def test_one_that_runs_is_found_and_not_started_again(cloud, states):
    assert start_rollback(cloud, "d-1", TRIGGER) == start_rollback(cloud, "d-1", TRIGGER) == "rollback-d-1-1"
    assert list(states.executions) == [attempt(1)]


def test_one_that_failed_is_followed_by_the_next(cloud, states):
    start_rollback(cloud, "d-1", TRIGGER)
    states.end(attempt(1), "FAILED")
    assert start_rollback(cloud, "d-1", TRIGGER) == "rollback-d-1-2"


def test_one_that_has_rolled_back_is_enough(cloud, states):
    cloud.ledger.create_record(replace(deployment(), outcome=DeploymentOutcome.ROLLED_BACK, ended_at=NOW))
    start_rollback(cloud, "d-1", TRIGGER)
    states.end(attempt(1), "SUCCEEDED")
    assert start_rollback(cloud, "d-1", TRIGGER) == "rollback-d-1-1"


def test_one_that_found_nothing_to_undo_at_that_time_is_followed_by_the_next(cloud, states):
    cloud.ledger.create_record(deployment())
    start_rollback(cloud, "d-1", TRIGGER)
    states.end(attempt(1), "SUCCEEDED")
    assert start_rollback(cloud, "d-1", TRIGGER) == "rollback-d-1-2"


def test_when_every_attempt_has_failed_a_person_is_sent_to_the_runbook(cloud, states):
    died = RollbackTrigger(DEAD_EXECUTION, "it died", NOW)
    for number in range(1, ATTEMPTS + 1):
        start_rollback(cloud, "d-1", died)
        states.end(attempt(number), "FAILED")
    with pytest.raises(TooManyAttempts, match="break-glass"):
        start_rollback(cloud, "d-1", died)
    assert start_rollback(cloud, "d-1", TRIGGER) == f"rollback-d-1-{ATTEMPTS + 1}", "an operator has attempts left"
