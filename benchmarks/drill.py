"""How long does a drill take of two tables of 100,000 items each, on the local cloud, phase by phase, with clients writing all the while?

The restore itself takes what the local cloud is told that it takes: `RESTORE_SECONDS`, where DynamoDB takes 20 minutes and more whatever
the size. So what is measured is everything that the drill adds to a restore.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import Line, report
from orchestrator.domain.recovery import Recovery
from orchestrator.local.fidelity.options import Options
from orchestrator.local.stage import ENVIRONMENT, Stage, stage

ITEMS = 100_000
LIMIT_SECONDS = 60.0
PATIENCE_SECONDS = 240.0
WRITES_A_SECOND = 5
SETTLE_SECONDS = 4
TABLES = tuple(f"ib-oauth-{role}-{ENVIRONMENT}" for role in ("state", "tokens"))
RESTORE_SECONDS = Options().restore_seconds
_BATCH, _WRITERS = 25, 4


def item(number: int) -> dict[str, Any]:
    """A family of refresh tokens, about as large as the service's, that has not expired."""
    return {
        "pk": {"S": f"family#{number:024x}"},
        "schema": {"N": "1"},
        "client_id": {"S": "native"},
        "scope": {"S": "profile"},
        "epoch": {"N": "0"},
        "generation": {"N": str(number)},
        "expires_at": {"N": "4000000000"},
        "refresh_hash": {"S": "y" * 8},
    }


def fill(client: Any, table: str, items: int) -> None:
    """Put items into a table, a batch at a time."""

    def put(start: int) -> None:
        rows = [{"PutRequest": {"Item": item(number)}} for number in range(start, min(start + _BATCH, items))]
        client.batch_write_item(RequestItems={table: rows})

    with ThreadPoolExecutor(_WRITERS) as threads:
        list(threads.map(put, range(0, items, _BATCH)))


@contextmanager
def clients(client: Any, items: int) -> Iterator[None]:
    """Go on rotating families in both tables."""
    over = threading.Event()

    def write() -> None:
        number = 0
        while not over.wait(1 / WRITES_A_SECOND):
            number += 1
            for table in TABLES:
                rotated = {**item(number % items), "generation": {"N": str(items + number)}}
                client.put_item(TableName=table, Item=rotated)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def drill(here: Stage, name: str) -> Recovery:
    """Run one drill to its end."""
    here.cloud.executions.start(here.machine("drill"), name, {"requested_by": "benchmark"})

    def ended() -> Recovery | None:
        found = here.cloud.drills.find(name)
        return found if found and found.ended_at else None

    return here.until(ended, PATIENCE_SECONDS, f"{name} to end")


def measure(items: int = ITEMS) -> tuple[list[Line], list[str]]:
    """Fill, write, drill."""
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as here:
        dynamodb = here.cloud.clients("dynamodb")
        began = time.monotonic()
        for table in TABLES:
            fill(dynamodb, table, items)
        filled = time.monotonic() - began
        with clients(dynamodb, items):
            # The latest restorable time has to be after the last of the items.
            time.sleep(SETTLE_SECONDS)
            recovery = drill(here, "dr-benchmark")
    assert recovery.ended_at is not None
    took = (recovery.ended_at - recovery.requested_at).total_seconds()
    lines = [Line(f"a drill of two tables of {items:,} items", took, "s", LIMIT_SECONDS, "limit")]
    phases = ", ".join(f"{phase.name} {phase.took.total_seconds():.1f}" for phase in recovery.phases)
    notes = [
        f"{recovery.ending}: {recovery.reason}",
        f"phases in s: {phases}",
        f"a restore is set to take {RESTORE_SECONDS:g} s, for DynamoDB's 20 minutes and more; filling took {filled:.0f} s",
        *(
            f"{one.check}: {one.verdict.outcome}: {one.verdict.reason}"
            for one in recovery.findings
            if one.check.startswith("content.")
        ),
    ]
    return lines, notes


def main() -> int:
    """Measure it."""
    return report("drill", *measure())


if __name__ == "__main__":
    sys.exit(main())
