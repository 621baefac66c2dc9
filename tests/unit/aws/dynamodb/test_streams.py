"""Reading a stream: shards in order, up to the moment that was asked for, and never less than all of it in silence."""

from __future__ import annotations

import json
from datetime import timedelta
from zlib import crc32

import pytest
from botocore.exceptions import ClientError

from orchestrator.aws.dynamodb.raw_client import DynamoDBError
from orchestrator.aws.dynamodb.streams import ENDLESS_SECONDS, QUIET_SECONDS, StreamChanges, parents_first
from orchestrator.aws.dynamodb.table_reader import Hashing
from orchestrator.domain.errors import SourceStateUnknown
from tests.fakes.clock import SimulatedClock

STREAM = "arn:aws:dynamodb:us-west-1:123456789012:table/t/stream/2026-01-01T00:00:00.000"
HASHING = Hashing(b"k" * 32, ("pk",), "delete_at")


class Stream:
    """A client of streams and the wire to them.

    pages: answers of a shard, in order; then it answers with nothing.
    unended: closed shards that are described as open, because they were closed after that.
    """

    def __init__(self, pages, parents=None, refused="", unended=()):
        self.pages, self.parents, self.refused, self.unended = pages, parents or {}, refused, unended
        self.calls, self.closed, self.known = [], 0, len(pages)
        self.begun, self.dropped = [], False
        self.latest = 1
        """The page of a shard after which its newest records come."""

    def wires(self, service):
        assert service == "dynamodbstreams"
        return self

    def describe_stream(self, *, StreamArn, ExclusiveStartShardId=None):  # noqa: N803 - botocore's
        assert StreamArn == STREAM
        names = sorted(self.pages)[: self.known]
        start = names.index(ExclusiveStartShardId) + 1 if ExclusiveStartShardId else 0
        page = names[start : start + 2]
        shards = [
            {"ShardId": name, "SequenceNumberRange": {"StartingSequenceNumber": "1"} | self.end_of(name)}
            | ({"ParentShardId": self.parents[name]} if name in self.parents else {})
            for name in page
        ]
        more = {"LastEvaluatedShardId": page[-1]} if start + 2 < len(names) else {}
        return {"StreamDescription": {"Shards": shards, **more}}

    def end_of(self, name):
        closed = bool(self.pages[name]) and self.pages[name][-1] in (CLOSED, ENDLESS) and name not in self.unended
        return {"EndingSequenceNumber": "9"} if closed else {}

    def get_shard_iterator(self, *, StreamArn, ShardId, ShardIteratorType, SequenceNumber=None):  # noqa: N803
        assert StreamArn == STREAM
        self.begun.append((ShardId, ShardIteratorType, SequenceNumber))
        if ShardIteratorType == "LATEST":
            return {"ShardIterator": f"{ShardId} {self.latest}"}
        if SequenceNumber is None:
            return {"ShardIterator": f"{ShardId} 0"}
        if self.dropped:
            raise ClientError({"Error": {"Code": "TrimmedDataAccessException"}}, "GetShardIterator")
        numbers = [
            [one["dynamodb"]["SequenceNumber"] for one in page] for page in self.pages[ShardId] if page != CLOSED
        ]
        (page,) = [place for place, known in enumerate(numbers) if SequenceNumber.lstrip("0") in known[-1:]]
        return {"ShardIterator": f"{ShardId} {page + 1}"}

    def call(self, operation, params, decode):
        assert operation == "GetRecords"
        if self.refused:
            raise DynamoDBError(self.refused)
        shard, _, number = params["ShardIterator"].partition(" ")
        self.calls.append(shard)
        self.known = len(self.pages)  # What was split meanwhile is known from now on.
        pages, place = self.pages[shard], int(number)
        records, last = (
            (pages[place], place + 1) if place < len(pages) and isinstance(pages[place], list) else ([], place)
        )
        closed = bool(pages) and pages[-1] is CLOSED and last >= len(pages) - 1
        answer = {"Records": records, **({} if closed else {"NextShardIterator": f"{shard} {last}"})}
        return decode(json.dumps(answer).encode())

    def close(self):
        self.closed += 1


