"""Memory of the comparison of a restored table of 1,000,000 items with its source, some of whose items were changed since.

One process does what the tasks do: it digests every segment of both sides, then reads the keys of the hash partitions
that differ. The items are generated page by page, so the memory is the comparison's.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import Line, report
from benchmarks.digest import ITEMS_IN_A_PAGE, page_of_items
from orchestrator.application.table_comparison import Changed, compare_segments
from orchestrator.aws.dynamodb.table_reader import Hashing, TableContents
from orchestrator.domain.table_comparison.comparison import (
    ComparisonLevel,
    ComparisonResult,
    ItemHash,
    Origin,
    SegmentDigest,
    SegmentedComparison,
    Side,
    segments_for,
)
from orchestrator.domain.table_comparison.digest import EMPTY
from orchestrator.domain.table_comparison.point_in_time import Change, PointInTimeState

ITEMS = 1_000_000
CHANGED = 1_000
"""Items that clients have changed since the recovery point."""
MISSING = 1
LIMIT_MB = 64.0
ITEM_BYTES = 211
_FIRST_PAGE = page_of_items(0)
POINT = datetime(2026, 11, 30, 3, 0, tzinfo=UTC)
HASHING = Hashing(b"k" * 32, ("pk",))


class _Page(msgspec.Struct, frozen=True):
    Items: list[msgspec.Raw]


_decode_page = msgspec.json.Decoder(_Page).decode


@dataclass(frozen=True)
class Generated:
    """A table whose items are generated: `changed` of them, evenly spread, have another generation.

    Attributes:
        lacks: items that are left out at the end.
    """

    items: int
    changed: int = 0
    lacks: int = 0

    def pages(self, segment: int, segments: int) -> Iterator[Sequence[msgspec.Raw]]:
        """Read a segment, page by page."""
        for number in range(segment, -(-self.items // ITEMS_IN_A_PAGE), segments):
            # The first page with the number of this one in its keys.
            body = _FIRST_PAGE.replace(b"family#00000000", b"family#%08x" % number)
            page, first = _decode_page(body).Items[: self._kept(number)], number * ITEMS_IN_A_PAGE
            yield [self._item(first + row, raw) for row, raw in enumerate(page)] if self.changed else page

    def _kept(self, page: int) -> int:
        return max(0, self.items - self.lacks - page * ITEMS_IN_A_PAGE)

    def _item(self, number: int, raw: msgspec.Raw) -> msgspec.Raw:
        return (
            msgspec.Raw(bytes(raw).replace(b'"epoch":{"N":"0"}', b'"epoch":{"N":"1"}'))
            if self.is_changed(number)
            else raw
        )

    def is_changed(self, number: int) -> bool:
        """Return whether clients have changed an item."""
        return bool(self.changed) and number % (self.items // self.changed) == 0


class Sides:
    """Both sides, in the form that the comparison reads (`TableSides`). The source's stream has its changes."""

    role, origin = "tokens", Origin.STREAM

    def __init__(self, items: int, changed: int, missing: int) -> None:
        self._source, self._at_point = Generated(items, changed), Generated(items)
        self._held = Generated(items, lacks=missing)
        self.source, self.restored = (
            TableContents(self._source.pages, HASHING),
            TableContents(self._held.pages, HASHING),
        )

    def read_changes(self) -> Changed:
        """Return the changes since the recovery point, as the source's stream has them."""
        at_point, keys, number = PointInTimeState(POINT), dict[bytes, Any](), 0
        for page in self._at_point.pages(0, 1):
            for raw in page:
                if self._source.is_changed(number):
                    key, before = HASHING.entry(raw)
                    at_point.add_change(Change(key, POINT + timedelta(minutes=1), before, None))
                    keys[key] = number
                number += 1
        return Changed(at_point, keys)

    def fetch_restored(self, keys: Sequence[Any]) -> Mapping[bytes, ItemHash]:
        """Return the entries of the restored table under some keys: here, the numbers of the items."""
        found: dict[bytes, ItemHash] = {}
        wanted, number = set(keys), 0
        for page in self._held.pages(0, 1):
            found |= dict(HASHING.entry(raw) for row, raw in enumerate(page) if number + row in wanted)
            number += len(page)
        return found


def compare(items: int, changed: int, missing: int) -> ComparisonResult:
    """Digest every segment of both sides, as its tasks do, and compare them."""
    sides, segments = Sides(items, changed, missing), max(1, segments_for(items, items * ITEM_BYTES, 0))
    digests: list[SegmentDigest] = []
    while unread := SegmentedComparison(sides.role, segments, digests).missing_segments():
        for one in unread:
            side = sides.restored if one.side is Side.RESTORED else sides.source
            if one.level is ComparisonLevel.RAW:
                digests.append(SegmentDigest(one, side.raw_digest(one.segment, segments)))
                continue
            partitions = side.partition_digests(one.segment, segments)
            digests.append(SegmentDigest(one, sum(partitions, EMPTY), partitions))
    return compare_segments(sides, SegmentedComparison(sides.role, segments, digests), POINT)  # type: ignore[arg-type]


def _measured(items: int, changed: int, missing: int) -> tuple[float, float, ComparisonResult]:
    started, before = time.process_time(), _resident_mb("VmRSS")
    result = compare(items, changed, missing)
    return _resident_mb("VmHWM") - before, time.process_time() - started, result


def _resident_mb(field: str) -> float:
    (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024


def measure(items: int = ITEMS, changed: int = CHANGED) -> tuple[list[Line], list[str]]:
    """Compare in a process of its own; return the lines and notes."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        grown, cpu, result = pool.apply(_measured, (items, changed, MISSING))
    complete = result.differences.missing == MISSING and not result.unread_partitions
    lines = [
        Line(f"memory of the comparison of {items:,} items", grown, "MB", LIMIT_MB, "limit"),
        Line("differences that were found", result.differences.count, "", MISSING, "injected", lower_is_better=False),
        Line("partitions that were not read", result.unread_partitions, "", 0, "limit"),
    ]
    found = f"{changed:,} items changed since the recovery point; {result.differences.missing} missing"
    notes = [
        f"{found}; {'complete' if complete else 'NOT complete'}",
        f"{cpu:.1f} s of CPU, the generation of the items included; {result.segment_count} segments",
    ]
    return lines, notes


def main() -> int:
    """Measure and print the report."""
    return report("comparison", *measure())


if __name__ == "__main__":
    sys.exit(main())
