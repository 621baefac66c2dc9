"""Read what a table accepted after its block was requested, and replay it onto the table that replaces it.

Each write has a condition on the whole item as it was read, so it overwrites no other writer; a failed condition is
decided again. A table that was unblocked a moment ago may still deny: the write is repeated over a new connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from time import sleep
from typing import Any, TypeVar

import msgspec

from orchestrator.aws.dynamodb.access_block import DENIED
from orchestrator.aws.dynamodb.raw_client import DynamoDBError, RawClient
from orchestrator.aws.dynamodb.read_pace import ReadPace
from orchestrator.aws.dynamodb.streams import StreamChanges, StreamTail
from orchestrator.aws.dynamodb.table_reader import TableReader
from orchestrator.aws.dynamodb.table_sync import unchanged_condition, write_unless_changed
from orchestrator.domain.deployment.late_writes import (
    Item,
    LateChange,
    LateWrite,
    Replay,
    ReplayAction,
    ReplayRules,
    decide_replay,
)
from orchestrator.domain.errors import PolicyNotEffective, SourceStateUnknown, TablesOutOfSync

T = TypeVar("T")

_EVER = datetime.min.replace(tzinfo=UTC)

CONFLICTS = 10
"""How often an item may change between reading and writing it."""

DENIALS = 90
AFTER_DENIAL_SECONDS = 1.0
"""How often a denied request is repeated, and after which time: a policy may not be in effect yet."""

REVOKED_BECAUSE = {"S": "request"}
"""The service's word for a family that was revoked on request (service/oauth/families.py)."""


class _Response(msgspec.Struct, frozen=True):
    Item: dict[str, dict[str, Any]] | None = None


_decode = msgspec.json.Decoder(_Response).decode


class LateWrites:
    """Late writes of the tables of one account and region.

    Args:
        tables: describes tables.
        streams: reads their streams.
        wires: opens a raw connection, by service name.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        tables: TableReader,
        streams: StreamChanges,
        wires: Callable[[str], RawClient],
        *,
        sleep: Callable[[float], None] = sleep,
    ) -> None:
        self._tables, self._streams, self._wires, self._sleep = tables, streams, wires, sleep

    def read_late_writes(
        self,
        table: str,
        since: datetime,
        stream_delay_seconds: float,
        positions: Mapping[str, int],
        at_most: int | None = None,
        is_over: Callable[[], bool] = lambda: False,
    ) -> tuple[list[LateWrite], Mapping[str, int]]:
        """Read the writes that a table accepted since a time, up to now.

        Args:
            table: the table.
            since: the time.
            stream_delay_seconds: how late a write may appear in the stream.
            positions: by shard of the stream, the sequence number up to which earlier passes have read.
            at_most: stop after so many writes; None reads all.
            is_over: whether to stop after the present write.

        Returns:
            The writes, and the positions up to which this pass has read.

        Raises:
            SourceStateUnknown: the table has no stream, or its stream cannot be read.
            TableNotReadable: the table does not exist.
            Throttled, Unreachable: the stream did not answer.
        """
        description = self._tables.describe(table)
        if not description.stream or description.stream_since is None or description.stream_since > since:
            raise SourceStateUnknown(f"{table} has no stream that covers its block")
        reached = dict(positions)
        found: list[LateWrite] = []
        for write in islice(
            self._streams.writes_since(description.stream, since, stream_delay_seconds, reached), at_most
        ):
            found.append(write)
            if is_over():
                break
        return found, reached

    def read_past(
        self, table: str, positions: Mapping[str, int], is_over: Callable[[], bool]
    ) -> tuple[Mapping[str, int], bool]:
        """Read a table's stream up to now, and leave out its records: a later reader needs later ones only.

        Args:
            table: the table.
            positions: as `read` has them; empty at the beginning.
            is_over: whether to stop after the present record.

        Returns:
            The positions that were reached, and whether they are those of now.

        Raises:
            SourceStateUnknown, TableNotReadable, Throttled, Unreachable: as `read`.
        """
        description = self._tables.describe(table)
        if not description.stream:
            raise SourceStateUnknown(f"{table} has no stream")
        reached = dict(positions) or self._streams.newest_positions(description.stream)
        for _ in self._streams.writes_since(description.stream, _EVER, 0.0, reached):
            if is_over():
                return reached, False
        return reached, True

    @contextmanager
    def tail(self, table: str, positions: Mapping[str, int]) -> Iterator[StreamTail]:
        """Read the end of a table's stream, again and again. The arguments and errors are those of `read`."""
        description = self._tables.describe(table)
        if not description.stream:
            raise SourceStateUnknown(f"{table} has no stream")
        with self._streams.tail(description.stream, positions) as tail:
            yield tail

    @contextmanager
    def replaying(
        self, table: str, pace: ReadPace | None = None
    ) -> Iterator[Callable[[LateChange, ReplayRules], ReplayAction]]:
        """Open a connection, and yield the function that replays one change onto a table.

        `pace` limits the reads of a table that clients use.

        It raises PolicyNotEffective if the table still denies access, TablesOutOfSync if the item changes all the
        time, Throttled or Unreachable if DynamoDB did not answer. A repetition changes nothing.
        """
        connection = self._wires("dynamodb")
        try:
            yield lambda change, rules: self._replay(connection, table, change, rules, pace)
        finally:
            connection.close()

    def _replay(
        self, connection: RawClient, table: str, change: LateChange, rules: ReplayRules, pace: ReadPace | None
    ) -> ReplayAction:
        key = {"pk": {"S": change.key}}
        for _ in range(CONFLICTS):
            if pace is not None:
                with pace.turn() as turn:
                    turn.units = turn.read = 1
            current = self._allowed(connection, table, partial(_read_item, connection, table, key))
            replay = decide_replay(change, current, rules)
            if self._allowed(connection, table, partial(_apply, connection, table, key, current, replay)):
                return replay.action
        raise TablesOutOfSync(f"{table}: an item changes all the time while a late write is replayed onto it")

    def _allowed(self, connection: RawClient, table: str, call: Callable[[], T]) -> T:
        for _ in range(DENIALS):
            try:
                return call()
            except DynamoDBError as error:
                if error.code != DENIED:
                    raise
                connection.close()
                self._sleep(AFTER_DENIAL_SECONDS)
        raise PolicyNotEffective(f"{table} still denies access")


