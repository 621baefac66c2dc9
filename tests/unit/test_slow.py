"""`make test` and `make test-slow` together run every test, and `.ci/run` runs both."""

import re
from pathlib import Path

import pytest

from tests.slow import SLOW, is_slow

ROOT = Path(__file__).resolve().parents[2]
SELECTION = re.compile(r'-m "(not slow|slow) and ([^"]+)" ([^\n]*)')


def commands(target: str) -> str:
    (block,) = re.findall(rf"^{target}: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return block


def test_every_listed_file_exists():
    assert [path for path in SLOW if not (ROOT / path).exists()] == []


def test_no_row_contains_another():
    assert [path for path in SLOW for other in SLOW if path.startswith(f"{other}/")] == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests/contract/dynamodb/test_exports.py", True),
        ("tests/contract", True),
        ("tests/e2e/test_configuration.py", True),
        ("tests/infrastructure/permissions/test_replay.py", True),
        ("tests/workflow/test_drills.py", False),
        ("tests/contracts.py", False),
        ("tests", False),
    ],
)
def test_a_path_is_slow_by_itself_or_by_its_folder(path, expected):
    assert is_slow(path) is expected


def test_the_two_commands_select_complements():
    (fast,) = SELECTION.findall(commands("test-not-slow"))
    slow = SELECTION.findall(commands("test-slow"))
    assert fast[0] == "not slow"
    assert {one[:2] for one in slow} == {("slow", fast[1])}
    assert "tests/" not in fast[2], "`make test` leaves out nothing else"
    assert sorted(one[2].split()[-1] for one in slow) == ["--ignore=tests/e2e", "tests/e2e"]


def test_the_code_is_checked_as_well():
    assert commands("test").split()[-2:] == ["check", "test-not-slow"]


def test_every_change_passes_both():
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-2:] == ["make test", "make test-slow"]
    assert "run: make test-slow" in (ROOT / ".github" / "workflows" / "check.yml").read_text()
