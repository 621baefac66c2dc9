"""Intakes over fakes: what they start, tell and keep."""

from __future__ import annotations

from unittest import mock

import pytest

import orchestrator.intake
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import cloud_over
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.messages import FakeEvents
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
def cloud(states, events, lambdas):
    clients = {"dynamodb": FakeDynamoDB(), "lambda": lambdas, "stepfunctions": states, "events": events}
    found = cloud_over(clients, SimulatedClock().now)
    with mock.patch.object(orchestrator.intake, "_cloud", found):
        yield found
