"""Read what changed in a table from its stream: every write, in order per key, for 24 hours.

Facts of DynamoDB Streams that this relies on (developer guide, *Change data capture for DynamoDB Streams*; API reference
of GetRecords, https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html):

- The records of one item come in the order of its writes.
- A shard's records are all older than those of its children.
- A write that changes nothing leaves no record. Records are kept for 24 hours.
- A response may be empty in the middle of a shard: "It might take multiple calls to get to a portion of the shard that
  contains stream records."
- A closed shard ends with a response without `NextShardIterator`. An open shard has no end.

So the reader first waits until the last write has had time to arrive. It reads a closed shard to its end. It treats an
open shard as read once it returns a record of a later time, or nothing for `QUIET_SECONDS`. All open shards are read
together, so that this time passes once.

A first reader knows a time and no sequence number, and a stream has no iterator for a time. Neither do shards say when
they began. So it reads from TRIM_HORIZON and leaves out what is older. A reader that comes again continues after the
last record that it read of each shard (AFTER_SEQUENCE_NUMBER):
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetShardIterator.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from time import sleep
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.aws.dynamodb.raw_client import DynamoDBError, RawClient
from orchestrator.aws.dynamodb.table_reader import Hashing
from orchestrator.domain.deployment.late_writes import LateWrite
from orchestrator.domain.errors import SourceStateUnknown
from orchestrator.domain.table_comparison.comparison import ItemHash
from orchestrator.domain.table_comparison.point_in_time import Change

QUIET_SECONDS = 5.0
"""How long an open shard must return no records before it counts as read. Heartbeats write to each table every second."""

ENDLESS_SECONDS = 120.0
"""How long a closed shard may return no records without ending. After that its changes are unknown."""

_BETWEEN_EMPTY_SECONDS = 0.25
_WITHIN_CLOSED_SECONDS = 0.1
_DROPPED = "TrimmedDataAccessException"
_TRIMMED = frozenset({_DROPPED, "ExpiredIteratorException"})
_NUMBER_DIGITS = 21
"""The fewest digits of a sequence number that GetShardIterator accepts."""

_NOTHING = msgspec.Raw()


class _Images(msgspec.Struct, frozen=True):
    ApproximateCreationDateTime: float
    Keys: msgspec.Raw
    SequenceNumber: str
    OldImage: msgspec.Raw = _NOTHING
    NewImage: msgspec.Raw = _NOTHING


class _OpenShard:
    """An open shard that is being read. id: its id; iterator: None once it has ended, which it does when it is split."""

    def __init__(self, shard: str, iterator: str, now: datetime) -> None:
        self.id = shard
        self.iterator: str | None = iterator
        self.active_at = now
        self.passed = False

    def is_read(self, now: datetime) -> bool:
        """Return whether nothing more of it is needed."""
        quiet = (now - self.active_at).total_seconds() >= QUIET_SECONDS
        return self.iterator is None or self.passed or quiet


class _Record(msgspec.Struct, frozen=True):
    dynamodb: _Images


class _Records(msgspec.Struct, frozen=True):
    Records: list[_Record]
    NextShardIterator: str | None = None


_decode_records = msgspec.json.Decoder(_Records).decode
_decode_key = msgspec.json.Decoder(dict[str, dict[str, Any]]).decode


class StreamTail:
    """The end of a stream that is read again and again, without a wait.

    Args:
        wire: a connection to DynamoDB Streams.
        describe: returns the stream's shards.
        open_shard: returns an iterator of a shard after a sequence number, or at its oldest record.
        positions: by shard, the sequence number after which to read.
    """

    def __init__(
        self,
        wire: RawClient,
        describe: Callable[[], Sequence[Mapping[str, Any]]],
        open_shard: Callable[[str, int | None], str],
        positions: Mapping[str, int],
    ) -> None:
        self._wire, self._describe, self._open_shard = wire, describe, open_shard
        self.positions = dict(positions)
        self._iterators: dict[str, str] = {}
        self._known: set[str] = set()
        self._discover()

    @property
    def shards(self) -> frozenset[str]:
        """The shards that have not ended."""
        return frozenset(self._iterators)

    def poll(self) -> list[LateWrite]:
        """Return the writes that have come since the last poll, by one request for each shard.

        Raises:
            SourceStateUnknown, Throttled, Unreachable: as `StreamChanges.changes_since`.
        """
        writes: list[LateWrite] = []
        ended = False
        for shard, iterator in list(self._iterators.items()):
            try:
                page = self._wire.call("GetRecords", {"ShardIterator": iterator}, _decode_records)
            except DynamoDBError as error:
                if error.code in _TRIMMED:
                    raise SourceStateUnknown(f"the stream lost records while it was read: {error.code}") from error
                raise
            for record in page.Records:
                write = _late_write(shard, record.dynamodb)
                if write.number > self.positions.get(
                    shard, -1
                ):  # A shard whose position is lost is read from its begin.
                    self.positions[shard] = write.number
                    writes.append(write)
            if page.NextShardIterator is None:
                del self._iterators[shard]
                ended = True
            else:
                self._iterators[shard] = page.NextShardIterator
        if ended:
            self._discover()  # A shard that ended has children.
        return writes

    def _discover(self) -> None:
        for shard in parents_first(self._describe()):
            name = shard["ShardId"]
            if name not in self._known:
                self._known.add(name)
                self._iterators[name] = self._open_shard(name, self.positions.get(name))


class StreamChanges:
    """Streams of one account and region.

    Args:
        client: botocore's client of DynamoDB Streams.
        wires: opens a raw connection, by service name.
        now: the clock.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        client: Any,
        wires: Callable[[str], RawClient],
        now: Callable[[], datetime],
        *,
        sleep: Callable[[float], None] = sleep,
    ) -> None:
        self._client, self._wires, self._now, self._sleep = client, wires, now, sleep

    def changes_since(
        self, stream: str, earliest: datetime, hashing: Hashing, stream_delay_seconds: float
    ) -> Iterator[tuple[Change, Mapping[str, Any]]]:
        """Wait until every write so far is in the stream, then yield the changes since `earliest`, with their keys.

        Later writes are not yielded. They do not matter, because both sides of the comparison were read before, and
        the stream of a table in use has no end.

        Args:
            stream: the stream's ARN.
            earliest: the time of the first change.
            hashing: how items are hashed.
            stream_delay_seconds: how late a write may appear in the stream.

        Yields:
            Each change, and the primary key that it changed, in DynamoDB's notation.

        Raises:
            SourceStateUnknown: the stream cannot be read, or it dropped records meanwhile.
            Throttled: the stream has too many readers.
            Unreachable: DynamoDB Streams did not answer.
        """
        for _, record in self._records_since(stream, earliest, stream_delay_seconds, {}):
            yield _change(record, _time_of(record), hashing), _decode_key(record.Keys)

    def writes_since(
        self, stream: str, earliest: datetime, stream_delay_seconds: float, positions: MutableMapping[str, int]
    ) -> Iterator[LateWrite]:
        """Wait until every write so far is in the stream, then yield the writes since `earliest` with their contents.

        The errors are those of `changes_since`. The table's key is `pk`.

        Args:
            stream: the stream's ARN.
            earliest: the time of the first write.
            stream_delay_seconds: how late a write may appear in the stream.
            positions: by shard, the sequence number after which to read. It is kept up to date with the last record
                that was read, also of records before `earliest`.
        """
        for shard, record in self._records_since(stream, earliest, stream_delay_seconds, positions):
            yield _late_write(shard, record)

    @contextmanager
    def tail(self, stream: str, positions: Mapping[str, int]) -> Iterator[StreamTail]:
        """Read the end of a stream, again and again.

        Args:
            stream: the stream's ARN.
            positions: by shard, the sequence number after which to read: a pass has read all shards a moment ago.

        Raises:
            SourceStateUnknown, Throttled, Unreachable: as `changes_since`.
        """
        wire = self._wires("dynamodbstreams")

        def open_shard(shard: str, position: int | None) -> str:
            return self._iterator(stream, shard, position)

        try:
            yield StreamTail(wire, lambda: self._shards(stream), open_shard, positions)
        finally:
            wire.close()

    def newest_positions(self, stream: str) -> dict[str, int]:
        """Return where a reader may begin who needs later writes only: by shard, the sequence number to read after.

        It waits until each open shard has returned one new record, for at most `QUIET_SECONDS`. A shard that has none is
        left out: little was written to it lately.

        Raises:
            SourceStateUnknown, Throttled, Unreachable: as `changes_since`.
        """
        shards = self._shards(stream)
        closed = {
            shard["ShardId"]: shard["SequenceNumberRange"]["EndingSequenceNumber"]
            for shard in shards
            if _is_closed(shard)
        }
        positions = {shard: int(number) for shard, number in closed.items()}
        iterators = {
            shard["ShardId"]: self._new_iterator(stream, shard["ShardId"], {"ShardIteratorType": "LATEST"})
            for shard in shards
            if not _is_closed(shard)
        }
        wire, began_at = self._wires("dynamodbstreams"), self._now()
        try:
            while iterators:
                for shard, iterator in list(iterators.items()):
                    page = wire.call("GetRecords", {"ShardIterator": iterator}, _decode_records)
                    if page.Records:
                        positions[shard] = int(page.Records[-1].dynamodb.SequenceNumber)
                    if page.Records or page.NextShardIterator is None:
                        del iterators[shard]
                    else:
                        iterators[shard] = page.NextShardIterator
                if (self._now() - began_at).total_seconds() >= QUIET_SECONDS:
                    break
                if iterators:
                    self._sleep(_BETWEEN_EMPTY_SECONDS)
        finally:
            wire.close()
        return positions

    def _records_since(
        self, stream: str, earliest: datetime, stream_delay_seconds: float, positions: MutableMapping[str, int]
    ) -> Iterator[tuple[str, _Images]]:
        """Yield the records since `earliest`, each with its shard. Arguments and errors: `changes_since`."""
        self._sleep(stream_delay_seconds)
        until = self._now()
        wire, read = self._wires("dynamodbstreams"), set[str]()
        try:
            # A shard that was split meanwhile has children that the first description did not contain.
            while new := [shard for shard in self._shards(stream) if shard["ShardId"] not in read]:
                read.update(shard["ShardId"] for shard in new)
                for shard_id, record in self._records(wire, stream, parents_first(new), until, positions):
                    positions[shard_id] = int(record.SequenceNumber)
                    if _time_of(record) >= earliest:
                        yield shard_id, record
        except DynamoDBError as error:
            if error.code in _TRIMMED:
                raise SourceStateUnknown(f"the stream lost records while it was read: {error.code}") from error
            raise
        finally:
            wire.close()

    def _shards(self, stream: str) -> list[Mapping[str, Any]]:
        shards: list[Mapping[str, Any]] = []
        params: dict[str, Any] = {"StreamArn": stream}
        while True:
            with translate_errors():
                description = self._client.describe_stream(**params)["StreamDescription"]
            shards += description["Shards"]
            if not description.get("LastEvaluatedShardId"):
                return shards
            params["ExclusiveStartShardId"] = description["LastEvaluatedShardId"]

    def _records(
        self,
        wire: RawClient,
        stream: str,
        shards: Sequence[Mapping[str, Any]],
        until: datetime,
        positions: Mapping[str, int],
    ) -> Iterator[tuple[str, _Images]]:
        """Yield the records of some shards until a time; parents come first. Only a closed shard has children."""

        def iterator(shard: str) -> str:
            return self._iterator(stream, shard, positions.get(shard))

        for shard in shards:
            if _is_closed(shard):
                for record in self._records_of_closed(wire, shard["ShardId"], iterator, until):
                    yield shard["ShardId"], record
        opened = [shard["ShardId"] for shard in shards if not _is_closed(shard)]
        yield from self._records_of_open(wire, {shard: iterator(shard) for shard in opened}, until)

    def _records_of_closed(
        self, wire: RawClient, shard: str, first: Callable[[str], str], until: datetime
    ) -> Iterator[_Images]:
        iterator: str | None = first(shard)
        active_at = self._now()
        while iterator is not None:
            page = wire.call("GetRecords", {"ShardIterator": iterator}, _decode_records)
            for record in page.Records:
                if _time_of(record.dynamodb) > until:
                    return
                yield record.dynamodb
            iterator = page.NextShardIterator
            if page.Records:
                active_at = self._now()
            elif iterator is not None:
                if (self._now() - active_at).total_seconds() >= ENDLESS_SECONDS:
                    raise SourceStateUnknown(f"the closed shard {shard} of the stream does not end")
                self._sleep(_WITHIN_CLOSED_SECONDS)

    def _records_of_open(
        self, wire: RawClient, iterators: Mapping[str, str], until: datetime
    ) -> Iterator[tuple[str, _Images]]:
        unread = [_OpenShard(shard, iterator, self._now()) for shard, iterator in iterators.items()]
        while unread:
            seen = 0
            for shard in unread:
                page = wire.call("GetRecords", {"ShardIterator": shard.iterator}, _decode_records)
                shard.iterator = page.NextShardIterator
                if page.Records:
                    shard.active_at, seen = self._now(), seen + 1
                for record in page.Records:
                    shard.passed = _time_of(record.dynamodb) > until
                    if shard.passed:
                        break
                    yield shard.id, record.dynamodb
            now = self._now()
            unread = [shard for shard in unread if not shard.is_read(now)]
            if unread and not seen:
                self._sleep(_BETWEEN_EMPTY_SECONDS)

    def _iterator(self, stream: str, shard: str, position: int | None) -> str:
        """Return an iterator after a record of a shard, or at the shard's oldest record."""
        start = {"ShardIteratorType": "TRIM_HORIZON"}
        if position is not None:
            number = str(position).zfill(_NUMBER_DIGITS)
            start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": number}
        try:
            return self._new_iterator(stream, shard, start)
        except SourceStateUnknown as error:
            if position is None or not isinstance(error.__cause__, ClientError):
                raise
            if error_code(error.__cause__) != _DROPPED:
                raise
            return self._iterator(stream, shard, None)  # That record is older than a day. What follows it may not be.

    def _new_iterator(self, stream: str, shard: str, start: Mapping[str, str]) -> str:
        try:
            with translate_errors():
                response = self._client.get_shard_iterator(StreamArn=stream, ShardId=shard, **start)
        except ClientError as error:
            raise SourceStateUnknown(f"the stream cannot be read: {error}") from error
        return str(response["ShardIterator"])


