"""The picture of the console in the documentation: what it is of, and that it is small."""

from __future__ import annotations

import struct

import pytest

from tests.console_image import HEIGHT, IMAGES, example_scene
from tests.screenshots import WIDTH
from tests.served_console import Tables, client_of

MOST_BYTES = 150_000


@pytest.mark.parametrize("scheme", IMAGES)
def test_the_picture_is_small_and_of_its_size(scheme):
    content = IMAGES[scheme].read_bytes()
    assert len(content) <= MOST_BYTES
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (WIDTH, HEIGHT)


def test_the_picture_is_of_a_canary_that_leads_to_a_rollback():
    scene = example_scene()
    (record,) = scene.cloud.ledger.newest_records(1)
    words = Tables(client_of(scene.context).get(f"/deployments/{record.id}").text).words
    assert "odds 61.3 of 133, leads" in words["evidence"]
