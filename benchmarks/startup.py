"""Start-up time of the command line: what an operator waits for before anything happens.

``--help`` and ``--version`` run in fresh interpreters. ``status`` runs against a project without a local cloud, and
imports what it would need to ask one, so that the time ends where the first request would begin. The notes show the
time of a bare interpreter and of typer alone, which no change of ours can remove.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import Line, report
from orchestrator.environments.project import NAME, TEMPLATE, VARIABLE

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 9
HELP_LIMIT_MS, STATUS_LIMIT_MS = 150.0, 400.0
UNREACHABLE = 3

STATUS = """
import botocore.httpsession, os, sys
from orchestrator.cli.main import app
class Ended(Exception): pass
def send(self, request): raise Ended
botocore.httpsession.URLLib3Session.send = send
sys.argv = ["orchestrator", "status", "--env", "dev"]
try: app(prog_name="orchestrator")
except Ended: sys.exit(3)
"""
"""`status` of an environment in an account; the first request ends it."""


def milliseconds(arguments: list[str], folder: Path, code: int = 0) -> float:
    """Return the shortest time in ms of several fresh interpreters; it is the least disturbed.

    Args:
        arguments: of the interpreter.
        folder: the current folder.
        code: the exit code that it must have.

    Raises:
        RuntimeError: it has another exit code.
    """
    variables = {key: value for key, value in os.environ.items() if key != VARIABLE and not key.startswith("AWS_")}
    environ = {
        **variables,
        "PYTHONPATH": str(ROOT),
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_MAX_ATTEMPTS": "1",
    }
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        ended = subprocess.run([sys.executable, *arguments], cwd=folder, env=environ, capture_output=True, check=False)
        best = min(best, time.perf_counter() - started)
        if ended.returncode != code:
            raise RuntimeError(f"{arguments} ended with {ended.returncode}: {ended.stderr.decode()}")
    return best * 1000


def measure() -> tuple[list[Line], list[str]]:
    """Measure the commands in a new project; return the lines and the notes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(TEMPLATE, folder / NAME)
        lines = [
            Line("--help", milliseconds(["-m", "orchestrator", "--help"], folder), "ms", HELP_LIMIT_MS, "limit"),
            Line("--version", milliseconds(["-m", "orchestrator", "--version"], folder), "ms", HELP_LIMIT_MS, "limit"),
            Line(
                "status --env dev, until its first request",
                milliseconds(["-c", STATUS], folder, UNREACHABLE),
                "ms",
                STATUS_LIMIT_MS,
                "limit",
            ),
        ]
        bare = milliseconds(["-c", "pass"], folder)
        typer = milliseconds(["-c", "import typer"], folder) - bare
    return lines, [f"a bare interpreter takes {bare:.0f} ms, and importing typer {typer:.0f} ms"]


if __name__ == "__main__":
    sys.exit(report("startup", *measure()))
