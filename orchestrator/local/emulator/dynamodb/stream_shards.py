"""DynamoDB Streams: a stream has several shards at a time, shards are closed, and some portions of a shard are empty.

AWS:

- A stream's shards are created and deleted automatically, and a shard can split into several. A closed shard has an
  ``EndingSequenceNumber``; its child has it as ``ParentShardId`` and must be read after it.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
- GetRecords may return no records although more follow: "It might take multiple calls to get to a portion of the shard
  that contains stream records." Only a response without ``NextShardIterator`` ends a shard, and only a closed one.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html

Here a stream has `LANES` shards at a time, by a hash of the key. Each is closed after ``Options.stream_shard_records``
records, and its child begins. Before each of the `PORTIONS` of a shard, `EMPTY_RESPONSES` responses are empty. With
``stream_shard_records = 0`` a stream is as on stock MiniStack. So is a stream that was turned off.

Stock MiniStack has one shard without an end, and every response has all records that there are.
"""

from __future__ import annotations

import base64
import importlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from zlib import crc32

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.dynamodb_streams._describe_stream": "8971045db3134ac9",
    "ministack.services.dynamodb_streams._get_shard_iterator": "cd697f737ba220fb",
    "ministack.services.dynamodb_streams._get_records": "bb50abe735aab60d",
    "ministack.services.dynamodb_streams._decode_iterator": "7e5b4a5bf8d89329",
    "ministack.services.dynamodb_streams._request_stream_source": "bfaa27ea4086b298",
    "ministack.services.dynamodb_streams._enabled_stream_info": "5d32a1db01f5ce05",
    "ministack.services.dynamodb_streams._records_for": "4392d072446ad51f",
    "ministack.services.dynamodb_streams._horizon": "8c450ea9335192aa",
    "ministack.services.dynamodb_streams._cap_page_bytes": "38318d6495797467",
    "ministack.services.dynamodb_streams._shard_not_found": "b75301bf8163c600",
}

LANES: Final = 2
EMPTY_RESPONSES: Final = 4
PORTIONS: Final = 2
_MAX_SHARDS: Final = 100

Json = dict[str, Any]
Response = Any
Operation = Callable[[Json], Response]


def install(options: Options) -> None:
    """Install the patch in this process."""
    if not options.stream_shard_records:
        return
    streams = importlib.import_module("ministack.services.dynamodb_streams")
    shards = _Shards(streams, options.stream_shard_records)
    wrap(streams, "_describe_stream", shards.describing)
    wrap(streams, "_get_shard_iterator", shards.iterating)
    wrap(streams, "_get_records", shards.reading)


@dataclass
class _Stream:
    """The records of a stream by lane, each with its absolute position in the stream.

    Attributes:
        known: the position up to which records are assigned to lanes.
        lanes: the records of each lane, oldest first.
        dropped: how many records of each lane expired.
    """

    known: int = 0
    lanes: list[list[tuple[int, Json]]] = field(default_factory=lambda: [[] for _ in range(LANES)])
    dropped: list[int] = field(default_factory=lambda: [0] * LANES)

    def count(self, lane: int) -> int:
        """Return how many records a lane has had."""
        return self.dropped[lane] + len(self.lanes[lane])


@dataclass(frozen=True)
class _Shard:
    """The records of a lane from one index to another.

    Attributes:
        lane: number of the lane.
        number: of the shard in its lane, from 0.
        held: the records that the lane holds, of which the shard has some.
        dropped: how many records of the lane expired.
        first, end: index in the lane of its first record, and the one after its last.
        closed: no record follows.
    """

    lane: int
    number: int
    held: list[tuple[int, Json]]
    dropped: int
    first: int
    end: int
    closed: bool

    @property
    def id(self) -> str:
        """Its id, in AWS's form."""
        return _shard_id(self.lane, self.number)

    def records(self, start: int, limit: int | None = None) -> list[Json]:
        """Return the records from an index in the lane on, at most `limit` of them."""
        end = self.end if limit is None else min(self.end, start + limit)
        return [record for _, record in self.held[start - self.dropped : end - self.dropped]]

    def sequence_number(self, index: int) -> str:
        """Return the sequence number of the record at an index in the lane."""
        return str(self.held[index - self.dropped][1]["dynamodb"]["SequenceNumber"])