CLOSED, ENDLESS = "closed", "endless"
"""Stand at the end of a closed shard: of one that ends, and of one whose end never comes."""


def record(at, key, before=None, after=None):
    images = {"OldImage": before, "NewImage": after}
    return {
        "eventName": "MODIFY",
        "dynamodb": {
            "ApproximateCreationDateTime": at.timestamp(),
            "Keys": {"pk": {"S": key}},
            "SequenceNumber": str(crc32(key.encode())),
            **{name: {"pk": {"S": key}, "n": {"N": str(image)}} for name, image in images.items() if image is not None},
        },
    }


@pytest.fixture
def clock():
    return SimulatedClock()


def read(clock, stream, since=timedelta(hours=1), settle=5):
    changes = StreamChanges(stream, stream.wires, clock.now, sleep=clock.advance)
    found = list(changes.changes_since(STREAM, clock.now() - since, HASHING, settle))
    assert stream.closed == 1
    return [(key["pk"]["S"], change.before is not None, change.after is not None) for change, key in found]


def test_changes_come_with_what_was_before_and_after_and_where_they_are(clock):
    at = clock.now()
    stream = Stream({"shard": [[record(at, "a", None, 1), record(at, "b", 1, 2)], [record(at, "c", 2)]]})
    assert read(clock, stream) == [("a", False, True), ("b", True, True), ("c", True, False)]


def test_an_entry_of_a_stream_is_that_of_a_scan(clock):
    item = {"pk": {"S": "a"}, "n": {"N": "1"}}
    stream = Stream({"shard": [[record(clock.now(), "a", after="1.0")]]})
    changes = StreamChanges(stream, stream.wires, clock.now, sleep=clock.advance)
    ((change, _),) = changes.changes_since(STREAM, clock.now() - timedelta(hours=1), HASHING, 0)
    assert (change.key, change.after) == HASHING.entry(json.dumps(item).encode())


@pytest.mark.parametrize("empty", [0, 3, 15])
def test_an_open_shard_is_believed_once_it_was_quiet_for_some_seconds(clock, empty):
    stream = Stream({"shard": [*([] for _ in range(empty)), [record(clock.now(), "late", None, 1)]]})
    begun = clock.now()
    assert [key for key, *_ in read(clock, stream, settle=0)] == ["late"]
    assert (clock.now() - begun).total_seconds() >= QUIET_SECONDS


@pytest.mark.parametrize("empty", [3, 10, 200])
@pytest.mark.parametrize("unended", [(), ("shard",)])
def test_a_closed_shard_is_read_to_its_end_however_many_answers_are_empty(clock, empty, unended):
    """A quiet night is as many empty answers. One that closes meanwhile is read like an open one."""
    if unended and empty > QUIET_SECONDS * 4:
        pytest.skip("an open shard is not read for as long as that")
    at = clock.now()
    pages = [[record(at, "a", None, 1)], *([] for _ in range(empty)), [record(at, "b", None, 1)], CLOSED]
    assert [key for key, *_ in read(clock, Stream({"shard": pages}, unended=unended))] == ["a", "b"]


def test_a_closed_shard_without_an_end_makes_the_state_unknown(clock):
    begun = clock.now()
    with pytest.raises(SourceStateUnknown, match="does not end"):
        read(clock, Stream({"shard": [[record(begun, "a", None, 1)], ENDLESS]}))
    assert (clock.now() - begun).total_seconds() >= ENDLESS_SECONDS


def test_open_shards_are_awaited_together(clock):
    at = clock.now()
    stream = Stream({f"shard-{number}": [[], [record(at, f"item {number}", None, 1)]] for number in range(10)})
    assert len(read(clock, stream, settle=0)) == 10
    assert (clock.now() - at).total_seconds() < 2 * QUIET_SECONDS


def test_an_open_shard_with_a_later_record_is_read_at_once(clock):
    at = clock.now()
    stream = Stream({"shard": [[record(at, "a", None, 1)], [record(at + timedelta(minutes=1), "b", None, 1)]]})
    assert [key for key, *_ in read(clock, stream, settle=0)] == ["a"]
    assert clock.now() == at


