"""The function that publishes the status page, after every event and every minute."""

from __future__ import annotations

from unittest import mock

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.event_handlers import publish_status_page
from orchestrator.event_handlers import runtime as event_runtime
from tests.fakes.status_pages import StatusWorld


@pytest.fixture
def world():
    world = StatusWorld()
    with mock.patch.object(event_runtime, "_cloud", world.cloud):
        yield world


def test_an_event_has_the_page_written_and_its_repetition_writes_nothing(world):
    event = {"id": "e-1", "detail-type": "IncidentOpened"}
    assert publish_status_page.handler(event, None)["answer"].startswith("the page is operational, 1")
    assert publish_status_page.handler(event, None)["answer"] == "the page is operational, 0 files written"


def test_a_bucket_that_cannot_be_written_fails_the_invocation(world):
    world.s3.refuses = "AccessDenied"
    with pytest.raises(Refused, match="deploy the status page's stack"):
        publish_status_page.handler({"id": "e-1"}, None)
