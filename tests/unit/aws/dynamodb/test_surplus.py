"""Items that one table has and another one, in another region, lacks."""

from __future__ import annotations

import pytest

from orchestrator.aws.dynamodb.raw_client import DynamoDBError
from orchestrator.aws.dynamodb.surplus import Surplus
from tests.fakes.tables import Tables
from tests.fakes.wired import Wired


def item(key, **attributes):
    return {"pk": {"S": key}, **{name: {"S": value} for name, value in attributes.items()}}


@pytest.fixture
def old():
    return Tables("table", prefix="old-")


@pytest.fixture
def new():
    return Tables("table", prefix="new-")


def put(client, *items):
    for one in items:
        client.put_item(TableName="table", Item=one)


def held(client):
    return {one["pk"]["S"]: one for one in client.scan(TableName="table")["Items"]}


def surplus(old, new):
    return Surplus("table", Wired(old), "table", Wired(new), sleep=lambda _: None)


def test_only_what_the_other_table_has_under_no_content_is_surplus(old, new):
    put(old, item("both", v="1"), item("only", v="2"))
    put(new, item("both", v="9"), item("other", v="3"))
    assert [one for page in surplus(old, new).pages() for one in page] == [item("only", v="2")]


def test_the_surplus_is_copied_once_and_nothing_is_overwritten(old, new):
    put(old, item("both", v="1"), item("only", v="2"))
    put(new, item("both", v="9"))
    assert surplus(old, new).copy() == 1
    assert surplus(old, new).copy() == 0
    assert held(new) == {"both": item("both", v="9"), "only": item("only", v="2")}
    assert held(old) == {"both": item("both", v="1"), "only": item("only", v="2")}


def test_an_item_that_another_writer_writes_meanwhile_is_kept(old, new):
    put(old, item("only", v="2"))
    wires = Wired(new)
    call = wires.call

    def late(operation, params, decode):
        if operation == "PutItem":
            put(new, item("only", v="newer"))
        return call(operation, params, decode)

    wires.call = late
    assert Surplus("table", Wired(old), "table", wires, sleep=lambda _: None).copy() == 0
    assert held(new)["only"] == item("only", v="newer")


def test_a_table_that_cannot_be_read_is_no_empty_one(old, new):
    old.delete_table(TableName="table")
    with pytest.raises(DynamoDBError):
        list(surplus(old, new).pages())
