"""Many items at once over one connection: what is asked, what comes back, and that the connection is given back."""

from __future__ import annotations

import json

import pytest

from orchestrator.aws.bulk import in_bulk
from orchestrator.domain.errors import Throttled


class Connection:
    """A wire that says what it was asked."""

    def __init__(self, failure=None):
        self.asked, self.closed, self.failure = [], False, failure

    def ask(self, operation, asked, decode):
        self.asked.append((operation, asked))
        if self.failure:
            raise self.failure
        return decode(json.dumps({"Items": [{"pk": {"S": "a"}}]}).encode())

    def close(self):
        self.closed = True


@pytest.mark.parametrize(
    ("call", "operation"),
    [("scan", "Scan"), ("batch_get_item", "BatchGetItem"), ("batch_write_item", "BatchWriteItem")],
)
def test_a_call_is_asked_by_its_operation_and_answered_as_botocore_answers(call, operation):
    wire = Connection()
    with in_bulk(wire) as bulk:
        assert getattr(bulk, call)(TableName="t") == {"Items": [{"pk": {"S": "a"}}]}
    assert (wire.asked, wire.closed) == ([(operation, {"TableName": "t"})], True)


def test_what_fails_gives_the_connection_back_too():
    wire = Connection(Throttled("no capacity"))
    with pytest.raises(Throttled), in_bulk(wire) as bulk:
        bulk.scan(TableName="t")
    assert wire.closed
