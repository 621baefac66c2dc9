"""Lambda: a new execution environment of a Python function starts from a process that has the runtime's packages.

AWS starts an environment from a snapshot or a pool of micro-VMs, in 100 ms to 1 s with the function's own imports.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle

Stock MiniStack starts an interpreter, which imports botocore, for every environment: 0.4 s of a core, or 0.9 s with a
function of ours. A deployment starts about sixty.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from orchestrator.local.emulator.lambda_.fork_server import ForkedProcess, ForkServer
from orchestrator.local.emulator.options import Options

PINNED = {
    "ministack.core.lambda_runtime.Worker._spawn": "c55febf956565c5e",
    "ministack.core.lambda_runtime.kill_workers": "56a6df63f9bd4859",
}


def install(_options: Options) -> None:
    """Install the patch in this process."""
    from ministack.core import lambda_runtime  # noqa: PLC0415 - only in the server process

    server = ForkServer()

    def popen(args: Sequence[str], **options: Any) -> Any:
        return started_by_fork(server, args, options) or subprocess.Popen(args, **options)

    lambda_runtime.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": popen})


def started_by_fork(server: ForkServer, args: Sequence[str], options: Mapping[str, Any]) -> ForkedProcess | None:
    """Start a Python worker by a fork. None for anything else, and for a worker that needs an interpreter of its own."""
    if len(args) != len(("interpreter", "script")) or args[0] != sys.executable:
        return None
    return server.start(args[1], options["cwd"], options["env"])
