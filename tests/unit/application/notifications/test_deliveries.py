"""Exactly one message a transition, whatever order, repetition or failure the way to the provider has."""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from datetime import timedelta

import pytest

from orchestrator.application.cloud import logger
from orchestrator.domain.notifications.delivery import RECEIVES
from orchestrator.domain.notifications.destinations import PAGERS, DestinationKind
from tests.fakes.clock import START
from tests.fakes.notification_providers import CONFIDENTIAL, hour_down
from tests.unit.application.notifications.conftest import World, bus_event
from tests.unit.application.notifications.samples import ALARMS, CHATS, DEPLOYMENT, EPISODES, KINDS, OTHERS


@pytest.mark.strategy("Status Updates: Incident communications")
@pytest.mark.parametrize("seed", range(200))
def test_a_random_order_with_repetitions_and_delays_gives_one_message_a_transition(seed, monkeypatch):
    monkeypatch.setattr(logger, "info", lambda *_, **__: None)  # thousands of lines
    chance = random.Random(seed)
    world = World(seed)
    arrivals = [event for event in (*DEPLOYMENT, *ALARMS) for _ in range(chance.choice((1, 1, 2, 3)))]
    chance.shuffle(arrivals)
    for event in arrivals:
        # Within the time that the end of something waits for its beginning.
        world.put(event, chance.uniform(0, 100))

    world.work()

    assert world.queue.dead == []
    for kind in OTHERS:
        provider = world.providers[kind]
        assert {text: count for text, count in Counter(provider.accepted).items() if count > 1} == {}, kind
        of_alarms = [text for text in provider.accepted if "ib-oauth-" in text.replace("ib-oauth:test", "")]
        assert len(of_alarms) == 2 * EPISODES, (kind, of_alarms)
        assert not any(provider.alerts.values()), "no alert is left open"
    for kind in CHATS:
        accepted = " ".join(world.providers[kind].accepted)
        for sentence in ("d-1 planned", "rollback of d-1 started", "stable is healthy"):
            assert accepted.count(sentence) == 1, (kind, sentence)
        assert accepted.count("10 % of traffic") == 1
    github = world.providers[DestinationKind.GITHUB].github
    assert len(github["deployments"]) <= 1


@pytest.mark.parametrize("kind", sorted(PAGERS))
def test_a_pager_has_its_messages_in_the_order_of_what_happened(kind):
    world = World(3)
    for event in reversed(ALARMS):
        world.put(event)

    world.work()

    provider = world.providers[kind]
    for key in {text.split(" ")[1] for text in provider.accepted}:
        actions = [text.split(" ")[0] for text in provider.accepted if text.split(" ")[1] == key]
        assert actions == ["trigger", "resolve"], key


def test_an_end_whose_beginning_never_comes_is_reported_once_and_a_beginning_that_is_too_late_is_not(world):
    world.put(ALARMS[1])
    world.put(ALARMS[0], after=1000)

    world.work()

    for kind in OTHERS:
        provider = world.providers[kind]
        assert len(provider.accepted) == 1, (kind, provider.accepted)
        assert not any(provider.alerts.values())


@pytest.mark.parametrize("kind", OTHERS)
def test_a_provider_that_is_down_for_an_hour_loses_nothing_and_delays_no_other(kind):
    world = World(7)
    provider = world.providers[kind]
    hour_down(provider, START)
    for event in ALARMS:
        world.put(event)

    world.work()

    assert world.queue.dead == []
    assert len(provider.accepted) == len(ALARMS)
    assert len(set(provider.accepted)) == len(ALARMS)
    assert not any(provider.alerts.values())
    assert min(provider.times) >= START + timedelta(hours=1)
    assert max(provider.times) < START + timedelta(hours=1, minutes=40)
    for other in OTHERS:
        if other is not kind:
            assert len(world.providers[other].accepted) == len(ALARMS)
            assert max(world.providers[other].times) < START + timedelta(minutes=2), other


