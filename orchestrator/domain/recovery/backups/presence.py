"""Judge whether a restored backup holds what it should in size, where nothing shows what its source held. Pure."""

from __future__ import annotations

from math import ceil
from typing import Final

from orchestrator.domain.verdict import Verdict

ENOUGH_BYTES: Final = 16 * 2**20
"""More is not read: a restore that stopped early or brought nothing is seen before."""
ITEM_OVERHEAD_BYTES: Final = 148
"""What DynamoDB counts for an item besides its content, at most: 100 bytes for its index, and 48 in a global table. The
JSON of the content itself is never shorter than what DynamoDB counts of it.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""
_LEAST_SHARE: Final = 0.5
"""Of the backup's size. DynamoDB updates that about every six hours, in which expired tokens are deleted."""


def bytes_expected(backup_bytes: int) -> int:
    """Return how many bytes of JSON a restored table must hold at least: one, if its backup states no size.

    Args:
        backup_bytes: the size of the backup, as AWS states it.
    """
    return max(min(ceil(backup_bytes * _LEAST_SHARE), ENOUGH_BYTES), 1)


def judge_presence(role: str, backup_bytes: int, items: int, json_bytes: int) -> Verdict:
    """Judge a restored table of which so much was read: all of it, or `bytes_expected`.

    Args:
        role: of the table.
        backup_bytes: the size of the backup, as AWS states it.
        items: how many items were read.
        json_bytes: their size in DynamoDB's JSON.
    """
    if items and json_bytes + items * ITEM_OVERHEAD_BYTES >= bytes_expected(backup_bytes):
        return Verdict.passed(f"{role}: {items} items with {json_bytes} bytes of JSON were read")
    of = f"its backup has {backup_bytes} bytes" if backup_bytes else "it is empty"
    return Verdict.failed(f"{role}: the restored table has {items} items with {json_bytes} bytes of JSON, and {of}")
