"""Requests to a throttled service are answered with its throttling error, apart from Lambda's Invoke."""

import json

import pytest

from orchestrator.local.emulator.throttled_services import Throttles
from tests.unit.local.emulator.test_region_outage import signed, unsigned


@pytest.fixture
def throttles():
    throttles = Throttles()
    assert throttles.set_services(["lambda"])
    return throttles


def test_a_throttled_request_gets_the_service_s_own_error(throttles):
    status, body = throttles.error_for(signed("us-west-1", "lambda"))
    assert status == 429
    assert json.loads(body)["__type"] == "TooManyRequestsException"


def test_invoke_has_a_quota_of_its_own(throttles):
    invocation = {**signed("us-west-1", "lambda"), "path": "/2015-03-31/functions/f/invocations"}
    assert throttles.error_for(invocation) is None


def test_other_services_and_unsigned_requests_are_not_throttled(throttles):
    assert throttles.error_for(signed("us-west-1", "dynamodb")) is None
    assert throttles.error_for(unsigned("/_ministack/health")) is None


def test_without_services_nothing_is_throttled(throttles):
    assert throttles.set_services([])
    assert throttles.error_for(signed("us-west-1", "lambda")) is None


def test_a_service_whose_error_is_not_known_cannot_be_throttled_and_nothing_changes(throttles):
    assert not throttles.set_services(["dynamodb"])
    assert throttles.error_for(signed("us-west-1", "lambda"))
