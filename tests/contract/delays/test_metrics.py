"""The profile `aws-timing`: metrics come late. MiniStack has no such profile, so there is nothing to compare with."""

import time

import pytest

from orchestrator.local.cloud import LocalCloud
from orchestrator.local.emulator.delays.metrics import LONGEST_SECONDS, SHORTEST_SECONDS
from tests.contract.conftest import CloudUnderTest
from tests.contract.metrics import Metrics
from tests.contract.waiting import eventually


@pytest.fixture(scope="module")
def late_cloud(tmp_path_factory):
    with LocalCloud.start(tmp_path_factory.mktemp("late"), profile="aws-timing", seed=7) as local:
        yield CloudUnderTest(local, patched=True)


def test_what_is_published_becomes_visible_late_and_keeps_its_moment(late_cloud):
    metrics = Metrics(late_cloud)
    published = time.time()
    for _ in range(20):
        metrics.put("Requests", 1)
    eventually(lambda: metrics.total("Requests") > 0, within_seconds=LONGEST_SECONDS + 2)
    assert time.time() - published >= SHORTEST_SECONDS
    eventually(lambda: metrics.total("Requests") == 20, within_seconds=LONGEST_SECONDS + 2)
    moments = metrics.read("Requests", 1)
    assert all(int(published) <= moment <= published + 2 for moment in moments)


def test_some_of_it_is_there_before_the_rest(late_cloud):
    metrics = Metrics(late_cloud)
    for _ in range(20):
        metrics.put("Requests", 1)
    seen = set()

    def all_there():
        seen.add(metrics.total("Requests"))
        return 20 in seen

    eventually(all_there, within_seconds=LONGEST_SECONDS + 2)
    assert len(seen) > 2
