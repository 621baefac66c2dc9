"""Lambda: a function that uses more memory than it has is killed.

AWS:

- Lambda kills the runtime. The error is Runtime.ExitError with "Runtime exited with error: signal: killed", and the
  next invocation gets a new execution environment.
  https://repost.aws/knowledge-center/lambda-runtime-error
  https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-configuration.html#memory-config
- Step Functions reports that name: https://github.com/awslabs/amazon-s3-find-and-forget/pull/283 quotes an execution.
  Its documentation names Lambda.Unknown for functions out of memory and for functions that time out.
  https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html

Here the memory of a worker is read every 50 ms while it works, so a worker may exceed its limit for that long. Without
`/proc` (on macOS) nothing is limited.

Stock MiniStack limits no memory.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from orchestrator.local.emulator.lambda_.unhandled_errors import DIED
from orchestrator.local.emulator.options import Options

PINNED = {
    "ministack.core.lambda_runtime.Worker.invoke": "96751a75471021ec",
    "ministack.core.lambda_runtime.Worker._spawn": "c55febf956565c5e",
}

KILLED: Final = "Runtime exited with error: signal: killed"
_SAMPLE_SECONDS: Final = 0.05
_DEFAULT_MEGABYTES: Final = 128
_MEGABYTE: Final = 1024 * 1024

Invoke = Callable[..., dict[str, Any]]

logger = logging.getLogger("lambda_runtime")
"""MiniStack's."""


def install(_options: Options) -> None:
    """Install the patch in this process."""
    from ministack.core import lambda_runtime  # noqa: PLC0415 - only in the server process

    lambda_runtime.Worker.invoke = MemoryMonitor().watching(lambda_runtime.Worker.invoke)


class MemoryMonitor:
    """Kills workers that exceed the memory of their function. One thread samples those that work."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._working: set[Any] = set()
        self._killed: set[Any] = set()
        self._thread: threading.Thread | None = None

    def watching(self, original: Invoke) -> Invoke:
        """Replace a worker's ``invoke``. The error of a killed worker says so."""

        def invoke(worker: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
            self._begin(worker)
            try:
                response = original(worker, *args, **kwargs)
            finally:
                killed = self._end(worker)
            if killed and response.get("error") == DIED:
                return {**response, "error": f"{DIED}: {KILLED}"}
            return response

        return invoke

    def _begin(self, worker: Any) -> None:
        with self._lock:
            self._working.add(worker)
            if self._thread is None:
                self._thread = threading.Thread(target=self._sample, name="memory-limits", daemon=True)
                self._thread.start()
            self._lock.notify_all()

    def _end(self, worker: Any) -> bool:
        """Stop watching a worker. Return whether it was killed."""
        with self._lock:
            self._working.discard(worker)
            killed = worker in self._killed
            self._killed.discard(worker)
        return killed

    def _sample(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._working)
                for worker in self._working:
                    if _kill_if_too_large(worker):
                        self._killed.add(worker)
                        logger.warning("Lambda %s is out of memory: killing worker", worker.func_name)
            time.sleep(_SAMPLE_SECONDS)


def _kill_if_too_large(worker: Any) -> bool:
    """Kill a worker that exceeds its memory; return whether it did."""
    process = worker._proc
    if process is None or process.poll() is not None:
        return False
    megabytes = int(worker.config.get("MemorySize") or _DEFAULT_MEGABYTES)
    if resident_bytes(process.pid) <= megabytes * _MEGABYTE:
        return False
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    return True


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 if it is not known."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
