"""The writer of receipts: a row a second, and no receipt of a row that nobody acknowledged."""

from __future__ import annotations

import json

import pytest

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.receipts import OVERLAP_SECONDS, ROUND_SECONDS, row_key
from orchestrator.intake.write_receipts import write_receipts
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import SETTINGS
from tests.fakes.errors import client_error

TABLES = {"state": "ib-oauth-state-test", "tokens": "ib-oauth-tokens-test"}
RECEIPTS = "ib-oauth-receipts-test"


class Writes:
    """A DynamoDB client that takes writes, but refuses those of some seconds."""

    def __init__(self, refused=(), slow=(), sleep=None):
        self.refused, self.slow, self.sleep, self.items = set(refused), set(slow), sleep, []

    def put_item(self, *, TableName, Item):  # noqa: N803 - botocore's
        if int(Item["second"]["N"]) in self.refused:
            raise client_error("ThrottlingException", "slow down")
        self.items.append((TableName, Item))
        if TableName in TABLES.values() and int(Item["second"]["N"]) in self.slow:
            self.sleep(1.5)

    def seconds(self, table):
        return [int(item["second"]["N"]) for name, item in self.items if name == table]


@pytest.fixture
def clock():
    return SimulatedClock()


def run(clock, client):
    settings = {**SETTINGS, "TABLES": json.dumps(TABLES), "RECEIPTS_TABLE": RECEIPTS}
    cloud = Cloud(settings, clients={"dynamodb": client}.__getitem__, now=clock.now, sleep=clock.advance)
    return write_receipts({}, cloud)


def test_every_second_of_a_minute_is_written_to_every_table_when_it_begins(clock):
    began, client = int(clock.now().timestamp()), Writes()
    run(clock, client)
    seconds = list(range(began + 1, began + ROUND_SECONDS + OVERLAP_SECONDS))
    for table in TABLES.values():
        assert client.seconds(table) == seconds
    assert sorted(client.seconds(RECEIPTS)) == sorted(seconds * 2)


def test_the_row_comes_before_its_receipt_and_both_go_by_themselves(clock):
    client = Writes()
    run(clock, client)
    (table, row), (receipts, receipt), *_ = client.items
    assert (table, receipts) == (TABLES["state"], RECEIPTS)
    assert row["pk"]["S"] == row_key(int(row["second"]["N"]))
    assert receipt["role"]["S"] == "state"
    assert int(row["delete_at"]["N"]) > int(row["second"]["N"]) < int(receipt["expires_at"]["N"])


def test_a_second_that_is_refused_is_a_gap_and_the_next_one_is_written(clock):
    refused = int(clock.now().timestamp()) + 5
    client = Writes([refused])
    assert run(clock, client).endswith("2 gaps")
    assert refused not in client.seconds(RECEIPTS)
    assert refused + 1 in client.seconds(RECEIPTS)


def test_a_row_that_is_acknowledged_after_its_second_has_no_receipt(clock):
    slow = int(clock.now().timestamp()) + 5
    client = Writes(slow=[slow], sleep=clock.advance)
    answer = run(clock, client)
    assert slow in client.seconds(TABLES["state"])
    assert slow not in client.seconds(RECEIPTS)
    # The second table's row of it came late as well, and the two seconds that went by meanwhile are nobody's.
    assert answer.endswith("2 gaps")
    assert slow + 4 in client.seconds(RECEIPTS)
