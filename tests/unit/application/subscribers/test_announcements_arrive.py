"""Exactly one message a transition a subscriber, whatever order, repetition or failure the way to it has."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import random
from datetime import timedelta

import pytest

from orchestrator.application.cloud import logger
from orchestrator.domain.notifications.notification import EventKind, Transition
from orchestrator.domain.subscribers.announcements import _with_earlier
from tests.fakes.clock import START
from tests.fakes.errors import client_error
from tests.fakes.subscribers import KEY, SubscriberWorld
from tests.unit.domain.subscribers.samples import announcement

FIRST, SECOND = "a@example.org", "b@example.org"
FAST, SLOW = "https://fast.example.net/status", "https://slow.example.net/status"


@pytest.fixture
def world():
    world = SubscriberWorld()
    for mail in (FIRST, SECOND):
        world.subscribe(email=mail)
    for hook in (FAST, SLOW):
        world.subscribe(webhook=hook)
    world.clock.advance(60)
    world.mailboxes.mails.clear()
    world.hooks.received.clear()
    return world


def steps(at):
    """An incident from its opening to its end, and a maintenance window from its plan to its end."""
    minute = timedelta(minutes=1)
    incident = [
        ("investigating", "TRIGGER"),
        ("identified", "UPDATE"),
        ("identified", "UPDATE"),
        ("resolved", "RESOLVE"),
    ]
    window = [("planned", "TRIGGER"), ("in-1-hour", "UPDATE"), ("started", "UPDATE"), ("completed", "RESOLVE")]
    found = [
        announcement(id=f"i-1-{number}", step=step, transition=Transition[kind], at=at + number * minute, began_at=at)
        for number, (step, kind) in enumerate(incident)
    ] + [
        announcement(
            id=f"m-1-{step}", key="maintenance:m-1", kind=EventKind.MAINTENANCE, step=step, title="Database upgrade",
            transition=Transition[kind], at=at + number * minute, began_at=at, components=(),
        )
        for number, (step, kind) in enumerate(window)
    ]  # fmt: skip
    return list(_with_earlier(found))


def documents(world, hook):
    return [json.loads(body) for _, body in world.hooks.received.get(hook.split("/")[2], [])]


def subjects(world, mail):
    return sorted(one["Subject"] for one in world.mailboxes.to(mail))


@pytest.mark.parametrize("seed", range(60))
def test_a_random_order_with_repetitions_and_failures_gives_one_message_a_transition_and_subscriber(seed, monkeypatch):
    monkeypatch.setattr(logger, "info", lambda *_, **__: None)  # thousands of lines
    chance, world = random.Random(seed), SubscriberWorld(seed)
    world.subscribe(email=FIRST)
    world.subscribe(webhook=FAST)
    world.mailboxes.mails.clear()
    world.hooks.received.clear()
    world.clock.advance(1)
    everything = steps(world.clock.now())
    for number in range(1, len(everything) + 1):
        # The file as it was at each writing; each event is reported up to three times, late and in any order.
        world.announce(*everything[: max(number, chance.randint(1, 8))], events=chance.choice((1, 1, 2, 3)))
        world.queue.messages[-1].visible_at += timedelta(seconds=chance.uniform(0, 90))
        world.mailboxes.plan = [client_error("TooManyRequestsException")] * chance.choice((0, 0, 1, 3))
        world.hooks.plan["fast.example.net"] = [chance.choice((429, 500, 503))] * chance.choice((0, 0, 2))
        world.work(world.clock.now() + timedelta(seconds=chance.uniform(1, 60)))
        # Messages that SQS delivers twice.
        for body in chance.sample(world.queue.bodies, 2):
            world.queue.put(body, world.clock.now() + timedelta(seconds=chance.uniform(0, 120)))
    world.announce(*everything)
    world.work()

    assert world.queue.dead == []
    assert len(subjects(world, FIRST)) == len(everything)
    assert sorted(one["data"]["id"] for one in documents(world, FAST)) == sorted(one.id for one in everything)
    order = [one["data"]["id"] for one in documents(world, FAST)]
    assert [one for one in order if one.startswith("i-")] == ["i-1-0", "i-1-1", "i-1-2", "i-1-3"]
    assert [one for one in order if one.startswith("m-")] == [one.id for one in everything if one.id.startswith("m-")]


def test_each_subscriber_gets_each_step_once(world):
    world.announce(*steps(world.clock.now()), events=3)
    world.work()
    assert len(subjects(world, FIRST)) == len(subjects(world, SECOND)) == len(documents(world, FAST)) == 8
    assert "[Example status] Investigating: Problem with Login" in subjects(world, FIRST)
    assert "[Example status] In 1 hour: Database upgrade" in subjects(world, FIRST)


def test_a_server_that_hangs_delays_no_one_else_and_gets_its_message_later(world):
    world.hooks.hanging.add("slow.example.net")
    world.announce(announcement(at=world.clock.now()))
    world.work(world.clock.now() + timedelta(minutes=2))
    assert len(documents(world, FAST)) == len(subjects(world, FIRST)) == 1
    assert documents(world, SLOW) == []
    world.hooks.hanging.clear()
    world.work()
    assert len(documents(world, SLOW)) == 1
    assert world.queue.dead == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_down_for_an_hour_loses_nothing(world, status):
    world.hooks.plan["slow.example.net"] = [status] * 12
    world.announce(announcement(at=world.clock.now()))
    world.work()
    assert len(documents(world, SLOW)) == 1
    assert world.clock.now() - START > timedelta(minutes=50)


def test_what_a_server_refuses_is_in_the_dead_letter_queue_and_what_never_works_ends_there(world):
    world.hooks.plan["slow.example.net"] = [404]
    world.hooks.hanging.add("fast.example.net")
    world.announce(announcement(at=world.clock.now()))
    world.work()
    assert len(world.queue.dead) == 2
    assert not any("example.net" in body for body in world.queue.dead), "no queue has an address"


def test_a_message_is_signed_with_the_secret_that_the_owner_got(world):
    world.announce(announcement(at=world.clock.now()))
    world.work()
    ((headers, body),) = world.hooks.received["fast.example.net"]
    subscriber = next(one for one in world.cloud.subscribers.list_subscribers() if one.address == FAST)
    key = hmac.new(KEY.encode(), f"webhook\n{subscriber.id}".encode(), hashlib.sha256).digest()
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert json.loads(body)["type"] == "incident.investigating"
    assert json.loads(body)["data"]["url"] == "https://status.example.com/incidents/i-1.html"


def test_a_subscriber_gets_what_concerns_its_components(world):
    world.subscribe(email="c@example.org", component=["tokens"])
    world.mailboxes.mails.clear()
    world.clock.advance(1)
    at = world.clock.now()
    world.announce(announcement(at=at), announcement(id="i-2-1", key="incident:i-2-1", at=at, components=()))
    world.work()
    assert len(subjects(world, "c@example.org")) == 1, "what concerns all components concerns these"
    assert len(subjects(world, FIRST)) == 2


def test_who_subscribes_during_an_incident_gets_its_end_at_once_and_not_its_beginning(world):
    opened = announcement(at=world.clock.now())
    world.clock.advance(60)
    world.subscribe(email="c@example.org")
    world.mailboxes.mails.clear()
    world.clock.advance(60)
    end = announcement(
        id="i-1-2", step="resolved", transition=Transition.RESOLVE, at=world.clock.now(), began_at=opened.at
    )
    world.announce(opened, end)
    world.work(world.clock.now() + timedelta(seconds=1))
    assert subjects(world, "c@example.org") == ["[Example status] Resolved: Problem with Login"]


def test_an_announcement_that_is_a_day_old_is_not_sent(world):
    world.announce(announcement(at=world.clock.now()))
    world.clock.advance(25 * 3600)
    for message in world.queue.messages:
        message.visible_at = world.clock.now()
    world.work()
    assert subjects(world, FIRST) == []


def test_who_unsubscribes_while_a_message_waits_gets_nothing_more(world):
    world.hooks.hanging.add("slow.example.net")
    world.announce(announcement(at=world.clock.now()))
    world.work(world.clock.now() + timedelta(minutes=1))
    subscriber = next(one for one in world.cloud.subscribers.list_subscribers() if one.address == SLOW)
    world.cloud.subscribers.erase(subscriber.id)
    world.hooks.hanging.clear()
    world.work()
    assert documents(world, SLOW) == []


def test_a_fan_out_that_dies_half_way_is_repeated_and_no_message_comes_twice(world):
    world.queue.refusals = 2
    world.announce(announcement(at=world.clock.now()))
    world.work()
    assert [len(subjects(world, FIRST)), len(subjects(world, SECOND))] == [1, 1]
    assert [len(documents(world, FAST)), len(documents(world, SLOW))] == [1, 1]


def test_no_log_line_has_an_address_a_token_or_the_key(world, monkeypatch):
    lines = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", lines)
    world.subscribe(email="hidden@example.org")
    world.hooks.plan["slow.example.net"] = [500]
    world.announce(announcement(at=world.clock.now()))
    world.work()
    text = lines.getvalue()
    assert "message to a subscriber" in text
    for secret in ("hidden@", "example.net/status", "token=", KEY):
        assert secret not in text


def test_the_test_event_of_s3_and_a_missing_file_send_nothing(world):
    world.queue.put('{"Service": "Amazon S3", "Event": "s3:TestEvent"}', world.clock.now())
    world.work()
    assert (world.mailboxes.mails, world.queue.dead) == ([], [])
