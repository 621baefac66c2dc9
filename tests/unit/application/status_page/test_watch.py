"""Watching the page from its own stack, which needs nothing of the environment."""

from __future__ import annotations

import json

import pytest

from orchestrator.application.cloud import Cloud
from orchestrator.application.status_page.publish import publish_page
from orchestrator.application.status_page.watch import watch_page
from orchestrator.domain.errors import Refused, Throttled
from orchestrator.event_handlers import publish_status_page
from tests.fakes.status_pages import StatusWorld


@pytest.fixture
def world():
    return StatusWorld()


@pytest.fixture
def watcher(world):
    """The page's own stack: it reaches the bucket, and nothing of the environment."""
    settings = {
        name: world.cloud.settings[name] for name in ("ENVIRONMENT", "AWS_REGION", "STATUS_BUCKET", "STATUS_REGION")
    }
    return Cloud(settings, clients={"s3": world.s3}.__getitem__, now=lambda: world.at)


def text_of(world, path="index.html"):
    return world.s3.objects[path]["Body"].decode()


def indicator(world):
    return json.loads(text_of(world, "summary.json"))["status"]["indicator"]


def test_a_page_that_is_checked_is_left_alone(world, watcher):
    assert watch_page(watcher) == "no page was published yet"
    publish_page(world.cloud)
    world.s3.written.clear()
    world.advance(7 * 60)
    assert watch_page(watcher) == "the page was checked at 03:00:00 UTC"
    assert world.s3.written == []


def test_a_page_that_is_not_checked_any_more_says_so_with_its_age_until_it_is_checked_again(world, watcher):
    publish_page(world.cloud)
    assert "All systems operational" in text_of(world)
    announced = world.s3.objects.get("announcements.json")
    world.advance(7 * 60 + 1)
    assert "its states are not known" in watch_page(watcher)
    assert "The state of some systems is not known" in text_of(world)
    assert "Our checks have not reported for 7 minutes, since 23 November 2026, 03:00 UTC." in text_of(world)
    assert "operational" not in text_of(world, "badge.svg")
    assert indicator(world) == "minor"
    world.advance(60)
    watch_page(watcher)
    assert "for 8 minutes" in text_of(world)
    assert world.s3.objects.get("announcements.json") == announced
    world.advance(60)
    publish_page(world.cloud)
    assert "All systems operational" in text_of(world)
    assert watch_page(watcher) == "the page was checked at 03:09:01 UTC"


def test_a_page_that_is_checked_while_it_is_written_as_stale_is_the_one_that_stays(world, watcher):
    publish_page(world.cloud)
    world.advance(20 * 60)
    world.s3.before = lambda: publish_page(world.cloud)
    assert watch_page(watcher) == "the page is checked again"
    assert "All systems operational" in text_of(world)


def test_a_watcher_that_is_always_overtaken_gives_up_until_the_next_minute(world, watcher):

    def change():
        value = json.loads(text_of(world, "page.json"))
        value["title"] += "."
        world.s3.objects["page.json"]["Body"] = json.dumps(value).encode()
        world.s3.before = change

    publish_page(world.cloud)
    world.advance(20 * 60)
    world.s3.before = change
    with pytest.raises(Throttled, match="not written in 5 attempts"):
        watch_page(watcher)


def test_a_page_of_another_version_is_refused_with_the_remedy(world, watcher):
    publish_page(world.cloud)
    world.s3.objects["page.json"]["Body"] = b'{"title": 1}'
    with pytest.raises(Refused, match=r"page.json: .* is refused: deploy the stack of the page and the orchestrator"):
        watch_page(watcher)


def test_the_function_watches(world, watcher, monkeypatch):
    publish_page(world.cloud)
    monkeypatch.setattr("orchestrator.event_handlers.runtime._cloud", watcher)
    answer = publish_status_page.watch({"id": "e-1"}, None)["answer"]
    assert answer == "the page was checked at 03:00:00 UTC"
