"""DynamoDB: requests consume capacity by the size of what they read or write, and a provisioned table throttles.

AWS:

- A read of up to 4 KB costs one unit, half if it is eventually consistent. A Query or Scan costs the size of all items
  that it read. A write of up to 1 KB costs one unit. ``ReturnConsumedCapacity`` reports the units.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
- Beyond the provisioned units and a burst of up to 300 seconds of unused units, a request fails with
  ProvisionedThroughputExceededException.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html
- A batch that has capacity for some of its items processes these, and returns the others as unprocessed.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
- A transaction without capacity is cancelled with the reason ProvisionedThroughputExceeded.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html

Here the capacity of indexes, limits of a partition and PartiQL are not metered. Neither are requests that a service
of the local cloud makes itself, without HTTP. An on-demand table never throttles.

Stock MiniStack reports the same units for every read, whatever its size, none for BatchGetItem, and never throttles.
"""

from __future__ import annotations

import contextvars
import importlib
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from threading import Lock
from typing import Any, Final
from zlib import crc32

from orchestrator.local.emulator.dynamodb.capacity_bucket import BURST_SECONDS, CapacityBucket
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.dynamodb.handle_request": "1201f2ac993ce1a0",
    "ministack.services.dynamodb._paginate_evaluated_items": "d70cfb58e3a279c9",
    "ministack.services.dynamodb._add_consumed_capacity": "e8b57ddae96f70fb",
    "ministack.services.dynamodb._item_size_bytes": "9be41cc11f947cde",
    "ministack.services.dynamodb._resolve_table_key_values": "6294dbce740f21ac",
    "ministack.services.dynamodb._normalize_table_name": "904f676618e44f7b",
    "ministack.services.dynamodb._batch_get_item": "d6d516ae8785bf7c",
    "ministack.services.dynamodb._batch_write_item": "7c31fe8286aeea2e",
}

READ_OPERATIONS: Final = frozenset({"GetItem", "Query", "Scan"})
WRITE_OPERATIONS: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem"})
TRANSACTIONS: Final = frozenset({"TransactGetItems", "TransactWriteItems"})
READS, WRITES = "ReadCapacityUnits", "WriteCapacityUnits"
_BATCHES: Final = frozenset({"BatchGetItem", "BatchWriteItem"})
_METERED: Final = READ_OPERATIONS | WRITE_OPERATIONS | TRANSACTIONS | _BATCHES
_READ_BYTES, _WRITE_BYTES = 4096, 1024
_THROTTLED: Final = (
    "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning "
    "level with the UpdateTable API"
)

Json = dict[str, Any]
Handler = Callable[[str, str, Mapping[str, str], bytes, Mapping[str, Any]], Awaitable[Any]]

_page: contextvars.ContextVar[Sequence[Any]] = contextvars.ContextVar("page", default=())
"""The page that the current Query or Scan has read. It is measured only if the response reports its units."""


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    dynamodb = importlib.import_module("ministack.services.dynamodb")
    capacity = _Capacity(dynamodb)
    wrap(dynamodb, "_paginate_evaluated_items", capacity.paginating)
    wrap(dynamodb, "_add_consumed_capacity", capacity.reporting)
    wrap(dynamodb, "handle_request", capacity.handling)


