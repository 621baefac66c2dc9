"""The status page in the ledger: one writer at a time, and overrides whose log is kept; over the fake table and moto's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.aws.ledger.status_page import StatusPageStore
from orchestrator.domain.errors import Refused
from orchestrator.domain.status_page.component_state import ComponentState
from orchestrator.domain.status_page.history import MOST_CHANGES, PageRecord, StateChange, observe
from orchestrator.domain.status_page.settings import MAX_COMPONENTS
from tests.fakes.dynamodb import FakeDynamoDB
from tests.samples import NOW, seconds
from tests.unit.domain.status_page.pages import override

RECORD = PageRecord(
    observed_at=NOW,
    histories={"login": (StateChange(NOW, ComponentState.DEGRADED),)},
    failed_probes={"token": 2},
    digest="d",
    published_at=NOW,
)


@pytest.fixture(params=["fake", "moto"])
def store(request):
    client = FakeDynamoDB() if request.param == "fake" else request.getfixturevalue("moto_table")
    return StatusPageStore(client, "ib-oauth-ledger-test")


def test_the_record_reads_back_and_an_overtaken_writer_writes_nothing(store):
    assert store.read_record() == PageRecord()
    first = store.save_record(RECORD)
    assert first == store.read_record() == replace(RECORD, version=1)
    assert store.save_record(RECORD) is None
    second = store.save_record(replace(first, digest="e"))
    assert store.save_record(replace(first, digest="f")) is None
    assert store.read_record() == second


def size_of(item):
    """The bytes of an item whose attributes are texts and numbers, as DynamoDB counts them."""
    return sum(len(name.encode()) + len(value.encode()) for name, kinds in item.items() for value in kinds.values())


def full(number_of_changes):
    """The changes of a component that changes its state as often, with times and states of the longest text."""
    at = NOW.replace(microsecond=123456)
    return tuple(
        StateChange(at + timedelta(seconds=number), ComponentState.DEGRADED) for number in range(number_of_changes)
    )


def test_the_record_of_the_most_components_with_the_most_changes_fits_into_an_item():
    assert max(ComponentState, key=len) is ComponentState.DEGRADED
    client = FakeDynamoDB()
    histories = {f"c{number:02}".ljust(31, "x"): full(MOST_CHANGES) for number in range(MAX_COMPONENTS)}
    probes = dict.fromkeys(("authorize", "token", "public"), 10**6)
    record = replace(RECORD, histories=histories, failed_probes=probes, digest="d" * 64, version=10**9 - 1)
    client.items["status-page", "record"] = {"record_version": {"N": str(record.version)}}
    assert StatusPageStore(client, "ib-oauth-ledger-test").save_record(record)
    assert size_of(client.items["status-page", "record"]) < 400_000


def test_a_history_of_more_changes_is_cut_at_the_next_observation():
    before = full(MOST_CHANGES + 150)
    now = before[-1].at + timedelta(minutes=1)
    after = observe(before, before[-1].at, ComponentState.DEGRADED, now)
    assert after == before[-MOST_CHANGES:]


def test_an_override_takes_the_place_of_the_one_before_and_the_log_keeps_both(store):
    first, later = override(), override(at=NOW + seconds(60), reason="Still down.", by="bob")
    store.save_override(first)
    store.save_override(later)
    store.save_override(override(component="login"))
    assert store.read_overrides() == [override(component="login"), later]
    log = store.read_override_log(5)
    assert [(entry.by, entry.override.component, entry.cleared) for entry in log] == [
        ("bob", "tokens", False), ("ann", "tokens", False), ("ann", "login", False),
    ]  # fmt: skip


def test_a_cleared_override_ends_at_once_and_cannot_be_cleared_again(store):
    store.save_override(override())
    at = NOW + seconds(60)
    assert store.clear_override("tokens", "bob", at).until == at
    assert not store.read_overrides()[0].is_active(at)
    assert (store.read_override_log(1)[0].by, store.read_override_log(1)[0].cleared) == ("bob", True)
    with pytest.raises(Refused, match="has no override"):
        store.clear_override("tokens", "bob", at)
