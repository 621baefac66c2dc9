"""How a mend takes the place of a function of MiniStack."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

Wrapper = Callable[[Any], Any]


def wrap(module: ModuleType, name: str, wrapper: Wrapper) -> Any:
    """Replace ``module.name`` by ``wrapper(module.name)`` everywhere in MiniStack, and return what was there before.

    Where several mends wrap the same function they nest in the order of `MENDS`: the later one is outside and calls the
    earlier one through the original that it was given. The replacement keeps that original as ``__wrapped__``. Other
    modules that had imported the function by name, and dispatch tables (module-level dicts), get the replacement too;
    modules that MiniStack imports later find it in its home module.

    ``wrapper`` is called once, at installation. A constant is replaced in the same way, without ``__wrapped__``.
    """
    original = getattr(module, name)
    replacement = wrapper(original)
    if inspect.ismethod(replacement):
        # A bound method takes no attributes; a function around it does.
        replacement = functools.partial(replacement)
    if callable(original):
        functools.update_wrapper(replacement, original)
    for other in _ministack_modules(module):
        for attribute, value in list(vars(other).items()):
            if value is original:
                setattr(other, attribute, replacement)
            elif isinstance(value, dict) and callable(original):
                _replace_values(value, original, replacement)
    return original


def _ministack_modules(home: ModuleType) -> list[ModuleType]:
    loaded = [found for key, found in list(sys.modules.items()) if key.split(".")[0] == "ministack" and found]
    return loaded if home in loaded else [home, *loaded]


def _replace_values(table: dict[Any, Any], original: object, replacement: object) -> None:
    for key, value in list(table.items()):
        if value is original:
            table[key] = replacement
