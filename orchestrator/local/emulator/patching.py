"""Functions with which patches replace functions and scripts of MiniStack."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

Wrapper = Callable[[Any], Any]


def wrap(module: ModuleType, name: str, wrapper: Wrapper) -> Any:
    """Replace ``module.name`` by ``wrapper(module.name)`` everywhere in MiniStack.

    If several patches wrap the same function, they nest in the order of `PATCHES`: the later patch is the outer one
    and calls the earlier one as its original. The replacement keeps the original as ``__wrapped__``. Modules that
    imported the function by name and module-level dispatch tables (dicts) also get the replacement. Modules that
    MiniStack imports later read it from its home module.

    ``wrapper`` is called once, at installation. A constant is replaced in the same way, without ``__wrapped__``.

    Returns:
        The original.
    """
    original = getattr(module, name)
    replacement = wrapper(original)
    if inspect.ismethod(replacement):
        # A bound method accepts no attributes; a partial around it does.
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


def replace_once(script: str, old: str, new: str) -> str:
    """Replace a passage of MiniStack's worker script, which must contain it exactly once.

    The script's text is pinned by the patches that change it.

    Raises:
        ValueError: the passage occurs less or more than once.
    """
    count = script.count(old)
    if count != 1:
        raise ValueError(f"the worker script contains {count} occurrences of: {old}")
    return script.replace(old, new)


def _ministack_modules(home: ModuleType) -> list[ModuleType]:
    loaded = [module for name, module in list(sys.modules.items()) if name.split(".")[0] == "ministack" and module]
    return loaded if home in loaded else [home, *loaded]


def _replace_values(table: dict[Any, Any], original: object, replacement: object) -> None:
    for key, value in list(table.items()):
        if value is original:
            table[key] = replacement
