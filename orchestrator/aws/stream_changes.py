"""What has changed in a table, from its stream: every write in the order in which its key met them, for 24 hours.

Facts of DynamoDB Streams that this rests on (developer guide, *Change data capture for DynamoDB Streams*): the records of one item
come in the order of its writes; a shard's records are all older than those of its children; a write that changes nothing leaves no
record; records are kept for 24 hours. An answer without records is no end: an open shard has none. So who reads first waits until
the last write has had its time to arrive, and then believes an open shard only after several empty answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from time import sleep
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.clients import narrowed
from orchestrator.aws.contents import Hashing
from orchestrator.aws.wire import Asks, ReadRefused
from orchestrator.domain.changes import Change
from orchestrator.domain.comparison import Entry
from orchestrator.domain.errors import SourceUntold

EMPTY_ANSWERS = 3
_BETWEEN_EMPTY_SECONDS = 0.25
_TRIMMED = frozenset({"TrimmedDataAccessException", "ExpiredIteratorException"})


_NOTHING = msgspec.Raw()


class _Images(msgspec.Struct, frozen=True):
    ApproximateCreationDateTime: float
    Keys: msgspec.Raw
    SequenceNumber: str
    OldImage: msgspec.Raw = _NOTHING
    NewImage: msgspec.Raw = _NOTHING


class _Record(msgspec.Struct, frozen=True):
    dynamodb: _Images


class _Records(msgspec.Struct, frozen=True):
    Records: list[_Record]
    NextShardIterator: str | None = None


_decode_records = msgspec.json.Decoder(_Records).decode
_decode_key = msgspec.json.Decoder(dict[str, dict[str, Any]]).decode


class StreamChanges:
    """Streams of one account and region.

    Args:
        client: botocore's client of DynamoDB Streams.
        wires: opens a connection for reading without it, by service.
        now: the clock.
        pause: waits for some seconds.
    """

    def __init__(
        self,
        client: Any,
        wires: Callable[[str], Asks],
        now: Callable[[], datetime],
        *,
        pause: Callable[[float], None] = sleep,
    ) -> None:
        self._client, self._wires, self._now, self._pause = client, wires, now, pause

    def since(
        self, stream: str, earliest: datetime, hashing: Hashing, settle_seconds: float
    ) -> Iterator[tuple[Change, Mapping[str, Any]]]:
        """Wait until every write so far is in the stream, and read up to these: changes from `earliest` on with their keys.

        On a live table the stream has no end. What was written after this was called is of no interest: both sides were read by then.

        Raises:
            SourceUntold: records were dropped meanwhile.
            Throttled: the stream's readers are too many.
            Unreachable: it does not answer.
        """
        self._pause(settle_seconds)
        until = self._now()
        wire, read = self._wires("dynamodbstreams"), set[str]()
        try:
            # A shard that split meanwhile has children that the first description did not know.
            while new := [shard for shard in self._shards(stream) if shard["ShardId"] not in read]:
                for shard in parents_first(new):
                    read.add(shard["ShardId"])
                    for record in self._records(wire, stream, shard["ShardId"]):
                        at = datetime.fromtimestamp(record.ApproximateCreationDateTime, UTC)
                        if at > until:
                            break
                        if at >= earliest:
                            yield _change(record, at, hashing), _decode_key(record.Keys)
        except ReadRefused as error:
            if error.code in _TRIMMED:
                raise SourceUntold(f"its stream lost records while it was read: {error.code}") from error
            raise
        finally:
            wire.close()

    def _shards(self, stream: str) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        asked: dict[str, Any] = {"StreamArn": stream}
        while True:
            with narrowed():
                description = self._client.describe_stream(**asked)["StreamDescription"]
            found += description["Shards"]
            if not description.get("LastEvaluatedShardId"):
                return found
            asked["ExclusiveStartShardId"] = description["LastEvaluatedShardId"]

    def _records(self, wire: Asks, stream: str, shard: str) -> Iterator[_Images]:
        iterator: str | None = self._iterator(stream, shard)
        empty = 0
        while iterator is not None and empty < EMPTY_ANSWERS:
            page = wire.ask("GetRecords", {"ShardIterator": iterator}, _decode_records)
            yield from (record.dynamodb for record in page.Records)
            iterator = page.NextShardIterator
            if page.Records:
                empty = 0
            elif iterator is not None:
                empty += 1
                self._pause(_BETWEEN_EMPTY_SECONDS)

    def _iterator(self, stream: str, shard: str) -> str:
        try:
            with narrowed():
                answer = self._client.get_shard_iterator(
                    StreamArn=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
                )
        except ClientError as error:
            raise SourceUntold(f"its stream cannot be read: {error}") from error
        return str(answer["ShardIterator"])


def parents_first(shards: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Order shards so that none comes before the one that it was split from."""
    waiting = {shard["ShardId"]: shard for shard in shards}
    ordered: list[Mapping[str, Any]] = []
    while waiting:
        ready = [shard for shard in waiting.values() if shard.get("ParentShardId") not in waiting]
        # Shards that name one another in a ring do not exist; if they did, this would be none the less an end.
        for shard in ready or list(waiting.values()):
            ordered.append(shard)
            del waiting[shard["ShardId"]]
    return ordered


def _change(record: _Images, at: datetime, hashing: Hashing) -> Change:
    return Change(
        key=hashing.hashed_key(record.Keys),
        at=at,
        before=_entry(record.OldImage, hashing),
        after=_entry(record.NewImage, hashing),
    )


def _entry(image: msgspec.Raw, hashing: Hashing) -> Entry | None:
    return hashing.entry(image)[1] if bytes(image) else None
