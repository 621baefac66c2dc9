"""Every minute, for a minute: a row a second into every guarded table, so that a restore tells what it lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.receipts import last_second
from orchestrator.intake import intake


def write_receipts(_event: Mapping[str, Any], cloud: Cloud) -> str:
    """Write until the next one does. A second that cannot be written within it is a gap: it has no receipt."""
    tables = msgspec.json.decode(cloud.settings["TABLES"], type=dict[str, str])
    last = last_second(cloud.now())
    written = gaps = 0
    while (now := cloud.now().timestamp()) < last:
        second = int(now) + 1
        cloud.sleep(second - now)
        for role, table in tables.items():
            try:
                in_time = cloud.receipts.write(role, table, second, cloud.now)
            except (Throttled, Unreachable):
                in_time = False
            written, gaps = written + in_time, gaps + (not in_time)
    return f"{written} receipts, {gaps} gaps"


handler = intake(write_receipts)
