"""Copies of another region's ledger in the ledger of this region: write them, and read them as that region's ledger is read.

| pk                       | sk       | holds                                                                    |
|--------------------------|----------|--------------------------------------------------------------------------|
| ``copied#{region}#{pk}`` | as there | an item of that region's ledger, with all its attributes                 |
| ``copied-ledgers``       | region   | that the ledger was copied as a whole (`orchestrator.domain.failover.back.history`) |

Every write is conditional on what was read before, so of two operators who copy at once, each finds the other's copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.aws.clients import conditional_write, translate_errors
from orchestrator.aws.dynamodb.batch import batch_get, scan_segment
from orchestrator.aws.ledger.lock import LockedTable, decoded
from orchestrator.domain.errors import Throttled
from orchestrator.domain.failover.back.history import REGISTERED, Item, LedgerCopy, copied_key

ItemKey = tuple[str, str]


class LedgerCopies(LockedTable):
    """The copies that a ledger holds. The environment's lock does not fence them: nothing that it guards reads them.

    Args:
        client: botocore's DynamoDB client, of the ledger that has the copies.
        table: that ledger's name.
        sleep: waits for some seconds.
    """

    def __init__(self, client: Any, table: str, *, sleep: Callable[[float], None]) -> None:
        super().__init__(client, table)
        self._sleep = sleep

    def list_copies(self) -> list[LedgerCopy]:
        """Return the ledgers that were copied as a whole, by their regions."""
        return [decoded(item, LedgerCopy) for item in self._query(REGISTERED, forward=True)]

    def register(self, copy: LedgerCopy) -> None:
        """Note that a ledger was copied as a whole."""
        with translate_errors():
            self._client.put_item(**self._put(REGISTERED, copy.region, copy))

    def find_items(self, keys: Iterable[ItemKey]) -> Mapping[ItemKey, Item]:
        """Return the items that are there, by their keys, read consistently.

        Args:
            keys: partition key and sort key of each, each once.

        Raises:
            Throttled, Unreachable: the ledger did not answer.
        """
        wanted = [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in keys]
        found = batch_get(self._client, self._table, wanted, sleep=self._sleep) if wanted else ()
        return {key_of(item): item for item in found}

    def put_copy(self, copy: Item, seen: Item | None) -> bool:
        """Write a copy in the place of the one that was read; return False if it was there already.

        Raises:
            Throttled: another writer wrote another content meanwhile; copy again.
        """
        put: dict[str, Any] = {
            "TableName": self._table,
            "Item": copy,
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        if seen is not None:
            put |= {"ConditionExpression": "body = :seen", "ExpressionAttributeValues": {":seen": seen["body"]}}
        if conditional_write(self._client.put_item, **put) is not None:
            return True
        pk, sk = key_of(copy)
        if self._get(pk, sk) != copy:
            raise Throttled(f"{pk} {sk} was written by another copy at the same time: copy again")
        return False


class OriginalLedger(LockedTable):
    """The ledger that is copied. It is only read, and consistently.

    Raises:
        Throttled, Unreachable: the ledger did not answer; each method.
    """

    def read_partition(self, pk: str) -> Sequence[Item]:
        """Return the items of a partition, in their order."""
        return self._query(pk, forward=True)

    def read_pages(self) -> Iterator[Sequence[Item]]:
        """Yield all items in pages; within a page, those of a partition are in their order.

        An item that is written meanwhile may be missing.
        """
        return (page.items for page in scan_segment(self._client, self._table))


def key_of(item: Item) -> ItemKey:
    """Return the partition key and the sort key of an item."""
    return item["pk"]["S"], item["sk"]["S"]


class CopiedLedgerClient:
    """A client of DynamoDB that reads the copy of a region's ledger under the keys of that ledger. It cannot write.

    The adapters of `orchestrator.aws.ledger` read a copy with it.

    Args:
        client: botocore's DynamoDB client, of the ledger that has the copy.
        region: whose ledger was copied.
    """

    def __init__(self, client: Any, region: str) -> None:
        self._client, self._region = client, region

    def get_item(self, **params: Any) -> Mapping[str, Any]:
        """Read an item by its original key."""
        key = params["Key"]
        response: Mapping[str, Any] = self._client.get_item(**{**params, "Key": {**key, "pk": self._key(key["pk"])}})
        return response

    def get_paginator(self, operation: str) -> _CopiedPages:
        """Return the paginator of Query, which takes original keys."""
        return _CopiedPages(self._client.get_paginator(operation), self._key)

    def _key(self, original: Mapping[str, str]) -> dict[str, str]:
        return {"S": copied_key(self._region, original["S"])}


class _CopiedPages:
    def __init__(self, paginator: Any, key: Callable[[Mapping[str, str]], dict[str, str]]) -> None:
        self._paginator, self._key = paginator, key

    def paginate(self, **params: Any) -> Iterable[Mapping[str, Any]]:
        values = params["ExpressionAttributeValues"]
        pages: Iterable[Mapping[str, Any]] = self._paginator.paginate(
            **{**params, "ExpressionAttributeValues": {**values, ":pk": self._key(values[":pk"])}}
        )
        return pages
