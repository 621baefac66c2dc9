"""Maintenance windows in the ledger: one writer at a time, over two independent DynamoDBs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.aws.ledger.maintenance import MaintenanceStore
from orchestrator.domain.errors import Refused, Throttled
from orchestrator.domain.maintenance.announcements import next_lease
from orchestrator.domain.maintenance.schedule import Schedule, advance, plan
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.errors import client_error
from tests.samples import NOW
from tests.unit.aws.conftest import TABLE
from tests.unit.domain.maintenance.worlds import HOUR, POLICY, request


@pytest.fixture(params=["fake", "moto"])
def store(request):
    client = FakeDynamoDB() if request.param == "fake" else request.getfixturevalue("moto_table")
    return MaintenanceStore(client, TABLE)


def test_a_window_is_read_as_it_was_written(store):
    assert store.read_schedule() == Schedule()
    assert store.list_windows(5) == []
    window_request = request(allowed=("tables",), silenced=("latency",), urgent="now")
    change = plan(store.read_schedule(), window_request, POLICY, NOW)
    assert store.commit(change)
    assert store.read_schedule() == replace(change.schedule, version=1)
    assert store.read_window(change.windows[0].id) == change.windows[0]
    begun = advance(store.read_schedule(), NOW + 101 * HOUR)
    leased, _, _ = next_lease(begun.schedule, NOW + 101 * HOUR)
    assert store.commit(leased)
    assert store.read_schedule().version == 2
    assert store.list_windows(5) == list(leased.windows)
    assert store.read_window(change.windows[0].id).lease is not None


def test_of_two_writers_of_the_same_version_one_writes_and_nothing_of_the_other_is_kept(store):
    first = plan(store.read_schedule(), request(), POLICY, NOW)
    second = plan(store.read_schedule(), request(101 * HOUR, title="it overlaps"), POLICY, NOW)
    assert store.commit(first)
    assert not store.commit(second)
    assert store.list_windows(5) == list(first.windows)
    later = plan(store.read_schedule(), request(200 * HOUR), POLICY, NOW)
    assert store.commit(later)
    assert not store.commit(later)
    assert [one.id for one in store.list_windows(1)] == [later.windows[-1].id], "the latest start is listed first"


def test_a_window_that_does_not_exist_is_refused(store):
    with pytest.raises(Refused, match="orchestrator maintenance list"):
        store.read_window("mnt-1")


class _Failing(FakeDynamoDB):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def transact_write_items(self, **_params):
        raise self.error


def test_a_busy_ledger_is_tried_again_and_another_error_is_raised():
    change = plan(Schedule(), request(), POLICY, NOW)
    busy = client_error("TransactionCanceledException", "busy", CancellationReasons=[{"Code": "TransactionConflict"}])
    with pytest.raises(Throttled):
        MaintenanceStore(_Failing(busy), TABLE).commit(change)
    other = client_error("ValidationException", "too large")
    with pytest.raises(type(other), match="too large"):
        MaintenanceStore(_Failing(other), TABLE).commit(change)
