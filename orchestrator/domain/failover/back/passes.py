"""When enough was copied while clients write on. Pure."""

from __future__ import annotations

FEW_ROWS = 500
"""A pass that found no more leaves so little that the rest is copied while the tables are closed."""

MOST_PASSES = 5
"""Clients that write faster than a pass copies are not waited for without an end."""


def is_caught_up(passes: int, changed: int) -> bool:
    """Return whether the rest can be copied while the tables are closed.

    Args:
        passes: passes so far.
        changed: rows that the last one wrote or removed.
    """
    return changed <= FEW_ROWS or passes >= MOST_PASSES
