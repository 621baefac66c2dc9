"""What a function's code costs to import over a bare interpreter, beside the limit and beside boto3's own import."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks import Line, report

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 7
LIMIT_MS = 250.0


def milliseconds(statement: str) -> float:
    """The fastest of several fresh interpreters that run a statement; the fastest is the one least disturbed."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True, cwd=ROOT)
        best = min(best, time.perf_counter() - began)
    return best * 1000


def main() -> int:
    """Measure every task and intake, and the peer."""
    bare = milliseconds("pass")
    boto3 = milliseconds("import boto3") - bare
    modules = [
        f"orchestrator.{package}.{path.stem}"
        for package in ("tasks", "intake")
        for path in sorted((ROOT / "orchestrator" / package).glob("[a-z]*.py"))
    ]
    lines = [
        Line(module, milliseconds(f"import {module}") - bare, "ms", LIMIT_MS, "limit over bare Python")
        for module in modules
    ]
    return report(
        "cold_start", lines, [f"bare Python starts in {bare:.0f} ms; boto3 alone imports in {boto3:.0f} ms over it"]
    )


if __name__ == "__main__":
    sys.exit(main())
