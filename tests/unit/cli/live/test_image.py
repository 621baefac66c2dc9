"""The image of the live view in the documentation is what the present code draws."""

from __future__ import annotations

import time

import pytest

from tests.live_view_image import IMAGE, draw, example

MOST_BYTES = 100_000


@pytest.fixture
def in_utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_the_image_is_what_the_view_shows(in_utc):
    assert IMAGE.read_text(encoding="utf-8") == draw(example()), "run `python -m tests.live_view_image`"


def test_the_image_is_small():
    assert IMAGE.stat().st_size <= MOST_BYTES
