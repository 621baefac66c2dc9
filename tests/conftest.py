"""Settings of all tests: the profile of Hypothesis, the selection of the coverage run, and the order of files."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from tests.durations import seconds_of
from tests.slow import is_slow

# Two cores run several local clouds during the tests, so the time that an example takes is no evidence.
settings.register_profile("shared-cores", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-cores")

# A worker has the width of the terminal that started the tests; the commands' output must not depend on it.
os.environ.pop("COLUMNS", None)

ROOT = Path(__file__).resolve().parents[1]
DECISION_TESTS = (ROOT / "tests" / "unit" / "domain", ROOT / "tests" / "unit" / "oauth")
"""Folders of the decision modules' unit tests."""

ONE_WORKER = ("tests/e2e/", "tests/edge/", "tests/infrastructure/")
"""Folders of which one worker runs all files: an end-to-end environment uses a core, the edge's files share theirs, and
those of the infrastructure share the stacks that were synthesised.
"""


class Scheduling(LoadFileScheduling):
    """Gives the files to the workers one by one, and each folder of `ONE_WORKER` as if it were one file."""

    def _split_scope(self, nodeid: str) -> str:
        folder = next((folder for folder in ONE_WORKER if nodeid.startswith(folder)), "")
        return folder or super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    """Replace the scheduler of `--dist loadfile`."""
    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(tryfirst=True)  # before pytest selects by `-m`
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "strategy(line, …): lines of docs/reference/strategy.md that the test asserts")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Search for cycles among what the tests make, not among 25,000 collected tests: it took a tenth of the suite's time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import the files of which `-m "not slow …"` would deselect every test."""
    deselected = config.getoption("markexpr").startswith("not slow")
    return True if deselected and collection_path.suffix == ".py" and slow(collection_path) else None


@cache
def slow(path: Path) -> bool:
    """Return whether a file belongs to `make test-slow`."""
    return path.is_relative_to(ROOT) and is_slow(path.relative_to(ROOT).as_posix())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the coverage run and the slow ones, and put the files that take longest first."""
    decides = cache(lambda path: any(path.is_relative_to(folder) for folder in DECISION_TESTS))
    duration = cache(lambda path: seconds_of(path.relative_to(ROOT).as_posix()))
    for item in items:
        if decides(item.path) and not any(item.get_closest_marker(name) for name in ("simulation", "proof")):
            item.add_marker("decision")
        if slow(item.path):
            item.add_marker("slow")
    # Files of the same duration stay in their order, and so do the tests of a file.
    items.sort(key=lambda item: -duration(item.path))
