"""Wait for something of a process or a cloud that is not ours to notify."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T | None], seconds: float, what: str, error: type[Exception], every_seconds: float
) -> T:
    """Wait until a condition returns a value, and return it.

    Args:
        condition: is called at least once; None means not yet.
        seconds: how long to wait at most.
        what: is waited for, in the error.
        error: is raised after that time.
        every_seconds: between two calls.
    """
    deadline = time.monotonic() + seconds
    while (value := condition()) is None:
        if time.monotonic() > deadline:
            raise error(f"{what}: not within {seconds:g} s")
        time.sleep(every_seconds)
    return value
