"""Bring one table in sync with another, page by page in DynamoDB's own notation, without overwriting other writers.

The table in use is read at a pace, because clients read it meanwhile. The other table has no clients.

Clients write to the table in use, too. What they write after an item was read is replayed from the stream.

Each write names what it replaces: PutItem and DeleteItem carry a condition on every attribute. So a late task, or a
writer that writes in between, cannot cause the loss of an item that was not read. A write that fails its condition
leaves a difference, which the comparison of both tables finds afterwards. Conditions compare all types, also sets and
documents:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from time import sleep
from typing import Any, TypeAlias

import msgspec

from orchestrator.aws.clients import CONDITION_FAILED
from orchestrator.aws.dynamodb.batch import RawBatchClient, ScanPage, batch_get, chunks_of_page, scan_segment
from orchestrator.aws.dynamodb.raw_client import DynamoDBError, RawClient
from orchestrator.aws.dynamodb.read_pace import ReadPace
from orchestrator.aws.dynamodb.table_reader import Hashing
from orchestrator.domain.deployment.table_sync import (
    MOST_SUSPECTS,
    Look,
    Suspects,
    SyncCounts,
    SyncPhase,
    SyncSegment,
)
from orchestrator.domain.recovery.heartbeats import PREFIX
from orchestrator.domain.table_comparison.digest import canonical_item, hashed_content

Item: TypeAlias = Mapping[str, Mapping[str, Any]]

PAGE_ITEMS = 1000
CHUNK_ITEMS = 50
"""Items of a page that are worked on before `until` is called. Each may need a write of its own, and a write that is
throttled takes seconds."""

REVOKED = "revoked_because"
"""The attribute of a family that was revoked (service/oauth/families.py)."""

_encode = msgspec.json.Encoder(order="sorted").encode


class TableSync:
    """Brings `target` in sync with `in_use`.

    Args:
        in_use: the table whose items are the truth.
        target: the table that is written.
        hashing: how items are hashed, and the names of the key's attributes.
        wires: opens a raw connection, by service name.
        pace: limits the reads of the table in use, of all segments together.
        target_wires: opens a raw connection to the target, if that is in another region.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        in_use: str,
        target: str,
        hashing: Hashing,
        wires: Callable[[str], RawClient],
        pace: ReadPace,
        *,
        target_wires: Callable[[str], RawClient] | None = None,
        sleep: Callable[[float], None] = sleep,
    ) -> None:
        self._in_use, self._target, self._hashing = in_use, target, hashing
        self._target_wires = target_wires or wires
        self._wires, self._pace, self._sleep = wires, pace, sleep

    def run_segment(
        self, segment: SyncSegment, as_of: datetime, until: Callable[[], bool]
    ) -> tuple[SyncCounts, Suspects, SyncSegment | None]:
        """Continue with a segment, by one chunk of a page at least.

        Args:
            segment: the segment, and how far it has come.
            as_of: items that had expired by then are not compared.
            until: whether it is time to stop; called after each chunk of a page.

        Returns:
            What was changed or compared, the items that differ, and the segment as it is now; None at its end.

        Raises:
            Throttled, Unreachable: a table could not be read or written; changes made so far stay.
            DynamoDBError: a table may not be read or written.
        """
        source, target = self._wires("dynamodb"), self._target_wires("dynamodb")
        counts, suspects = SyncCounts(), dict[str, str]()
        of_target = segment.doing in {SyncPhase.REMOVE, SyncPhase.READ_OTHER}
        table = self._target if of_target else self._in_use
        after = segment.after
        try:
            pages = scan_segment(
                RawBatchClient(target if of_target else source),
                table,
                segment.segment,
                segment.segments,
                start=json.loads(after) if after else None,
                pace=self._pace if table == self._in_use else None,
                consistent=True,
                Limit=PAGE_ITEMS,
            )
            for items, last_key in self._chunks(pages):
                of_clients = [item for item in items if not _heartbeat(item)]
                compared = [item for item in of_clients if not self._expired(item, as_of)]
                match segment.doing:
                    case SyncPhase.WRITE:
                        counts += self._write_missing(target, items)
                    case SyncPhase.REMOVE:
                        counts += self._remove_surplus(source, target, of_clients)
                    case SyncPhase.READ_IN_USE:
                        counts += SyncCounts(compared=len(compared))
                        suspects |= self._differing(target, compared)
                    case SyncPhase.READ_OTHER:
                        suspects |= self._surplus(source, compared)
                after = json.dumps(last_key, allow_nan=False) if last_key else ""
                if not after or until() or len(suspects) >= MOST_SUSPECTS:
                    break
        finally:
            source.close()
            target.close()
        return counts, suspects, replace(segment, after=after) if after else None

    def look_again(self, keys: Collection[str]) -> Mapping[str, Look]:
        """Read suspects again on both sides.

        Args:
            keys: their primary keys, as `Suspects` have them.

        Raises:
            Throttled, Unreachable, DynamoDBError: as `run_segment`.
        """
        if not keys:
            return {}
        source, target = self._wires("dynamodb"), self._target_wires("dynamodb")
        try:
            named = [json.loads(key) for key in keys]
            # The target first: a write to the table in use between both reads shows as a later one.
            others = self._fetch(target, self._target, named)
            in_use = self._fetch(source, self._in_use, named)
        finally:
            source.close()
            target.close()
        hashed = {key: self._hashed_key(item) for key, item in zip(keys, named, strict=True)}
        return {
            key: Look(self._hashed_item(in_use.get(place)), equal=_equal(in_use.get(place), others.get(place)))
            for key, place in hashed.items()
        }

    def _chunks(self, pages: Iterator[ScanPage]) -> Iterator[tuple[Sequence[Item], Item | None]]:
        for page in pages:
            yield from chunks_of_page(page, CHUNK_ITEMS, self._hashing.names)

    def _write_missing(self, connection: RawClient, items: Sequence[Item]) -> SyncCounts:
        existing = self._fetch(connection, self._target, items)
        count = 0
        for item in items:
            before = existing.get(self._hashed_key(item))
            if before is None or canonical_item(before) != canonical_item(item):
                put = {"TableName": self._target, "Item": item}
                condition = unchanged_condition(before, (*self._hashing.names, *item))
                count += write_unless_changed(connection, "PutItem", {**put, **condition})
        return SyncCounts(written=count)

    def _remove_surplus(self, source: RawClient, target: RawClient, items: Sequence[Item]) -> SyncCounts:
        existing, removed = self._fetch(source, self._in_use, items), []
        for item in items:
            if self._hashed_key(item) in existing:
                continue
            key = {name: item[name] for name in self._hashing.names}
            if write_unless_changed(
                target, "DeleteItem", {"TableName": self._target, "Key": key, **unchanged_condition(item)}
            ):
                removed.append(self._hashed_key(item).hex())
        return SyncCounts(removed=len(removed), examples=tuple(removed))

    def _differing(self, connection: RawClient, items: Sequence[Item]) -> Suspects:
        """Return those of the in-use table's items that the other table does not hold as they are."""
        others = self._fetch(connection, self._target, items)
        differing = (item for item in items if not _equal(item, others.get(self._hashed_key(item))))
        return {self._key_text(item): self._hashed_item(item) for item in differing}

    def _surplus(self, connection: RawClient, items: Sequence[Item]) -> Suspects:
        """Return those of the other table's items under whose key the table in use holds none."""
        in_use = self._fetch(connection, self._in_use, items)
        return {self._key_text(item): "" for item in items if self._hashed_key(item) not in in_use}

    def _key_text(self, item: Item) -> str:
        return json.dumps({name: item[name] for name in self._hashing.names}, allow_nan=False)

    def _hashed_item(self, item: Item | None) -> str:
        return hashed_content(canonical_item(item), self._hashing.key, _encode).hex() if item is not None else ""

    def _expired(self, item: Item, as_of: datetime) -> bool:
        """Whether an item's time to live was over: DynamoDB may have deleted it on one side and not on the other."""
        expires_at = item.get(self._hashing.ttl_attribute, {}).get("N")
        return expires_at is not None and float(expires_at) <= as_of.timestamp()

    def _fetch(self, connection: RawClient, table: str, items: Sequence[Item]) -> Mapping[bytes, Item]:
        """Read the items of a table under the keys of `items`, by hashed key."""
        keys = [{name: item[name] for name in self._hashing.names} for item in items]
        pace = self._pace if table == self._in_use else None
        found = batch_get(RawBatchClient(connection), table, keys, sleep=self._sleep, pace=pace, consistent=True)
        return {self._hashed_key(item): item for item in found}

    def _hashed_key(self, item: Item) -> bytes:
        return self._hashing.hashed_key(_encode({name: item[name] for name in self._hashing.names}))


