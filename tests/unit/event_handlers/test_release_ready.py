"""A release is announced: its deployment is started once, with what was announced."""

from __future__ import annotations

import json

import pytest

from orchestrator.domain.identifiers import deployment_id
from orchestrator.event_handlers import release_ready
from tests.fakes.clouds import execution_arn


def announce(event_id="event-1", **detail):
    event = {"id": event_id, "source": "pipeline", "detail": detail}
    return release_ready.handler(event, None)["answer"]


def test_a_deployment_starts_with_what_was_announced_and_by_whom(cloud, states):
    name = deployment_id("event-1")
    assert announce(strategy="all-at-once") == f"started {name}"
    execution_input = json.loads(states.executions[execution_arn("deployment", name)].execution_input)
    assert execution_input == {"requested_by": "pipeline", "strategy": "all-at-once"}


def test_who_announces_may_say_who_asks(cloud, states):
    announce(requested_by="alice")
    (started,) = states.executions.values()
    assert json.loads(started.execution_input)["requested_by"] == "alice"


def test_the_same_event_delivered_again_is_the_same_start(cloud, states):
    announce()
    assert announce() == f"started {deployment_id('event-1')}"
    assert len(states.executions) == 1


def test_after_it_has_ended_the_same_event_starts_nothing(cloud, states):
    announce()
    name = deployment_id("event-1")
    states.end(execution_arn("deployment", name), "SUCCEEDED")
    assert announce() == f"{name} was started before"
    assert len(states.executions) == 1


def test_a_pipeline_s_own_key_makes_two_events_one(cloud, states):
    announce("event-1", idempotency_key="build-7")
    announce("event-2", idempotency_key="build-7")
    assert list(states.executions) == [execution_arn("deployment", deployment_id("build-7"))]
    assert {record.deployment for record in cloud.ledger.read_events(5)} == {deployment_id("build-7")}


@pytest.mark.parametrize("key", ["", " ", "a b"])
def test_a_key_that_a_pipeline_did_not_set_starts_nothing_and_is_recorded(cloud, states, key):
    assert "idempotency_key" in announce("event-1", idempotency_key=key)
    assert not states.executions
    (record,) = cloud.ledger.read_events(5)
    assert (record.acted, record.deployment) == (False, "")
    assert "give 1 to 48 letters" in record.why


@pytest.mark.parametrize("running", [True, False])
def test_a_key_of_another_request_starts_nothing_and_the_event_says_why(cloud, states, running):
    announce("event-1", idempotency_key="build-7", strategy="all-at-once")
    if not running:
        states.end(execution_arn("deployment", "d-build-7"), "SUCCEEDED")
    why = announce("event-2", idempotency_key="build-7", strategy="canary-10-50")
    assert "it belongs to a request with another strategy" in why
    assert len(states.executions) == 1
    newest = next(record for record in cloud.ledger.read_events(5) if record.id == "event-2")
    assert (newest.acted, newest.why) == (False, why)
