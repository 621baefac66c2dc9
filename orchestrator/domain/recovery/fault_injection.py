"""Faults that a drill injects into one item. A comparison of contents must detect them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import inf
from typing import Any

from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.manual_plan import EXPIRES
from orchestrator.domain.recovery.record import Fault

Item = Mapping[str, Mapping[str, Any]]

ITEM_FAULTS = frozenset({Fault.MISSING_ROW, Fault.CHANGED_BYTE})
"""Faults that need an item."""

AFTER_SETTINGS = frozenset({*ITEM_FAULTS, Fault.INDEX_GONE})
"""Faults injected after the settings were reapplied. All others are injected in the step that they affect."""


def longest_lived(items: Sequence[Item]) -> Item:
    """Return the first item that never expires, or else the one that expires last.

    An item whose time to live has passed may be missing from a restored table, so that its loss would be no fault.
    """
    return max(items, key=lambda item: float(item[EXPIRES]["N"]) if "N" in item.get(EXPIRES, {}) else inf)


def with_changed_byte(item: Item, keys: Collection[str]) -> Item:
    """Return the item with one byte changed: of its first non-key text, or else of its first number.

    Raises:
        Refused: it has neither.
    """
    for name in sorted(item.keys() - set(keys)):
        text = item[name].get("S")
        if text:
            return {**item, name: {"S": text[:-1] + ("1" if text[-1] == "0" else "0")}}
    for name in sorted(item.keys() - set(keys)):
        if "N" in item[name]:
            return {**item, name: {"N": str(int(float(item[name]["N"])) + 1)}}
    raise Refused("fault", Fault.CHANGED_BYTE.value, "the item has only its key; choose another fault")


def no_items_refusal(fault: Fault) -> Refused:
    """Return the refusal of an item fault without items."""
    return Refused("fault", fault.value, "the restored tables have no items; create traffic first")
