"""Executions as Step Functions describes them, also shortly after a start that its reads do not see yet."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from orchestrator.aws.step_functions import ABSENT, HISTORY_PAGE, READ_AGAIN_SECONDS, RUNNING, Executions
from orchestrator.domain.telemetry.spans import HistoryEvent
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


# --- the history -------------------------------------------------------------------------------------------


def with_history(events):
    states = FakeStepFunctions(SimulatedClock().now, lambda _arn: None, lambda _token, _output: False)
    found = Executions(states, sleep=lambda _seconds: None)
    found.start_execution(machine_arn("deployment"), "d-1", {})
    states.histories[ARN] = events
    return found


def test_a_history_has_every_event_of_every_page_in_order():
    at = SimulatedClock().now()
    events = [
        {"id": number, "previousEventId": number - 1, "timestamp": at, "type": "TaskScheduled"}
        for number in range(1, 2 * HISTORY_PAGE + 2)
    ]
    assert [event.number for event in with_history(events).read_history(ARN)] == list(range(1, 2 * HISTORY_PAGE + 2))


def test_an_event_has_its_state_or_its_error():
    at = SimulatedClock().now()
    entered, failed, begun = with_history(
        [
            {"id": 1, "timestamp": at, "type": "TaskStateEntered", "stateEnteredEventDetails": {"name": "Plan"}},
            {
                "id": 2, "previousEventId": 1, "timestamp": at, "type": "TaskFailed",
                "taskFailedEventDetails": {"resource": "invoke", "error": "Boom", "cause": "it broke"},
            },
            {
                "id": 3, "previousEventId": 2, "timestamp": at, "type": "MapIterationStarted",
                "mapIterationStartedEventDetails": {"name": "Segments", "index": 0},
            },
        ]
    ).read_history(ARN)  # fmt: skip
    assert entered == HistoryEvent(1, 0, at, "TaskStateEntered", "Plan")
    assert failed == HistoryEvent(2, 1, at, "TaskFailed", "", "Boom", "it broke")
    assert begun == HistoryEvent(3, 2, at, "MapIterationStarted")


def test_an_execution_that_step_functions_no_longer_has_has_no_history():
    assert with_history([]).read_history(f"{ARN}-gone") == ()


def test_any_other_error_of_a_history_is_raised():
    def deny(operation, _arguments, call):
        if operation == "get_execution_history":
            raise client_error("AccessDeniedException")
        return call()

    states = FakeStepFunctions(SimulatedClock().now, lambda _arn: None, lambda _token, _output: False)
    with pytest.raises(ClientError, match="AccessDenied"):
        Executions(Intercepted(states, deny)).read_history(ARN)
