"""The local cloud's server process: MiniStack with the patches, on one port of 127.0.0.1.

`orchestrator.local.cloud` starts it with a minimal environment and passes everything else as arguments. The server
reports the result of its start once on standard output, as one line of JSON: ``{"ready": {…}}`` or
``{"refused": "reason"}``. All later output is the log, on standard error.

It ends on SIGTERM or SIGINT and, with ``--lifetime parent``, when its parent ends: the parent holds the other end of
its standard input. Its Lambda workers end with it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from orchestrator.local.cloud import CALLS_NAME
from orchestrator.local.control_api import Application, Controls, with_control_api
from orchestrator.local.emulator import PATCHES, PROFILES, Options, PinMismatch, install_patches
from orchestrator.local.emulator.cloudformation.failed_creations import CREATION_FAULTS
from orchestrator.local.emulator.options import EXECUTED_VERSIONS
from orchestrator.local.emulator.region_outage import OUTAGE
from orchestrator.local.emulator.throttled_services import THROTTLES
from orchestrator.local.pid_file import RunningCloud, process_start_time

REFUSED_EXIT = 78  # EX_CONFIG of sysexits.h
_LOOPBACK = "127.0.0.1"
_PARENT_CHECK_SECONDS = 1.0
_SHUTDOWN_SECONDS = 6.0  # afterwards the process group is killed; the launcher waits a little longer
_KEEP_ALIVE_SECONDS = 75
_COLLECTION_THRESHOLDS = (50_000, 20, 100)
"""Of the garbage collector. Items are dicts that stay: with the default thresholds, a fifth of the processor time of reading
and writing large tables goes into looking for cycles among them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until it is stopped. Return the exit code."""
    parsed = _parser().parse_args(arguments)
    parent = os.getppid()
    report = _take_standard_output()
    listening = socket.create_server((_LOOPBACK, parsed.port), backlog=512)
    port = listening.getsockname()[1]
    os.environ["GATEWAY_PORT"] = str(port)  # MiniStack reads its environment when it is imported, below
    try:
        patches = _install(parsed)
    except PinMismatch as mismatch:
        report({"refused": str(mismatch)})
        return REFUSED_EXIT

    from ministack import app as ministack  # noqa: PLC0415 - not before its environment is complete

    gc.set_threshold(*_COLLECTION_THRESHOLDS)
    os.chdir(parsed.folder)  # Lambda workers must not import the project's own packages
    running = RunningCloud(
        pid=os.getpid(),
        start_time=process_start_time(os.getpid()) or "",
        port=port,
        region=os.environ["MINISTACK_REGION"],
        profile=parsed.profile,
        patches=patches,
        control_key=parsed.control_key,
    )

    def ready() -> None:
        running.write(parsed.folder)
        report({"ready": {"port": port}})

    def enforce_policies(enforced: bool) -> None:  # noqa: FBT001 - a switch
        ministack.AUTH = enforced

    enforce_policies(parsed.auth)
    controls = Controls(enforce_policies, OUTAGE, CREATION_FAULTS, THROTTLES)
    application = with_control_api(ministack.app, key=parsed.control_key, controls=controls, ready=ready)
    try:
        asyncio.run(_serve(application, listening, parent if parsed.lifetime == "parent" else None))
    finally:
        running.remove(parsed.folder)
        _end_lambda_workers()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="orchestrator.local.server", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="state and logs")
    parser.add_argument("--control-key", required=True, help="key of the control endpoint")
    parser.add_argument("--port", type=int, default=0, help="0 for any free port")
    parser.add_argument("--profile", choices=PROFILES, default="instant")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--workers-per-function", type=int, default=Options.workers_per_function)
    parser.add_argument("--restore-seconds", type=float, default=Options.restore_seconds)
    parser.add_argument("--recovery-lag-seconds", type=float, default=Options.recovery_lag_seconds)
    parser.add_argument("--stream-shard-records", type=int, default=Options.stream_shard_records)
    parser.add_argument("--policy-seconds", type=float, default=Options.policy_seconds)
    parser.add_argument("--executed-versions", choices=EXECUTED_VERSIONS, default=Options.executed_versions)
    parser.add_argument("--lifetime", choices=("parent", "detached"), default="parent")
    parser.add_argument("--auth", action="store_true", help="enforce IAM policies from the start")
    parser.add_argument("--patches", default=",".join(PATCHES), help="names of patches; none for stock MiniStack")
    return parser


def _install(parsed: argparse.Namespace) -> tuple[str, ...]:
    options = Options(
        profile=parsed.profile,
        seed=parsed.seed,
        workers_per_function=parsed.workers_per_function,
        restore_seconds=parsed.restore_seconds,
        recovery_lag_seconds=parsed.recovery_lag_seconds,
        executed_versions=parsed.executed_versions,
        stream_shard_records=parsed.stream_shard_records,
        policy_seconds=parsed.policy_seconds,
        calls=parsed.folder / CALLS_NAME,
    )
    return install_patches(options, tuple(filter(None, parsed.patches.split(","))))


def _take_standard_output() -> Callable[[Any], None]:
    """Reserve standard output for the line about the start; all other output to it goes to the log."""
    original = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def report(line: Any) -> None:
        print(json.dumps(line, allow_nan=False), file=original, flush=True)
        original.close()

    return report


async def _serve(application: Application, listening: socket.socket, parent: int | None) -> None:
    from hypercorn.asyncio import serve  # noqa: PLC0415 - MiniStack's dependency, part of the `local` extra
    from hypercorn.config import Config  # noqa: PLC0415

    config = Config()
    config.bind = [f"fd://{listening.detach()}"]
    config.keep_alive_timeout = _KEEP_ALIVE_SECONDS
    config.graceful_timeout = 1.0
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if not stopping.is_set():
            stopping.set()
            _kill_after(_SHUTDOWN_SECONDS)
            # Threads that wait for a worker's response would delay the end of the loop.
            threading.Thread(target=_end_lambda_workers, daemon=True).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if parent is not None:
        threading.Thread(
            target=_watch_parent,
            args=(parent, lambda: loop.call_soon_threadsafe(stop)),
            daemon=True,
            name="parent-watch",
        ).start()
    await serve(application, config, shutdown_trigger=stopping.wait)  # type: ignore[arg-type]


def _watch_parent(parent: int, stop: Callable[[], object]) -> None:
    """Call `stop` once the parent has closed our standard input, or is no longer our parent."""
    while os.getppid() == parent:
        readable, _, _ = select.select([sys.stdin], [], [], _PARENT_CHECK_SECONDS)
        if readable and not os.read(sys.stdin.fileno(), 1):
            break
    stop()


def _kill_after(seconds: float) -> None:
    def end() -> None:
        os.killpg(os.getpgrp(), signal.SIGKILL)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _end_lambda_workers() -> None:
    from ministack.core import lambda_runtime  # noqa: PLC0415 - not before its environment is complete

    lambda_runtime.reset()


if __name__ == "__main__":
    sys.exit(main())
