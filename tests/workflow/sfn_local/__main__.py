"""Run the fault matrix of all four definitions on another interpreter: ``python -m tests.workflow.sfn_local [CASE ...]``.

The interpreter is LocalStack's, which this starts and stops, or the Step Functions Local at ``SFN_LOCAL_URL``. That one must
have been started with the mock file that ``--mocks`` writes, ``build/sfn-local-mocks.json``. CASE is a part of a case's name.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tests.workflow.sfn_local.cases import cases
from tests.workflow.sfn_local.mocks import mock_file
from tests.workflow.sfn_local.run import Result, connect, report, run
from tests.workflow.sfn_local.server import NotStarted, localstack

MOCKS = Path("build/sfn-local-mocks.json")
PATHS = Path("build/sfn-local-paths.json")


def main(arguments: list[str]) -> int:
    """Run all cases, or those that are named, and report."""
    MOCKS.parent.mkdir(exist_ok=True)
    MOCKS.write_text(json.dumps(mock_file(cases())) + "\n", encoding="utf-8")
    if arguments == ["--mocks"]:
        sys.stdout.write(f"wrote {len(cases())} cases to {MOCKS}\n")
        return 0
    chosen = [case for case in cases() if not arguments or any(part in case.id for part in arguments)]
    if not chosen:
        sys.stdout.write(f"no case is named {' or '.join(arguments)}\n")
        return 1
    began = time.monotonic()
    try:
        with _interpreter() as url:
            sys.stdout.write(f"{len(chosen)} cases on {url}\n")
            results = run(connect(url), chosen, _progress())
    except NotStarted as error:
        sys.stdout.write(f"{error}\n")
        return 1
    PATHS.write_text(json.dumps([_evidence(result) for result in results], indent=1) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join([f"{time.monotonic() - began:.0f} s", *report(results)]) + "\n")
    return 0 if all(result.agrees for result in results) else 1


@contextmanager
def _interpreter() -> Iterator[str]:
    if url := os.environ.get("SFN_LOCAL_URL"):
        yield url
        return
    with localstack(MOCKS) as url:
        yield url


def _progress() -> Callable[[int, int], None]:
    reported = [time.monotonic()]

    def progress(complete: int, total: int) -> None:
        if time.monotonic() - reported[0] >= 30:
            reported[0] = time.monotonic()
            sys.stdout.write(f"{complete} of {total} cases are complete\n")
            sys.stdout.flush()

    return progress


def _evidence(result: Result) -> dict[str, object]:
    return {
        "case": result.case.id,
        "story": result.case.story,
        "agrees": result.agrees,
        "expected": asdict(result.expected),
        "seen": asdict(result.seen),
        "seconds": round(result.seconds, 1),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
