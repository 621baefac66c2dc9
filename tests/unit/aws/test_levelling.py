"""A table that is brought level with another, item by item, and never over what somebody else wrote."""

from __future__ import annotations

import pytest

from orchestrator.aws import levelling
from orchestrator.aws.contents import Hashing
from orchestrator.aws.levelling import Levels
from orchestrator.aws.wire import ReadRefused
from orchestrator.domain.digest import NOTHING, of_canonical
from orchestrator.domain.levelling import Moved, Pass, Stretch
from tests.fakes.tables import Tables
from tests.fakes.wired import Wired
from tests.samples import NOW

KEY = b"k" * 32
ODD = {
    "pk": {"S": "odd"},
    "n": {"N": "1.50"},
    "ss": {"SS": ["b", "a"]},
    "m": {"M": {"list": {"L": [{"BOOL": True}, {"NULL": True}, {"N": "7"}]}}},
    "size": {"S": "a reserved word"},
}


def item(key, **attributes):
    return {"pk": {"S": key}, **{name: {"S": value} for name, value in attributes.items()}}


@pytest.fixture
def wired():
    return Wired(Tables("in-use", "other", prefix="levelling-"))


@pytest.fixture
def client(wired):
    return wired._client


def levels(wired):
    return Levels("in-use", "other", Hashing(KEY, ("pk",), "until"), wired)


def put(client, table, *items):
    for one in items:
        client.put_item(TableName=table, Item=one)


def held(client, table):
    return {one["pk"]["S"]: one for one in client.scan(TableName=table)["Items"]}


def visited(wired, doing, *, until=lambda: False, after=""):
    return levels(wired).visit(Stretch("state", doing, 0, 1, after), NOW, until)


def writes(wired):
    return [operation for operation, _ in wired.asked if operation in {"PutItem", "DeleteItem"}]


def test_what_is_in_use_is_written_and_what_is_there_already_is_not(wired, client):
    put(client, "in-use", ODD, item("same", v="1"), item("changed", v="2"), item("new", v="3"))
    spelled = {**ODD, "n": {"N": "1.5"}, "ss": {"SS": ["a", "b"]}}
    put(client, "other", item("same", v="1"), item("changed", v="1", also="x"), item("own", v="4"), spelled)
    assert visited(wired, Pass.WRITE) == (Moved(written=2), NOTHING, None)
    assert writes(wired) == ["PutItem", "PutItem"]
    assert held(client, "other")["changed"] == item("changed", v="2")
    assert held(client, "other")["own"] == item("own", v="4")
    wired.asked.clear()
    assert visited(wired, Pass.WRITE)[0] == Moved()
    assert writes(wired) == []


def test_what_only_the_other_has_is_removed_and_named_by_hash(wired, client):
    put(client, "in-use", item("same"))
    put(client, "other", item("same"), item("own"), {**ODD, "pk": {"S": "own too"}})
    moved, _, after = visited(wired, Pass.REMOVE)
    assert (moved.written, moved.removed, after) == (0, 2, None)
    assert len(set(moved.examples)) == 2
    assert all(len(bytes.fromhex(one)) == 16 for one in moved.examples)
    assert held(client, "other") == {"same": item("same")}


def test_both_sides_are_read_as_they_are(wired, client):
    put(client, "in-use", ODD, item("a"))
    put(client, "other", item("a"))
    assert visited(wired, Pass.READ_IN_USE)[1] == of_canonical([item("a"), ODD], KEY)
    assert visited(wired, Pass.READ_OTHER)[1] == of_canonical([item("a")], KEY)
    assert visited(wired, Pass.READ_OTHER)[0] == Moved()


def test_a_stretch_goes_on_where_it_stopped_and_reads_nothing_twice(wired, client, monkeypatch):
    monkeypatch.setattr(levelling, "PAGE_ITEMS", 2)
    put(client, "in-use", *(item(f"item {number}") for number in range(5)))
    read, after, visits = NOTHING, Stretch("state", Pass.READ_IN_USE, 0, 1), 0
    while after:
        _, some, after = levels(wired).visit(after, NOW, lambda: True)
        read, visits = read + some, visits + 1
    assert visits == 3
    assert read == of_canonical(held(client, "in-use").values(), KEY)


def test_what_had_expired_and_receipts_are_not_compared_and_receipts_not_removed(wired, client):
    at = int(NOW.timestamp())
    expired, alive = ({"pk": {"S": name}, "until": {"N": str(at + more)}} for name, more in (("old", 0), ("young", 1)))
    receipt = item("receipt#7")
    put(client, "other", expired, alive, receipt, item("own"))
    assert visited(wired, Pass.READ_OTHER)[1] == of_canonical([alive, item("own")], KEY)
    assert visited(wired, Pass.REMOVE)[0].removed == 3
    assert held(client, "other") == {"receipt#7": receipt}
    put(client, "in-use", item("receipt#8"))
    assert visited(wired, Pass.WRITE)[0].written == 1


class Meddling:
    """A client behind which somebody else writes, right after what they write over was read."""

    def __init__(self, client, write):
        self._client, self._write = client, write

    def __getattr__(self, operation):
        def call(**asked):
            answer = getattr(self._client, operation)(**asked)
            if operation == "batch_get_item":
                self._write()
            return answer

        return call


@pytest.mark.parametrize(
    ("before", "meanwhile"),
    [
        (None, item("one", v="theirs")),
        (item("one", v="before"), item("one", v="theirs")),
        # What the writer knows is still as it was, and more has come to it.
        (item("one", v="in use"), item("one", v="in use", revoked="now")),
    ],
)
def test_a_write_that_comes_too_late_changes_nothing(client, before, meanwhile):
    put(client, "in-use", item("one", v="in use", revoked="long ago"))
    put(client, "other", *([before] if before else []))
    wired = Wired(Meddling(client, lambda: put(client, "other", meanwhile)))
    assert visited(wired, Pass.WRITE)[0] == Moved()
    assert held(client, "other") == {"one": meanwhile}


def test_a_removal_that_comes_too_late_removes_nothing(client):
    put(client, "other", item("one", v="before"))
    wired = Wired(Meddling(client, lambda: put(client, "other", item("one", v="theirs"))))
    assert visited(wired, Pass.REMOVE)[0] == Moved()
    assert held(client, "other") == {"one": item("one", v="theirs")}


def test_a_table_that_may_not_be_written_is_an_error_and_no_late_write(wired, client):
    put(client, "in-use", item("one"))
    client.delete_table(TableName="other")
    with pytest.raises(ReadRefused, match="ResourceNotFoundException"):
        visited(wired, Pass.WRITE)
