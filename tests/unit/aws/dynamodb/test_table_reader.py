"""Which tables may be read, and what is known of them before they are."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from unittest import mock

import pytest

from orchestrator.aws.dynamodb import table_reader
from orchestrator.aws.dynamodb.table_reader import Hashing, TableReader
from orchestrator.domain.errors import TableNotReadable
from orchestrator.domain.table_comparison.digest import PARTITIONS
from tests.fakes.errors import client_error

HASHING = Hashing(b"k" * 32, ("pk",), "delete_at")
LABEL = "2026-11-23T03:00:00.000"
STREAM = {
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    "LatestStreamLabel": LABEL,
    "LatestStreamArn": f"arn:stream/{LABEL}",
}


class Described:
    """A DynamoDB client that describes one table."""

    def __init__(self, **description):
        self.description = {
            "TableStatus": "ACTIVE", "KeySchema": [{"AttributeName": "pk"}], "ItemCount": 3, "TableSizeBytes": 4,
        } | description  # fmt: skip

    def describe_table(self, *, TableName):  # noqa: N803 - botocore's
        if TableName != "table":
            raise client_error("ResourceNotFoundException", TableName)
        return {"Table": self.description}

    def describe_time_to_live(self, *, TableName):  # noqa: N803
        assert TableName == "table"
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "delete_at"}}


def contents(wire=None, **description):
    return TableReader(Described(**description), lambda _service: wire)


@pytest.mark.parametrize(
    "description",
    [
        {"TableStatus": "CREATING"},
        {"TableStatus": "DELETING"},
        {"RestoreSummary": {"RestoreInProgress": True}},
        {"TableStatus": "UPDATING", "RestoreSummary": {"RestoreInProgress": True}},
    ],
)
def test_a_table_that_holds_a_part_of_its_items_is_not_read(description):
    with pytest.raises(TableNotReadable):
        contents(**description).describe("table")
    with pytest.raises(TableNotReadable):
        contents(**description).check_readable("table")


@pytest.mark.parametrize(
    "description", [{}, {"RestoreSummary": {"RestoreInProgress": False}}, {"TableStatus": "UPDATING"}]
)
def test_a_table_that_holds_all_of_them_is(description):
    shape = contents(**description).describe("table")
    assert (shape.names, shape.ttl_attribute, shape.items, shape.size_bytes) == (("pk",), "delete_at", 3, 4)
    assert (shape.stream, shape.stream_since) == ("", None)


def test_a_stream_counts_where_it_has_both_images():
    assert contents(**STREAM).describe("table").stream_since == datetime(2026, 11, 23, 3, tzinfo=UTC)
    keys_only = STREAM | {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}}
    assert contents(**keys_only).describe("table").stream == ""


class Scanned:
    """A connection that answers each Scan with the next of some pages, each a range of items."""

    def __init__(self, *pages):
        self.pages, self.pages_read = pages, 0

    def call(self, operation, _params, decode):
        assert operation == "Scan"
        numbers = self.pages[self.pages_read % len(self.pages)]
        self.pages_read += 1
        more = {"LastEvaluatedKey": {"pk": {"S": "item"}}} if self.pages_read % len(self.pages) else {}
        items = [{"pk": {"S": f"item {number}"}} for number in numbers]
        return decode(json.dumps({"Items": items, **more}).encode())

    def close(self):
        """Nothing is open."""


FIRST, LAST = range(70), range(70, 100)


@pytest.mark.parametrize(
    "pages",
    [(FIRST, LAST), (FIRST, FIRST, LAST), (FIRST, LAST, FIRST), (FIRST, (), (), LAST, LAST), (range(100),)],
)
def test_a_page_that_comes_twice_counts_once(pages):
    def side(*shown):
        return contents(Scanned(*shown)).contents("table", HASHING)

    once = side(range(100))
    loaded = side(*pages).load()
    assert loaded.raw_digest() == once.raw_digest(0, 1) == side(*pages).raw_digest(0, 1)
    assert loaded.raw_digest().items == len(loaded.entries()) == 100
    assert side(*pages).partition_digests(0, 1) == once.partition_digests(0, 1)
    assert side(*pages).entries([0], 1, range(PARTITIONS)) == once.entries([0], 1, range(PARTITIONS))


def test_only_items_whose_bytes_the_other_table_lacks_are_decoded():
    def loaded(*numbers):
        return contents(Scanned(numbers)).contents("table", HASHING).load()

    left, right = loaded(*range(100)), loaded(*range(2, 101))
    decoded = []
    with mock.patch.object(table_reader, "_decode", lambda raw: decoded.append(raw) or json.loads(bytes(raw))):
        assert left.entries_unlike(right) == loaded(0, 1).entries()
        assert len(decoded) == 4
        assert right.entries_unlike(left) == loaded(100).entries()
    assert (left.count(), right.count()) == (100, 99)


def test_items_that_dynamodb_did_not_get_to_are_requested_again():
    class Wire:
        batch_sizes, closed = [], False

        def call(self, operation, params, decode):
            assert operation == "BatchGetItem"
            keys = params["RequestItems"]["table"]["Keys"]
            assert len(keys) <= 100
            self.batch_sizes.append(len(keys))
            left = {"table": {"Keys": keys[40:], "ConsistentRead": True}} if keys[40:] else {}
            return decode(json.dumps({"Responses": {"table": keys[:40]}, "UnprocessedKeys": left}).encode())

        def close(self):
            self.closed = True

    wire = Wire()
    keys = [{"pk": {"S": f"item {number}"}} for number in range(130)]
    found = contents(wire).fetch("table", keys, HASHING)
    assert found == dict(HASHING.entry(json.dumps(key).encode()) for key in keys)
    assert (wire.batch_sizes, wire.closed) == ([100, 60, 20, 30], True)
