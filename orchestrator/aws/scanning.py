"""Reading whole tables, fast: DynamoDB's Scan, whose items are handed on as the bytes that DynamoDB sent.

msgspec finds where each item begins and ends; nobody looks into it unless somebody has to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from orchestrator.aws.wire import Asks


class Page(msgspec.Struct, frozen=True):
    """One page of a scan: its items as they were sent, and where the next one begins."""

    Items: list[msgspec.Raw]
    LastEvaluatedKey: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(Page).decode


class Scanner:
    """Reads tables, one thread at a time.

    Args:
        wire: to DynamoDB.
    """

    def __init__(self, wire: Asks) -> None:
        self._wire = wire

    def pages(self, table: str, *, segment: int = 0, segments: int = 1) -> Iterator[list[msgspec.Raw]]:
        """Read one segment of a table, consistently, page after page.

        Raises:
            Throttled: the table's capacity does not suffice even for a slow reader.
            Unreachable: DynamoDB does not answer, or not with what it sent.
            ReadRefused: there is no such table, or it may not be read.
        """
        asked: dict[str, Any] = {
            "TableName": table, "ConsistentRead": True, "Segment": segment, "TotalSegments": segments,
        }  # fmt: skip
        start: dict[str, Any] | None = None
        while True:
            page = self._wire.ask("Scan", asked if start is None else {**asked, "ExclusiveStartKey": start}, _decode)
            yield page.Items
            start = page.LastEvaluatedKey
            if start is None:
                return

    def close(self) -> None:
        """Give the connection back."""
        self._wire.close()