def _read_item(connection: RawClient, table: str, key: Mapping[str, Any]) -> Item | None:
    """Return an item as it is now; None if there is none."""
    get = {"TableName": table, "Key": key, "ConsistentRead": True}
    return connection.call("GetItem", get, _decode).Item


def _apply(connection: RawClient, table: str, key: Mapping[str, Any], current: Item | None, replay: Replay) -> bool:
    """Do to an item what was decided; return False if it is no longer as it was read."""
    match replay.action:
        case ReplayAction.WRITE:
            assert replay.item is not None, "it was decided what to write"
            condition = unchanged_condition(current, (*key, *replay.item))
            return write_unless_changed(connection, "PutItem", {"TableName": table, "Item": replay.item, **condition})
        case ReplayAction.DELETE:
            condition = unchanged_condition(current)
            return write_unless_changed(connection, "DeleteItem", {"TableName": table, "Key": key, **condition})
        case ReplayAction.REVOKE:
            return _update(
                connection, table, key, "SET revoked_because = if_not_exists(revoked_because, :value)",
                "attribute_exists(pk)", REVOKED_BECAUSE,
            )  # fmt: skip
        case ReplayAction.RAISE_EPOCH:
            _update(
                connection, table, key, "SET epoch = :value",
                "attribute_not_exists(epoch) OR epoch < :value", {"N": str(replay.epoch)},
            )  # fmt: skip
    return True


def _update(
    connection: RawClient, table: str, key: Mapping[str, Any], expression: str, condition: str, value: Mapping[str, str]
) -> bool:
    params = {
        "TableName": table,
        "Key": key,
        "UpdateExpression": expression,
        "ConditionExpression": condition,
        "ExpressionAttributeValues": {":value": value},
    }
    return write_unless_changed(connection, "UpdateItem", params)
