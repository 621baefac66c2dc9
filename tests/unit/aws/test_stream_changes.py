"""Reading a stream: shards in order, up to the moment that was asked for, and never less than all of it in silence."""

from __future__ import annotations

import json
from datetime import timedelta
from zlib import crc32

import pytest

from orchestrator.aws.contents import Hashing
from orchestrator.aws.stream_changes import EMPTY_ANSWERS, StreamChanges, parents_first
from orchestrator.aws.wire import ReadRefused
from orchestrator.domain.errors import SourceUntold
from tests.fakes.clock import SimulatedClock

STREAM = "arn:aws:dynamodb:us-west-1:123456789012:table/t/stream/2026-01-01T00:00:00.000"
HASHING = Hashing(b"k" * 32, ("pk",), "delete_at")


class Stream:
    """A client of streams and the wire to them. pages: answers of a shard, in order; then it answers with nothing."""

    def __init__(self, pages, parents=None, refused=""):
        self.pages, self.parents, self.refused = pages, parents or {}, refused
        self.asked, self.closed, self.known = [], 0, len(pages)

    def wires(self, service):
        assert service == "dynamodbstreams"
        return self

    def describe_stream(self, *, StreamArn, ExclusiveStartShardId=None):  # noqa: N803 - botocore's
        assert StreamArn == STREAM
        names = sorted(self.pages)[: self.known]
        start = names.index(ExclusiveStartShardId) + 1 if ExclusiveStartShardId else 0
        page = names[start : start + 2]
        shards = [
            {"ShardId": name} | ({"ParentShardId": self.parents[name]} if name in self.parents else {}) for name in page
        ]
        more = {"LastEvaluatedShardId": page[-1]} if start + 2 < len(names) else {}
        return {"StreamDescription": {"Shards": shards, **more}}

    def get_shard_iterator(self, *, StreamArn, ShardId, ShardIteratorType):  # noqa: N803
        assert (StreamArn, ShardIteratorType) == (STREAM, "TRIM_HORIZON")
        return {"ShardIterator": f"{ShardId} 0"}

    def ask(self, operation, asked, decode):
        assert operation == "GetRecords"
        if self.refused:
            raise ReadRefused(self.refused)
        shard, _, number = asked["ShardIterator"].partition(" ")
        self.asked.append(shard)
        self.known = len(self.pages)  # What was split meanwhile is known from now on.
        pages, place = self.pages[shard], int(number)
        records, last = (pages[place], place + 1) if place < len(pages) else ([], place)
        closed = bool(pages) and pages[-1] is CLOSED and last >= len(pages) - 1
        answer = {"Records": records, **({} if closed else {"NextShardIterator": f"{shard} {last}"})}
        return decode(json.dumps(answer).encode())

    def close(self):
        self.closed += 1


CLOSED: list = []
"""Stands at the end of a shard that has one."""


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
    changes = StreamChanges(stream, stream.wires, clock.now, pause=clock.advance)
    found = list(changes.since(STREAM, clock.now() - since, HASHING, settle))
    assert stream.closed == 1
    return [(key["pk"]["S"], change.before is not None, change.after is not None) for change, key in found]


def test_changes_come_with_what_was_before_and_after_and_where_they_are(clock):
    at = clock.now()
    stream = Stream({"shard": [[record(at, "a", None, 1), record(at, "b", 1, 2)], [record(at, "c", 2)]]})
    assert read(clock, stream) == [("a", False, True), ("b", True, True), ("c", True, False)]


def test_an_entry_of_a_stream_is_that_of_a_scan(clock):
    item = {"pk": {"S": "a"}, "n": {"N": "1"}}
    stream = Stream({"shard": [[record(clock.now(), "a", after="1.0")]]})
    changes = StreamChanges(stream, stream.wires, clock.now, pause=clock.advance)
    ((change, _),) = changes.since(STREAM, clock.now() - timedelta(hours=1), HASHING, 0)
    assert (change.key, change.after) == HASHING.entry(json.dumps(item).encode())


def test_an_open_shard_is_believed_after_several_empty_answers(clock):
    stream = Stream({"shard": [[], [], [record(clock.now(), "late", None, 1)]]})
    assert [key for key, *_ in read(clock, stream)] == ["late"]
    assert len(stream.asked) == 3 + EMPTY_ANSWERS


def test_a_closed_shard_ends_with_its_last_answer(clock):
    stream = Stream({"shard": [[record(clock.now(), "a", None, 1)], CLOSED]})
    read(clock, stream)
    assert stream.asked == ["shard"]


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


def test_changes_before_the_time_that_is_asked_for_are_left_out(clock):
    start = clock.now()
    pages = [[record(start - timedelta(seconds=number), f"item {number}", None, 1) for number in (9, 3, 1)]]
    assert [key for key, *_ in read(clock, Stream({"shard": pages}), since=timedelta(seconds=3))] == [
        "item 3",
        "item 1",
    ]


@pytest.mark.parametrize("code", ["TrimmedDataAccessException", "ExpiredIteratorException"])
def test_records_that_were_dropped_meanwhile_are_an_error(clock, code):
    with pytest.raises(SourceUntold, match=code):
        read(clock, Stream({"shard": [[]]}, refused=code))


def test_a_refusal_is_passed_on(clock):
    with pytest.raises(ReadRefused, match="AccessDenied"):
        read(clock, Stream({"shard": [[]]}, refused="AccessDeniedException"))


def test_a_ring_of_shards_has_an_end_all_the_same():
    ring = [{"ShardId": "a", "ParentShardId": "b"}, {"ShardId": "b", "ParentShardId": "a"}]
    assert len(parents_first(ring)) == 2