@pytest.mark.parametrize("kind", OTHERS)
def test_a_provider_that_hangs_is_tried_again_and_delays_no_other(kind):
    world = World(8)
    world.providers[kind].hangs_until = START + timedelta(minutes=10)
    world.put(ALARMS[0])

    world.work()

    assert len(world.providers[kind].accepted) == 1
    assert world.providers[kind].attempts < 12
    for other in OTHERS:
        if other is not kind:
            assert world.providers[other].times == [START], other


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [429, 500, 503, 408])
def test_a_failure_is_repeated_until_the_provider_takes_it(kind, status):
    world = World(9)
    world.providers[kind].plan = [(status, {}, b"later")] * 3
    world.put(DEPLOYMENT[0] if kind is DestinationKind.GITHUB else ALARMS[0])

    world.work()

    assert len(world.providers[kind].accepted) == 1
    assert world.queue.dead == []


def test_the_time_that_a_provider_asks_for_is_waited(world):
    slack = world.providers[DestinationKind.SLACK]
    slack.plan = [(429, {"Retry-After": "300"}, b"rate_limited")]
    world.put(ALARMS[0])

    world.work()

    assert slack.times == [START + timedelta(seconds=300)]


def test_a_provider_that_never_answers_well_ends_in_the_dead_letter_queue_after_hours(world):
    slack = world.providers[DestinationKind.SLACK]
    slack.down_until = START + timedelta(days=9)
    world.put(ALARMS[0])

    world.work()

    assert slack.attempts == RECEIVES
    (body,) = world.queue.dead
    assert json.loads(body)["destination"] == "slack"
    assert world.clock.now() > START + timedelta(hours=3)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410, 413])
def test_a_refusal_is_put_aside_at_once_and_the_end_is_still_reported(world, status):
    slack = world.providers[DestinationKind.SLACK]
    slack.plan = [(status, {"Location": "http://169.254.169.254/"}, b"no_service")]
    world.put(ALARMS[0])
    world.put(ALARMS[1], after=30)

    world.work()

    assert [json.loads(body)["notification"]["transition"] for body in world.queue.dead] == ["trigger"]
    assert slack.attempts == 2
    assert [text for text in slack.accepted if "is OK" in text] == slack.accepted != []


def test_a_message_of_the_dead_letter_queue_can_be_sent_again(world):
    slack = world.providers[DestinationKind.SLACK]
    slack.plan = [(404, {}, b"no_service")]
    world.put(ALARMS[0])
    world.work()

    world.queue.put(world.queue.dead.pop(), world.clock.now())
    world.work()

    assert len(slack.accepted) == 1


def test_a_function_that_dies_after_sending_sends_once_more_and_no_third_time(world, monkeypatch):
    """The one window in which a message comes twice: between the provider's answer and the note of it."""
    died = []

    def dies_once(*arguments, store=world.cloud.deliveries.write_record):
        record = arguments[2]
        if record.delivered and not died:
            died.append(record)
            raise KeyboardInterrupt
        return store(*arguments)

    monkeypatch.setattr(world.cloud.deliveries, "write_record", dies_once)
    # An ALARM at the chat alone.
    world.cloud.settings["NOTIFICATIONS"] = json.dumps(json.loads(world.cloud.settings["NOTIFICATIONS"])[:1])
    world.put(ALARMS[0])
    world.put(ALARMS[0], after=200)

    with pytest.raises(KeyboardInterrupt):
        world.work()
    world.work()

    assert len(world.providers[DestinationKind.SLACK].accepted) == 2


def test_no_log_line_no_record_and_no_answer_contains_a_secret(monkeypatch):
    chance, lines = random.Random(5), io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", lines)
    for status in (200, 302, 401, 429, 500):
        world = World(status)
        for provider in world.providers.by_kind.values():
            # A provider that repeats the whole secret in its answer.
            provider.plan = [(status, {}, f"bad: {provider.secret} {json.dumps(provider.secret)}".encode())] * 2
        world.providers[DestinationKind.TEAMS].hangs_until = START + timedelta(minutes=1)
        for event in (*DEPLOYMENT, *ALARMS):
            world.put(event, chance.uniform(0, 50))
        world.work()
        everything = json.dumps([list(world.ledger.items.values()), world.queue.dead]) + lines.getvalue()
        assert f"HTTP {status} bad: …" in lines.getvalue(), "the lines have what the provider answered"
        assert [part for part in CONFIDENTIAL if part in everything] == []


