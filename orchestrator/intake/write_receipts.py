"""Every minute, for a minute: a row a second into both tables that clients use, so that a restore tells what it lost."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.recovery_plans import tables_in_use
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.plan import Service
from orchestrator.domain.receipts import last_second
from orchestrator.intake import intake


def write_receipts(_event: Mapping[str, Any], cloud: Cloud) -> str:
    """Write until the next one does. A second that cannot be written within it is a gap: it has no receipt.

    Raises:
        Refused: a function of the service is not there, or none says which tables it uses.
        Throttled, Unreachable: at its beginning, nobody could be asked for these.
    """
    functions = msgspec.json.decode(cloud.settings["SERVICE"], type=Service).functions
    last = last_second(cloud.now())
    tables = tables_in_use(cloud, functions)
    written = gaps = 0
    while (now := cloud.now().timestamp()) < last:
        second = int(now) + 1
        cloud.sleep(second - now)
        in_time = [_written(table, second, cloud) for table in tables.values()]
        written, gaps = written + in_time.count(True), gaps + in_time.count(False)
        if not all(in_time):
            # A restore may have closed these tables, and clients use others now.
            with suppress(Throttled, Unreachable):
                tables = tables_in_use(cloud, functions)
    return f"{written} receipts, {gaps} gaps"


def _written(table: str, second: int, cloud: Cloud) -> bool:
    try:
        return cloud.receipts.write(table, second, cloud.now)
    except (Throttled, Unreachable):
        return False


handler = intake(write_receipts)
