"""The local cloud's server process: MiniStack with the mends, on one port of 127.0.0.1.

`orchestrator.local.cloud` starts it, with an environment of its own making and everything else as arguments. It says
once on its standard output, as one line of JSON, how the start went: ``{"ready": {…}}`` or ``{"refused": "why"}``.
Everything after that is the log, on standard error.

It ends on SIGTERM or SIGINT and, with ``--lifetime parent``, when its parent has gone: the parent holds the other end
of its standard input. Its Lambda workers end with it.
"""

from __future__ import annotations

import argparse
import asyncio
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

from orchestrator.local.control import Application, Controls, with_control
from orchestrator.local.fidelity import MENDS, PROFILES, Options, PinBroken, apply
from orchestrator.local.outage import OUTAGE
from orchestrator.local.running import Running, process_start

REFUSED_EXIT = 78  # EX_CONFIG of sysexits.h
_LOOPBACK = "127.0.0.1"
_PARENT_CHECK_SECONDS = 1.0
_SHUTDOWN_SECONDS = 6.0  # after that the process ends the hard way; the launcher waits a little longer
_KEEP_ALIVE_SECONDS = 75


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until it is told to stop; returns the exit code."""
    asked = _parser().parse_args(arguments)
    parent = os.getppid()
    report = _take_standard_output()
    listening = socket.create_server((_LOOPBACK, asked.port), backlog=512)
    port = listening.getsockname()[1]
    os.environ["GATEWAY_PORT"] = str(port)  # MiniStack reads its environment when it is imported, below
    try:
        mends = _install(asked)
    except PinBroken as broken:
        report({"refused": str(broken)})
        return REFUSED_EXIT

    from ministack import app as ministack  # noqa: PLC0415 - not before its environment is complete

    os.chdir(asked.folder)  # Lambda workers must not find the project's own packages by accident
    running = Running(
        pid=os.getpid(),
        started=process_start(os.getpid()) or "",
        port=port,
        region=os.environ["MINISTACK_REGION"],
        profile=asked.profile,
        mends=mends,
        control_key=asked.control_key,
    )

    def ready() -> None:
        running.write(asked.folder)
        report({"ready": {"port": port}})

    def enforce_policies(enforced: bool) -> None:  # noqa: FBT001 - a switch
        ministack.AUTH = enforced

    enforce_policies(asked.auth)
    controls = Controls(enforce_policies, OUTAGE)
    application = with_control(ministack.app, key=asked.control_key, controls=controls, ready=ready)
    try:
        asyncio.run(_serve(application, listening, parent if asked.lifetime == "parent" else None))
    finally:
        running.remove(asked.folder)
        _end_lambda_workers()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="orchestrator.local.server", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="state and logs")
    parser.add_argument("--control-key", required=True, help="what the control endpoint asks for")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--profile", choices=PROFILES, default="instant")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--workers-per-function", type=int, default=Options.workers_per_function)
    parser.add_argument("--restore-seconds", type=float, default=Options.restore_seconds)
    parser.add_argument("--recovery-lag-seconds", type=float, default=Options.recovery_lag_seconds)
    parser.add_argument("--lifetime", choices=("parent", "detached"), default="parent")
    parser.add_argument("--auth", action="store_true", help="hold roles to their policies from the start")
    parser.add_argument("--mends", default=",".join(MENDS), help="their names; none for MiniStack as it is")
    return parser


def _install(asked: argparse.Namespace) -> tuple[str, ...]:
    options = Options(
        profile=asked.profile,
        seed=asked.seed,
        workers_per_function=asked.workers_per_function,
        restore_seconds=asked.restore_seconds,
        recovery_lag_seconds=asked.recovery_lag_seconds,
    )
    return apply(options, tuple(filter(None, asked.mends.split(","))))


def _take_standard_output() -> Callable[[Any], None]:
    """Keep standard output for the one line about the start; whatever else writes to it goes to the log."""
    ours = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def report(line: Any) -> None:
        print(json.dumps(line), file=ours, flush=True)
        ours.close()

    return report


async def _serve(application: Application, listening: socket.socket, parent: int | None) -> None:
    from hypercorn.asyncio import serve  # noqa: PLC0415 - MiniStack's dependency, part of the `local` extra
    from hypercorn.config import Config  # noqa: PLC0415

    config = Config()
    config.bind = [f"fd://{listening.detach()}"]
    config.keep_alive_timeout = _KEEP_ALIVE_SECONDS
    config.graceful_timeout = 1.0
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if not told_to_stop.is_set():
            told_to_stop.set()
            _end_the_hard_way_after(_SHUTDOWN_SECONDS)
            # Threads that wait for a worker's answer would hold the loop's end up.
            threading.Thread(target=_end_lambda_workers, daemon=True).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if parent is not None:
        threading.Thread(
            target=_watch, args=(parent, lambda: loop.call_soon_threadsafe(stop)), daemon=True, name="parent-watch"
        ).start()
    await serve(application, config, shutdown_trigger=told_to_stop.wait)  # type: ignore[arg-type]


def _watch(parent: int, stop: Callable[[], object]) -> None:
    """Call `stop` once the parent has closed our standard input, or is no longer our parent."""
    while os.getppid() == parent:
        readable, _, _ = select.select([sys.stdin], [], [], _PARENT_CHECK_SECONDS)
        if readable and not os.read(sys.stdin.fileno(), 1):
            break
    stop()


def _end_the_hard_way_after(seconds: float) -> None:
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
