"""The restored copy of the tokens table, while it is made safe: its mark, its epoch, and its families beside those of the source.

Attribute names are those of the service (service/items.py, service/revocations.py), which knows nothing of us; a test holds them
to it. Nobody else writes a copy before it is served, so families are written whole, 25 in a call. Memory does not grow with the
table: what is held is one page a segment, and the log of revocations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from time import sleep
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.bulk import Bulk
from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.errors import Throttled
from orchestrator.domain.token_safety import (
    ALIVE,
    Case,
    Counted,
    Family,
    Fate,
    Log,
    Mark,
    Safety,
    counted,
    fate,
    must_be_dead,
)

MARK = {"pk": {"S": "recovery"}}
EPOCH = {"pk": {"S": "epoch"}}
FAMILY, REVOKED, DISOWNED = "family#", "revoked#", "disowned#"
ROTATION = ("refresh_hash", "generation", "rotated_by", "rotated_at")
"""What of a family changes when its token is replaced."""

REVOKED_BECAUSE = "request"
"""The service's word for a family that somebody asked to end."""

PAGE_ITEMS = 10_000
"""More than fit into the megabyte of a page, as a rule: few pages are read faster than many."""

_GET_KEYS, _WRITE_ITEMS = 100, 25
_ATTEMPTS, _PAUSE_SECONDS = 8, 0.05
_UNREADABLE = frozenset({"ResourceNotFoundException", "AccessDeniedException"})
_OF_FAMILIES = (FAMILY, f"synthetic#{FAMILY}")

Item = Mapping[str, Any]


