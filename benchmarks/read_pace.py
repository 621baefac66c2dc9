"""What clients of a provisioned table lose while a recovery reads it, at full speed and at a share of its capacity.

The reader is the one of drills and restores. The table, its clients and time are simulated: clients use the share of
the capacity that autoscaling lets them use, spread evenly. AWS guarantees no burst, so the table is shown with one of
300 seconds and without.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks import Line, report
from orchestrator.aws.dynamodb.read_pace import ReadPace
from orchestrator.aws.dynamodb.table_reader import Hashing, TableReader
from orchestrator.domain.errors import Throttled
from orchestrator.domain.recovery.read_pace import read_units_per_second
from orchestrator.local.emulator.dynamodb.capacity_bucket import BURST_SECONDS, CapacityBucket

READ_UNITS = 50
CLIENT_PERCENT, SHARE_PERCENT = 70, 20
ITEMS, ITEM_BYTES = 15_000, 500
RETRY_SECONDS = 1.0
BURSTS = (1, BURST_SECONDS)
_PAGE_ITEMS = 2000
_REQUEST_SECONDS = 0.01


class Table:
    """A provisioned table with clients, on simulated time. It is the connection of one reader.

    Args:
        burst_seconds: how many seconds of unused capacity the table retains.
    """

    def __init__(self, burst_seconds: float) -> None:
        self.now, self.requests, self.throttled = 0.0, 0, 0
        self._bucket = CapacityBucket(READ_UNITS * burst_seconds, self.clock, burst_seconds)
        self._next_request, self._interval = 0.0, 100 / (READ_UNITS * CLIENT_PERCENT)

    def clock(self) -> float:
        """Return the time in seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass, in which clients send their requests."""
        end = self.now + seconds
        while self._next_request <= end:
            self.now = self._next_request
            self.requests += 1
            if self._bucket.admits(READ_UNITS):
                self._bucket.consume(1)
            else:
                self.throttled += 1
            self._next_request += self._interval
        self.now = end

    def call(self, operation: str, params: Mapping[str, Any], decode: Callable[[bytes], Any]) -> Any:
        """Answer a Scan as DynamoDB does; a throttled one is retried until it is admitted."""
        if operation != "Scan":
            raise NotImplementedError(operation)
        self.sleep(_REQUEST_SECONDS)
        while not self._bucket.admits(READ_UNITS):
            if "ReturnConsumedCapacity" in params:
                raise Throttled(operation)
            self.sleep(RETRY_SECONDS)
        start = int(params["ExclusiveStartKey"]["pk"]["S"]) if "ExclusiveStartKey" in params else 0
        end = min(start + params.get("Limit", _PAGE_ITEMS), start + _PAGE_ITEMS, ITEMS)
        items = [{"pk": {"S": f"{number:08}"}} for number in range(start, end)]
        units = max(1, len(items) * ITEM_BYTES / 4096) * (1 if params["ConsistentRead"] else 0.5)
        self._bucket.consume(units)
        answer: dict[str, Any] = {"Items": items, "ConsumedCapacity": {"CapacityUnits": units}}
        if end < ITEMS:
            answer["LastEvaluatedKey"] = {"pk": {"S": f"{end:08}"}}
        return decode(json.dumps(answer, allow_nan=False).encode())

    def close(self) -> None:
        """Do nothing: there is no connection."""


def read(burst_seconds: float, *, paced: bool) -> Table:
    """Read a table to its end, and return it."""
    table = Table(burst_seconds)
    rate = read_units_per_second(READ_UNITS, SHARE_PERCENT)
    pace = ReadPace(rate, clock=table.clock, sleep=table.sleep) if paced else None
    contents = TableReader(None, lambda _: table).contents("table", Hashing(b"k" * 32, ("pk",)), pace)
    if contents.raw_digest(0, 1).items != ITEMS:
        raise AssertionError("the table was not read to its end")
    return table


def main() -> int:
    """Measure clients' throttled requests, print them, and return 0 if the paced reader caused none."""
    lines, notes = [], []
    for burst in BURSTS:
        for paced in (True, False):
            table = read(burst, paced=paced)
            how = f"a reader at {SHARE_PERCENT} %" if paced else "a reader at full speed"
            figures = f"{table.throttled} of {table.requests} client requests throttled in {table.now:.0f} s"
            notes.append(f"{how}, burst of {burst} s: {figures}")
            if paced:
                name = f"clients' throttled requests, burst of {burst} s"
                lines.append(Line(name, table.throttled, "", 0, "none"))
    return report("read_pace", lines, notes)


if __name__ == "__main__":
    sys.exit(main())
