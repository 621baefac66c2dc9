"""Two tables of which one is brought level with the other: page by page, in DynamoDB's own notation, and never over what somebody else wrote.

A write says what it replaces, item by item (PutItem and DeleteItem with a condition on every attribute), so that a task that is late, or
somebody who writes in between, changes nothing that was not read: what was refused for that is found when both sides are compared.
Equality of all types, sets and documents too: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from orchestrator.aws.contents import Hashing
from orchestrator.aws.wire import Asks, ReadRefused
from orchestrator.domain.digest import NOTHING, Digest, canonical, of_canonical
from orchestrator.domain.levelling import Moved, Pass, Stretch
from orchestrator.domain.receipts import PREFIX

Item: TypeAlias = Mapping[str, Mapping[str, Any]]

PAGE_ITEMS = 1000
"""So many items are looked through before it is asked whether it is time to stop."""
_GET_AT_ONCE = 100
_CHANGED_MEANWHILE = "ConditionalCheckFailedException"


class _Page(msgspec.Struct, frozen=True):
    Items: list[dict[str, dict[str, Any]]]
    LastEvaluatedKey: dict[str, Any] | None = None


class _Got(msgspec.Struct, frozen=True):
    Responses: dict[str, list[dict[str, dict[str, Any]]]]
    UnprocessedKeys: dict[str, Any] = {}


_decode_page = msgspec.json.Decoder(_Page).decode
_decode_got = msgspec.json.Decoder(_Got).decode
_encode = msgspec.json.Encoder(order="sorted").encode


class Levels:
    """A table in use, and the one that is brought level with it.

    Args:
        in_use: the table whose items are the truth. It takes no writes.
        other: the one that gets them.
        hashing: how items are hashed and keys named.
        wires: opens a connection, by service.
    """

    def __init__(self, in_use: str, other: str, hashing: Hashing, wires: Callable[[str], Asks]) -> None:
        self._in_use, self._other, self._hashing, self._wires = in_use, other, hashing, wires

    def visit(
        self, stretch: Stretch, as_of: datetime, until: Callable[[], bool]
    ) -> tuple[Moved, Digest, Stretch | None]:
        """Go on with a stretch, at least by a page.

        Args:
            stretch: where it is.
            as_of: what had expired by then is not read.
            until: whether it is time to stop; asked after each page.

        Returns:
            What was changed, what was read, and the stretch as it is now; None where it is at its end.

        Raises:
            Throttled, Unreachable: it could not be read or written; what was done so far is done.
            ReadRefused: a table may not be read or written.
        """
        wire, moved, read, after = self._wires("dynamodb"), Moved(), NOTHING, stretch.after
        table = self._other if stretch.doing in {Pass.REMOVE, Pass.READ_OTHER} else self._in_use
        try:
            for items, after in self._pages(wire, table, stretch):
                match stretch.doing:
                    case Pass.WRITE:
                        moved += self._written(wire, items)
                    case Pass.REMOVE:
                        moved += self._removed(wire, [item for item in items if not _receipt(item)])
                    case _:
                        counted = [item for item in items if not _receipt(item) and not self._expired(item, as_of)]
                        read += of_canonical(counted, self._hashing.key, _encode)
                if not after or until():
                    break
        finally:
            wire.close()
        return moved, read, replace(stretch, after=after) if after else None

    def _written(self, wire: Asks, items: Sequence[Item]) -> Moved:
        there = self._fetch(wire, self._other, items)
        count = 0
        for item in items:
            before = there.get(self._name(item))
            if before is None or canonical(before) != canonical(item):
                put = {"TableName": self._other, "Item": item}
                count += _done(wire, "PutItem", {**put, **_as_it_was(before, (*self._hashing.names, *item))})
        return Moved(written=count)

    def _removed(self, wire: Asks, items: Sequence[Item]) -> Moved:
        there, gone = self._fetch(wire, self._in_use, items), []
        for item in items:
            if self._name(item) in there:
                continue
            key = {name: item[name] for name in self._hashing.names}
            if _done(wire, "DeleteItem", {"TableName": self._other, "Key": key, **_as_it_was(item)}):
                gone.append(self._name(item).hex())
        return Moved(removed=len(gone), examples=tuple(gone))

    def _expired(self, item: Item, as_of: datetime) -> bool:
        """Whether DynamoDB may have deleted it, or not yet, on either side."""
        until = item.get(self._hashing.deleted_by, {}).get("N")
        return until is not None and float(until) <= as_of.timestamp()

    def _fetch(self, wire: Asks, table: str, items: Sequence[Item]) -> Mapping[bytes, Item]:
        found: dict[bytes, Item] = {}
        keys = [{name: item[name] for name in self._hashing.names} for item in items]
        for start in range(0, len(keys), _GET_AT_ONCE):
            asked: Mapping[str, Any] = {
                table: {"Keys": keys[start : start + _GET_AT_ONCE], "ConsistentRead": True},
            }
            while asked:
                got = wire.ask("BatchGetItem", {"RequestItems": asked}, _decode_got)
                found.update((self._name(item), item) for item in got.Responses.get(table, ()))
                asked = got.UnprocessedKeys
        return found

    def _name(self, item: Item) -> bytes:
        return self._hashing.hashed_key(_encode({name: item[name] for name in self._hashing.names}))

    @staticmethod
    def _pages(wire: Asks, table: str, stretch: Stretch) -> Iterator[tuple[Sequence[Item], str]]:
        asked: dict[str, Any] = {
            "TableName": table,
            "ConsistentRead": True,
            "Segment": stretch.segment,
            "TotalSegments": stretch.segments,
            "Limit": PAGE_ITEMS,
        }
        after = stretch.after
        while True:
            start = {"ExclusiveStartKey": json.loads(after)} if after else {}
            page = wire.ask("Scan", {**asked, **start}, _decode_page)
            after = json.dumps(page.LastEvaluatedKey) if page.LastEvaluatedKey else ""
            yield page.Items, after
            if not after:
                return


def _receipt(item: Item) -> bool:
    """Whether it is a row of the writer of receipts, who writes all the time, and to whichever table the stack has told it."""
    return str(item.get("pk", {}).get("S", "")).startswith(PREFIX)


def _as_it_was(item: Item | None, others: Sequence[str] = ()) -> Mapping[str, Any]:
    """The condition that an item is as it was read: with its attributes, and without those others that it had not."""
    known = dict(item or {})
    names = {name: f"#{number}" for number, name in enumerate(dict.fromkeys((*known, *others)))}
    told = [
        f"{place} = :{place[1:]}" if name in known else f"attribute_not_exists({place})"
        for name, place in names.items()
    ]
    values = {f":{names[name][1:]}": value for name, value in known.items()}
    return {
        "ConditionExpression": " AND ".join(told),
        "ExpressionAttributeNames": {place: name for name, place in names.items()},
        **({"ExpressionAttributeValues": values} if values else {}),
    }


def _done(wire: Asks, operation: str, asked: Mapping[str, Any]) -> bool:
    """Whether a write was taken; False where what it replaces is not there any more as it was read."""
    try:
        wire.ask(operation, asked, bytes)
    except ReadRefused as error:
        if error.code != _CHANGED_MEANWHILE:
            raise
        return False
    return True
