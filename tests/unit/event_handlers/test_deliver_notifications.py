"""The function of the notifications' queue: what AWS cannot do now is tried again, and only what is not done is reported."""

from __future__ import annotations

import json

import pytest

from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.event_handlers import runtime
from orchestrator.event_handlers.deliver_notifications import handler
from tests.fakes.errors import client_error
from tests.fakes.notification_queue import START
from tests.unit.application.notifications.conftest import World, bus_event

EVENT = bus_event("EnvironmentFrozen", 0, deployment="", by="ann", reason="holidays")


@pytest.fixture
def world(monkeypatch):
    world = World()
    monkeypatch.setattr(runtime, "_cloud", world.cloud)
    return world


def message(number, body=EVENT, receives=1):
    return {
        "messageId": f"m-{number}",
        "receiptHandle": f"r-{number}",
        "body": json.dumps(body),
        "attributes": {"ApproximateReceiveCount": str(receives), "SentTimestamp": str(round(START.timestamp() * 1000))},
    }


def test_a_message_that_is_done_is_not_reported(world):
    assert handler({"Records": [message(1)]}, None) == {"batchItemFailures": []}
    names = {json.loads(one.body)["destination"] for one in world.queue.messages}
    assert names == {"slack", "teams", "google-chat", "webhook", "cloudevents", "email"}, (
        "a freeze is below a pager's minimum"
    )


@pytest.mark.parametrize("failure", [Throttled("busy"), Unreachable("gone")])
def test_a_message_that_aws_does_not_take_is_tried_again_after_a_growing_time(world, monkeypatch, failure):
    retries = []

    def fails(_bodies):
        raise failure

    monkeypatch.setattr(world.cloud.notification_queue, "send", fails)
    monkeypatch.setattr(world.cloud.notification_queue, "retry_in", lambda *call: retries.append(call))
    answer = handler({"Records": [message(1), message(2, receives=4)]}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-1"}, {"itemIdentifier": "m-2"}]}
    assert retries == [("r-1", 5), ("r-2", 40)]


def test_a_message_whose_timeout_cannot_be_changed_keeps_that_of_the_queue(world, monkeypatch):
    def throttled(*_):
        raise Throttled("busy")

    monkeypatch.setattr(world.cloud.notification_queue, "send", throttled)
    monkeypatch.setattr(world.cloud.notification_queue, "retry_in", throttled)
    assert handler({"Records": [message(1)]}, None) == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}


def test_a_permission_that_is_missing_is_an_error_of_the_function(world, monkeypatch):
    def denied(**_):
        raise client_error("AccessDeniedException")

    monkeypatch.setattr(world.queue, "send_message_batch", denied)
    with pytest.raises(Exception, match="AccessDeniedException"):
        handler({"Records": [message(1)]}, None)


def test_a_record_that_others_always_write_first_is_tried_again(world, monkeypatch):
    handler({"Records": [message(1)]}, None)
    delivery = json.loads(world.queue.messages[0].body)
    monkeypatch.setattr(world.cloud.deliveries, "write_record", lambda *_: None)
    retries = []
    monkeypatch.setattr(world.cloud.notification_queue, "retry_in", lambda *call: retries.append(call))
    assert handler({"Records": [message(2, delivery)]}, None) == {"batchItemFailures": [{"itemIdentifier": "m-2"}]}
    assert retries == [("r-2", 5)]
    assert not any(provider.attempts for provider in world.providers.by_kind.values())


def test_a_result_that_cannot_be_noted_is_tried_again(world, monkeypatch):
    handler({"Records": [message(1)]}, None)
    delivery = json.loads(world.queue.messages[0].body)
    store, write = world.cloud.deliveries, world.cloud.deliveries.write_record
    monkeypatch.setattr(store, "write_record", lambda *call: None if call[2].delivered else write(*call))
    monkeypatch.setattr(world.cloud.notification_queue, "retry_in", lambda *_: None)
    assert handler({"Records": [message(2, delivery)]}, None) == {"batchItemFailures": [{"itemIdentifier": "m-2"}]}
