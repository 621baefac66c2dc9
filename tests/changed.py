"""The unit tests of what changed since the last commit: ``python -m tests.changed`` prints their paths for `make test-fast`.

``tests/unit`` mirrors the product's folders. The tests of a module are its own file (``test_<module>.py``), or else those
in the nearest folder that mirrors one of its folders.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from tests.durations import seconds_of

ROOT = Path(__file__).resolve().parents[1]
UNIT = "tests/unit"
UNCHANGED = "tests/unit/domain"
"""What runs where no change has a unit test."""

BUDGET_SECONDS = 60
"""Seconds of tests that two workers and the checks before them finish within a minute."""

LONGEST_SECONDS = 6
"""A file that takes longer runs in `make test` only."""

MIRRORS = {"service/oauth": "tests/unit/oauth", "service": "tests/unit/service", "orchestrator": UNIT}
"""Folders of the product, and of their unit tests. The first that contains a module is its mirror."""

TESTS_OF = {
    "environments.toml": ("tests/unit/test_environments.py", "tests/unit/test_environment_settings.py"),
    "orchestrator/environments": ("tests/unit/test_environments.py", "tests/unit/test_environment_settings.py"),
    "orchestrator/packaging": ("tests/unit/test_packaging.py",),
    "state_machines": ("tests/unit/test_asl.py", "tests/unit/test_definitions.py", "tests/unit/test_diagrams.py"),
    "docs": ("tests/unit/test_docs.py", "tests/unit/test_strategy_page.py"),
    "README.md": ("tests/unit/test_docs.py",),
    ".github": ("tests/unit/test_workflows.py",),
}
"""Files and folders whose tests are not in a mirrored folder."""


def select_tests(changed: Iterable[str], files: Iterable[str]) -> tuple[list[str], list[str]]:
    """Choose the unit tests of changed files.

    Args:
        changed: paths from the repository's root.
        files: paths of all unit test files.

    Returns:
        The test files to run within the budget, and those that are left out. Both are empty where nothing has a test.
    """
    existing = sorted(files)
    wanted = sorted({test for path in changed for test in _tests_of(path, existing)})
    chosen, left_out, seconds = [], [], 0
    for test in sorted(wanted, key=seconds_of):
        seconds += seconds_of(test)
        fits = seconds_of(test) <= LONGEST_SECONDS and seconds <= BUDGET_SECONDS
        (chosen if fits else left_out).append(test)
    return chosen, left_out


def _tests_of(path: str, existing: list[str]) -> list[str]:
    if path in existing:
        return [path]
    named = [test for place, tests in TESTS_OF.items() if _is_in(path, place) for test in tests if test in existing]
    if named:
        return named
    for source, mirror in MIRRORS.items():
        if path.endswith(".py") and _is_in(path, source):
            return _mirrored(PurePosixPath(path).relative_to(source), mirror, existing)
    if _is_in(path, UNIT):  # a fixture or a fake of the tests in its folder
        return [test for test in existing if _is_in(test, str(PurePosixPath(path).parent))]
    return []


def _mirrored(module: PurePosixPath, mirror: str, existing: list[str]) -> list[str]:
    own = f"{mirror}/{module.parent}/test_{module.stem}.py".replace("/./", "/")
    if own in existing:
        return [own]
    for folder in module.parents:
        place = f"{mirror}/{folder}".removesuffix("/.")
        found = [test for test in existing if _is_in(test, place)]
        if found and place != UNIT:
            return found
    return []


def _is_in(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")


def changed_files() -> list[str]:
    """Return the files that differ from the last commit, and those that git does not know yet."""
    commands = (
        ["git", "diff", "--name-only", "--no-renames", "HEAD"],
        ["git", "ls-files", "--others", "--exclude-standard"],
    )
    return [name for command in commands for name in subprocess.check_output(command, cwd=ROOT, text=True).splitlines()]


def main() -> None:
    """Print the paths for pytest. What the budget leaves out is on standard error."""
    files = [file.relative_to(ROOT).as_posix() for file in (ROOT / UNIT).rglob("test_*.py")]
    chosen, left_out = select_tests(changed_files(), files)
    if left_out:
        sys.stderr.write(f"left to `make test`: {' '.join(left_out)}\n")
    sys.stdout.write(" ".join(chosen or [UNCHANGED]) + "\n")


if __name__ == "__main__":
    main()
