"""Start-up time of the command line: what an operator waits for before anything happens.

All run in fresh interpreters. ``status`` asks for an environment in an account, and ends where its first request would
be sent. The notes show the time of a bare interpreter and of typer alone, which no change of ours can remove.
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
FIRST_REQUEST = 77

STATUS = f"""
import botocore.httpsession, os
from orchestrator.cli.main import app
botocore.httpsession.URLLib3Session.send = lambda session, request: os._exit({FIRST_REQUEST})
app(["status", "--env", "dev"], prog_name="orchestrator")
"""
"""`status` of an environment in an account; the first request ends it."""


def milliseconds(arguments: list[str], folder: Path, rounds: int, code: int = 0) -> float:
    """Return the shortest time in ms of several fresh interpreters; it is the least disturbed.

    Args:
        arguments: of the interpreter.
        folder: the current folder.
        rounds: how many interpreters.
        code: the exit code that it must have.

    Raises:
        RuntimeError: it has another exit code.
    """
    # An installed package has its bytecode, so the interpreters here may write it.
    other = (VARIABLE, "PYTHONDONTWRITEBYTECODE")
    variables = {key: value for key, value in os.environ.items() if key not in other and not key.startswith("AWS_")}
    environ = {
        **variables,
        "PYTHONPATH": str(ROOT),
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_MAX_ATTEMPTS": "1",
    }
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        ended = subprocess.run([sys.executable, *arguments], cwd=folder, env=environ, capture_output=True, check=False)
        best = min(best, time.perf_counter() - started)
        if ended.returncode != code:
            raise RuntimeError(f"{arguments} ended with {ended.returncode}: {ended.stderr.decode()}")
    return best * 1000


def measure(rounds: int = ROUNDS) -> tuple[list[Line], list[str]]:
    """Measure the commands in a new project; return the lines and the notes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(TEMPLATE, folder / NAME)
        times = {
            option: milliseconds(["-m", "orchestrator", option], folder, rounds) for option in ("--help", "--version")
        }
        status = milliseconds(["-c", STATUS], folder, rounds, FIRST_REQUEST)
        bare = milliseconds(["-c", "pass"], folder, rounds)
        typer = milliseconds(["-c", "import typer"], folder, rounds) - bare
    lines = [Line(option, figure, "ms", HELP_LIMIT_MS, "limit") for option, figure in times.items()]
    lines.append(Line("status --env dev, until its first request", status, "ms", STATUS_LIMIT_MS, "limit"))
    return lines, [f"a bare interpreter takes {bare:.0f} ms, and importing typer {typer:.0f} ms"]


if __name__ == "__main__":
    sys.exit(report("startup", *measure()))
