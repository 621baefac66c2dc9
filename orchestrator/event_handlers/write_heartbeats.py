"""Every minute, for a minute: write one heartbeat a second to both tables in use, to measure a restore's data loss."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from orchestrator.application.cloud import Cloud
from orchestrator.application.recovery_planning import tables_in_use
from orchestrator.domain.deployment.plan import Service
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.recovery.heartbeats import last_written_second
from orchestrator.event_handlers.runtime import event_handler


def write_heartbeats(_event: Mapping[str, Any], cloud: Cloud) -> str:
    """Write until the next invocation does. A heartbeat that is not written within its second is missed.

    Raises:
        Refused: a function of the service does not exist, or none has the tables in its environment variables.
        Throttled, Unreachable: the tables in use could not be read at the beginning.
    """
    functions = msgspec.json.decode(cloud.settings["SERVICE"], type=Service).functions
    last = last_written_second(cloud.now())
    tables = tables_in_use(cloud, functions)
    written = missed = 0
    while (now := cloud.now().timestamp()) < last:
        second = int(now) + 1
        cloud.sleep(second - now)
        in_time = [_write(table, second, cloud) for table in tables.values()]
        written, missed = written + in_time.count(True), missed + in_time.count(False)
        if not all(in_time):
            # A restore may have blocked these tables, and the live version may use others now.
            with suppress(Throttled, Unreachable):
                tables = tables_in_use(cloud, functions)
    return f"{written} heartbeats, {missed} missed"


def _write(table: str, second: int, cloud: Cloud) -> bool:
    try:
        return cloud.heartbeats.write_heartbeat(table, second, cloud.now)
    except (Throttled, Unreachable):
        return False


handler = event_handler(write_heartbeats)
