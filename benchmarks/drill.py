"""CPU time of a drill of two tables with 100,000 items each on the local cloud, during client writes.

The local cloud simulates a restore in `RESTORE_SECONDS`, whereas DynamoDB takes 20 minutes and more independently of
the size. So the benchmark measures what the drill adds to the restore. The limit is on the CPU time of all processes of
the local cloud, the emulator's included. The wall time, which depends on what else the machine runs, is a note.
"""

from __future__ import annotations

import os
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
from orchestrator.domain.recovery.record import Recovery
from orchestrator.local.deployed_environment import ENVIRONMENT, LocalEnvironment, local_environment
from orchestrator.local.emulator.options import Options

ITEMS = 100_000
LIMIT_CPU_SECONDS = 60.0
TIMEOUT_SECONDS = 900.0
WRITES_A_SECOND = 5
RECOVERY_POINT_DELAY_SECONDS = 4
TABLES = tuple(f"ib-oauth-{role}-{ENVIRONMENT}" for role in ("state", "tokens"))
RESTORE_SECONDS = Options().restore_seconds
_BATCH, _WRITERS = 25, 4


def item(number: int) -> dict[str, Any]:
    """Return an unexpired refresh token family, about as large as the service's."""
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
    """Write items into a table in batches."""

    def put(start: int) -> None:
        rows = [{"PutRequest": {"Item": item(number)}} for number in range(start, min(start + _BATCH, items))]
        client.batch_write_item(RequestItems={table: rows})

    with ThreadPoolExecutor(_WRITERS) as threads:
        list(threads.map(put, range(0, items, _BATCH)))


@contextmanager
def clients(client: Any, items: int) -> Iterator[None]:
    """Rotate families in both tables until the context ends."""
    stopped = threading.Event()

    def write() -> None:
        number = 0
        while not stopped.wait(1 / WRITES_A_SECOND):
            number += 1
            for table in TABLES:
                rotated = {**item(number % items), "generation": {"N": str(items + number)}}
                client.put_item(TableName=table, Item=rotated)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def drill(here: LocalEnvironment, name: str) -> Recovery:
    """Run one drill until its end."""
    here.cloud.executions.start_execution(here.state_machine_arn("drill"), name, {"requested_by": "benchmark"})

    def ended() -> Recovery | None:
        record = here.cloud.drills.find_record(name)
        return record if record and record.ended_at else None

    return here.wait_until(ended, TIMEOUT_SECONDS, f"{name} to end")


def cpu_seconds(session: int) -> float:
    """Return the CPU time of all processes of a session, and of those that they started and that have ended."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile; its parent has its time
        if int(fields[3]) == session:
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(items: int = ITEMS) -> tuple[list[Line], list[str]]:
    """Fill the tables and run a drill during writes; return the lines and notes."""
    with tempfile.TemporaryDirectory() as folder, local_environment(Path(folder)) as here:
        dynamodb = here.cloud.clients("dynamodb")
        started = time.monotonic()
        for table in TABLES:
            fill(dynamodb, table, items)
        fill_seconds = time.monotonic() - started
        with clients(dynamodb, items):
            # The latest restorable time must be after the last write.
            time.sleep(RECOVERY_POINT_DELAY_SECONDS)
            before = cpu_seconds(here.local.pid)
            recovery = drill(here, "dr-benchmark")
            cpu = cpu_seconds(here.local.pid) - before
    assert recovery.ended_at is not None
    duration = (recovery.ended_at - recovery.requested_at).total_seconds()
    lines = [Line(f"CPU time of a drill of two tables of {items:,} items", cpu, "s", LIMIT_CPU_SECONDS, "limit")]
    phases = ", ".join(f"{phase.name} {phase.took.total_seconds():.1f}" for phase in recovery.phases)
    notes = [
        f"{recovery.outcome}: {recovery.reason}",
        f"{duration:.0f} s of wall time on {os.cpu_count()} cores; phases in s: {phases}",
        f"a restore takes {RESTORE_SECONDS:g} s instead of DynamoDB's 20 minutes and more",
        f"filling the tables took {fill_seconds:.0f} s",
        *(
            f"{result.check}: {result.verdict.outcome}: {result.verdict.reason}"
            for result in recovery.check_results
            if result.check.startswith("content.")
        ),
    ]
    return lines, notes


def main() -> int:
    """Measure and print the report."""
    return report("drill", *measure())


if __name__ == "__main__":
    sys.exit(main())
