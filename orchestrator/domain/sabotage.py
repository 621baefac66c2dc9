"""What a saboteur does to one item, as DynamoDB carries it. The least that a comparison of contents must still find."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery import Sabotage

Item = Mapping[str, Mapping[str, Any]]

OF_ITEMS = frozenset({Sabotage.MISSING_ROW, Sabotage.CHANGED_BYTE})
"""Kinds that need an item to break."""

AFTER_SETTINGS = frozenset({*OF_ITEMS, Sabotage.INDEX_GONE})
"""Kinds that are done to copies whose settings were put right. The others are done where what they break would be done."""


def changed_byte(item: Item, keys: Collection[str]) -> Item:
    """The item with one byte changed: of the first text that is no key, or else of the first number.

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
    raise Refused("sabotage", Sabotage.CHANGED_BYTE.value, "the item has nothing but its key; choose another kind")


def nothing_to_break(sabotage: Sabotage) -> Refused:
    """The refusal to break an item where there is none."""
    return Refused("sabotage", sabotage.value, "the copies have no items to break; let there be traffic first")
