"""What the mends of Step Functions share: which execution a thread works for, and how it waits for it.

An execution ends at most once, and whatever it still had under way ends with it. MiniStack runs an execution in a thread
of its own (and branches in further ones); these learn of an end where they wait and where they write history, by
`ExecutionEnded`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

Record = Mapping[str, Any]
"""An execution as MiniStack keeps it: ``executionArn``, ``status``, ``events`` …"""

RUNNING = "RUNNING"

CHANGED = threading.Condition(threading.RLock())
"""Notified whenever an execution ends, a task's outcome is there or a heartbeat came: few threads wait, so one will do."""

under_way: ContextVar[tuple[Record, ...]] = ContextVar("under_way", default=())
"""The executions that this thread works for: its own last, before it those that wait for it (``.sync``)."""


class ExecutionEnded(SystemExit):
    """The execution that this thread works for has ended; there is nothing left to do for it.

    A SystemExit, because nothing that handles a state's errors catches it, and a thread may end by it without a word.
    """


class ExecutionRecord(dict[str, Any]):
    """MiniStack's record of an execution, whose status leaves RUNNING once and stays.

    The attempt to change it again raises ExecutionEnded: of two that end an execution at the same time one wins.
    """

    def __setitem__(self, key: str, value: Any) -> None:
        if key != "status":
            super().__setitem__(key, value)
            return
        with CHANGED:
            if self.get(key, RUNNING) != RUNNING:
                raise ExecutionEnded
            super().__setitem__(key, value)
            CHANGED.notify_all()


def ended() -> bool:
    """Whether an execution that this thread works for has ended."""
    return any(record["status"] != RUNNING for record in under_way.get())


def wait_until(met: Callable[[], bool], deadline: Callable[[], float]) -> bool:
    """Wait for a condition, at most until the deadline; returns whether it was met.

    Args:
        met: the condition; looked at whenever `CHANGED` is notified.
        deadline: in seconds of the monotonic clock; asked again when it passed, because a heartbeat moves it.

    Raises ExecutionEnded as soon as the execution has ended.
    """
    with CHANGED:
        while True:
            if ended():
                raise ExecutionEnded
            if met():
                return True
            left_seconds = deadline() - time.monotonic()
            if left_seconds <= 0:
                return False
            CHANGED.wait(min(left_seconds, threading.TIMEOUT_MAX))


def sleep(seconds: float) -> None:
    """Sleep, or until the execution ends: then it raises ExecutionEnded."""
    until = time.monotonic() + seconds
    wait_until(lambda: False, lambda: until)


def notify() -> None:
    """Let all that wait look at their condition again."""
    with CHANGED:
        CHANGED.notify_all()