class _Shards:
    """Replacements of MiniStack's operations."""

    def __init__(self, streams: Any, shard_records: int) -> None:
        self._streams, self._size = streams, shard_records
        self._portion_size = max(1, shard_records // PORTIONS)
        self._by_arn: dict[str, _Stream] = {}

    # --- operations --------------------------------------------------------------------------------------

    def describing(self, original: Operation) -> Operation:
        def describe_stream(data: Json) -> Response:
            shards = self._shards(data.get("StreamArn"))
            response = original(data)
            if shards is None or response[0] != HTTPStatus.OK:
                return response
            description = json.loads(response[2])["StreamDescription"]
            start, limit = data.get("ExclusiveStartShardId"), min(int(data.get("Limit") or _MAX_SHARDS), _MAX_SHARDS)
            names = [shard.id for shard in shards]
            following = shards[names.index(start) + 1 :] if start in names else shards
            description["Shards"] = [_description(shard) for shard in following[:limit]]
            description.pop("LastEvaluatedShardId", None)
            if len(following) > limit:
                description["LastEvaluatedShardId"] = following[limit - 1].id
            return self._streams.json_response({"StreamDescription": description})

        return describe_stream

    def iterating(self, original: Operation) -> Operation:
        def get_shard_iterator(data: Json) -> Response:
            shards = self._shards(data.get("StreamArn"))
            kind = str(data.get("ShardIteratorType"))
            if shards is None or kind not in self._streams._ITERATOR_TYPES:
                return original(data)
            shard = next((one for one in shards if one.id == data.get("ShardId")), None)
            if shard is None:
                return self._streams._shard_not_found()
            position = _position(shard, kind, data.get("SequenceNumber"))
            if position is None:
                message = f"Sequence number {data.get('SequenceNumber')} not found on stream"
                return self._error("TrimmedDataAccessException", message)
            return self._streams.json_response(
                {"ShardIterator": self._iterator(data["StreamArn"], shard, position, EMPTY_RESPONSES)}
            )

        return get_shard_iterator

    def reading(self, original: Operation) -> Operation:
        def get_records(data: Json) -> Response:
            token = self._streams._decode_iterator(str(data.get("ShardIterator"))) or {}
            stream = self._stream(token.get("arn")) if "empty" in token else None
            if stream is None:
                return original(data)
            if time.time() - token["i"] >= self._streams._ITERATOR_TTL_SECONDS:
                return self._error("ExpiredIteratorException", "The shard iterator has expired")
            shard = self._shard(stream, *token["shard"])
            if token["p"] < shard.first:
                return self._error("TrimmedDataAccessException", "The data you are trying to access has been trimmed")
            limit = min(int(data.get("Limit") or self._portion_size), self._portion_size)
            return self._streams.json_response(self._portion(token, shard, limit))

        return get_records

    def _portion(self, token: Json, shard: _Shard, limit: int) -> Json:
        """Return the records at an iterator's position, or none if this portion begins with empty responses."""
        position, empty = int(token["p"]), int(token["empty"])
        if empty and position < shard.end:
            following = self._iterator(token["arn"], shard, position, empty - 1)
            return {"Records": [], "NextShardIterator": following}
        chosen = self._streams._cap_page_bytes(shard.records(position, limit))
        page = [{name: value for name, value in record.items() if name != "eventSourceARN"} for record in chosen]
        after = position + len(page)
        if shard.closed and after >= shard.end:
            return {"Records": page}
        return {"Records": page, "NextShardIterator": self._iterator(token["arn"], shard, after, EMPTY_RESPONSES)}

    # --- shards ------------------------------------------------------------------------------------------

    def _shards(self, arn: Any) -> list[_Shard] | None:
        """Return the shards of a stream; None if it does not exist or was turned off."""
        stream = self._stream(arn)
        if stream is None:
            return None
        return [
            self._shard(stream, lane, number)
            for lane in range(LANES)
            for number in range(stream.dropped[lane] // self._size, stream.count(lane) // self._size + 1)
        ]

    def _stream(self, arn: Any) -> _Stream | None:
        """Return a stream with the records that there are now; None if it does not exist or was turned off."""
        source = self._streams._request_stream_source(str(arn))
        if source is None:
            return None
        spec, table = source
        place = {"account_id": spec.account_id, "region": spec.region}
        info = self._streams._enabled_stream_info(table, **place)
        if info is None or info["StreamArn"] != arn:
            return None
        stream = self._by_arn.setdefault(str(arn), _Stream())
        horizon = self._streams._horizon(*place.values(), table)
        self._assign(stream, horizon, self._streams._records_for(*place.values(), table))
        return stream

    def _assign(self, stream: _Stream, horizon: int, records: list[Json]) -> None:
        """Add the records that are new to their lanes, and drop those that expired."""
        new = max(stream.known - horizon, 0)
        for position, record in enumerate(records[new:], start=horizon + new):
            key = json.dumps(record["dynamodb"]["Keys"], sort_keys=True)
            stream.lanes[crc32(key.encode()) % LANES].append((position, record))
            stream.known = position + 1
        for lane, held in enumerate(stream.lanes):
            expired = 0
            while expired < len(held) and held[expired][0] < horizon:
                expired += 1
            del held[:expired]
            stream.dropped[lane] += expired

    def _shard(self, stream: _Stream, lane: int, number: int) -> _Shard:
        dropped, count = stream.dropped[lane], stream.count(lane)
        first, end = max(number * self._size, dropped), (number + 1) * self._size
        return _Shard(
            lane, number, stream.lanes[lane], dropped, first, max(first, min(end, count)), closed=count >= end
        )

    def _iterator(self, arn: str, shard: _Shard, position: int, empty: int) -> str:
        spec, table = self._streams._request_stream_source(arn)
        place = {"t": table, "a": spec.account_id, "r": spec.region, "arn": arn}
        token = {**place, "s": shard.id, "p": position, "i": time.time()}
        token |= {"shard": [shard.lane, shard.number], "empty": empty}
        return base64.urlsafe_b64encode(json.dumps(token).encode()).decode()

    def _error(self, code: str, message: str) -> Response:
        return self._streams.error_response_json(code, message, HTTPStatus.BAD_REQUEST.value)


def _shard_id(lane: int, number: int) -> str:
    return f"shardId-{number:020d}-{lane:08d}"


def _description(shard: _Shard) -> Json:
    holds = shard.end > shard.first
    described = {"StartingSequenceNumber": shard.sequence_number(shard.first)} if holds else {}
    if shard.closed and holds:
        described["EndingSequenceNumber"] = shard.sequence_number(shard.end - 1)
    parent = {"ParentShardId": _shard_id(shard.lane, shard.number - 1)} if shard.number else {}
    return {"ShardId": shard.id, "SequenceNumberRange": described, **parent}


def _position(shard: _Shard, kind: str, sequence_number: Any) -> int | None:
    """Return the index in the lane at which an iterator begins; None if it names a record that is not there."""
    if kind == "TRIM_HORIZON":
        return shard.first
    if kind == "LATEST":
        return shard.end
    # Sequence numbers are numbers: one with other leading zeros is the same.
    wanted = str(sequence_number).lstrip("0")
    for index in range(shard.first, shard.end):
        if shard.sequence_number(index).lstrip("0") == wanted:
            return index + (kind == "AFTER_SEQUENCE_NUMBER")
    return None
