"""Rows that only the home region's old tables have.

They were written before the loss and are in no copy, or were deleted since. A person decides about them; none is copied.
A row that both sides have keeps the standby region's content.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.recovery.heartbeats import PREFIX
from orchestrator.domain.recovery.lost_writes.replay import kind_of

_SYNTHETIC = "synthetic#"
_OURS = frozenset({"epoch", "recovery"})
"""Keys of items that the orchestrator writes: the epoch, and the state of a sanitization."""

NAMED = "client"
"""The kind whose keys are shown: the others are digests of secrets, and name nothing to a person."""

Item = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class OldRow:
    """A row that only an old table has: its kind, such as ``client``, and its key."""

    kind: str
    key: str


def old_rows(items: Iterable[Item], expires: str, at: float) -> tuple[OldRow, ...]:
    """Return the rows of clients among some items that only an old table has.

    Args:
        items: in DynamoDB's notation, with the key `pk`.
        expires: the attribute of the time to live; empty if there is none.
        at: the time, in seconds since the epoch: rows that had expired by then are left out.
    """
    return tuple(
        OldRow(kind_of(key), key)
        for item in items
        if _is_of_clients(key := item["pk"]["S"]) and not _expired(item, expires, at)
    )


def describe_rows(rows: Iterable[OldRow]) -> str:
    """Return how many rows of each kind there are, as one line."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.kind] = counts.get(row.kind, 0) + 1
    listed = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
    return f"{sum(counts.values())} rows are only in the old tables ({listed})" if counts else "no row is only there"


def _is_of_clients(key: str) -> bool:
    return not (key.startswith((PREFIX, _SYNTHETIC)) or key in _OURS)


def _expired(item: Item, expires: str, at: float) -> bool:
    value = item.get(expires, {}).get("N") if expires else None
    return value is not None and float(value) <= at