def test_an_update_that_is_late_is_not_sent_after_the_end(world):
    for event in (DEPLOYMENT[2], DEPLOYMENT[4]):
        world.put(event)
    world.put(DEPLOYMENT[3], after=600)

    world.work()

    assert not [text for text in world.providers[DestinationKind.SLACK].accepted if "aliases" in text]


def test_a_rollback_closes_what_a_pause_opened_at_a_pager():
    world = World(4)
    world.put(
        bus_event("DeploymentPaused", 0, deployment="d-1", reason="evidence", deadline="2026-11-23T07:00:00+00:00")
    )
    world.work()
    pagers = [world.providers[kind] for kind in PAGERS]
    assert all(list(pager.alerts.values()) == [True] for pager in pagers)

    world.queue.put(json.dumps(DEPLOYMENT[2]), world.clock.now())
    world.work()

    for pager in pagers:
        assert sorted(pager.alerts.values()) == [False, True]  # the pause is over, the rollback is not
    assert not [text for text in world.providers[DestinationKind.SLACK].accepted if "a rollback was started" in text]


def test_a_pager_that_saw_nothing_of_a_deployment_gets_nothing_of_its_end(world):
    world.put(DEPLOYMENT[0])
    world.put(bus_event("DeploymentSucceeded", 50, deployment="d-1", reason="stable is now token 5"), after=50)

    world.work()

    assert [world.providers[kind].attempts for kind in PAGERS] == [0, 0, 0]
    assert len(world.providers[DestinationKind.SLACK].accepted) == 2


def test_a_test_reaches_every_destination_through_the_same_way_and_leaves_no_alert_open(world):
    world.put(bus_event("NotificationTest", 0, test="0" * 16, destination="", by="ann"))

    world.work()

    for kind in OTHERS:
        provider = world.providers[kind]
        assert len(provider.accepted) == (2 if kind in PAGERS else 1), kind
        assert all("TEST" in text for text in provider.accepted)
        assert not any(provider.alerts.values())
    assert world.providers[DestinationKind.GITHUB].attempts == 1


def test_a_test_of_one_destination_reaches_that_one_only(world):
    world.put(bus_event("NotificationTest", 0, test="0" * 16, destination="teams", by="ann"))

    world.work()

    assert [kind for kind in KINDS if world.providers[kind].attempts] == [DestinationKind.TEAMS]


def test_a_queue_that_takes_only_some_messages_receives_all_of_them_again(world):
    world.queue.refusals = 3
    world.put(ALARMS[0])

    world.work()

    assert [len(world.providers[kind].accepted) for kind in OTHERS] == [1] * len(OTHERS)


def test_a_message_for_a_destination_that_was_removed_is_dropped(world):
    world.put(ALARMS[0])
    world.work()
    body = json.dumps({"destination": "gone", "notification": {**_a_notification(world)}})
    world.queue.put(body, world.clock.now())

    world.work()

    assert world.queue.dead == []


def test_a_chat_that_saw_a_deployment_wait_sees_its_end():
    world = World(4, minimum_severity="warning")
    world.put(bus_event("DeploymentPaused", 0, deployment="d-1", reason="e", deadline="2026-11-23T07:00:00+00:00"))
    world.put(bus_event("DeploymentSucceeded", 50, deployment="d-1", reason="stable is now token 5"), after=50)
    world.put(bus_event("DeploymentSucceeded", 60, deployment="d-2", reason="stable is now token 6"), after=60)

    world.work()

    assert [text.partition(" | ")[0] for text in world.providers[DestinationKind.SLACK].accepted] == [
        "🟡 test: deployment d-1 waits for an operator",
        "✅ test: deployment d-1 succeeded",
    ]


def _a_notification(world):
    import msgspec

    from orchestrator.application.notifications.fan_out import deliveries_of

    return msgspec.to_builtins(deliveries_of(ALARMS[0], world.cloud)[0].notification)