def _is_closed(shard: Mapping[str, Any]) -> bool:
    return bool((shard.get("SequenceNumberRange") or {}).get("EndingSequenceNumber"))


def _time_of(record: _Images) -> datetime:
    return datetime.fromtimestamp(record.ApproximateCreationDateTime, UTC)


def parents_first(shards: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Order shards so that each comes after the shard that it was split from."""
    waiting = {shard["ShardId"]: shard for shard in shards}
    ordered: list[Mapping[str, Any]] = []
    while waiting:
        ready = [shard for shard in waiting.values() if shard.get("ParentShardId") not in waiting]
        # A cycle of parents does not exist; with one, `waiting` still gets empty.
        for shard in ready or list(waiting.values()):
            ordered.append(shard)
            del waiting[shard["ShardId"]]
    return ordered


def _late_write(shard: str, record: _Images) -> LateWrite:
    number, key = int(record.SequenceNumber), _decode_key(record.Keys)["pk"]["S"]
    return LateWrite(shard, number, _time_of(record), key, _item(record.OldImage), _item(record.NewImage))


def _change(record: _Images, at: datetime, hashing: Hashing) -> Change:
    return Change(
        key=hashing.hashed_key(record.Keys),
        at=at,
        before=_entry(record.OldImage, hashing),
        after=_entry(record.NewImage, hashing),
    )


def _item(image: msgspec.Raw) -> Mapping[str, Any] | None:
    return _decode_key(image) if bytes(image) else None


def _entry(image: msgspec.Raw, hashing: Hashing) -> ItemHash | None:
    return hashing.entry(image)[1] if bytes(image) else None
