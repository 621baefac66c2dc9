"""A table that clients use is read at a rate of consumed units, in pages that never take more than a second of it."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from orchestrator.aws.dynamodb.batch import batch_client, batch_get, chunks_of_page, scan_segment
from orchestrator.aws.dynamodb.read_pace import ATTEMPTS, ReadPace, consumed_units, read_units_of
from orchestrator.aws.dynamodb.table_reader import Hashing, TableReader
from orchestrator.domain.errors import Throttled
from orchestrator.domain.recovery.read_pace import ON_DEMAND_READ_UNITS
from tests.fakes.clock import SimulatedClock

HASHING = Hashing(b"k" * 32, ("pk",))


class Table:
    """A connection to a table. It answers with what a request costs, and throttles while `throttles` is above zero."""

    def __init__(self, clock, sizes, throttles=0):
        self.clock, self.throttles = clock, throttles
        self.items = [{"pk": {"S": f"{number:05}"}, "v": {"S": "x" * size}} for number, size in enumerate(sizes)]
        self.taken, self.calls, self.closed = [], [], 0

    def __call__(self, service):
        assert service == "dynamodb"
        return self

    def close(self):
        self.closed += 1

    def call(self, operation, params, decode):
        self.calls.append((operation, params))
        if self.throttles:
            self.throttles -= 1
            raise Throttled("ProvisionedThroughputExceededException")
        return decode(json.dumps(getattr(self, operation)(**params)).encode())

    def consume(self, items, consistent):
        size = sum(len(json.dumps(item)) for item in items)
        units = max(1, -(-size // 4096)) * (1 if consistent else 0.5)
        self.taken.append((self.clock.seconds(), units))
        return units

    def Scan(self, *, Limit, ConsistentRead, ExclusiveStartKey=None, **_):  # noqa: N802, N803 - DynamoDB's
        start = int(ExclusiveStartKey["pk"]["S"]) + 1 if ExclusiveStartKey else 0
        page = self.items[start : start + Limit]
        more = {"LastEvaluatedKey": {"pk": page[-1]["pk"]}} if start + Limit < len(self.items) else {}
        return {"Items": page, "ConsumedCapacity": {"CapacityUnits": self.consume(page, ConsistentRead)}, **more}

    def BatchGetItem(self, *, RequestItems, **_):  # noqa: N802, N803
        ((name, request),) = RequestItems.items()
        found = [self.items[int(key["pk"]["S"])] for key in request["Keys"]]
        units = sum(self.consume([item], request["ConsistentRead"]) for item in found)
        return {"Responses": {name: found}, "ConsumedCapacity": [{"CapacityUnits": units}]}


@pytest.fixture
def clock():
    return SimulatedClock()


def paced(clock, rate):
    return ReadPace(rate, clock=clock.seconds, sleep=clock.advance)


UNIFORM = [[300] * 2000, [3000] * 400, [30_000] * 40]
MIXED = [[100] * 500 + [30_000] * 20, [30_000] * 20 + [100] * 500]


@pytest.mark.parametrize("rate", [2.5, 10, 100])
@pytest.mark.parametrize("sizes", [*UNIFORM, *MIXED])
def test_every_page_is_paid_for_before_the_next(clock, rate, sizes):
    table = Table(clock, sizes)
    contents = TableReader(None, table).contents("t", HASHING, paced(clock, rate))
    assert contents.raw_digest(0, 1).items == len(sizes)
    for (at, units), (next_at, _) in pairwise(table.taken):
        assert next_at - at >= units / rate - 0.001
    assert all(not params["ConsistentRead"] for _, params in table.calls)
    assert table.closed == 1


@pytest.mark.parametrize("rate", [2.5, 10, 100])
@pytest.mark.parametrize("sizes", UNIFORM)
def test_no_page_takes_more_than_a_second_of_the_rate_or_one_item(clock, rate, sizes):
    """Clients have the rest of the capacity in every second, and not only on average."""
    table = Table(clock, sizes)
    TableReader(None, table).contents("t", HASHING, paced(clock, rate)).raw_digest(0, 1)
    one_item = max(sizes) / 8192 + 1
    assert max(units for _, units in table.taken) <= max(rate, one_item) + 0.5


def test_pages_are_as_small_as_the_rate_requires_and_grow_with_it(clock):
    for rate, most in ((2, 60), (200, 6000)):
        table = Table(clock, [300] * 5000)
        list(TableReader(None, table).contents("t", HASHING, paced(clock, rate)).entries([0], 1, range(256)))
        limits = [params["Limit"] for _, params in table.calls]
        assert limits[0] == max(1, rate // 50)
        assert rate < max(limits) <= most


def test_keys_are_read_at_the_rate_too(clock):
    table = Table(clock, [300] * 200)
    keys = [{"pk": {"S": f"{number:05}"}} for number in range(200)]
    with batch_client(table) as client:
        assert len(list(batch_get(client, "t", keys, pace=paced(clock, 10)))) == 200
    assert clock.seconds() >= 200 * 0.5 / 10 - 2
    assert all(not params["RequestItems"]["t"]["ConsistentRead"] for _, params in table.calls)


def test_a_reader_without_a_pace_reads_consistently_and_at_once(clock):
    table = Table(clock, [300] * 200)
    table.Scan = lambda **_: {"Items": table.items}
    with batch_client(table) as client:
        (page,) = scan_segment(client, "t")
    assert (len(page.items), clock.seconds()) == (200, 0)
    assert table.calls == [("Scan", {"ConsistentRead": True, "TableName": "t", "Segment": 0, "TotalSegments": 1})]


def test_a_table_that_throttles_is_left_alone_for_longer_each_time_and_read_more_slowly(clock):
    table = Table(clock, [3000] * 50, throttles=3)
    pace = paced(clock, 10)
    assert TableReader(None, table).contents("t", HASHING, pace).raw_digest(0, 1).items == 50
    total = sum(units for _, units in table.taken)
    assert clock.seconds() > 2 + 4 + 8 + (total - 2) / (10 / 8) - 8


def test_a_table_that_throttles_all_the_time_is_abandoned(clock):
    table = Table(clock, [300] * 10, throttles=99)
    with pytest.raises(Throttled):
        TableReader(None, table).contents("t", HASHING, paced(clock, 10)).load()
    assert len(table.calls) == ATTEMPTS
    assert clock.seconds() >= 2 + 4 + 8 + 16


def test_a_response_that_does_not_report_units_counts_one_for_each_item():
    assert consumed_units({}, default=7) == 7
    assert consumed_units({"ConsumedCapacity": {"CapacityUnits": 2.5}}, default=7) == 2.5
    assert consumed_units({"ConsumedCapacity": [{"CapacityUnits": 1}, {"CapacityUnits": 2}]}, default=7) == 3


@pytest.mark.parametrize(
    ("description", "units"),
    [
        (
            {"BillingModeSummary": {"BillingMode": "PROVISIONED"}, "ProvisionedThroughput": {"ReadCapacityUnits": 50}},
            50,
        ),
        ({"ProvisionedThroughput": {"ReadCapacityUnits": 50}}, 50),
        (
            {
                "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
                "ProvisionedThroughput": {"ReadCapacityUnits": 0},
            },
            ON_DEMAND_READ_UNITS,
        ),
        (
            {
                "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
                "OnDemandThroughput": {"MaxReadRequestUnits": 400},
            },
            400,
        ),
        (
            {
                "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
                "OnDemandThroughput": {"MaxReadRequestUnits": -1},
            },
            ON_DEMAND_READ_UNITS,
        ),
        ({}, ON_DEMAND_READ_UNITS),
    ],
)
def test_a_table_s_units_are_those_of_its_description(description, units):
    assert read_units_of(description) == units


class TestChunks:
    @staticmethod
    def page(count, last):
        with_last = {"LastEvaluatedKey": {"pk": {"S": "end"}}} if last else {}
        response = {"Items": [{"pk": {"S": str(number)}, "v": {"S": "x"}} for number in range(count)], **with_last}

        class Client:
            def scan(self, **params):
                return response if "ExclusiveStartKey" not in params else {"Items": []}

        return next(scan_segment(Client(), "t"))

    @pytest.mark.parametrize("count", [0, 1, 4, 5, 10])
    @pytest.mark.parametrize("last", [False, True])
    def test_chunks_hold_every_item_and_the_key_to_continue_after(self, count, last):
        page = self.page(count, last)
        chunks = list(chunks_of_page(page, 4, ("pk",)))
        assert [item for items, _ in chunks for item in items] == list(page.items)
        assert chunks[-1][1] == page.last_key
        assert [key for _, key in chunks[:-1]] == [{"pk": items[-1]["pk"]} for items, _ in chunks[:-1]]
