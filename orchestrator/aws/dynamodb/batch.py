"""Read and write many items per call: Scan, BatchGetItem and BatchWriteItem.

DynamoDB may answer a batch call with HTTP 200 and a part of the result. The rest is named in ``UnprocessedKeys`` or
``UnprocessedItems``, for example while the table has no capacity left. No client retries such a response, so
`batch_get` and `batch_write` do: with exponential back-off, and with a limit.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import sleep
from typing import Any, Generic, NotRequired, Protocol, TypedDict, TypeVar

import msgspec

from orchestrator.aws.clients import translate_errors
from orchestrator.aws.dynamodb.raw_client import RawClient
from orchestrator.aws.dynamodb.read_pace import ReadPace
from orchestrator.domain.errors import Throttled

T = TypeVar("T")
Sleep = Callable[[float], None]

KEYS_PER_GET = 100
ITEMS_PER_WRITE = 25
"""The most that one BatchGetItem and one BatchWriteItem accept (API reference)."""

ATTEMPTS = 8
"""Consecutive responses without progress before a batch call fails."""

FIRST_PAUSE_SECONDS = 0.05
"""The pause after a partial response. It doubles with each response without progress; all pauses add up to 6.35 s."""


class BatchClient(Protocol):
    """The calls that read and write many items: botocore's DynamoDB client, or `RawBatchClient`."""

    def scan(self, **params: Any) -> Mapping[str, Any]:
        """Read one page of a table."""

    def batch_get_item(self, **params: Any) -> Mapping[str, Any]:
        """Read items by their keys."""

    def batch_write_item(self, **params: Any) -> Mapping[str, Any]:
        """Put and delete items without conditions."""


class _Consumed(TypedDict):
    CapacityUnits: float


class _ScanResponse(TypedDict, Generic[T]):
    Items: list[T]
    ConsumedCapacity: NotRequired[_Consumed]
    ScannedCount: NotRequired[int]
    LastEvaluatedKey: NotRequired[dict[str, Any]]


class _GetResponse(TypedDict, Generic[T]):
    Responses: dict[str, list[T]]
    ConsumedCapacity: NotRequired[list[_Consumed]]
    UnprocessedKeys: NotRequired[dict[str, Any]]


_Item = dict[str, dict[str, Any]]
_decode_scan = msgspec.json.Decoder(_ScanResponse[_Item]).decode
_decode_raw_scan = msgspec.json.Decoder(_ScanResponse[msgspec.Raw]).decode
_decode_get = msgspec.json.Decoder(_GetResponse[_Item]).decode
_decode_raw_get = msgspec.json.Decoder(_GetResponse[msgspec.Raw]).decode


class RawBatchClient:
    """The three calls over one raw connection, without botocore's cost per attribute. For one thread at a time.

    The calls raise Throttled, Unreachable and DynamoDBError after the connection's own retries. All three are
    idempotent.

    Args:
        connection: to DynamoDB.
        raw_items: return each item as the bytes that DynamoDB sent (`msgspec.Raw`) instead of as a dict.
    """

    def __init__(self, connection: RawClient, *, raw_items: bool = False) -> None:
        self._connection, self._raw_items = connection, raw_items

    def scan(self, **params: Any) -> Mapping[str, Any]:
        """Read one page of a table."""
        decode: Callable[[bytes], Mapping[str, Any]] = _decode_raw_scan if self._raw_items else _decode_scan
        return self._connection.call("Scan", params, decode)

    def batch_get_item(self, **params: Any) -> Mapping[str, Any]:
        """Read items by their keys."""
        decode: Callable[[bytes], Mapping[str, Any]] = _decode_raw_get if self._raw_items else _decode_get
        return self._connection.call("BatchGetItem", params, decode)

    def batch_write_item(self, **params: Any) -> Mapping[str, Any]:
        """Put and delete items without conditions."""
        response: Mapping[str, Any] = self._connection.call("BatchWriteItem", params, msgspec.json.decode)
        return response


@contextmanager
def batch_client(connection: RawClient, *, raw_items: bool = False) -> Iterator[BatchClient]:
    """Read and write over a connection, and close it afterwards. Args: as `RawBatchClient`."""
    try:
        yield RawBatchClient(connection, raw_items=raw_items)
    finally:
        connection.close()


def batch_get(
    client: BatchClient,
    table: str,
    keys: Sequence[Mapping[str, Any]],
    *,
    sleep: Sleep = sleep,
    pace: ReadPace | None = None,
    consistent: bool = False,
) -> Iterator[Any]:
    """Read the items under some keys, in any order; a key without an item yields nothing.

    Reads are consistent. With a pace they are eventually consistent, which costs half, unless `consistent` is true.

    Args:
        client: reads.
        table: the table's name.
        keys: primary keys in DynamoDB's notation, any number of them, each once.
        sleep: waits for some seconds.
        pace: limits the reads of a table that clients use.
        consistent: read consistently at a pace, too.

    Raises:
        Throttled: DynamoDB left keys unprocessed in `ATTEMPTS` consecutive responses without progress.
        Unreachable: DynamoDB did not answer.
    """
    rest: Sequence[Any] = keys
    while rest:
        pending, rest = _first_keys(rest, pace)
        back_off = _BackOff("BatchGetItem", table, sleep)
        while pending:
            response = _batch_get(client, table, pending, pace, consistent=consistent)
            yield from response["Responses"].get(table, ())
            unprocessed = (response.get("UnprocessedKeys") or {}).get(table, {}).get("Keys", ())
            back_off.wait(len(pending), len(unprocessed))
            pending = unprocessed


