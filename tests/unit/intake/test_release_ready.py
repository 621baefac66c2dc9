"""A release is announced: its deployment is started once, with what was announced."""

from __future__ import annotations

import json

from orchestrator.domain.naming import deployment_id
from orchestrator.intake import release_ready
from tests.fakes.clouds import execution_arn


def announce(event_id="event-1", **detail):
    event = {"id": event_id, "source": "pipeline", "detail": detail}
    return release_ready.handler(event, None)["answer"]


def test_a_deployment_starts_with_what_was_announced_and_by_whom(cloud, states):
    name = deployment_id("event-1")
    assert announce(strategy="all-at-once") == f"started {name}"
    given = json.loads(states.executions[execution_arn("deployment", name)].given)
    assert given == {"requested_by": "pipeline", "strategy": "all-at-once"}


def test_who_announces_may_say_who_asks(cloud, states):
    announce(requested_by="somebody")
    (started,) = states.executions.values()
    assert json.loads(started.given)["requested_by"] == "somebody"


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
    assert {signal.deployment for signal in cloud.ledger.signals(5)} == {deployment_id("build-7")}