def test_what_a_shard_was_split_into_while_it_was_read_is_read_as_well(clock):
    at = clock.now()
    stream = Stream(
        {"a": [[record(at, "before", None, 1)], CLOSED], "b": [[record(at, "after", None, 1)]]},
        parents={"b": "a"},
        unended=("a",),
    )
    stream.known = 1
    assert [key for key, *_ in read(clock, stream)] == ["before", "after"]


def test_a_closed_shard_ends_with_its_last_answer(clock):
    stream = Stream({"shard": [[record(clock.now(), "a", None, 1)], CLOSED]})
    read(clock, stream)
    assert stream.calls == ["shard"]


def test_a_shard_is_read_after_the_one_that_it_was_split_from_and_one_split_meanwhile_too(clock):
    at = clock.now()
    stream = Stream(
        {name: [[record(at, name, None, 1)], CLOSED] for name in ("a", "b", "c", "d")},
        parents={"a": "c", "b": "gone", "d": "a"},
    )
    stream.known = 3
    found = [key for key, *_ in read(clock, stream)]
    assert sorted(found) == ["a", "b", "c", "d"]
    assert found.index("c") < found.index("a") < found.index("d")


def test_it_ends_with_what_was_written_when_it_began_though_clients_go_on(clock):
    start = clock.now()
    pages = [[record(start + timedelta(seconds=number), f"item {number}", None, 1)] for number in range(100)]
    found = read(clock, Stream({"shard": pages}), settle=5)
    assert [key for key, *_ in found] == [f"item {number}" for number in range(6)]


def test_changes_before_the_requested_time_are_left_out(clock):
    start = clock.now()
    pages = [[record(start - timedelta(seconds=number), f"item {number}", None, 1) for number in (9, 3, 1)]]
    assert [key for key, *_ in read(clock, Stream({"shard": pages}), since=timedelta(seconds=3))] == [
        "item 3",
        "item 1",
    ]


@pytest.mark.parametrize("code", ["TrimmedDataAccessException", "ExpiredIteratorException"])
def test_records_that_were_dropped_meanwhile_are_an_error(clock, code):
    with pytest.raises(SourceStateUnknown, match=code):
        read(clock, Stream({"shard": [[]]}, refused=code))


def test_a_refusal_is_passed_on(clock):
    with pytest.raises(DynamoDBError, match="AccessDenied"):
        read(clock, Stream({"shard": [[]]}, refused="AccessDeniedException"))


def test_a_ring_of_shards_has_an_end_all_the_same():
    ring = [{"ShardId": "a", "ParentShardId": "b"}, {"ShardId": "b", "ParentShardId": "a"}]
    assert len(parents_first(ring)) == 2


def write(clock, stream, positions, since=timedelta(hours=1)):
    changes = StreamChanges(stream, stream.wires, clock.now, sleep=clock.advance)
    return [one.key for one in changes.writes_since(STREAM, clock.now() - since, 0, positions)]


def test_a_reader_that_comes_again_continues_after_the_last_record_of_each_shard(clock):
    """Also after records that were too old for it: they are not read again."""
    at = clock.now()
    old = record(at - timedelta(hours=2), "old", None, 1)
    stream = Stream({"a": [[old], CLOSED], "b": [[old, record(at, "first", None, 1)]]})
    positions = {}
    assert write(clock, stream, positions) == ["first"]
    assert stream.begun == [("a", "TRIM_HORIZON", None), ("b", "TRIM_HORIZON", None)]
    assert positions == {"a": crc32(b"old"), "b": crc32(b"first")}
    stream.begun.clear()
    stream.pages["b"].append([record(clock.now(), "second", None, 1)])
    stream.pages["c"] = [[record(clock.now(), "third", None, 1)]]
    assert write(clock, stream, positions) == ["second", "third"]
    after = [("a", "AFTER_SEQUENCE_NUMBER", f"{crc32(b'old'):021d}")]
    after.append(("b", "AFTER_SEQUENCE_NUMBER", f"{crc32(b'first'):021d}"))
    assert stream.begun == [*after, ("c", "TRIM_HORIZON", None)]
    assert set(positions) == {"a", "b", "c"}