def _first_keys(keys: Sequence[Any], pace: ReadPace | None) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return the keys of the next call, and those that are left."""
    count = min(KEYS_PER_GET, pace.items) if pace else KEYS_PER_GET
    return keys[:count], keys[count:]


def _batch_get(
    client: BatchClient, table: str, keys: Sequence[Any], pace: ReadPace | None, *, consistent: bool
) -> Mapping[str, Any]:
    if pace is None:
        with translate_errors():
            return client.batch_get_item(RequestItems={table: {"Keys": list(keys), "ConsistentRead": True}})
    response: Mapping[str, Any] = pace.read_paced(
        lambda _: client.batch_get_item(
            RequestItems={table: {"Keys": list(keys), "ConsistentRead": consistent}}, ReturnConsumedCapacity="TOTAL"
        ),
        lambda _: len(keys),
    )
    return response


def batch_write(client: BatchClient, table: str, items: Sequence[Mapping[str, Any]], *, sleep: Sleep = sleep) -> None:
    """Put items without conditions, and replace what the table holds under their keys.

    Args:
        client: writes.
        table: the table's name.
        items: whole items in DynamoDB's notation, any number of them, no two with the same key.
        sleep: waits for some seconds.

    Raises:
        Throttled: DynamoDB left items unprocessed in `ATTEMPTS` consecutive responses without progress.
        Unreachable: DynamoDB did not answer.
    """
    for start in range(0, len(items), ITEMS_PER_WRITE):
        pending: Sequence[Any] = [{"PutRequest": {"Item": item}} for item in items[start : start + ITEMS_PER_WRITE]]
        back_off = _BackOff("BatchWriteItem", table, sleep)
        while pending:
            with translate_errors():
                response = client.batch_write_item(RequestItems={table: list(pending)})
            unprocessed = (response.get("UnprocessedItems") or {}).get(table, ())
            back_off.wait(len(pending), len(unprocessed))
            pending = unprocessed


class _BackOff:
    """Pauses between partial responses of one batch call. A response that processed something resets the pause."""

    def __init__(self, operation: str, table: str, sleep: Sleep) -> None:
        self._operation, self._table, self._sleep = operation, table, sleep
        self._stalled = 0

    def wait(self, requested: int, unprocessed: int) -> None:
        """Wait before the next call, if one is needed. Raises Throttled once the limit is reached."""
        if not unprocessed:
            return
        self._stalled = self._stalled + 1 if unprocessed >= requested else 0
        if self._stalled == ATTEMPTS:
            raise Throttled(
                f"{self._operation} of {self._table}: DynamoDB left {unprocessed} entries unprocessed "
                f"in {ATTEMPTS} consecutive responses"
            )
        self._sleep(FIRST_PAUSE_SECONDS * 2 ** max(0, self._stalled - 1))


@dataclass(frozen=True)
class ScanPage:
    """One page of a scan.

    Attributes:
        items: the page's items, as the client returns them; may be empty before the end of the segment.
        last_key: the primary key after which the next page starts; None on the last page.
    """

    items: Sequence[Any]
    last_key: Mapping[str, Any] | None


def chunks_of_page(
    page: ScanPage, size: int, key_names: Sequence[str]
) -> Iterator[tuple[Sequence[Any], Mapping[str, Any] | None]]:
    """Yield a page's items in chunks, each with the primary key after which a later scan continues.

    Args:
        page: the page; its items are dicts.
        size: items of a chunk.
        key_names: attributes of the primary key.

    Yields:
        A chunk, and the key to continue after; None if it is the segment's last.
    """
    for start in range(0, len(page.items), size) or (0,):
        chunk = page.items[start : start + size]
        is_last = start + size >= len(page.items)
        yield chunk, page.last_key if is_last else {name: chunk[-1][name] for name in key_names}


def scan_segment(
    client: BatchClient,
    table: str,
    segment: int = 0,
    segments: int = 1,
    *,
    start: Mapping[str, Any] | None = None,
    pace: ReadPace | None = None,
    consistent: bool = False,
    **options: Any,
) -> Iterator[ScanPage]:
    """Read one segment of a table, page after page.

    Reads are consistent. With a pace they are eventually consistent, which costs half, unless `consistent` is true.

    Args:
        client: reads.
        table: the table's name.
        segment: the segment's number, from 0.
        segments: how many segments the table is divided into.
        start: the key after which to start; None at the segment's beginning.
        pace: limits the reads of a table that clients use.
        consistent: read consistently at a pace, too.
        options: further parameters of Scan, such as ``Limit``. A pace sets its own limit, at most that one.

    Raises:
        Throttled: the table's capacity does not suffice even for a slow reader.
        Unreachable: DynamoDB did not answer, or its response was damaged.
        DynamoDBError: the table does not exist or may not be read; botocore's client raises ClientError instead.
    """
    params = {"TableName": table, "Segment": segment, "TotalSegments": segments, **options}
    last_key = start
    while True:
        continued = {**params, **({"ExclusiveStartKey": last_key} if last_key else {})}
        response = _scan(client, continued, pace, consistent=consistent)
        last_key = response.get("LastEvaluatedKey")
        yield ScanPage(response["Items"], last_key)
        if not last_key:
            return


def _scan(
    client: BatchClient, params: Mapping[str, Any], pace: ReadPace | None, *, consistent: bool
) -> Mapping[str, Any]:
    if pace is None:
        with translate_errors():
            return client.scan(ConsistentRead=True, **params)
    paced = {**params, "ConsistentRead": consistent, "ReturnConsumedCapacity": "TOTAL"}
    response: Mapping[str, Any] = pace.read_paced(
        lambda items: client.scan(**{**paced, "Limit": min(items, params.get("Limit", items))}),
        lambda response: int(response.get("ScannedCount", len(response["Items"]))),
    )
    return response
