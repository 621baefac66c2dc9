"""A live page: changed sections are sent, each page is read once for all its browsers, and a stream ends with its subject."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.console.live import Broadcast, DeploymentSource, Frame, OverviewSource, RecoverySource
from orchestrator.console.sections import Heading, note
from orchestrator.domain.deployment.record import DeploymentOutcome, DeploymentPhase, Shift
from orchestrator.domain.errors import Throttled
from orchestrator.domain.recovery.record import RecoveryOutcome
from tests import followed
from tests.fakes.errors import client_error
from tests.samples import NOW
from tests.served_console import WITH_KEY, append_decision, busy_scene, scene_in_flight, served

POLL_SECONDS = 0.001


class Story:
    """A source that gives one frame after another; the last one again and again."""

    def __init__(self, *frames: Frame | Exception) -> None:
        self.frames, self.reads = list(frames), 0

    def read_frame(self) -> Frame:
        self.reads += 1
        frame = self.frames[0] if len(self.frames) == 1 else self.frames.pop(0)
        if isinstance(frame, Exception):
            raise frame
        return frame


def frame(title: str, *notes: str, ended: bool = False) -> Frame:
    sections = (Heading(title), *(note(text) for text in notes))
    return Frame(sections, title, NOW, ended)


def data(event: str) -> dict:
    kind, _, body = event.partition("\n")
    assert kind == "event: change"
    return json.loads(body.removeprefix("data: "))


def ids(change: dict) -> list[str]:
    return [identifier for identifier, _ in change["order"]]


async def collected(events: AsyncIterator[str]) -> list[str]:
    return [event async for event in events]


def test_only_changed_sections_are_sent_and_the_order_says_which_are_gone():
    async def watch():
        broadcast, source = Broadcast(POLL_SECONDS), Story(frame("one", "a"), frame("one", "b"))
        events = broadcast.stream("d-1", lambda: source)
        first, second = data(await anext(events)), data(await anext(events))
        source.frames = [frame("two", ended=True)]
        rest = await collected(events)
        return first, second, rest

    first, second, (third, end) = asyncio.run(watch())
    assert (ids(first), list(first["sections"])) == (["heading", "notes"], ["heading", "notes"])
    assert (ids(second), list(second["sections"])) == (["heading", "notes"], ["notes"])
    assert (ids(data(third)), list(data(third)["sections"])) == (["heading"], ["heading"])
    assert end == "event: end\ndata: {}\n\n"


def test_many_browsers_read_the_ledger_once():
    async def watch():
        broadcast, source, created = Broadcast(POLL_SECONDS), Story(frame("one")), []

        def create():
            created.append(source)
            return source

        streams = [broadcast.stream("d-1", create) for _ in range(5)]
        firsts = [data(await anext(stream)) for stream in streams]
        watched = broadcast.watched
        source.frames = [frame("done", ended=True)]
        await asyncio.gather(*(collected(stream) for stream in streams))
        return firsts, created, watched, broadcast.watched

    firsts, created, watched, after = asyncio.run(watch())
    assert {one["says"] for one in firsts} == {"one"}
    assert len(created) == 1
    assert (watched, after) == (("d-1",), ())


def test_nothing_is_read_for_a_browser_that_is_gone():
    async def watch():
        broadcast, source = Broadcast(POLL_SECONDS), Story(frame("one"))
        events = broadcast.stream("d-1", lambda: source)
        await anext(events)
        await events.aclose()
        await asyncio.sleep(0)
        reads = source.reads
        await asyncio.sleep(10 * POLL_SECONDS)
        return broadcast.watched, source.reads - reads

    watched, reads = asyncio.run(watch())
    assert watched == ()
    assert reads <= 1


def test_an_outage_is_shown_and_waited_out():
    async def watch():
        source = Story(frame("one"), Throttled("slow down"), Throttled("slow down"), frame("two", ended=True))
        return await collected(Broadcast(POLL_SECONDS).stream("d-1", lambda: source))

    *changes, _end = asyncio.run(watch())
    says = [data(change)["says"] for change in changes]
    assert says[-1] == "two"
    assert any("slow down" in words for words in says)


def test_a_failure_of_the_console_ends_the_stream():
    async def watch():
        source = Story(frame("one"), ZeroDivisionError())
        return await collected(Broadcast(POLL_SECONDS).stream("d-1", lambda: source))

    *changes, last = asyncio.run(watch())
    assert "what you see is old" in data(changes[-1])["says"]
    assert last.startswith("event: failed")


def test_expired_credentials_are_shown_and_waited_out():
    expired = client_error("ExpiredTokenException", "GetItem")

    async def watch():
        source = Story(frame("one"), expired, expired, frame("two", ended=True))
        return await collected(Broadcast(POLL_SECONDS).stream("d-1", lambda: source))

    *changes, last = asyncio.run(watch())
    says = [data(change)["says"] for change in changes]
    assert any("What you see is old" in words and "ExpiredTokenException" in words for words in says)
    assert (says[-1], last.startswith("event: end")) == ("two", True)


def test_a_console_that_stops_ends_its_streams():
    async def watch():
        broadcast = Broadcast(POLL_SECONDS)
        events = broadcast.stream("d-1", lambda: Story(frame("one")))
        await anext(events)
        rest = asyncio.create_task(collected(events))
        await asyncio.sleep(5 * POLL_SECONDS)
        await broadcast.close()
        return await rest

    assert asyncio.run(watch()) == []


def test_a_deployment_is_rendered_again_only_when_it_has_changed_or_time_has_passed():
    scene, record = scene_in_flight()
    source = DeploymentSource(scene.context, "d-1")
    first = source.read_frame()
    assert source.read_frame() is first
    scene.clock.advance(1.1)
    assert source.read_frame() is not first
    plots = source._plots
    append_decision(scene, record, 4)
    assert source.read_frame().sections != first.sections
    assert source._plots != plots


def test_the_page_of_a_deployment_follows_it_until_its_end():
    scene, _ = scene_in_flight()
    source = DeploymentSource(scene.context, "d-1")
    assert source.read_frame().says == "SHIFTING, step 1 of 2, 10 % to canary"
    scene.save(
        followed.rolled_back(environment="local", phase=DeploymentPhase.ROLLING_BACK, outcome=None, ended_at=None)
    )()
    running = source.read_frame()
    assert (running.says, running.ended) == ("ROLLING_BACK", False)
    assert [section.id for section in running.sections].count("rollback") == 1
    scene.save(followed.rolled_back(environment="local"))()
    ended = source.read_frame()
    assert (ended.says, ended.ended) == (DeploymentOutcome.ROLLED_BACK, True)
    scene.clock.advance(60)
    assert source.read_frame() is ended


def test_the_page_of_a_drill_follows_it_until_its_end():
    scene = busy_scene()
    source = RecoverySource(scene.context, "dr-9")
    first = source.read_frame()
    assert (first.says, first.ended) == ("IN PROGRESS", False)
    assert source.read_frame() is first
    scene.clock.advance(1.1)
    assert source.read_frame() is not first
    record = scene.cloud.drills.read_record("dr-9")
    scene.cloud.drills.save_unlocked(
        replace(record, outcome=RecoveryOutcome.FAILED, ended_at=NOW + timedelta(minutes=3), reason="x")
    )
    assert (source.read_frame().says, source.read_frame().ended) == ("FAILED", True)


def test_the_first_page_follows_the_ledger_at_once_and_all_else_a_little_later():
    scene, record = scene_in_flight()
    source = OverviewSource(scene.context)
    first = source.read_frame()
    assert (first.says, first.ended) == ("nothing needs attention", False)
    assert source.read_frame() is first
    scene.clock.advance(9)
    assert source.read_frame() is first
    scene.save(replace(record, shifts=(*record.shifts, Shift(1, 50, NOW))))()
    second = source.read_frame()
    assert "50 % to canary" in str(second.sections)
    scene.alarms.ringing = {"ib-oauth-token-latency-test"}
    assert source.read_frame() is second
    scene.clock.advance(10)
    assert source.read_frame().says == "attention needed: 1"


@pytest.mark.parametrize("path", ["/events", "/deployments/d-1/events", "/recoveries/dr-9/events"])
def test_a_stream_is_one_of_server_sent_events(path):
    with served(busy_scene().context) as console:
        request = urllib.request.Request(f"{console.url}{path}", headers=WITH_KEY)
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.readline() == b"event: change\n"
            assert json.loads(answer.readline().removeprefix(b"data: "))["order"][0][0] == "heading"
