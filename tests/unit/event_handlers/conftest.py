"""Event handlers over fakes: what they start, announce and record."""

from __future__ import annotations

from unittest import mock

import pytest

from orchestrator.event_handlers import runtime as event_runtime
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import cloud_over
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.messages import FakeAlarms, FakeEvents, FakeTopics
from tests.fakes.step_functions import FakeStepFunctions
from tests.samples import FUNCTIONS


@pytest.fixture
def states():
    return FakeStepFunctions(SimulatedClock().now, lambda _arn: None, lambda _token, _output: False)


@pytest.fixture
def events():
    return FakeEvents()


@pytest.fixture
def lambdas():
    plane = LambdaControlPlane()
    for name in FUNCTIONS:
        plane.add(f"ib-oauth-{name}-test")
    return plane


@pytest.fixture
def topics():
    return FakeTopics()


@pytest.fixture
def cloud(states, events, lambdas, topics):
    clock = SimulatedClock()
    clients = {
        "dynamodb": FakeDynamoDB(),
        "lambda": lambdas,
        "stepfunctions": states,
        "events": events,
        "cloudwatch": FakeAlarms(clock.now()),
        "sns": topics,
    }
    cloud = cloud_over(clients, clock.now, sleep=clock.advance)
    with mock.patch.object(event_runtime, "_cloud", cloud):
        yield cloud
