"""Executions as Step Functions describes them, also shortly after a start that its reads do not see yet."""

from __future__ import annotations

import pytest

from orchestrator.aws.step_functions import ABSENT, READ_AGAIN_SECONDS, RUNNING, Executions
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import execution_arn, machine_arn
from tests.fakes.errors import client_error
from tests.fakes.intercepted import Intercepted
from tests.fakes.step_functions import FakeStepFunctions

ARN = execution_arn("deployment", "d-1")


def executions(pauses, misses=0, code="ExecutionDoesNotExist"):
    """Return executions of which one was just started; the first reads do not see it."""
    states = FakeStepFunctions(SimulatedClock().now, lambda _arn: None, lambda _token, _output: False)
    answers = [client_error(code)] * misses

    def lag(operation, _arguments, call):
        if operation == "describe_execution" and answers:
            raise answers.pop()
        return call()

    started = Executions(Intercepted(states, lag), sleep=pauses.append)
    assert started.start_execution(machine_arn("deployment"), "d-1", {})
    return started


@pytest.mark.parametrize(("misses", "phase"), [(1, RUNNING), (2, ABSENT)])
def test_an_execution_that_is_absent_at_the_first_read_is_read_once_more(misses, phase):
    pauses = []
    assert executions(pauses, misses).describe_execution(ARN).phase == phase
    assert pauses == [READ_AGAIN_SECONDS]


@pytest.mark.parametrize(("misses", "phase"), [(0, RUNNING), (1, ABSENT)])
def test_an_execution_that_need_not_exist_is_read_once(misses, phase):
    pauses = []
    assert executions(pauses, misses).describe_execution(ARN, may_be_absent=True).phase == phase
    assert pauses == []


def test_an_execution_that_is_there_is_read_once():
    pauses = []
    assert executions(pauses).describe_execution(ARN).alive
    assert pauses == []
