"""Many items at once: Scan, BatchGetItem and BatchWriteItem, called as botocore's client is, without what that spends on every attribute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec

from orchestrator.aws.wire import Asks


class Bulk(Protocol):
    """Whoever reads and writes many items at once: botocore's DynamoDB client, or `InBulk`."""

    def scan(self, **asked: Any) -> Mapping[str, Any]:
        """Read a page."""

    def batch_get_item(self, **asked: Any) -> Mapping[str, Any]:
        """Read items by their keys."""

    def batch_write_item(self, **asked: Any) -> Mapping[str, Any]:
        """Put and delete items, whatever was there."""


class InBulk:
    """The three calls over one connection, for one thread at a time.

    They raise Throttled, Unreachable and ReadRefused, after trying again what is worth it; all three may be repeated.

    Args:
        wire: to DynamoDB.
    """

    def __init__(self, wire: Asks) -> None:
        self._wire = wire

    def scan(self, **asked: Any) -> Mapping[str, Any]:
        """Read a page."""
        return self._ask("Scan", asked)

    def batch_get_item(self, **asked: Any) -> Mapping[str, Any]:
        """Read items by their keys."""
        return self._ask("BatchGetItem", asked)

    def batch_write_item(self, **asked: Any) -> Mapping[str, Any]:
        """Put and delete items, whatever was there."""
        return self._ask("BatchWriteItem", asked)

    def _ask(self, operation: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self._wire.ask(operation, asked, msgspec.json.decode)
        return answer


@contextmanager
def in_bulk(wire: Asks) -> Iterator[Bulk]:
    """Read and write over a connection that is given back afterwards."""
    try:
        yield InBulk(wire)
    finally:
        wire.close()
