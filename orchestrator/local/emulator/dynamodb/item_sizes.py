"""DynamoDB: the size of an item and the form of a number are computed once, and fast.

AWS:

- An item's size is the sum of the lengths of its attribute names and values, in UTF-8. A number takes about a byte for
  two significant digits, and one more.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html

Stock MiniStack gives the same sizes and forms. But it computes them again, from the text, for each item of each request,
which takes most of the time in which a table is read or written. Here numbers are remembered by their text, and the
attributes that are plain strings and numbers need no call.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.dynamodb._number_size_bytes": "b88f1324ce678bb2",
    "ministack.services.dynamodb._number_error": "ef4bc256910b5cf4",
    "ministack.services.dynamodb._ddb_canonicalize_number": "cfa3862c4b5124a6",
    "ministack.services.dynamodb._attribute_value_size": "a57557cf9928573c",
    "ministack.services.dynamodb._item_size_bytes": "9be41cc11f947cde",
}

REMEMBERED: Final = 1 << 17
"""The number of texts whose result is kept, of each function."""

OfText = Callable[[Any], Any]


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    dynamodb = importlib.import_module("ministack.services.dynamodb")
    for name in ("_number_size_bytes", "_number_error", "_ddb_canonicalize_number"):
        wrap(dynamodb, name, remembering)
    wrap(dynamodb, "_item_size_bytes", lambda original: measuring(dynamodb, original))


def remembering(original: OfText) -> OfText:
    """Return a function that computes its result once for each text. Other values are not remembered."""
    known = lru_cache(maxsize=REMEMBERED)(original)

    def of_text(text: Any) -> Any:
        return known(text) if type(text) is str else original(text)

    return of_text


def measuring(dynamodb: Any, original: OfText) -> OfText:
    """Return a function that measures an item as the original does."""
    number_size, value_size = dynamodb._number_size_bytes, dynamodb._attribute_value_size

    def item_size_bytes(item: Any) -> int:
        if not isinstance(item, dict):
            return int(original(item))
        total = 0
        for name, value in item.items():
            total += len(name) if name.isascii() else len(name.encode())
            text = value.get("S") if type(value) is dict and len(value) == 1 else None
            if type(text) is str:
                total += len(text) if text.isascii() else len(text.encode())
            elif type(value) is dict and len(value) == 1 and "N" in value:
                total += number_size(value["N"])
            else:
                total += value_size(value)
        return total

    return item_size_bytes
