"""Calls for many items: one connection, back-off while DynamoDB leaves a part unprocessed, and the error after that."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from orchestrator.aws.dynamodb.batch import (
    ATTEMPTS,
    ITEMS_PER_WRITE,
    KEYS_PER_GET,
    batch_client,
    batch_get,
    batch_write,
    scan_segment,
)
from orchestrator.aws.dynamodb.read_pace import ReadPace
from orchestrator.aws.dynamodb.table_reader import Hashing, TableReader
from orchestrator.aws.dynamodb.table_sync import TableSync
from orchestrator.aws.ledger.heartbeats import HeartbeatStore
from orchestrator.aws.oauth_tables.restored_tokens import RestoredTokens
from orchestrator.domain.deployment.table_sync import SyncPhase, SyncSegment
from orchestrator.domain.errors import Throttled
from tests.fakes.errors import client_error
from tests.fakes.wired import Wired
from tests.samples import NOW

KEYS = [{"pk": {"S": f"item {number}"}} for number in range(130)]
SPINS = 100
"""More calls than any limit allows: a caller that gets so far never stops."""


class Connection:
    """A raw connection that records its calls."""

    def __init__(self, failure=None):
        self.calls, self.closed, self.failure = [], False, failure

    def call(self, operation, params, decode):
        self.calls.append((operation, params))
        if self.failure:
            raise self.failure
        return decode(json.dumps({"Items": [{"pk": {"S": "a"}}], "Responses": {}}).encode())

    def close(self):
        self.closed = True


@pytest.mark.parametrize(
    ("call", "operation", "field"),
    [
        ("scan", "Scan", "Items"),
        ("batch_get_item", "BatchGetItem", "Responses"),
        ("batch_write_item", "BatchWriteItem", "Items"),
    ],
)
def test_a_call_is_sent_by_its_operation_and_answered_as_botocore_answers(call, operation, field):
    connection = Connection()
    with batch_client(connection) as client:
        assert getattr(client, call)(TableName="t")[field] in ([{"pk": {"S": "a"}}], {})
    assert (connection.calls, connection.closed) == ([(operation, {"TableName": "t"})], True)


def test_raw_items_are_the_bytes_that_were_sent():
    with batch_client(Connection(), raw_items=True) as client:
        (page,) = scan_segment(client, "t")
    assert [json.loads(bytes(item)) for item in page.items] == [{"pk": {"S": "a"}}]


def test_what_fails_gives_the_connection_back_too():
    connection = Connection(Throttled("no capacity"))
    with pytest.raises(Throttled), batch_client(connection) as client:
        client.scan(TableName="t")
    assert connection.closed


class Starved:
    """A DynamoDB client whose table has no capacity: it answers 200 and processes at most `per_call` entries a call.

    Args:
        per_call: how many entries of a batch it processes.
        items: what its tables hold, for scans.
    """

    def __init__(self, per_call=0, items=()):
        self.per_call, self.items, self.calls, self.written = per_call, list(items), [], []

    def _count(self, entries):
        self.calls.append(len(entries))
        assert len(self.calls) < SPINS, "the caller does not stop"

    def batch_get_item(self, *, RequestItems):  # noqa: N803 - botocore's
        ((table, request),) = RequestItems.items()
        assert request["ConsistentRead"]
        self._count(request["Keys"])
        done, left = request["Keys"][: self.per_call], request["Keys"][self.per_call :]
        unprocessed = {table: {"Keys": left, "ConsistentRead": True}} if left else {}
        return {"Responses": {table: done}, "UnprocessedKeys": unprocessed}

    def batch_write_item(self, *, RequestItems):  # noqa: N803
        ((table, writes),) = RequestItems.items()
        self._count(writes)
        self.written += [write["PutRequest"]["Item"] for write in writes[: self.per_call]]
        left = writes[self.per_call :]
        return {"UnprocessedItems": {table: left} if left else {}}

    def scan(self, **_):
        return {"Items": self.items}


class Pauses(list):
    """A sleep that records how long it was to take."""

    def __call__(self, seconds):
        self.append(seconds)


DOUBLING = [0.05 * 2**number for number in range(ATTEMPTS - 1)]


def test_what_dynamodb_never_processes_is_throttled_after_growing_pauses():
    client, pauses = Starved(), Pauses()
    with pytest.raises(Throttled, match=f"BatchGetItem of t: .* 100 .* {ATTEMPTS} consecutive"):
        list(batch_get(client, "t", KEYS, sleep=pauses))
    assert (client.calls, pauses) == ([KEYS_PER_GET] * ATTEMPTS, DOUBLING)


def test_writes_that_dynamodb_never_processes_are_throttled_after_growing_pauses():
    client, pauses = Starved(), Pauses()
    with pytest.raises(Throttled, match=f"BatchWriteItem of t: .* 25 .* {ATTEMPTS} consecutive"):
        batch_write(client, "t", KEYS, sleep=pauses)
    assert (client.calls, pauses) == ([ITEMS_PER_WRITE] * ATTEMPTS, DOUBLING)


def test_a_slow_table_that_makes_progress_is_read_and_written_to_its_end():
    client, pauses = Starved(per_call=3), Pauses()
    assert list(batch_get(client, "t", KEYS[:80], sleep=pauses)) == KEYS[:80]
    batch_write(client, "t", KEYS[:30], sleep=pauses)
    assert client.written == KEYS[:30]
    assert set(pauses) == {0.05}


def test_an_error_of_the_client_s_is_ours():
    class Refusing:
        def batch_get_item(self, **_):
            raise client_error("ProvisionedThroughputExceededException")

        batch_write_item = scan = batch_get_item

    for call in (
        lambda: list(batch_get(Refusing(), "t", KEYS)),
        lambda: batch_write(Refusing(), "t", KEYS),
        lambda: list(scan_segment(Refusing(), "t")),
    ):
        with pytest.raises(Throttled, match="ProvisionedThroughputExceeded"):
            call()


HASHING = Hashing(b"k" * 32, ("pk",))


def sync(client, sleep):
    pace = ReadPace(1000, clock=lambda: 0.0, sleep=lambda _: None)
    levels = TableSync("in-use", "target", HASHING, Wired(client), pace, sleep=sleep)
    return levels.run_segment(SyncSegment("state", SyncPhase.WRITE, 0, 1), NOW, lambda: False)


FAMILY = {
    "pk": {"S": "family#f"}, "client_id": {"S": "web"}, "epoch": {"N": "0"}, "generation": {"N": "1"},
    "refresh_hash": {"S": "h"}, "expires_at": {"N": "1"},
}  # fmt: skip
USERS = {
    "TableSync": sync,
    "TableReader.fetch": lambda client, sleep: TableReader(None, Wired(client), sleep=sleep).fetch("t", KEYS, HASHING),
    "HeartbeatStore.read_rows": lambda client, sleep: HeartbeatStore(client, "h", sleep=sleep).read_rows("t"),
    "RestoredTokens.revoke_logged": lambda client, sleep: RestoredTokens(
        client, "t", "source", "log", sleep=sleep
    ).revoke_logged(),
}


@pytest.mark.parametrize("name", USERS)
def test_no_reader_of_many_items_spins_on_keys_that_stay_unprocessed(name):
    client, pauses = Starved(items=[FAMILY]), Pauses()
    with pytest.raises(Throttled, match="unprocessed"):
        USERS[name](client, pauses)
    assert (len(client.calls), pauses) == (ATTEMPTS, DOUBLING)


def test_scans_continue_at_the_key_that_they_get_and_pass_options_on():
    class Paged:
        def __init__(self):
            self.calls = []

        def scan(self, **params):
            self.calls.append(params)
            return {"Items": [1]} if len(self.calls) > 1 else {"Items": [], "LastEvaluatedKey": {"pk": {"S": "b"}}}

    client = Paged()
    pages = list(scan_segment(client, "t", 1, 4, start={"pk": {"S": "a"}}, Limit=7))
    assert [(page.items, page.last_key) for page in pages] == [([], {"pk": {"S": "b"}}), ([1], None)]
    assert [params["ExclusiveStartKey"]["pk"]["S"] for params in client.calls] == ["a", "b"]
    assert {(params["Segment"], params["TotalSegments"], params["Limit"]) for params in client.calls} == {(1, 4, 7)}


def test_every_batch_call_of_the_product_is_one_that_has_a_limit():
    """`batch_get` and `batch_write` have one; the service answers 503 to the first partial response."""
    root = Path(__file__).resolve().parents[4]
    calling = {
        str(file.relative_to(root))
        for top in ("orchestrator", "service")
        for file in (root / top).rglob("*.py")
        if "emulator" not in file.parts
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"batch_get_item", "batch_write_item", "batch_execute_statement", "put_events"}
    }
    assert calling == {
        "orchestrator/aws/dynamodb/batch.py",
        "orchestrator/aws/notifications.py",  # `Bus.put_event` has ATTEMPTS
        "service/storage/conditional_writes.py",
    }
