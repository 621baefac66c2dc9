"""Lambda: an invocation's log is complete when it ends, idle environments are terminated, and workers are limited.

AWS:

- Everything that a handler wrote belongs to its invocation's log. An invocation that wrote nothing does not wait.
  https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
- "Lambda terminates execution environments" that are idle, those of every version.
  https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html

Stock MiniStack waits 50 ms for log lines even if a handler writes none, cuts off lines that come more than 5 ms after
the last one, and keeps one worker of every version that was ever invoked.

Different from AWS: a version has at most ``Options.workers_per_function`` workers, and an invocation above the limit
waits for one. AWS starts environments until the account's concurrency is used up, which exceeds a local machine. A
worker that waits for its own function gets another worker after `PATIENCE_SECONDS`, so no invocation can deadlock.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import replace_once, wrap

PINNED = {
    "ministack.core.lambda_runtime._PYTHON_WORKER_SCRIPT": "368800addf4dc998",
    "ministack.core.lambda_runtime.Worker._drain_stderr_bounded": "3fd7cc742872e604",
    "ministack.core.lambda_runtime.Worker._read_stderr": "d8eb30038f94ee61",
    "ministack.core.lambda_runtime.acquire_worker": "5017d144adb5b983",
    "ministack.core.lambda_runtime.release_worker": "25d5dd7d42b6e30c",
    "ministack.core.lambda_runtime.reap_idle_workers": "d0e5aa7c2b5902ae",
    "ministack.core.lambda_runtime.kill_workers": "56a6df63f9bd4859",
}

Record = Mapping[str, Any]

PATIENCE_SECONDS = 5.0
IDLE_SECONDS = 120.0
END_OF_LOG = "\x00end of the invocation's log"
_LOG_SECONDS = 5.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class _Pools:
    """Wrappers of MiniStack's worker pools."""

    lambda_runtime: Any
    workers_per_function: int
    released: threading.Condition = field(default_factory=threading.Condition)

    def acquiring(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Wait for a free worker if the version has the maximum number of workers."""

        def acquire_worker(
            name: str, config: Record, code: bytes, qualifier: str = "$LATEST", max_concurrency: int | None = None
        ) -> Any:
            until = time.monotonic() + PATIENCE_SECONDS
            ceiling = max_concurrency or self.workers_per_function
            with self.released:
                while (left := until - time.monotonic()) > 0:
                    worker, status = original(name, config, code, qualifier, ceiling)
                    if worker or max_concurrency:
                        return worker, status
                    self.released.wait(left)
            return original(name, config, code, qualifier, max_concurrency)

        return acquire_worker

    def releasing(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        """Notify waiting invocations when a worker is released."""

        def release_worker(worker: Any) -> None:
            original(worker)
            with self.released:
                self.released.notify_all()

        return release_worker

    def reaping(self, original: Callable[..., int]) -> Callable[..., int]:
        """Also end the last worker of a version if it is idle."""

        def reap_idle_workers(ttl: float | None = None) -> int:
            idle_seconds = IDLE_SECONDS if ttl is None else ttl
            ended = original(idle_seconds)
            idle = self._take_idle(time.time() - idle_seconds)
            self.lambda_runtime.kill_workers(idle)
            return ended + len(idle)

        return reap_idle_workers

    def _take_idle(self, since: float) -> list[Any]:
        """Remove from their pools the workers that have not been used since a time (epoch seconds), and return them."""
        idle = []
        with self.lambda_runtime._lock:
            for key, pool in list(self.lambda_runtime._workers.items()):
                remaining = [worker for worker in pool if worker.in_use or worker.last_used >= since]
                idle += [worker for worker in pool if worker not in remaining]
                if remaining:
                    self.lambda_runtime._workers[key] = remaining
                else:
                    self.lambda_runtime._workers.pop(key)
        return idle


def install(options: Options) -> None:
    """Install the patch in this process."""
    from ministack.core import lambda_runtime  # noqa: PLC0415 - only in the server process

    pools = _Pools(lambda_runtime, options.workers_per_function)
    wrap(lambda_runtime, "_PYTHON_WORKER_SCRIPT", patched_script)
    lambda_runtime.Worker._drain_stderr_bounded = _draining(lambda_runtime.Worker._drain_stderr_bounded)
    wrap(lambda_runtime, "acquire_worker", pools.acquiring)
    wrap(lambda_runtime, "release_worker", pools.releasing)
    wrap(lambda_runtime, "reap_idle_workers", pools.reaping)


def _draining(original: Callable[[Any], str]) -> Callable[[Any], str]:
    def drain_stderr_bounded(worker: Any) -> str:
        marked = str(worker.config.get("Runtime", "python")).startswith("python")
        return _log_of_invocation(worker) if marked else original(worker)

    return drain_stderr_bounded


def patched_script(script: str) -> str:
    """Return the worker script, changed to mark the end of each invocation's log before it sends the result."""
    return replace_once(
        script,
        "        _real_stdout.flush()\n\nrun()\n",
        f"        sys.stderr.write({END_OF_LOG + chr(10)!r})\n        sys.stderr.flush()\n        _real_stdout.flush()\n\nrun()\n",
    )


def _log_of_invocation(worker: Any) -> str:
    """Return the invocation's log lines up to the end mark; all lines if the worker died before it."""
    lines = []
    until = time.monotonic() + _LOG_SECONDS
    while time.monotonic() < until:
        try:
            line = worker._stderr_queue.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            if not worker._stderr_thread.is_alive():
                break
            continue
        lines.append(line.removesuffix(END_OF_LOG))  # the handler's last line may have no newline
        if line.endswith(END_OF_LOG):
            break
    return "\n".join(lines).rstrip("\n")