def _equal(first: Item | None, second: Item | None) -> bool:
    """Whether two items are equal. Two revoked ones are: the cause and the time of a revocation may be another side's."""
    if first is None or second is None:
        return first is second
    return canonical_item(first) == canonical_item(second) or (REVOKED in first and REVOKED in second)


def _heartbeat(item: Item) -> bool:
    """Whether an item is a heartbeat row. Its writer never stops, and writes to the table that the stack names."""
    return str(item.get("pk", {}).get("S", "")).startswith(PREFIX)


def unchanged_condition(item: Item | None, others: Sequence[str] = ()) -> Mapping[str, Any]:
    """Return the condition that an item is as it was read: with its attributes, and without the `others` it lacked."""
    known = dict(item or {})
    names = {name: f"#{number}" for number, name in enumerate(dict.fromkeys((*known, *others)))}
    terms = [
        f"{place} = :{place[1:]}" if name in known else f"attribute_not_exists({place})"
        for name, place in names.items()
    ]
    values = {f":{names[name][1:]}": value for name, value in known.items()}
    return {
        "ConditionExpression": " AND ".join(terms),
        "ExpressionAttributeNames": {place: name for name, place in names.items()},
        **({"ExpressionAttributeValues": values} if values else {}),
    }


def write_unless_changed(connection: RawClient, operation: str, params: Mapping[str, Any]) -> bool:
    """Make a conditional write; return False where the item changed since it was read."""
    try:
        connection.call(operation, params, bytes)
    except DynamoDBError as error:
        if error.code != CONDITION_FAILED:
            raise
        return False
    return True
