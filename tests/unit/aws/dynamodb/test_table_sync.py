"""A table that is brought level with another, item by item, and never over what another writer wrote."""

from __future__ import annotations

import json

import pytest

from orchestrator.aws.dynamodb import table_sync
from orchestrator.aws.dynamodb.raw_client import DynamoDBError
from orchestrator.aws.dynamodb.read_pace import ReadPace
from orchestrator.aws.dynamodb.table_reader import Hashing
from orchestrator.aws.dynamodb.table_sync import TableSync
from orchestrator.domain.deployment.table_sync import MOST_SUSPECTS, Look, SyncCounts, SyncPhase, SyncSegment
from orchestrator.domain.table_comparison.digest import canonical_item, hashed_content
from tests.fakes.clock import SimulatedClock
from tests.fakes.tables import Tables
from tests.fakes.wired import Wired
from tests.samples import NOW
from tests.unit.aws.dynamodb.test_read_pace import Table

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


def levels(wired, clock=None, units_per_second=50_000):
    clock = clock or SimulatedClock()
    pace = ReadPace(units_per_second, clock=clock.seconds, sleep=clock.advance)
    return TableSync("in-use", "other", Hashing(KEY, ("pk",), "until"), wired, pace, sleep=clock.advance)


def put(client, table, *items):
    for one in items:
        client.put_item(TableName=table, Item=one)


def held(client, table):
    return {one["pk"]["S"]: one for one in client.scan(TableName=table)["Items"]}


def visited(wired, doing, *, until=lambda: False, after=""):
    return levels(wired).run_segment(SyncSegment("state", doing, 0, 1, after), NOW, until)


def writes(wired):
    return [operation for operation, _ in wired.calls if operation in {"PutItem", "DeleteItem"}]


def test_what_is_in_use_is_written_and_what_is_there_already_is_not(wired, client):
    put(client, "in-use", ODD, item("same", v="1"), item("changed", v="2"), item("new", v="3"))
    spelled = {**ODD, "n": {"N": "1.5"}, "ss": {"SS": ["a", "b"]}}
    put(client, "other", item("same", v="1"), item("changed", v="1", also="x"), item("own", v="4"), spelled)
    assert visited(wired, SyncPhase.WRITE) == (SyncCounts(written=2), {}, None)
    assert writes(wired) == ["PutItem", "PutItem"]
    assert held(client, "other")["changed"] == item("changed", v="2")
    assert held(client, "other")["own"] == item("own", v="4")
    wired.calls.clear()
    assert visited(wired, SyncPhase.WRITE)[0] == SyncCounts()
    assert writes(wired) == []


def test_what_only_the_other_has_is_removed_and_named_by_hash(wired, client):
    put(client, "in-use", item("same"))
    put(client, "other", item("same"), item("own"), {**ODD, "pk": {"S": "own too"}})
    moved, _, after = visited(wired, SyncPhase.REMOVE)
    assert (moved.written, moved.removed, after) == (0, 2, None)
    assert len(set(moved.examples)) == 2
    assert all(len(bytes.fromhex(one)) == 16 for one in moved.examples)
    assert held(client, "other") == {"same": item("same")}


def key_of(name):
    return json.dumps({"pk": {"S": name}})


def hash_of(one):
    return hashed_content(canonical_item(one), KEY).hex()


def test_items_that_differ_are_suspects_and_others_are_not(wired, client):
    put(client, "in-use", ODD, item("a"), item("b", v="1"), item("c"))
    put(client, "other", {**ODD, "n": {"N": "1.5"}}, item("a"), item("b", v="2"), item("own"))
    counts, suspects, after = visited(wired, SyncPhase.READ_IN_USE)
    assert (counts, after) == (SyncCounts(compared=4), None)
    assert suspects == {key_of("b"): hash_of(item("b", v="1")), key_of("c"): hash_of(item("c"))}
    assert visited(wired, SyncPhase.READ_OTHER) == (SyncCounts(), {key_of("own"): ""}, None)
    assert writes(wired) == []


def test_two_revocations_of_one_family_are_equal_whatever_their_cause(wired, client):
    put(client, "in-use", item("f", revoked_because="reuse", revoked_at="7"), item("g", revoked_because="reuse"))
    put(client, "other", item("f", revoked_because="request"), item("g"))
    assert set(visited(wired, SyncPhase.READ_IN_USE)[1]) == {key_of("g")}


def test_suspects_are_read_again_on_both_sides(wired, client):
    put(client, "in-use", ODD, item("a", v="1"), item("b", v="1"))
    put(client, "other", item("a", v="1"), item("b", v="2"), item("own"))
    assert levels(wired).look_again([key_of(name) for name in ("a", "b", "own", "gone", "odd")]) == {
        key_of("a"): Look(hash_of(item("a", v="1")), equal=True),
        key_of("b"): Look(hash_of(item("b", v="1")), equal=False),
        key_of("own"): Look("", equal=False),
        key_of("gone"): Look("", equal=True),
        key_of("odd"): Look(hash_of(ODD), equal=False),
    }
    wired.calls.clear()
    assert levels(wired).look_again([]) == {}
    assert wired.calls == []


def test_a_segment_with_many_suspects_stops_and_goes_on_later(wired, client):
    put(client, "in-use", *(item(f"item {number:04}") for number in range(2 * MOST_SUSPECTS + 1)))
    found, after, visits = {}, SyncSegment("state", SyncPhase.READ_IN_USE, 0, 1), 0
    while after:
        _, some, after = levels(wired).run_segment(after, NOW, lambda: False)
        assert len(some) <= MOST_SUSPECTS
        found, visits = {**found, **some}, visits + 1
    assert visits == 3
    assert len(found) == 2 * MOST_SUSPECTS + 1