class RestoredTokens:
    """A copy of the tokens table.

    Args:
        client: botocore's DynamoDB client.
        copy: the restored table's name.
        source: the table that it was restored from; it may be gone.
        log: the table with the log of revocations.
        bulk: opens what families are read and written through; otherwise it is the client.
    """

    def __init__(
        self,
        client: Any,
        copy: str,
        source: str,
        log: str,
        bulk: Callable[[], AbstractContextManager[Bulk]] | None = None,
    ) -> None:
        self._client = client
        self._copy, self._source, self._log = copy, source, log
        self._bulk = bulk or (lambda: nullcontext(client))

    # --- the mark and the epoch --------------------------------------------------------------------------

    def mark(self) -> Mark | None:
        """Read the copy's mark, consistently; None where nobody has begun to make it safe."""
        with narrowed():
            item = self._client.get_item(TableName=self._copy, Key=MARK, ConsistentRead=True).get("Item")
        return msgspec.json.decode(item["body"]["S"], type=Mark) if item else None

    def keep(self, mark: Mark) -> Mark:
        """Write the copy's mark."""
        with narrowed():
            body = msgspec.json.encode(mark).decode()
            self._client.put_item(TableName=self._copy, Item={**MARK, "body": {"S": body}})
        return mark

    def known_epochs(self) -> tuple[list[int], bool]:
        """Every epoch that is known to have been in force, and whether the source could be asked for its own."""
        known = [_epoch(self._item(self._copy, EPOCH)), _epoch(self._item(self._log, EPOCH))]
        try:
            return [*known, _epoch(self._item(self._source, EPOCH))], True
        except ClientError as error:
            if code_of(error) not in _UNREADABLE:
                raise
            return known, False

    def epoch(self) -> int:
        """The copy's own epoch."""
        return _epoch(self._item(self._copy, EPOCH))

    def raise_epoch(self, epoch: int) -> None:
        """Raise the copy's epoch to this one; one that is as high already stays."""
        try:
            with narrowed():
                self._client.update_item(
                    TableName=self._copy,
                    Key=EPOCH,
                    UpdateExpression="SET epoch = :epoch",
                    ConditionExpression="attribute_not_exists(epoch) OR epoch < :epoch",
                    ExpressionAttributeValues={":epoch": {"N": str(epoch)}},
                )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise

    def log_epoch(self, epoch: int) -> None:
        """Write down, where no restore reaches, which epoch is in force."""
        with narrowed():
            self._client.put_item(TableName=self._log, Item={**EPOCH, "epoch": {"N": str(epoch)}})

    # --- families ----------------------------------------------------------------------------------------

    def log(self) -> Log:
        """Read the log of revocations, all of it: whoever is in it is dead, whenever that was."""
        revoked: set[str] = set()
        disowned: set[str] = set()
        with self._bulk() as bulk:
            pages = _pages(bulk, {"TableName": self._log, "ProjectionExpression": "pk"})
            keys = [item["pk"]["S"] for page in pages for item in page["Items"]]
        for key in keys:
            for prefix, names in ((REVOKED, revoked), (DISOWNED, disowned)):
                if key.removeprefix("synthetic#").startswith(prefix):
                    names.add(key.replace(prefix, "", 1))
        return Log(frozenset(revoked), frozenset(disowned))

    def judge(
        self, segment: tuple[int, int], after: str, safety: Safety, until: Callable[[], bool], *, source_readable: bool
    ) -> tuple[Counted, str | None]:
        """Judge a segment's families page by page, and take those that may live on into the new epoch.

        Args:
            segment: its number, and how many there are.
            after: the key that it goes on after; empty at its beginning.
            safety: what families are judged by.
            until: whether it is time to stop; asked after each page.
            source_readable: whether the source can be asked.

        Returns:
            What the families came to, and the key to go on after; None where the segment is done.
        """
        found = Counted()
        with self._bulk() as bulk:
            for page in self._segment(bulk, segment, after):
                cases = self._cases(bulk, _families(page), safety, source_readable=source_readable)
                fates = [fate(case, safety) for case, _, _ in cases]
                living = [
                    _adopted(item, source if one is Fate.TAKEN_OVER else None, safety.epoch)
                    for one, (_, item, source) in zip(fates, cases, strict=True)
                    if one in ALIVE and one is not Fate.KEPT
                ]
                self._write(bulk, living)
                found += counted(fates)
                after = _after(page)
                if not after or until():
                    break
        return found, after or None

    def prove(
        self, segment: tuple[int, int], after: str, safety: Safety, until: Callable[[], bool]
    ) -> tuple[int, list[str], str | None]:
        """Read a segment back: how many families are alive, which of them must not be, and the key to go on after."""
        alive, wrong = 0, []
        with self._bulk() as bulk:
            for page in self._segment(bulk, segment, after):
                families = [family_of(item) for item in _families(page)]
                alive += sum(1 for family in families if family.epoch >= safety.epoch and not family.revoked)
                wrong += [family.name for family in families if must_be_dead(family, safety)]
                after = _after(page)
                if not after or until():
                    break
        return alive, wrong, after or None

    def end_logged(self) -> int:
        """End every family that the log has and that is alive in the copy; returns how many those were.

        For what was revoked after the families were judged, while the source still served. It takes a call for a hundred entries
        of the log, and one for each family that is ended.
        """
        log = self.log()
        names = {*log.revoked, *(name.rpartition("#")[0] for name in log.disowned)}
        keys = sorted(_family_key(name) for name in names)
        with self._bulk() as bulk:
            found = _read_many(bulk, self._copy, keys)
        alive = [item for item in found.values() if _ends(family_of(item), log)]
        for item in alive:
            self._end(item["pk"]["S"])
        return len(alive)

    def _end(self, key: str) -> None:
        with narrowed():
            self._client.update_item(
                TableName=self._copy,
                Key={"pk": {"S": key}},
                UpdateExpression="SET revoked_because = if_not_exists(revoked_because, :because)",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues={":because": {"S": REVOKED_BECAUSE}},
            )

    def revive(self, names: Iterable[str], epoch: int) -> int:
        """Bring families back to life that must stay dead, as a saboteur does; returns how many were there."""
        found = 0
        for name in names:
            item = self._item(self._copy, {"pk": {"S": _family_key(name)}})
            if item:
                alive = {key: value for key, value in item.items() if key not in {"revoked_because", "revoked_at"}}
                self._write(self._client, [_adopted(alive, None, epoch)])
                found += 1
        return found

    def _cases(
        self, bulk: Bulk, items: Sequence[Item], safety: Safety, *, source_readable: bool
    ) -> list[tuple[Case, Item, Item | None]]:
        """Each family beside its source, which is asked for only where the family is not dead whatever it says."""
        copies = [(family_of(item), item) for item in items]
        asked = [
            item["pk"]["S"]
            for family, item in copies
            if source_readable and fate(Case(family, family), safety) is Fate.ADOPTED
        ]
        sources = _read_many(bulk, self._source, asked)
        return [
            (Case(family, family_of(source) if source else None), item, source)
            for family, item in copies
            for source in (sources.get(item["pk"]["S"]),)
        ]

    # --- DynamoDB ----------------------------------------------------------------------------------------

    def _segment(self, bulk: Bulk, segment: tuple[int, int], after: str) -> Iterator[Mapping[str, Any]]:
        number, of = segment
        scan = {
            "TableName": self._copy,
            "ConsistentRead": True,
            "Segment": number,
            "TotalSegments": of,
            "Limit": PAGE_ITEMS,
        }
        yield from _pages(bulk, scan | ({"ExclusiveStartKey": {"pk": {"S": after}}} if after else {}))

    def _item(self, table: str, key: Item) -> Item | None:
        with narrowed():
            found: Item | None = self._client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
            return found

    def _write(self, bulk: Bulk, items: Sequence[Item]) -> None:
        for start in range(0, len(items), _WRITE_ITEMS):
            puts = {self._copy: [{"PutRequest": {"Item": item}} for item in items[start : start + _WRITE_ITEMS]]}

            def call(left: Mapping[str, Any]) -> Mapping[str, Any]:
                unprocessed: Mapping[str, Any] = bulk.batch_write_item(RequestItems=left).get("UnprocessedItems") or {}
                return unprocessed

            _until_done(call, puts)


