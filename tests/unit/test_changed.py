"""`make test-fast` runs the unit tests of what changed, and no more than fit into its time."""

from pathlib import Path

import pytest

from tests.changed import BUDGET_SECONDS, LONGEST_SECONDS, MIRRORS, TESTS_OF, select_tests
from tests.durations import DEFAULT_SECONDS, SECONDS, seconds_of

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    "tests/unit/domain/deployment/test_plan.py",
    "tests/unit/domain/deployment/test_record.py",
    "tests/unit/domain/test_verdict.py",
    "tests/unit/oauth/test_tokens.py",
    "tests/unit/service/http/test_app.py",
    "tests/unit/service/test_releases.py",
    "tests/unit/test_asl.py",
    "tests/unit/test_docs.py",
]


@pytest.mark.parametrize(
    ("changed", "chosen"),
    [
        ("orchestrator/domain/deployment/plan.py", ["tests/unit/domain/deployment/test_plan.py"]),
        (
            "orchestrator/domain/deployment/cutover.py",
            ["tests/unit/domain/deployment/test_plan.py", "tests/unit/domain/deployment/test_record.py"],
        ),
        ("orchestrator/domain/verdict.py", ["tests/unit/domain/test_verdict.py"]),
        ("orchestrator/tasks/runtime.py", []),
        ("service/oauth/tokens.py", ["tests/unit/oauth/test_tokens.py"]),
        ("service/http/router.py", ["tests/unit/service/http/test_app.py"]),
        ("state_machines/drill.asl.json", ["tests/unit/test_asl.py"]),
        ("docs/adr/README.md", ["tests/unit/test_docs.py"]),
        ("tests/unit/service/http/conftest.py", ["tests/unit/service/http/test_app.py"]),
        ("tests/unit/test_asl.py", ["tests/unit/test_asl.py"]),
        ("infrastructure/naming.py", []),
        ("tests/e2e/test_main_job.py", []),
    ],
)
def test_a_change_has_the_tests_that_mirror_it(changed, chosen):
    assert select_tests([changed], FILES)[0] == chosen


def test_a_file_that_takes_long_is_left_out_and_named():
    assert seconds_of("tests/unit/service/test_releases.py") > LONGEST_SECONDS
    chosen, left_out = select_tests(["tests/unit/service/test_releases.py", "service/oauth/tokens.py"], FILES)
    assert (chosen, left_out) == (["tests/unit/oauth/test_tokens.py"], ["tests/unit/service/test_releases.py"])


def test_many_changes_do_not_exceed_the_budget():
    files = [f"tests/unit/domain/test_{number}.py" for number in range(2 * BUDGET_SECONDS)]
    chosen, left_out = select_tests(files, files)
    assert len(chosen) == BUDGET_SECONDS // DEFAULT_SECONDS
    assert sorted(chosen + left_out) == sorted(files)


def test_every_named_path_exists():
    named = [*SECONDS, *MIRRORS, *MIRRORS.values(), *TESTS_OF, *(test for tests in TESTS_OF.values() for test in tests)]
    assert [path for path in named if not (ROOT / path).exists()] == []