class _Capacity:
    """Replacements of MiniStack's functions."""

    def __init__(self, dynamodb: Any) -> None:
        self._dynamodb, self._lock = dynamodb, Lock()
        self._buckets: dict[tuple[str, str], CapacityBucket] = {}  # by the table's id and direction

    # --- the size of what is read ------------------------------------------------------------------------

    def paginating(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def paginate(items: Any, limit: Any, table: Json, index_name: str | None = None) -> Any:
            page, stopped = original(items, limit, table, index_name)
            _page.set(page)
            return page, stopped

        return paginate

    def reporting(self, original: Callable[..., None]) -> Callable[..., None]:
        def add_consumed_capacity(
            result: Json, data: Json, table_name: str, *args: Any, write: bool = False, **options: Any
        ) -> None:
            original(result, data, table_name, *args, write=write, **options)
            if not write and "ConsumedCapacity" in result:
                if "Key" in data:
                    size = self._stored_bytes(self._dynamodb._tables.get(table_name, {}), data["Key"])
                else:
                    size = sum(self._dynamodb._item_size_bytes(item) for item in _page.get())
                _scale(result["ConsumedCapacity"], _read_units(size, consistent=bool(data.get("ConsistentRead"))))

        return add_consumed_capacity

    def _stored_bytes(self, table: Json, key: Json) -> int:
        item = self._stored_item(table, key)
        return int(self._dynamodb._item_size_bytes(item)) if item else 0

    def _stored_item(self, table: Json, key: Json) -> Json | None:
        partition, sort, error = self._dynamodb._resolve_table_key_values(table, key, True)
        item: Json | None = None if error else table["items"].get(partition, {}).get(sort)
        return item

    # --- the capacity that there is ----------------------------------------------------------------------

    def handling(self, original: Handler) -> Handler:
        async def handle_request(
            method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any]
        ) -> Any:
            operation = headers.get("x-amz-target", "").rpartition(".")[2]
            request = _object(body) if operation in _METERED else {}

            async def call(changed: Json) -> Any:
                return await original(method, path, headers, json.dumps(changed).encode(), query_params)

            if operation in _BATCHES and _is_batch(request) and not self._meters(request):
                return await original(method, path, headers, body, query_params)
            if operation == "BatchGetItem" and _is_batch(request):
                return await self._batch(request, "UnprocessedKeys", READS, call)
            if operation == "BatchWriteItem" and _is_batch(request):
                return await self._batch(request, "UnprocessedItems", WRITES, call)
            tables = self._provisioned_tables(operation, request)
            if not tables:
                return await original(method, path, headers, body, query_params)
            direction = READS if operation in {*READ_OPERATIONS, "TransactGetItems"} else WRITES
            if not all(self._admits(table, direction) for table in tables):
                return self._throttled(operation, request)
            response = await call({**request, "ReturnConsumedCapacity": "TOTAL"})
            return self._charge(response, request, tables, direction)

        return handle_request

    def _provisioned_tables(self, operation: str, request: Json) -> list[Json]:
        """Return the provisioned tables of a request to a single table, or of a transaction."""
        if operation in TRANSACTIONS:
            details = [detail for item in request.get("TransactItems") or [] for detail in _object_of(item).values()]
            names = {str(_object_of(detail).get("TableName")) for detail in details}
        else:
            names = {str(request.get("TableName"))}
        found = [self._dynamodb._tables.get(self._dynamodb._normalize_table_name(name)) for name in sorted(names)]
        return [table for table in found if table and _is_provisioned(table)]

    def _admits(self, table: Json, direction: str) -> bool:
        rate = float(table["ProvisionedThroughput"][direction])
        with self._lock:
            return self._bucket(table, direction).admits(rate)

    def _consume(self, table: Json, direction: str, units: float) -> None:
        with self._lock:
            self._bucket(table, direction).consume(units)

    def _bucket(self, table: Json, direction: str) -> CapacityBucket:
        key = (str(table["TableId"]), direction)
        if key not in self._buckets:
            # Nothing was used since the table was created.
            age = max(0.0, time.time() - float(table.get("CreationDateTime") or 0))
            unused = float(table["ProvisionedThroughput"][direction]) * min(1 + age, BURST_SECONDS)
            self._buckets[key] = CapacityBucket(unused, time.monotonic)
        return self._buckets[key]

    def _throttled(self, operation: str, request: Json) -> Any:
        if operation not in TRANSACTIONS:
            error = self._dynamodb.error_response_json
            return error("ProvisionedThroughputExceededException", _THROTTLED, HTTPStatus.BAD_REQUEST.value)
        reasons = [{"Code": "ProvisionedThroughputExceeded", "Message": _THROTTLED} for _ in request["TransactItems"]]
        codes = ", ".join(reason["Code"] for reason in reasons)
        body = {
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
            "CancellationReasons": reasons,
        }
        return HTTPStatus.BAD_REQUEST.value, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(body)

    def _charge(self, response: Any, request: Json, tables: Sequence[Json], direction: str) -> Any:
        """Take the units that a response reports, and report them only if the request asks for them."""
        status, headers, body = response
        if status != HTTPStatus.OK:
            # A write whose condition fails consumes capacity as well.
            for table in tables:
                self._consume(table, direction, 1)
            return response
        answer = json.loads(body)
        consumed = answer.get("ConsumedCapacity") or []
        units = {part["TableName"]: part["CapacityUnits"] for part in _listed(consumed)}
        for table in tables:
            self._consume(table, direction, float(units.get(table["TableName"], 1)))
        wanted = request.get("ReturnConsumedCapacity", "NONE")
        if wanted == "NONE":
            answer.pop("ConsumedCapacity", None)
        return _answered(status, headers, answer)

    # --- batches -----------------------------------------------------------------------------------------

    def _meters(self, request: Json) -> bool:
        """Return whether the units of a batch matter: it asks for them, or one of its tables throttles."""
        if request.get("ReturnConsumedCapacity", "NONE") != "NONE":
            return True
        tables = (
            self._dynamodb._tables.get(self._dynamodb._normalize_table_name(name)) for name in request["RequestItems"]
        )
        return any(table is not None and _is_provisioned(table) for table in tables)

    async def _batch(
        self, request: Json, unprocessed: str, direction: str, call: Callable[[Json], Awaitable[Any]]
    ) -> Any:
        """Process the entries of a batch for which there is capacity, and return the others as unprocessed."""
        admitted: Json = {}
        left: Json = {}
        consumed: dict[str, float] = {}
        for name, entries in request["RequestItems"].items():
            table = self._dynamodb._tables.get(self._dynamodb._normalize_table_name(name))
            chosen, rest, units = self._split(table, entries, direction)
            admitted |= {name: chosen} if _entries(chosen) or not _entries(rest) else {}
            left |= {name: rest} if _entries(rest) else {}
            consumed[name] = units
        if not admitted:
            return self._throttled("Batch", request)
        status, headers, body = await call({**request, "RequestItems": admitted})
        if status != HTTPStatus.OK:
            return status, headers, body
        answer = json.loads(body)
        answer[unprocessed] = {**(answer.get(unprocessed) or {}), **left}
        if request.get("ReturnConsumedCapacity", "NONE") != "NONE" and direction == READS:
            answer["ConsumedCapacity"] = [
                {"TableName": name, "CapacityUnits": units} for name, units in consumed.items()
            ]
        return _answered(status, headers, answer)

    def _split(self, table: Json | None, entries: Any, direction: str) -> tuple[Any, Any, float]:
        """Return the entries of one table that are admitted, those that are not, and the units of the first."""
        if table is None:
            return entries, [], 0.0  # MiniStack returns the error
        throttles, spent = _is_provisioned(table), 0.0
        listed = _entries(entries)
        for number, entry in enumerate(listed):
            if throttles and not self._admits(table, direction):
                return _with_entries(entries, listed[:number]), _with_entries(entries, listed[number:]), spent
            units = self._units(table, entry, entries, direction)
            spent += units
            if throttles:
                self._consume(table, direction, units)
        return entries, [], spent

    def _units(self, table: Json, entry: Json, entries: Any, direction: str) -> float:
        if direction == READS:
            consistent = bool(entries.get("ConsistentRead"))
            return _read_units(self._stored_bytes(table, entry), consistent=consistent)
        item = _object_of(entry.get("PutRequest")).get("Item")
        key = item or _object_of(entry.get("DeleteRequest")).get("Key") or {}
        sizes = [self._stored_bytes(table, key), self._dynamodb._item_size_bytes(item) if item else 0]
        return float(max(1, -(-max(sizes) // _WRITE_BYTES)))


def _is_provisioned(table: Json) -> bool:
    mode = (table.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED")
    return bool(mode == "PROVISIONED" and (table.get("ProvisionedThroughput") or {}).get(READS))


def _read_units(size: int, *, consistent: bool) -> float:
    return max(1, -(-size // _READ_BYTES)) * (1.0 if consistent else 0.5)


def _scale(capacity: Json, units: float) -> None:
    """Set the units of a read, for the table or the index that MiniStack charges with it."""
    capacity["CapacityUnits"] = units
    parts = [capacity.get("Table"), *(capacity.get("GlobalSecondaryIndexes") or {}).values()]
    for part in [*parts, *(capacity.get("LocalSecondaryIndexes") or {}).values()]:
        if part and part.get("CapacityUnits"):
            part["CapacityUnits"] = units


def _answered(status: int, headers: Mapping[str, str], answer: Json) -> Any:
    body = json.dumps(answer).encode()
    return status, {**headers, "x-amz-crc32": str(crc32(body))}, body


def _is_batch(request: Json) -> bool:
    items = request.get("RequestItems")
    return isinstance(items, dict) and bool(items) and all(isinstance(one, (dict, list)) for one in items.values())


def _entries(entries: Any) -> list[Any]:
    """Return the keys of a BatchGetItem, or the writes of a BatchWriteItem."""
    return list(entries.get("Keys") or []) if isinstance(entries, dict) else list(entries)


def _with_entries(entries: Any, chosen: list[Any]) -> Any:
    return {**entries, "Keys": chosen} if isinstance(entries, dict) else chosen


def _listed(consumed: Any) -> Iterator[Json]:
    yield from [consumed] if isinstance(consumed, dict) else consumed


def _object(body: bytes) -> Json:
    try:
        return _object_of(json.loads(body or b"{}"))
    except ValueError:
        return {}  # MiniStack's handler rejects it


def _object_of(value: Any) -> Json:
    return dict(value) if isinstance(value, Mapping) else {}
