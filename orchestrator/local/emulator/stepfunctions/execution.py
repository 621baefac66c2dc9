"""Shared by the patches of Step Functions: the execution that a thread works for, and how the thread waits for it.

An execution ends at most once, and all of its running work ends with it. MiniStack runs an execution in its own thread
and branches in further threads. `ExecutionEnded` ends these threads where they wait and where they write history.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

Record = Mapping[str, Any]
"""MiniStack's record of an execution: ``executionArn``, ``status``, ``events`` …"""

RUNNING = "RUNNING"

CHANGED = threading.Condition(threading.RLock())
"""Notified when an execution ends, a task has a result or a heartbeat arrives. Few threads wait, so one is enough."""

current_executions: ContextVar[tuple[Record, ...]] = ContextVar("current_executions", default=())
"""The executions that this thread works for: those that wait for it (``.sync``) first, its own last."""


class ExecutionEnded(SystemExit):
    """The execution of this thread has ended; the thread has no further work.

    It is a SystemExit because no code that handles a state's errors catches it, and because it ends a thread silently.
    """


class ExecutionRecord(dict[str, Any]):
    """MiniStack's record of an execution. Its status changes from RUNNING once and is final afterwards.

    A second change raises ExecutionEnded: if two threads end an execution at the same time, one of them succeeds.
    """

    def __setitem__(self, key: str, value: Any) -> None:
        if key != "status":
            # Only an execution that succeeded has an output; MiniStack gives one that failed its error as output.
            failed = key == "output" and self.get("status") in {"FAILED", "TIMED_OUT", "ABORTED"}
            super().__setitem__(key, None if failed else value)
            return
        with CHANGED:
            if self.get(key, RUNNING) != RUNNING:
                raise ExecutionEnded
            super().__setitem__(key, value)
            CHANGED.notify_all()


def execution_ended() -> bool:
    """Return whether an execution that this thread works for has ended."""
    return any(record["status"] != RUNNING for record in current_executions.get())


def wait_until(met: Callable[[], bool], deadline: Callable[[], float]) -> bool:
    """Wait for a condition, at most until the deadline. Return whether it was met.

    Args:
        met: the condition; evaluated whenever `CHANGED` is notified.
        deadline: returns seconds of the monotonic clock. It is called again when it has passed, because a heartbeat
            moves it.

    Raises:
        ExecutionEnded: the execution has ended.
    """
    with CHANGED:
        while True:
            if execution_ended():
                raise ExecutionEnded
            if met():
                return True
            left_seconds = deadline() - time.monotonic()
            if left_seconds <= 0:
                return False
            CHANGED.wait(min(left_seconds, threading.TIMEOUT_MAX))


def sleep_while_running(seconds: float) -> None:
    """Sleep; raises ExecutionEnded if the execution ends before."""
    until = time.monotonic() + seconds
    wait_until(lambda: False, lambda: until)


def notify() -> None:
    """Make all waiting threads evaluate their condition again."""
    with CHANGED:
        CHANGED.notify_all()
