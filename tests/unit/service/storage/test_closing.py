"""While the tables are closed nothing is written, everything is read, and each process knows the closing within two seconds."""

from __future__ import annotations

from uuid import uuid4

import pytest

from service.oauth.credentials import Credential, Kind
from service.oauth.families import Cause, Family
from service.storage.conditional_writes import CLOSING_READ_SECONDS, StoreUnavailable
from service.storage.revocations import RevokingStore
from tests.fakes.tables import Tables

NOW = 1_800_000_000.0
NAMES = STATE, TOKENS, LOG = ("closing-state", "closing-tokens", "closing-log")
REFRESH = Credential(Kind.REFRESH, synthetic=False, text="t", handle="h")


class Clock:
    """A clock that a test sets."""

    seconds = NOW

    def __call__(self):
        return self.seconds


class Counting:
    """A client that notes its calls, by operation and tables."""

    def __init__(self, tables):
        self.tables, self.calls = tables, []

    def __getattr__(self, operation):
        def call(**params):
            self.calls.append((operation, params))
            return getattr(self.tables, operation)(**params)

        return call


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def client():
    return Counting(Tables(*NAMES))


@pytest.fixture
def store(client, clock):
    return RevokingStore(client, *NAMES, clock=clock)


def announce(client, closes_at, opens_at):
    """What the orchestrator writes (orchestrator/aws/dynamodb/write_closing.py)."""
    closing = {"closes_at": {"N": str(closes_at)}, "opens_at": {"N": str(opens_at)}}
    client.tables.put_item(TableName=TOKENS, Item={"pk": {"S": "epoch"}, "epoch": {"N": "0"}, **closing})


def family(name=REFRESH.family):
    return Family(
        family_id=name, synthetic=False, client_id="web", scope=("profile",), audience="api", subject="user",
        session=None, epoch=0, generation=1, refresh_hash="one", rotated_by="n", expires_at=4_000_000_000,
    )  # fmt: skip


WRITES = {
    "create_family": lambda store: store.create_family(family("other")),
    "rotate": lambda store: store.rotate(family(), "two", "nonce", int(NOW), 0, salt="s"),
    "replace_unused": lambda store: store.replace_unused(family(), "two", "nonce", int(NOW), 0, salt="s"),
    "revoke": lambda store: store.revoke(REFRESH.family, Cause.REQUEST, int(NOW), synthetic=False),
    "record_disowned_token": lambda store: store.record_disowned_token("none", "web", int(NOW)),
    "mark_refused": lambda store: store.mark_refused(REFRESH, "web", int(NOW)),
    "transaction": lambda store: store._transact(
        [{"Put": {"TableName": STATE, "Item": {"pk": {"S": "code#c"}}}}], str(uuid4())
    ),
}
"""Each kind of write, by every function that makes one."""


def held(client):
    return {name: client.tables.scan(TableName=name)["Items"] for name in NAMES}


@pytest.mark.parametrize("write", WRITES)
def test_a_closed_table_takes_no_write_and_the_log_of_revocations_no_entry(client, store, clock, write):
    store.create_family(family())
    announce(client, NOW, NOW + 5)
    before = held(client)
    clock.seconds = NOW + CLOSING_READ_SECONDS
    with pytest.raises(StoreUnavailable, match="no writes for a moment"):
        WRITES[write](store)
    assert held(client) == before
    found, _ = store.read_family_and_epoch(REFRESH.family, synthetic=False)
    assert found == family(), "reads go on"


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("now", [NOW - 0.001, NOW + 5])
def test_before_and_after_a_closing_it_takes_all(client, clock, write, now):
    RevokingStore(client, *NAMES).create_family(family())
    announce(client, NOW, NOW + 5)
    clock.seconds = now
    before = held(client)
    WRITES[write](RevokingStore(client, *NAMES, clock=clock))
    assert held(client) != before


def test_a_closing_is_known_two_seconds_after_it_was_announced_at_the_latest(client, store, clock):
    """A process that has just read the epoch, and then writes only."""
    store.create_family(family())
    clock.seconds += 0.5
    store.revocation_epoch()
    announce(client, clock.seconds + CLOSING_READ_SECONDS, clock.seconds + 10)
    clock.seconds += CLOSING_READ_SECONDS - 0.001
    store.record_disowned_token("one", "web", int(NOW))
    clock.seconds += 0.001
    with pytest.raises(StoreUnavailable, match="no writes for a moment"):
        store.record_disowned_token("two", "web", int(NOW))


def test_a_grant_is_read_with_the_closing_so_that_its_rotation_needs_no_call_more(client, store):
    store.create_family(family())
    client.calls.clear()
    found, epoch = store.read_family_and_epoch(REFRESH.family, synthetic=False)
    store.rotate(found, "two", "nonce", int(NOW), epoch, salt="s")
    assert [operation for operation, _ in client.calls] == ["batch_get_item", "update_item"]


def test_where_the_closing_cannot_be_read_nothing_is_written(client, store, clock):
    clock.seconds = NOW + 100
    client.tables.delete_table(TableName=TOKENS)
    with pytest.raises(StoreUnavailable):
        store.record_disowned_token("one", "web", int(NOW))
    assert client.tables.scan(TableName=LOG)["Items"] == []