def _families(page: Mapping[str, Any]) -> list[Item]:
    """The families among a page's items. Whoever has DynamoDB filter has it read the same, and look at each once more."""
    return [item for item in page["Items"] if item["pk"]["S"].startswith(_OF_FAMILIES)]


def _pages(bulk: Bulk, scan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    start: Mapping[str, Any] = {}
    while True:
        with narrowed():
            page = bulk.scan(**{"ConsistentRead": True, **scan, **start})
        yield page
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _read_many(bulk: Bulk, table: str, keys: Sequence[str]) -> dict[str, Item]:
    found: dict[str, Item] = {}

    def call(left: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = bulk.batch_get_item(RequestItems=left)
        found.update((item["pk"]["S"], item) for item in answer["Responses"].get(table, ()))
        unprocessed: Mapping[str, Any] = answer.get("UnprocessedKeys") or {}
        return unprocessed

    for start in range(0, len(keys), _GET_KEYS):
        named = [{"pk": {"S": key}} for key in keys[start : start + _GET_KEYS]]
        _until_done(call, {table: {"Keys": named, "ConsistentRead": True}})
    return found


def family_of(item: Item) -> Family:
    """Read a family from its item."""
    return Family(
        name=item["pk"]["S"].replace(FAMILY, "", 1),
        client_id=item["client_id"]["S"],
        epoch=int(item["epoch"]["N"]),
        generation=int(item["generation"]["N"]),
        refresh_hash=item["refresh_hash"]["S"],
        expires_at=int(item["expires_at"]["N"]),
        revoked="revoked_because" in item,
    )


def _family_key(name: str) -> str:
    prefix, _, own = name.rpartition("#")
    return f"{prefix}#{FAMILY}{own}" if prefix else f"{FAMILY}{own}"


def _ends(family: Family, log: Log) -> bool:
    return not family.revoked and (family.name in log.revoked or log.has_disowned(family))


def _adopted(item: Item, source: Item | None, epoch: int) -> Item:
    taken = {} if source is None else {name: source[name] for name in ROTATION if name in source}
    return {**item, **taken, "epoch": {"N": str(epoch)}}


def _epoch(item: Item | None) -> int:
    return int(item["epoch"]["N"]) if item else 0


def _after(page: Mapping[str, Any]) -> str:
    return str(page["LastEvaluatedKey"]["pk"]["S"]) if "LastEvaluatedKey" in page else ""


def _until_done(call: Callable[[Mapping[str, Any]], Mapping[str, Any]], asked: Mapping[str, Any]) -> None:
    """Call until nothing is left over; DynamoDB leaves over what it has no capacity for at the moment.

    Raises:
        Throttled: something was left over again and again.
    """
    left = asked
    for attempt in range(_ATTEMPTS):
        with narrowed():
            left = call(left)
        if not left:
            return
        sleep(_PAUSE_SECONDS * 2**attempt)
    raise Throttled(f"DynamoDB left over a part of {_ATTEMPTS} requests for {', '.join(asked)}")
