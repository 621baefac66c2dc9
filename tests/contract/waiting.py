"""Waiting for a condition in a contract test, instead of for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def eventually(look: Callable[[], Any], within_seconds: float = 5, every_seconds: float = 0.02) -> Any:
    """Look until there is something, and return it; an AssertionError where there is nothing in time."""
    until = time.monotonic() + within_seconds
    while not (found := look()):
        assert time.monotonic() < until, f"not within {within_seconds} s"
        time.sleep(every_seconds)
    return found