def test_a_position_that_the_stream_has_dropped_is_replaced_by_its_oldest_record(clock):
    stream = Stream({"shard": [[record(clock.now(), "kept", None, 1)]]})
    stream.dropped = True
    assert write(clock, stream, {"shard": 1}) == ["kept"]
    assert [kind for _, kind, _ in stream.begun] == ["AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON"]


def tailing(clock, stream, positions=()):
    return StreamChanges(stream, stream.wires, clock.now, sleep=clock.advance).tail(STREAM, dict(positions))


def keys(tail):
    return [(write.shard, write.key) for write in tail.poll()]


def test_a_tail_returns_what_came_since_the_last_poll_without_a_wait(clock):
    stream, began = Stream({"a": [[record(clock.now(), "first", None, 1)]], "b": []}), clock.now()
    with tailing(clock, stream) as tail:
        assert tail.shards == {"a", "b"}
        assert keys(tail) == [("a", "first")]
        assert keys(tail) == []
        stream.pages["b"].append([record(clock.now(), "second", None, 1)])
        assert keys(tail) == [("b", "second")]
        assert tail.positions == {"a": crc32(b"first"), "b": crc32(b"second")}
    assert (clock.now(), stream.closed) == (began, 1)


def test_a_tail_continues_after_the_positions_of_a_pass(clock):
    pages = [[numbered(clock, "read", 7)], [numbered(clock, "new", 8)]]
    with tailing(clock, Stream({"a": pages}), {"a": 7}) as tail:
        assert keys(tail) == [("a", "new")]


def test_a_tail_whose_position_was_dropped_returns_nothing_twice(clock):
    """Then the shard is read from its oldest record on."""
    pages = [[numbered(clock, "read", 7)], [numbered(clock, "new", 8)]]
    stream = Stream({"a": pages})
    stream.dropped = True
    with tailing(clock, stream, {"a": 7}) as tail:
        assert keys(tail) + keys(tail) == [("a", "new")]


def numbered(clock, key, number):
    found = record(clock.now(), key, None, 1)
    return {**found, "dynamodb": {**found["dynamodb"], "SequenceNumber": str(number)}}


def test_a_tail_goes_on_with_what_a_shard_was_split_into(clock):
    stream = Stream({"a": [[record(clock.now(), "parent", None, 1)], CLOSED]}, {"b": "a"}, unended=("a",))
    with tailing(clock, stream) as tail:
        stream.pages["b"] = [[record(clock.now(), "child", None, 1)]]
        assert keys(tail) == [("a", "parent")]
        assert tail.shards == {"b"}
        assert keys(tail) == [("b", "child")]


@pytest.mark.parametrize(
    ("code", "error"), [("TrimmedDataAccessException", SourceStateUnknown), ("ValidationException", DynamoDBError)]
)
def test_a_tail_that_cannot_be_read_is_an_error(clock, code, error):
    stream = Stream({"a": []})
    with tailing(clock, stream) as tail:
        stream.refused = code
        with pytest.raises(error):
            tail.poll()


def test_a_reader_that_needs_later_writes_only_begins_at_the_next_record_of_each_shard(clock):
    at = clock.now()
    stream = Stream(
        {
            "busy": [[record(at, "old")], [], [record(at, "next"), record(at, "one more")]],
            "ended": [[record(at, "older")], CLOSED],
            "ends": [[], CLOSED],
            "quiet": [[record(at, "oldest")]],
        },
        unended=("ends",),
    )
    changes = StreamChanges(stream, stream.wires, clock.now, sleep=clock.advance)
    positions = changes.newest_positions(STREAM)
    assert positions == {"busy": crc32(b"one more"), "ended": 9}
    assert (clock.now() - at).total_seconds() <= QUIET_SECONDS + 1
    assert stream.closed == 1
    assert ("ended", "LATEST", None) not in stream.begun


def test_a_stream_whose_newest_record_cannot_be_found_is_unknown(clock):
    stream = Stream({"shard": [[record(clock.now(), "a")]]})

    def refuse(**_):
        raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetShardIterator")

    stream.get_shard_iterator = refuse
    changes = StreamChanges(stream, stream.wires, clock.now, sleep=clock.advance)
    with pytest.raises(SourceStateUnknown, match="the stream cannot be read"):
        changes.newest_positions(STREAM)