class BothTables:
    """A wire to both tables, which answer with what a request costs."""

    def __init__(self, in_use, other):
        self._tables = {"in-use": in_use, "other": other}

    def __call__(self, service):
        return self

    def call(self, operation, params, decode):
        (name,) = params.get("RequestItems") or (params["TableName"],)
        return self._tables[name].call(operation, params, decode)

    def close(self):
        """Nothing is open."""


@pytest.mark.parametrize("doing", SyncPhase)
def test_clients_that_read_the_table_in_use_keep_their_capacity_meanwhile(doing):
    """The other table has no clients and is read at once. All reads are consistent: the comparison is of what is."""
    rate, clock = 10, SimulatedClock()
    tables = [Table(clock, [4000] * 60) for _ in range(2)]
    levels(BothTables(*tables), clock, rate).run_segment(SyncSegment("state", doing, 0, 1), NOW, lambda: False)
    in_use, other = ([params.get("RequestItems", {"": params}) for _, params in table.calls] for table in tables)
    assert all(request["ConsistentRead"] for params in in_use + other for request in params.values())
    assert [units for _, units in tables[0].taken if units > rate] == []
    assert sum(units for _, units in tables[0].taken[:-1]) <= rate * (clock.seconds() + 1)
    assert clock.seconds() > 4


def test_a_stretch_goes_on_where_it_stopped_and_reads_nothing_twice(wired, client, monkeypatch):
    monkeypatch.setattr(table_sync, "PAGE_ITEMS", 2)
    put(client, "in-use", *(item(f"item {number}") for number in range(5)))
    read, after, visits = SyncCounts(), SyncSegment("state", SyncPhase.READ_IN_USE, 0, 1), 0
    while after:
        some, _, after = levels(wired).run_segment(after, NOW, lambda: True)
        read, visits = read + some, visits + 1
    assert visits == 3
    assert read == SyncCounts(compared=5)


def test_it_looks_at_the_clock_inside_a_page_and_goes_on_within_it(wired, client):
    """Every item of a page may take a write of its own."""
    count = 2 * table_sync.CHUNK_ITEMS + 3
    put(client, "in-use", *(item(f"item {number:04}") for number in range(count)))
    written, after = [], SyncSegment("state", SyncPhase.WRITE, 0, 1)
    while after:
        counts, _, after = levels(wired).run_segment(after, NOW, lambda: True)
        written.append(counts.written)
    assert written == [table_sync.CHUNK_ITEMS, table_sync.CHUNK_ITEMS, 3]
    assert held(client, "other") == held(client, "in-use")


def test_what_had_expired_and_heartbeats_are_not_compared_and_heartbeats_not_removed(wired, client):
    at = int(NOW.timestamp())
    expired, alive = ({"pk": {"S": name}, "until": {"N": str(at + more)}} for name, more in (("old", 0), ("young", 1)))
    receipt = item("heartbeat#7")
    put(client, "other", expired, alive, receipt, item("own"))
    assert set(visited(wired, SyncPhase.READ_OTHER)[1]) == {key_of("young"), key_of("own")}
    assert visited(wired, SyncPhase.REMOVE)[0].removed == 3
    assert held(client, "other") == {"heartbeat#7": receipt}
    put(client, "in-use", item("heartbeat#8"))
    assert visited(wired, SyncPhase.WRITE)[0].written == 1


class Meddling:
    """A client behind which another writer writes, right after the item that it overwrites was read."""

    def __init__(self, client, write):
        self._client, self._write = client, write

    def __getattr__(self, operation):
        def call(**params):
            answer = getattr(self._client, operation)(**params)
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
    assert visited(wired, SyncPhase.WRITE)[0] == SyncCounts()
    assert held(client, "other") == {"one": meanwhile}


def test_a_removal_that_comes_too_late_removes_nothing(client):
    put(client, "other", item("one", v="before"))
    wired = Wired(Meddling(client, lambda: put(client, "other", item("one", v="theirs"))))
    assert visited(wired, SyncPhase.REMOVE)[0] == SyncCounts()
    assert held(client, "other") == {"one": item("one", v="theirs")}


def test_a_table_that_may_not_be_written_is_an_error_and_no_late_write(wired, client):
    put(client, "in-use", item("one"))
    client.delete_table(TableName="other")
    with pytest.raises(DynamoDBError, match="ResourceNotFoundException"):
        visited(wired, SyncPhase.WRITE)


def test_a_table_of_another_region_is_read_and_written_over_its_own_connection():
    here, there = Wired(Tables("same", prefix="here-")), Wired(Tables("same", prefix="there-"))
    put(here._client, "same", item("new"), item("both"))
    put(there._client, "same", item("both"), item("own"))
    clock = SimulatedClock()
    pace = ReadPace(50_000, clock=clock.seconds, sleep=clock.advance)
    sync = TableSync(
        "same", "same", Hashing(KEY, ("pk",), "until"), here, pace, target_wires=there, sleep=clock.advance
    )
    digests = {}
    for doing in SyncPhase:
        _, digests[doing], _ = sync.run_segment(SyncSegment("state", doing, 0, 1), NOW, lambda: False)
    assert held(there._client, "same") == held(here._client, "same") == {"new": item("new"), "both": item("both")}
    assert digests[SyncPhase.READ_IN_USE] == digests[SyncPhase.READ_OTHER]
    assert writes(here) == []
